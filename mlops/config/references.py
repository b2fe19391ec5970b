"""A reference: a name in one section that another section, a contract or a file must have.

Each rule yields all that is wrong with its part, with the key of the culprit.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops.base.errors import ConfigError, MlopsError, Place
from mlops.base.section import Target
from mlops.base.target import load_class
from mlops.base.verdict import Finding, Status
from mlops.config.findings import failures, wrong
from mlops.config.origin import Key, short
from mlops.config.resolve import Contracts
from mlops.config.settings import Settings, allowed_packages
from mlops.contracts.domain import Domain
from mlops.contracts.roles import Scope
from mlops.data.spec import CsvSource
from mlops.models.builder import HYDRA_WORDS, hydra_words, suggest
from mlops.models.heuristics import Heuristic
from mlops.models.spec import CustomSpec, ExpectedValueScore, StaticSpec
from mlops.proofs.declared import claim_problems
from mlops.quality.spec import Evaluation
from mlops.slo.check import validate

Findings = Iterator[Finding]

_NAMING = (
    "given", "cluster", "query", "item", "position", "propensity", "reward", "logged_policies",
)  # fmt: skip
"""Fields of evaluations that name a column of the training contract, beside the outcome."""


@dataclass(frozen=True, slots=True)
class References:
    """The rules over one service.

    Attributes:
        settings: The configuration.
        contracts: Its contracts, loaded.
        folder: Where the command runs; relative files start there.
    """

    settings: Settings
    contracts: Contracts
    folder: Path

    def data(self) -> Findings:
        """Hold the source of rows against the disk, and the split against the contract."""
        source = self.settings.data.source
        if isinstance(source, CsvSource) and not (self.folder / source.path).is_file():
            yield wrong(
                "check.reference.file",
                f"there is no file {self.folder / source.path}",
                ("data", "source", "path"),
                "relative paths start where the command runs",
            )
        split = self.settings.data.split
        yield from self._time(split.column, ("data", "split", "column"))
        if split.observed_until:
            key = ("data", "split", "observed_until")
            yield from _number(self.contracts.training, split.observed_until, key)

    def _time(self, name: str, key: Key) -> Findings:
        """Hold a column that rows are ordered by: a number, and not what is to be predicted."""
        yield from _number(self.contracts.training, name, key)
        heads = [head.name for head in self.settings.training.heads if head.outcome == name]
        if heads:
            yield wrong(
                "check.reference.time",
                f"{'.'.join(key)}: {name!r} is the outcome of head {heads[0]!r}, not a time",
                key,
                "name the column that says when a row was logged",
            )

    def training(self) -> Findings:
        """Hold heads and the score against the training contract."""
        training, domain = self.settings.training, self.contracts.training
        for at, head in enumerate(training.heads):
            key = ("training", "heads", str(at))
            for field, name in (("outcome", head.outcome), ("given", head.given)):
                if name:
                    yield from _column(domain, name, (*key, field), scope=Scope.OUTCOME)
            if head.given and head.given == head.outcome:
                message = (
                    f"only rows in which {head.given!r} happened count, and all of those have it"
                )
                hint = "name what must have happened before, or leave `given` out"
                yield wrong("check.reference.given", message, (*key, "given"), hint)
            if head.given_at:
                yield from _number(domain, head.given_at, (*key, "given_at"))
        if isinstance(training.score, ExpectedValueScore):
            yield from _value(domain, training.score.value, ("training", "score", "value"))

    def claims(self) -> Findings:
        """Hold what is claimed of the model against the request's contract and the heads."""
        heads = [head.name for head in self.settings.training.heads]
        yield from claim_problems(self.settings.proofs, self.contracts.request, heads)

    def heuristics(self) -> Findings:
        """Hold heuristics against the contracts, those of the user's own against their `fit`."""
        request, training = self.contracts.request, self.contracts.training
        for name, spec in self.settings.training.heuristics.items():
            key = ("training", "heuristics", name)
            if isinstance(spec, CustomSpec):
                yield from self._custom(spec.heuristic, (*key, "heuristic"))
            elif not isinstance(spec, StaticSpec):
                yield from _column(request, spec.key, (*key, "key"))
                outcome = (*key, "outcome")
                yield from _column(training, spec.outcome, outcome, scope=Scope.OUTCOME)
                if spec.kind == "fee_weighted_popularity":
                    yield from _column(request, spec.value, (*key, "value"))

    def quality(self) -> Findings:
        """Hold what is measured against the heads, the heuristics and the training contract."""
        quality, training = self.settings.quality, self.settings.training
        if quality.time:
            yield from self._time(quality.time, ("quality", "time"))
        for at, evaluation in enumerate(quality.evaluations):
            yield from self._evaluation(evaluation, ("quality", "evaluations", str(at)))
        for at, versus in enumerate(quality.versus):
            if versus.heuristic not in training.heuristics:
                yield wrong(
                    "check.reference.heuristic",
                    f"heuristic {versus.heuristic!r} is not declared",
                    ("quality", "versus", str(at), "heuristic"),
                    f"training.heuristics: {', '.join(training.heuristics)}",
                )

    def slo(self) -> Findings:
        """Hold the SLO files against OpenSLO and against what is exported."""
        files = [self.folder / name for name in self.settings.slo.files]
        absent = [at for at, path in enumerate(files) if not path.is_file()]
        for at in absent:
            message = f"there is no file {files[at]}"
            hint = "write it, or take it out of the list"
            yield wrong("check.reference.file", message, ("slo", "files", str(at)), hint)
        if absent:
            return
        try:
            verdict = validate(files, self.settings.slo)
        except MlopsError as error:
            for each in failures("check.slo", error, ("slo", "files")):
                yield replace(each, place=_near(each.place))
            return
        for found in verdict.findings:
            if found.status is Status.FAIL:
                yield Finding("check.slo", Status.FAIL, found.message, place=_near(found.place))

    def _custom(self, target: Target, key: Key) -> Findings:
        try:
            found: type[Heuristic] = load_class(
                target.path,
                Heuristic,  # type: ignore[type-abstract] # any subclass may come back
                packages=allowed_packages(self.settings),
            )
        except ConfigError as error:
            yield wrong("check.target.class", error.message, (*key, "_target_"), error.hint)
            return
        yield from hydra_words(target, key)
        parameters = dict(list(inspect.signature(found.fit).parameters.items())[1:])
        given = [name for name in target.arguments if name not in HYDRA_WORDS]
        yield from _bound(f"{target.path}.fit", parameters, given, key)

    def _evaluation(self, evaluation: Evaluation, key: Key) -> Findings:
        training = self.contracts.training
        heads = [head.name for head in self.settings.training.heads]
        if evaluation.kind == "binary":
            outcome = (*key, "outcome")
            yield from _column(training, evaluation.outcome, outcome, scope=Scope.OUTCOME)
        field = "head" if evaluation.kind in ("binary", "ranking_value") else "reward_head"
        named = getattr(evaluation, field)
        if named and named not in heads:
            message = f"head {named!r} is not trained"
            yield wrong("check.reference.head", message, (*key, field), suggest(named, heads))
        for column, value in evaluation.where.items():
            yield from _allowed(training, column, value, (*key, "where", column))
        for field in _NAMING:
            if name := getattr(evaluation, field, ""):
                yield from _column(training, name, (*key, field))
        for place, name in enumerate(getattr(evaluation, "gain", ())):
            yield from _number(training, name, (*key, "gain", str(place)))


def _near(place: Place | None) -> Place | None:
    """Return a place with its file as a person in the present folder would type it."""
    return place and replace(place, origin=str(short(Path(place.origin))))


def _column(domain: Domain, name: str, key: Key, *, scope: Scope | None = None) -> Findings:
    """Tell whether a contract has a column, with the scope that its use asks for."""
    try:
        column = domain.column(name)
    except MlopsError as error:
        yield wrong("check.reference.column", error.message, key, error.hint)
        return
    if scope is not None and column.scope is not scope:
        yield wrong(
            "check.reference.scope",
            f"column {name!r} is {column.scope.value}, not {scope.value}",
            key,
            f"mark it with metadata={scope.value}() in contract {domain.name}",
        )


def _number(domain: Domain, name: str, key: Key) -> Findings:
    """Tell whether a contract has a column, and numbers in it."""
    absent = list(_column(domain, name, key))
    yield from absent
    if not absent and domain.column(name).is_category:
        message = f"column {name!r} holds texts, and numbers are needed here"
        yield wrong("check.reference.kind", message, key)


def _allowed(domain: Domain, name: str, value: object, key: Key) -> Findings:
    """Tell whether a contract has a column, and allows a value in it."""
    absent = list(_column(domain, name, key))
    yield from absent
    categories = None if absent else domain.column(name).categories
    if categories is not None and value not in categories:
        message = f"column {name!r} is never {value!r}, so that no row would be left"
        yield wrong("check.reference.category", message, key, suggest(str(value), categories))


def _value(domain: Domain, name: str, key: Key) -> Findings:
    absent = list(_column(domain, name, key))
    yield from absent
    if absent:
        return
    column = domain.column(name)
    if column.is_category or column.nullable or column.scope is not Scope.CANDIDATE:
        message = f"{name!r} must be a candidate's number that is never missing"
        yield wrong("check.reference.value", message, key)


def _bound(
    callee: str,
    parameters: Mapping[str, inspect.Parameter],
    given: Sequence[str],
    key: Key,
) -> Findings:
    """Tell which arguments a function does not take, and which it lacks."""
    kinds = {each.kind for each in parameters.values()}
    for name in given:
        if name not in parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
            message = f"`{callee}` got an unexpected keyword argument {name!r}"
            yield wrong(
                "check.arguments.unknown", message, (*key, name), suggest(name, [*parameters])
            )
    for name, parameter in parameters.items():
        starred = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if not starred and parameter.default is parameter.empty and name not in given:
            message = f"`{callee}` needs an argument {name!r}"
            yield wrong("check.arguments.missing", message, key, f"add `{name}`")
