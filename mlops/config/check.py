"""A check: what of configurations can be found wrong before any data are read.

Rules are independent, and each tells all that it finds. A failure carries the key that it stems
from, and here gets the file and line, or the override, that set the key last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlops.base.errors import ConfigError, MlopsError
from mlops.base.target import load_class
from mlops.base.verdict import Finding, Status, Verdict
from mlops.config.compose import Composed
from mlops.config.findings import at_place, failures, merge
from mlops.config.references import References
from mlops.config.resolve import Contracts, contracts
from mlops.config.settings import allowed_packages, folders
from mlops.config.typed_calls import Script, calls
from mlops.config.typed_check import check_types
from mlops.models.estimator import model_problems
from mlops.verify.dataflow import trace

PREFERRED = ("values", "types", "flow", "probe")
"""Engines that look at the model; of several complaints about one key the first one's is shown."""


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
        found: What each engine found wrong with the model.
    """

    composed: Composed
    folder: Path
    found: dict[str, list[Finding]] = field(default_factory=dict)

    def verdict(self) -> Verdict:
        origins = self.composed.origins
        return Verdict("check", tuple(at_place(each, origins) for each in self._findings()))

    def loadable(self, path: str) -> bool:
        try:
            load_class(path, object, packages=allowed_packages(self.composed.settings))
        except ConfigError:
            return False
        return True

    def _findings(self) -> Iterator[Finding]:
        yield Finding("check.config", Status.PASS, "every key is known and of its type")
        try:
            loaded = contracts(self.composed)
        except MlopsError as error:
            yield from failures("check.contracts", error, ("contracts",))
            yield from self._merged()  # what mypy knows needs no contract
            return
        names = ", ".join(column.name for column in loaded.request.features)
        message = f"{loaded.request.name} has features {names}"
        yield Finding("check.contracts", Status.PASS, message)
        rules = References(self.composed.settings, loaded, self.folder)
        yield from self._references(rules)
        yield from self._model(loaded, list(rules.heuristics()))

    def _references(self, rules: References) -> Iterator[Finding]:
        settings = self.composed.settings
        heads = ", ".join(head.name for head in settings.training.heads)
        demands = len(settings.quality.floors) + len(settings.quality.versus)
        for name, rule, passed in (
            ("check.data", rules.data, f"rows come from {settings.data.source.kind}"),
            ("check.training", rules.training, f"heads {heads} have their outcomes"),
            ("check.quality", rules.quality, f"{demands} demands can be measured"),
            ("check.slo", rules.slo, f"{len(settings.slo.files)} SLO files are valid"),
        ):
            findings = list(rule())
            yield from findings or [Finding(name, Status.PASS, passed)]

    def _model(self, loaded: Contracts, heuristics: list[Finding]) -> Iterator[Finding]:
        """Yield what the engines that look at code say, each key once."""
        settings = self.composed.settings
        packages = allowed_packages(settings)
        self.found["values"] = [
            *heuristics,
            *model_problems(settings.model, loaded.request, seed=settings.seed, packages=packages),
        ]
        flow = trace(
            settings.model,
            loaded.request,
            loaded.training,
            [(head.name, head.outcome) for head in settings.training.heads],
            packages=packages,
            score=settings.training.score,
            given={head.name: head.given for head in settings.training.heads if head.given},
        )
        self.found["flow"] = [each for each in flow.findings if each.status is not Status.PASS]
        merged = list(self._merged())
        yield from merged
        failed = {each.key[:1] for each in merged if each.status is Status.FAIL}
        if ("training",) not in failed:
            names = ", ".join(settings.training.heuristics)
            yield Finding("check.heuristics", Status.PASS, f"{names} read what a request has")
        if ("model",) not in failed:
            yield Finding("check.model", Status.PASS, f"{settings.model.name} can be built")
            yield from (each for each in flow.findings if each.status is Status.PASS)

    def _merged(self) -> Iterator[Finding]:
        return merge([(name, self.found.get(name, ())) for name in PREFERRED])


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
