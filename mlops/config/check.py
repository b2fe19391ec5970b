"""A check: what of configurations can be found wrong before any data are read.

Engines are independent, and each tells all that it finds. A failure carries the key that it stems
from, and here gets the file and line, or the override, that set the key last. What needs a model
that can be built (the probe, the cost) is asked only where nothing else is wrong with the model.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlops.base.errors import ConfigError, MlopsError
from mlops.base.target import contained, load_class
from mlops.base.verdict import Finding, Status, Verdict
from mlops.config.compose import Composed
from mlops.config.consistency import consistency
from mlops.config.cost import cost
from mlops.config.findings import at_place, failures, merge
from mlops.config.references import References
from mlops.config.resolve import Contracts, contracts
from mlops.config.settings import allowed_packages, folders
from mlops.config.typed_calls import Script, calls
from mlops.config.typed_check import check_types
from mlops.contracts.opaque import uncompiled
from mlops.cost.cost import Prediction
from mlops.models.estimator import model_problems
from mlops.verify.dataflow import trace
from mlops.verify.probe import probe
from mlops.verify.probe_heuristic import probe_heuristics

PREFERRED = ("contracts", "references", "values", "types", "flow", "probe", "consistency", "cost")
"""Engines; of several complaints about one key the first one's is shown."""
_OF_MODEL = ("values", "types", "flow")


def check(composed: Composed, folder: Path) -> Verdict:
    """Check one service's configuration.

    Args:
        composed: The configuration, already valid as a typed tree.
        folder: Where the command runs; relative files start there.

    Returns:
        A verdict named `check`; a failed finding has the place of what is wrong.
    """
    return check_all([composed], folder)[0]


def check_all(services: Sequence[Composed], folder: Path) -> tuple[Verdict, ...]:
    """Check several services' configurations; what is wrong with one hides nothing of another.

    Args:
        services: The configurations.
        folder: Where the command runs.

    Returns:
        A verdict for each, in their order.
    """
    looked = [_Service(composed, folder) for composed in services]
    if not looked:
        return ()
    _types(looked, folder)
    return tuple(each.verdict() for each in looked)


@dataclass(slots=True)
class _Service:
    """One service while it is checked.

    Attributes:
        composed: Its configuration.
        folder: Where the command runs.
        found: What each engine says.
    """

    composed: Composed
    folder: Path
    found: dict[str, list[Finding]] = field(default_factory=dict)

    def verdict(self) -> Verdict:
        """Ask all engines, mypy having been asked before."""
        passed = [Finding("check.config", Status.PASS, "every key is known and of its type")]
        self._ask("values", self._values)
        try:
            loaded = contracts(self.composed)
        except MlopsError as error:
            self.found["contracts"] = list(failures("check.contracts", error, ("contracts",)))
        else:
            passed += self._references(loaded)
            self._ask("flow", lambda: self._flow(loaded))
            prediction = self._run(loaded) if self._can_be_built() else None
            self._ask("consistency", lambda: self._consistency(loaded, prediction))
        merged = list(merge([(name, self.found.get(name, ())) for name in PREFERRED]))
        wrong = [each for each in merged if each.status is not Status.PASS]
        passed += [each for each in merged if each.status is Status.PASS]
        origins = self.composed.origins
        return Verdict("check", tuple(at_place(each, origins) for each in (*passed, *wrong)))

    def loadable(self, path: str) -> bool:
        """Tell whether a class may be named and can be imported."""
        try:
            load_class(path, object, packages=allowed_packages(self.composed.settings))
        except ConfigError:
            return False
        return True

    def _ask(self, engine: str, look: Callable[[], Iterable[Finding]]) -> None:
        """Note what an engine says; one that breaks hides nothing of the others, and is no pass."""
        try:
            with contained():
                self.found[engine] = list(look())
        except MlopsError as error:
            self.found[engine] = list(failures(f"check.{engine}", error))
        except Exception as error:  # whatever a class of the user's own may raise
            message = f"{engine} could not be looked at: {type(error).__name__}: {error}"
            self.found[engine] = [Finding(f"check.{engine}", Status.UNKNOWN, message)]

    def _references(self, loaded: Contracts) -> Iterator[Finding]:
        settings = self.composed.settings
        rules = References(settings, loaded, self.folder)
        names = ", ".join(column.name for column in loaded.request.features)
        yield Finding("check.contracts", Status.PASS, f"{loaded.request.name} has features {names}")
        yield from uncompiled(
            {"request": loaded.request, "training": loaded.training, "output": loaded.output}
        )
        heads = ", ".join(head.name for head in settings.training.heads)
        heuristics = ", ".join(settings.training.heuristics)
        demands = len(settings.quality.floors) + len(settings.quality.versus)
        claimed = len(settings.proofs.monotone) + len(settings.proofs.independent)
        wrong = self.found.setdefault("references", [])
        for name, rule, passed in (
            ("check.data", rules.data, f"rows come from {settings.data.source.kind}"),
            ("check.training", rules.training, f"heads {heads} have their outcomes"),
            ("check.heuristics", rules.heuristics, f"{heuristics} read what a request has"),
            ("check.quality", rules.quality, f"{demands} demands can be measured"),
            ("check.slo", rules.slo, f"{len(settings.slo.files)} SLO files are valid"),
            ("check.claims", rules.claims, f"{claimed} claims can be made of the model"),
        ):
            findings = list(rule())
            wrong += findings
            if not findings:
                yield Finding(name, Status.PASS, passed)

    def _values(self) -> Iterator[Finding]:
        """Look at classes and their arguments; columns are the flow's, which knows more of them."""
        settings = self.composed.settings
        packages = allowed_packages(settings)
        found = model_problems(settings.model, None, seed=settings.seed, packages=packages)
        yield from found
        if not found:
            yield Finding("check.model", Status.PASS, f"{settings.model.name} can be built")

    def _flow(self, loaded: Contracts) -> tuple[Finding, ...]:
        settings = self.composed.settings
        return trace(
            settings.model,
            loaded.request,
            loaded.training,
            [(head.name, head.outcome) for head in settings.training.heads],
            packages=allowed_packages(settings),
            score=settings.training.score,
            given={head.name: head.given for head in settings.training.heads if head.given},
        ).findings

    def _can_be_built(self) -> bool:
        """Tell whether nothing is wrong with the model or with what it learns."""
        return not any(
            each.status is Status.FAIL and (engine in _OF_MODEL or each.key[:1] == ("training",))
            for engine, findings in self.found.items()
            for each in findings
        )

    def _run(self, loaded: Contracts) -> Prediction | None:
        """Ask what needs a model, and return what it is predicted to take."""
        settings = self.composed.settings
        if settings.verify.probe:
            self._ask("probe", lambda: self._probed(loaded))
        predictions: list[Prediction] = []

        def costed() -> tuple[Finding, ...]:
            found = cost(self.composed, loaded, self.folder)
            predictions.extend([found.prediction] if found.prediction else [])
            return found.findings

        self._ask("cost", costed)
        return predictions[0] if predictions else None

    def _probed(self, loaded: Contracts) -> tuple[Finding, ...]:
        settings = self.composed.settings
        packages, seed = allowed_packages(settings), settings.seed
        outcomes = [loaded.training.column(head.outcome) for head in settings.training.heads]
        request, training = loaded.request, loaded.training
        specs = settings.training.heuristics
        return (
            *probe(settings.model, request, outcomes, seed=seed, packages=packages),
            *probe_heuristics(specs, request, training, seed=seed, packages=packages),
        )

    def _consistency(self, loaded: Contracts, prediction: Prediction | None) -> tuple[Finding, ...]:
        return consistency(self.composed, loaded, self.folder, prediction=prediction)


def _types(looked: Sequence[_Service], folder: Path) -> None:
    """Let mypy read the calls of all services at once."""
    script = Script()
    for at, service in enumerate(looked):
        script.add(at, calls(service.composed.settings), service.loadable)
    packages = {name for each in looked for name in allowed_packages(each.composed.settings)}
    root = folders(looked[0].composed.settings, folder).root
    found = check_types(script, root / "check", sorted(packages))
    for at, service in enumerate(looked):
        service.found["types"] = found.findings.get(at, [])
        if found.trouble:
            message = f"types could not be checked: {found.trouble}"
            service.found["types"].append(Finding("check.types", Status.UNKNOWN, message))
