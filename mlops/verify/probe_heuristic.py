"""A heuristic's probe: one of the user's own, fitted and asked once on made-up rows.

It answers whenever the model does not, so it must not be the thing that fails: it may read what a
request has and no more, and its scores are finite.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mlops.base.errors import ConfigError
from mlops.base.target import StoppedError, contained, load_class
from mlops.base.verdict import Finding, Status
from mlops.contracts.domain import Column, Domain, Table
from mlops.contracts.sample import draw_columns
from mlops.models.heuristics import Heuristic, History, fit_heuristic
from mlops.models.spec import CustomSpec, HeuristicSpec

Key: TypeAlias = tuple[str, ...]

ROWS = 200
_TEXTS = tuple(f"text{i}" for i in range(12))
_DAYS_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a heuristic is given.

    Attributes:
        history: The past.
        page: A request's rows.
        invented: Columns whose texts do not keep the contract's pattern, since none is known that
            does.
    """

    history: History
    page: Table
    invented: tuple[str, ...]


def probe_heuristics(
    specs: Mapping[str, HeuristicSpec],
    request: Domain,
    training: Domain,
    *,
    seed: int,
    packages: Sequence[str],
) -> tuple[Finding, ...]:
    """Fit the user's own heuristics on rows drawn from the contract, and ask them.

    Args:
        specs: All heuristics by name; only those of the user's own are run.
        request: What a request holds.
        training: What a training row holds.
        seed: Seed of the rows.
        packages: Where classes may come from.

    Returns:
        What is wrong, as `check.probe.heuristic`; one pass if something was run and nothing is.
    """
    own = {
        name: spec
        for name, spec in specs.items()
        if isinstance(spec, CustomSpec) and _loaded(spec, packages) is not None
    }
    if not own:
        return ()
    rows = _drawn(request, training, np.random.default_rng(seed))
    found = [f for name, spec in own.items() for f in _examine(name, spec, rows, packages)]
    if found:
        return tuple(found)
    message = f"{', '.join(own)} answer for rows drawn from the contract"
    return (Finding("check.probe.heuristic", Status.PASS, message),)


def _drawn(request: Domain, training: Domain, rng: np.random.Generator) -> _Rows:
    invented = [c.name for c in training.columns if c.categories is None and c.pattern is not None]
    past = draw_columns(tuple(map(_closed, training.columns)), ROWS, rng, known={})
    page = draw_columns(tuple(map(_closed, request.request)), ROWS, rng, known={})
    at_s = np.sort(rng.uniform(0.0, _DAYS_S, ROWS))
    return _Rows(History(past, at_s, _DAYS_S), page, tuple(invented))


def _closed(column: Column) -> Column:
    """Return a column that takes a few texts where the contract allows any."""
    if not column.is_category or column.categories is not None:
        return column
    return column.model_copy(update={"categories": _TEXTS, "pattern": None})


def _examine(
    name: str, spec: CustomSpec, rows: _Rows, packages: Sequence[str]
) -> Iterator[Finding]:
    key = ("training", "heuristics", name, "heuristic")
    class_name = spec.heuristic.path.rpartition(".")[2]
    lacks = sorted(getattr(_loaded(spec, packages), "__abstractmethods__", ()))
    if lacks:
        message = f"{class_name} lacks {', '.join(lacks)}, which every heuristic has"
        yield _finding(message, (*key, "_target_"))
        return
    try:
        with contained():
            fitted = fit_heuristic(spec, rows.history, packages=packages).heuristic
    except ConfigError as error:
        yield _finding(f"{class_name}.fit fails: {error.__cause__}", key)
        return
    except Exception as error:  # it is the user's code
        yield _failed(f"{class_name}.fit", error, rows.history.table, rows, key)
        return
    unknown = _unknown(fitted, rows)
    if unknown:
        yield _finding(
            f"{class_name} reads {', '.join(map(repr, unknown))}, which no request has",
            key,
            f"a request has: {', '.join(rows.page)}",
        )
        return
    yield from _asked(class_name, fitted, rows, key)


def _loaded(spec: CustomSpec, packages: Sequence[str]) -> type[Heuristic] | None:
    """Return a heuristic's class; None if it cannot be loaded, which others tell."""
    expected: type[Heuristic] = Heuristic  # type: ignore[type-abstract] # any subclass may come
    try:
        return load_class(spec.heuristic.path, expected, packages=packages)
    except ConfigError:
        return None


def _unknown(fitted: Heuristic, rows: _Rows) -> list[str]:
    return [column for column in fitted.columns if column not in rows.page]


def _asked(class_name: str, fitted: Heuristic, rows: _Rows, key: Key) -> Iterator[Finding]:
    def attempt(what: str, step: Callable[[], object]) -> Finding | None:
        try:
            with contained():
                step()
        except Exception as error:  # it is the user's code
            return _failed(f"{class_name}.{what}", error, rows.page, rows, key)
        return None

    scores = np.zeros(0)

    def score() -> None:
        nonlocal scores
        scores = np.asarray(fitted.score(rows.page, ROWS), dtype=np.float64)

    failed = attempt("score", score)
    if failed is None and (scores.shape != (ROWS,) or not np.isfinite(scores).all()):
        what = f"{ROWS} finite numbers"
        failed = _finding(f"{class_name}.score must give {what}, one for each candidate", key)
    if failed is None:
        failed = attempt("restore", lambda: type(fitted).restore(fitted.state()))
    if failed is not None:
        yield failed


def _failed(what: str, error: Exception, table: Table, rows: _Rows, key: Key) -> Finding:
    """Say what the user's code raised; a text that it cannot read may be our invention."""
    missing = isinstance(error, KeyError) and error.args and error.args[0] not in table
    if missing:
        hint = f"there are: {', '.join(table)}"
        return _finding(f"{what} reads column {error.args[0]!r}, which is not there", key, hint)
    told = f"{type(error).__name__}: {error}".splitlines()[0]
    message = f"{what} fails on rows drawn from the contract: {told}"
    if not rows.invented or isinstance(error, StoppedError):
        return _finding(message, key)
    hint = (
        f"texts of {', '.join(rows.invented)} were made up and need not keep their patterns; "
        "verify.probe: false switches the probe off"
    )
    return _finding(message, key, hint, status=Status.WARN)


def _finding(message: str, key: Key, hint: str = "", *, status: Status = Status.FAIL) -> Finding:
    return Finding("check.probe.heuristic", status, message, key=key, hint=hint)
