"""A probe: a pipeline fitted once on made-up rows, to find what no signature or rule tells.

Two hundred rows are drawn from the contract, never from the user's data; the pipeline is fitted
on them in milliseconds and asked about others, with missing values and categories that it has not
met; then it is compiled. What fails or warns becomes a finding with the key of its cause.
"""

import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from mlops.base.errors import ConfigError, MlopsError
from mlops.base.target import contained
from mlops.base.verdict import Finding, Status
from mlops.contracts.domain import Column, Domain, Floats, Table
from mlops.models.compilable import refusal
from mlops.models.estimator import PACKAGES, build_estimator
from mlops.models.frame import as_features, vocabulary_of
from mlops.models.lowering import lower
from mlops.models.predictor import SklearnPredictor
from mlops.models.spec import HeadScore, ModelSpec
from mlops.verify.dataflow_columns import Key
from mlops.verify.dataflow_parts import Part
from mlops.verify.probe_blame import (
    Pieces,
    all_parts,
    argument_in,
    failing,
    key_of,
    pieces_of,
    raised_in,
)  # fmt: skip
from mlops.verify.probe_rows import ROWS, Rows, first, is_chance, outcome_of, rows_of

LIMIT_S = 20.0
"""Seconds after which a probe is given up; the packaged models take a tenth of one."""

LOWERED: Mapping[str, int] = {
    "cv": 2,
    "max_iter": 10,
    "max_samples": ROWS // 2,
    "n_estimators": 5,
    "n_init": 1,
    "n_iter": 3,
    "n_iter_no_change": 5,
    "n_neighbors": 20,
    "n_quantiles": ROWS // 4,
    "n_restarts_optimizer": 0,
    "max_subpopulation": 100,
    "verbose": 0,
}
"""Arguments that cost time, or rows that a probe has not, and what it takes at most for them."""

_ALONE = "n_jobs"

_OF_THE_ROWS = (
    "Bins whose width are too small",
    "Features? .* (is|are) constant",
    "Found unknown categories",
    "Skipping features without any observed values",
    "The least populated class",
    "n_quantiles",
)
"""Warnings that the drawn rows cause, or that the symbolic flow tells with more words."""

_IGNORED = ("ConvergenceWarning", "RuntimeWarning", "UndefinedMetricWarning")
"""Kinds of warnings that say something about random outcomes and lowered iterations only."""

Step: TypeAlias = Callable[[], object]


@dataclass(slots=True)
class _Case:
    """One outcome that a pipeline is fitted for.

    Attributes:
        model: The pipeline's spec.
        request: What a request may contain.
        seed: Seed of everything random.
        packages: Where classes may come from.
        outcome: What followed the rows, shape (200,).
        findings: What was found so far.
    """

    model: ModelSpec
    request: Domain
    seed: int
    packages: Sequence[str]
    outcome: Floats
    findings: list[Finding] = field(default_factory=list)


def probe(
    model: ModelSpec,
    request: Domain,
    outcomes: Sequence[Column],
    *,
    seed: int,
    packages: Sequence[str] = PACKAGES,
    limit_s: float = LIMIT_S,
) -> tuple[Finding, ...]:
    """Fit a model's pipeline on made-up rows, ask it, and compile it.

    It reads no data, leaves no file and changes nothing. A pipeline that cannot be built, or whose
    class has no compiled form, is told by others and is no finding here.

    Args:
        model: The pipeline.
        request: What a request may contain.
        outcomes: The heads' outcome columns.
        seed: Seed of the rows and of everything random in the pipeline.
        packages: Where classes may come from.
        limit_s: Seconds after which it is given up.

    Returns:
        What fails or warns; one that passes if nothing does; none if nothing can be fitted.
    """
    found: list[Finding] = []
    try:
        built = build_estimator(model, request, seed=seed, packages=packages)
    except ConfigError:
        return ()
    # That a classifier cannot learn numbers is told by the symbolic flow.
    classifies = hasattr(built, "predict_proba")
    fitting = [each for each in _distinct(outcomes) if is_chance(each) or not classifies]
    if not fitting:
        return ()

    def run() -> None:
        for outcome in fitting:
            rng = np.random.default_rng(seed)
            case = _Case(model, request, seed, packages, outcome_of(outcome, rng))
            found.extend(_examine(case, rows_of(request, rng)))

    if not _finishes(run, limit_s):
        message = f"the pipeline took more than {limit_s:g} s for {ROWS} rows and was given up"
        hint = "set verify.probe: false if it is that slow"
        return (_finding(Status.WARN, "timeout", message, ("estimator", "_target_"), hint),)
    if found:
        return tuple(dict.fromkeys(found))
    message = f"fits {ROWS} rows drawn from the contract, answers others, and can be compiled"
    return (Finding("check.probe", Status.PASS, message, key=("model",)),)


def _distinct(outcomes: Sequence[Column]) -> list[Column]:
    """Return one outcome of each sort: heads share one pipeline, which must fit them all."""
    numbers = [column for column in outcomes if not column.is_category]
    sorts = {
        (True, None, None) if is_chance(column) else (False, column.minimum, column.maximum): column
        for column in reversed(numbers)
    }
    return list(reversed(sorts.values()))


def _finishes(run: Step, limit_s: float) -> bool:
    """Run something in a thread of its own; tell whether it ended in time.

    A process would cost seconds of imports, or fork a process whose OpenMP threads then hang. A
    thread that does not end is left behind and dies with the command.
    """
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            run()
        except BaseException as error:  # the caller's thread raises it
            errors.append(error)

    thread = threading.Thread(target=guarded, name="probe", daemon=True)
    thread.start()
    thread.join(limit_s)
    if errors:
        raise errors[0]
    return not thread.is_alive()


def _examine(case: _Case, rows: Rows) -> list[Finding]:
    predictor = _predictor(case)
    _fit(case, predictor, rows.full)
    if not _failed(case):
        one = first(rows.asked, 1, case.request.features)
        _ask(case, predictor, rows.full, (rows.asked, one), status=Status.FAIL)
    if not _failed(case):
        _compile(case, predictor)
    # An estimator that gets the frame itself decides about missing values by its class.
    if rows.complete is not None and case.model.columns and not _failed(case):
        case.findings += _without_missing(replace(case, findings=[]), rows.complete, rows.asked)
    return case.findings


def _without_missing(case: _Case, fitted: Table, asked: Table) -> list[Finding]:
    """Return what fails when training happens to lack the missing values that requests have."""
    predictor = _predictor(case)
    _fit(case, predictor, fitted)
    if _failed(case):
        return []
    case.findings.clear()
    _ask(case, predictor, fitted, (asked,), status=Status.WARN)
    return case.findings


def _failed(case: _Case) -> bool:
    return any(finding.status is Status.FAIL for finding in case.findings)


def _predictor(case: _Case) -> SklearnPredictor:
    predictor = SklearnPredictor(case.model, case.request, seed=case.seed, packages=case.packages)
    lowered(predictor.estimator)
    return predictor


def lowered(estimator: Any) -> None:
    """Lower what costs time in an estimator and all that is nested in it.

    Only whole numbers above the table's are lowered, so that a wrong value stays wrong.
    """
    changed: dict[str, int | None] = {}
    for name, value in estimator.get_params(deep=True).items():
        argument = name.rpartition("__")[2]
        most = LOWERED.get(argument)
        if most is not None and type(value) is int and value > most:
            changed[name] = most
        elif argument == _ALONE and value is not None:
            changed[name] = None
    estimator.set_params(**changed)


def _fit(case: _Case, predictor: SklearnPredictor, table: Table) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        error = _attempt(lambda: predictor.fit(table, case.outcome))
    if error is not None:
        case.findings.append(_blamed(case, error, table, (), Status.FAIL))
        return
    case.findings += _warned(case, told, table)


def _ask(
    case: _Case,
    predictor: SklearnPredictor,
    fitted: Table,
    asked: Sequence[Table],
    *,
    status: Status,
) -> None:
    for table in asked:
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            answers, error = _answers(predictor, table)
        if error is not None:
            case.findings.append(_blamed(case, error, fitted, (table,), status))
            return
        if not np.isfinite(answers).all():
            message = "some rows that the contract allows get no finite answer"
            key = ("estimator", "_target_")
            case.findings.append(_finding(status, "finite", message, key))
            return


def _answers(predictor: SklearnPredictor, table: Table) -> tuple[Floats, Exception | None]:
    found: list[Floats] = []
    error = _attempt(lambda: found.append(predictor.predict(table)))
    return (found[0] if found else np.zeros(0)), error


def _attempt(step: Step) -> Exception | None:
    try:
        with contained():
            step()
    except Exception as error:  # a user's own part may raise anything
        cause = error.__cause__
        return cause if isinstance(error, ConfigError) and isinstance(cause, Exception) else error
    return None


def _compile(case: _Case, predictor: SklearnPredictor) -> None:
    if refusal(predictor.estimator) is not None:
        return
    head = "probe"
    error = _attempt(lambda: lower({head: predictor}, case.request, HeadScore(head=head)))
    if error is None:
        return
    pieces = pieces_of(case.model, predictor.estimator)
    text = _first_line(error)
    key = error.key if isinstance(error, ConfigError) and error.key else _named(pieces, text)
    hint = error.hint if isinstance(error, MlopsError) else ""
    case.findings.append(_finding(Status.FAIL, "not-compilable", text, key, hint))


def _named(pieces: Pieces, message: str) -> Key:
    """Return the key of the part whose class a message names."""
    for part in _parts(pieces):
        if re.search(rf"\b{part.name}\b", message):
            return key_of(part, message)
    return pieces.estimator.at()


def _parts(pieces: Pieces) -> Iterator[Part]:
    for _, parts in pieces.columns:
        for part in parts:
            yield from all_parts(part)
    yield from all_parts(pieces.estimator)


def _blamed(
    case: _Case, error: Exception, fitted: Table, asked: Sequence[Table], status: Status
) -> Finding:
    """Return an error as a finding at the part that raised it."""
    pieces = _fresh(case)
    found = _again(case, pieces, fitted, asked)
    part = pieces.estimator
    if found is not None:
        part, error = found
    part = raised_in(part, error.__traceback__)
    text = _first_line(error)
    argument = argument_in(part, text)
    given = f" with {argument}={part.argument(argument)!r}" if argument else ""
    when = "asked about rows that the contract allows" if asked else "fitted on drawn rows"
    if asked and status is Status.WARN:
        when = "asked about missing values after training happens to lack them"
    message = f"{part.name}{given} fails when it is {when}: {text}"
    rule = "predict" if asked else "fit"
    return _finding(status, rule, message, part.at(argument) if argument else part.at())


def _fresh(case: _Case) -> Pieces:
    built = build_estimator(case.model, case.request, seed=case.seed, packages=case.packages)
    lowered(built)
    return pieces_of(case.model, built)


def _again(
    case: _Case, pieces: Pieces, fitted: Table, asked: Sequence[Table]
) -> tuple[Part, Exception] | None:
    features = case.request.features
    vocabulary = vocabulary_of(fitted, features)
    frame = as_features(fitted, features, vocabulary=vocabulary)
    later = [as_features(table, features, vocabulary=vocabulary) for table in asked]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return failing(pieces, frame, later, case.outcome)


def _warned(
    case: _Case, told: Sequence[warnings.WarningMessage], table: Table
) -> Iterator[Finding]:
    """Yield the warnings that a configuration causes."""
    for warning in told:
        kind, text = warning.category.__name__, _first_line(warning.message)
        if kind in _IGNORED or any(re.search(words, text) for words in _OF_THE_ROWS):
            continue
        pieces = _fresh(case)
        blamed = [part for part in _parts(pieces) if argument_in(part, text)]
        if kind in ("FutureWarning", "DeprecationWarning", "PendingDeprecationWarning"):
            # What nobody configured is ours or scikit-learn's own to change.
            blamed = [part for part in blamed if _names(part, text)]
            if not blamed:
                continue
        part = blamed[0] if blamed else pieces.estimator
        message = f"{part.name} warns when it is fitted on drawn rows: {text}"
        yield _finding(Status.WARN, "warning", message, key_of(part, text))


def _names(part: Part, text: str) -> bool:
    """Tell whether a message names a configured argument in full."""
    return any(re.search(rf"\b{re.escape(name)}\b", text) for name in part.node)


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0].rstrip(":.") if lines else type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."


def _finding(status: Status, rule: str, message: str, key: Key, hint: str = "") -> Finding:
    return Finding(f"check.probe.{rule}", status, message, key=("model", *key), hint=hint)
