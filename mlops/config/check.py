"""A check: what of a configuration can be found wrong before any data are read."""

import inspect
from collections.abc import Callable
from pathlib import Path

from mlops.base.errors import ConfigError, MlopsError
from mlops.base.section import Target
from mlops.base.target import load_class
from mlops.base.verdict import Finding, Status, Verdict
from mlops.config.compose import Composed
from mlops.config.origin import Key
from mlops.config.resolve import Contracts, contracts, placed
from mlops.config.settings import allowed_packages
from mlops.contracts.domain import Domain
from mlops.contracts.roles import Scope
from mlops.data.spec import CsvSource
from mlops.models.estimator import build_estimator
from mlops.models.heuristics import Heuristic
from mlops.models.spec import CustomSpec, ExpectedValueScore, StaticSpec
from mlops.slo.check import validate

Step = Callable[[], str]


def check(composed: Composed, folder: Path) -> Verdict:
    """Check one service's configuration: classes, columns, and what refers to what.

    Args:
        composed: The configuration, already valid as a typed tree.
        folder: Where the command runs; relative files start there.

    Returns:
        A verdict named `check`; a failed finding has the place of what is wrong.
    """
    findings = [Finding("check.config", Status.PASS, "every key is known and of its type")]
    try:
        loaded = contracts(composed)
    except MlopsError as error:
        return Verdict("check", (*findings, _failed("check.contracts", error)))
    names = ", ".join(column.name for column in loaded.request.features)
    findings.append(
        Finding("check.contracts", Status.PASS, f"{loaded.request.name} has features {names}")
    )
    for name, step in (
        ("check.data", lambda: _data(composed, folder)),
        ("check.training", lambda: _training(composed, loaded.training)),
        ("check.heuristics", lambda: _heuristics(composed, loaded)),
        ("check.model", lambda: _model(composed, loaded.request)),
        ("check.quality", lambda: _quality(composed, loaded.training)),
        ("check.slo", lambda: _slo(composed, folder)),
    ):
        findings.append(_attempt(name, step))
    return Verdict("check", tuple(findings))


def _attempt(name: str, step: Step) -> Finding:
    try:
        return Finding(name, Status.PASS, step())
    except MlopsError as error:
        return _failed(name, error)


def _failed(name: str, error: MlopsError) -> Finding:
    text = f"{error.message}; {error.hint}" if error.hint else error.message
    if error.place is not None and error.place.key not in text:
        text = f"{error.place.key}: {text}"
    return Finding(name, Status.FAIL, text, place=error.place)


def _data(composed: Composed, folder: Path) -> str:
    source = composed.settings.data.source
    if isinstance(source, CsvSource) and not (folder / source.path).is_file():
        raise ConfigError(
            f"data.source.path: there is no file {folder / source.path}",
            hint="relative paths start where the command runs",
            place=composed.origins.place(("data", "source", "path")),
        )
    return f"rows come from {source.kind}"


def _training(composed: Composed, domain: Domain) -> str:
    training = composed.settings.training
    key: Key
    for at, head in enumerate(training.heads):
        for field, name in (("outcome", head.outcome), ("given", head.given)):
            if name:
                key = ("training", "heads", str(at), field)
                _column(composed, domain, name, key, scope=Scope.OUTCOME)
        if head.given_at:
            _column(composed, domain, head.given_at, ("training", "heads", str(at), "given_at"))
    split = composed.settings.data.split
    _column(composed, domain, split.column, ("data", "split", "column"))
    if split.observed_until:
        _column(composed, domain, split.observed_until, ("data", "split", "observed_until"))
    if isinstance(training.score, ExpectedValueScore):
        key = ("training", "score", "value")
        value = _column(composed, domain, training.score.value, key)
        column = domain.column(value)
        if column.is_category or column.nullable or column.scope is not Scope.CANDIDATE:
            raise ConfigError(
                f"{'.'.join(key)}: {value!r} must be a candidate's number that is never missing",
                place=composed.origins.place(key),
            )
    return f"heads {', '.join(head.name for head in training.heads)} have their outcomes"


def _heuristics(composed: Composed, loaded: Contracts) -> str:
    for name, spec in composed.settings.training.heuristics.items():
        key = ("training", "heuristics", name)
        if isinstance(spec, CustomSpec):
            _custom(composed, spec.heuristic, (*key, "heuristic"))
        if isinstance(spec, CustomSpec | StaticSpec):
            continue
        _column(composed, loaded.request, spec.key, (*key, "key"))
        _column(composed, loaded.training, spec.outcome, (*key, "outcome"), scope=Scope.OUTCOME)
        if spec.kind == "fee_weighted_popularity":
            _column(composed, loaded.request, spec.value, (*key, "value"))
    return f"{', '.join(composed.settings.training.heuristics)} read what a request has"


def _custom(composed: Composed, target: Target, key: Key) -> None:
    """Check a heuristic of the user's own: its class, and that `fit` takes the arguments."""
    packages = allowed_packages(composed.settings)
    try:
        found: type[Heuristic] = load_class(target.path, Heuristic, packages=packages)  # type: ignore[type-abstract] # any subclass may come back
    except ConfigError as error:
        raise placed(error, composed.origins.place((*key, "_target_"))) from error
    try:
        inspect.signature(found.fit).bind(None, **target.arguments)
    except TypeError as error:
        raise ConfigError(
            f"{'.'.join(key)}: `{target.path}.fit` cannot be called so: {error}",
            place=composed.origins.place(key),
        ) from error


def _model(composed: Composed, request: Domain) -> str:
    settings = composed.settings
    try:
        build_estimator(
            settings.model, request, seed=settings.seed, packages=allowed_packages(settings)
        )
    except ConfigError as error:
        raise placed(error, composed.origins.place(("model", *error.key))) from error
    return f"{settings.model.name} can be built"


def _quality(composed: Composed, domain: Domain) -> str:
    settings = composed.settings
    heads = {head.name for head in settings.training.heads}
    for at, evaluation in enumerate(settings.quality.evaluations):
        key: Key = ("quality", "evaluations", str(at))
        if evaluation.kind == "binary":
            _column(composed, domain, evaluation.outcome, (*key, "outcome"), scope=Scope.OUTCOME)
            named = evaluation.head
        else:
            named = (
                evaluation.head if evaluation.kind == "ranking_value" else evaluation.reward_head
            )
        if named and named not in heads:
            raise ConfigError(
                f"{'.'.join(key)} names head {named!r}, which is not trained",
                hint=f"heads: {', '.join(sorted(heads))}",
                place=composed.origins.place((*key, "head")),
            )
        for column in evaluation.where:
            _column(composed, domain, column, (*key, "where", column))
    for at, versus in enumerate(settings.quality.versus):
        if versus.heuristic not in settings.training.heuristics:
            key = ("quality", "versus", str(at), "heuristic")
            raise ConfigError(
                f"{'.'.join(key)} is {versus.heuristic!r}, which is not declared",
                hint=f"training.heuristics: {', '.join(settings.training.heuristics)}",
                place=composed.origins.place(key),
            )
    return f"{len(settings.quality.floors) + len(settings.quality.versus)} demands can be measured"


def _slo(composed: Composed, folder: Path) -> str:
    files = [folder / name for name in composed.settings.slo.files]
    for at, path in enumerate(files):
        if not path.is_file():
            key = ("slo", "files", str(at))
            raise ConfigError(
                f"slo.files: there is no file {path}",
                hint="write it, or take it out of the list",
                place=composed.origins.place(key),
            )
    verdict = validate(files, composed.settings.slo)
    if verdict.status is Status.FAIL:
        worst = next(f for f in verdict.findings if f.status is Status.FAIL)
        raise ConfigError(worst.message, place=worst.place)
    return f"{len(files)} SLO files are valid"


def _column(
    composed: Composed, domain: Domain, name: str, key: Key, *, scope: Scope | None = None
) -> str:
    """Return a column's name if the contract has it, with the scope that its use asks for."""
    try:
        column = domain.column(name)
    except MlopsError as error:
        place = composed.origins.place(key)
        raise placed(
            ConfigError(f"{'.'.join(key)}: {error.message}", hint=error.hint), place
        ) from error
    if scope is not None and column.scope is not scope:
        raise ConfigError(
            f"{'.'.join(key)}: column {name!r} is {column.scope.value}, not {scope.value}",
            hint=f"mark it with metadata={scope.value}() in contract {domain.name}",
            place=composed.origins.place(key),
        )
    return name
