"""Heuristic relations: what a ranking that always answers must keep, on small histories."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mlops.algorithms.relation import Property, Relation
from mlops.contracts.domain import Floats, Table, Texts
from mlops.models.heuristics import Heuristic, History

Fit: TypeAlias = Callable[[History], Heuristic]

_LATER_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Page:
    """What a heuristic is tried on.

    Attributes:
        history: The past, and after `as_of_s` some of the future.
        candidates: A page's rows with the request's columns, m rows.
        rows: m.
        others: m further candidates of the same page.
        shuffle: A permutation of the m candidates.
    """

    history: History
    candidates: Table
    rows: int
    others: Table
    shuffle: npt.NDArray[np.intp]


def relations(fit: Fit) -> tuple[Relation[Page], ...]:
    """Return every relation that a heuristic can be asked to keep.

    Args:
        fit: Fits a fresh one.
    """
    return tuple(Relation(name, _bound(fit, broken)) for name, broken in _TABLE.items())


def _bound(fit: Fit, broken: Callable[[Fit, Page], str | None]) -> Callable[[Page], str | None]:
    return lambda page: broken(fit, page)


def _scores(heuristic: Heuristic, candidates: Table, rows: int) -> Floats:
    return np.asarray(heuristic.score(candidates, rows), dtype=np.float64)


def _taken(table: Table, at: npt.NDArray[np.intp]) -> Table:
    return {name: values[at] for name, values in table.items()}


def _differ(one: Floats, other: Floats, what: str, *, near: float = 0.0) -> str | None:
    if one.shape != other.shape:
        return f"{what}, scores of shape {one.shape} became {other.shape}"
    apart = np.abs(one - other)
    if np.array_equal(one, other, equal_nan=True) or bool((apart <= near).all()):
        return None
    at = int(np.nan_to_num(apart, nan=np.inf).argmax())
    return f"{what}, the score of candidate {at} goes from {one[at]:.6g} to {other[at]:.6g}"


def _rounding(scores: Floats) -> float:
    """Return what sums over more or other rows may differ by: numpy adds them in pairs."""
    return 1e-9 * max(1.0, float(np.abs(scores).max(initial=0.0)))


def _deterministic(fit: Fit, page: Page) -> str | None:
    one, other = (_scores(fit(page.history), page.candidates, page.rows) for _ in range(2))
    return _differ(one, other, "fitted twice alike")


def _untouched(fit: Fit, page: Page) -> str | None:
    before = {name: values.copy() for name, values in page.candidates.items()}
    past = {name: values.copy() for name, values in page.history.table.items()}
    fit(page.history).score(page.candidates, page.rows)
    for what, now, kept in (
        ("the candidates", page.candidates, before),
        ("the history", page.history.table, past),
    ):
        for name, values in now.items():
            if not _alike(values, kept[name]):
                return f"{what}' column {name!r} was changed in place"
    return None


def _alike(one: Floats | Texts, other: Floats | Texts) -> bool:
    return bool(np.array_equal(one, other, equal_nan=one.dtype != object))


def _finite(fit: Fit, page: Page) -> str | None:
    scores = _scores(fit(page.history), page.candidates, page.rows)
    if scores.shape != (page.rows,):
        return f"scores have shape {scores.shape} for {page.rows} candidates"
    if np.isfinite(scores).all():
        return None
    at = int(np.flatnonzero(~np.isfinite(scores))[0])
    return f"the score of candidate {at} is {scores[at]}"


def _empty_past(fit: Fit, page: Page) -> str | None:
    nothing = np.array([], dtype=np.intp)
    empty = History(_taken(page.history.table, nothing), page.history.at_s[nothing], 0.0)
    scores = _scores(fit(empty), page.candidates, page.rows)
    return None if np.isfinite(scores).all() else "without a history a score is not finite"


def _future(fit: Fit, page: Page) -> str | None:
    history = page.history
    past = np.flatnonzero(history.at_s <= history.as_of_s)
    known = History(_taken(history.table, past), history.at_s[past], history.as_of_s)
    # The same rows once more, all of them after the moment of training.
    count = len(history.at_s)
    again = np.concatenate([past, np.arange(count)])
    later = np.full(count, history.as_of_s + _LATER_S)
    more = History(
        _taken(history.table, again),
        np.concatenate([history.at_s[past], later]),
        history.as_of_s,
    )
    scores = _scores(fit(known), page.candidates, page.rows)
    return _differ(
        scores,
        _scores(fit(more), page.candidates, page.rows),
        "with rows of the day after training in the history",
        near=_rounding(scores),
    )


def _restored(fit: Fit, page: Page) -> str | None:
    fitted = fit(page.history)
    again = type(fitted).restore(fitted.state())
    return _differ(
        _scores(fitted, page.candidates, page.rows),
        _scores(again, page.candidates, page.rows),
        "stored and read back",
    )


def _row_order(fit: Fit, page: Page) -> str | None:
    back = np.arange(len(page.history.at_s))[::-1]
    turned = replace(
        page.history, table=_taken(page.history.table, back), at_s=page.history.at_s[back]
    )
    one = _scores(fit(page.history), page.candidates, page.rows)
    other = _scores(fit(turned), page.candidates, page.rows)
    return _differ(one, other, "with the history in another order", near=_rounding(one))


def _candidate_order(fit: Fit, page: Page) -> str | None:
    fitted = fit(page.history)
    scores = _scores(fitted, page.candidates, page.rows)
    turned = _scores(fitted, _taken(page.candidates, page.shuffle), page.rows)
    return _differ(scores[page.shuffle], turned, "with the candidates in another order")


def _padding(fit: Fit, page: Page) -> str | None:
    fitted = fit(page.history)
    scores = _scores(fitted, page.candidates, page.rows)
    longer = {n: np.concatenate([v, page.others[n]]) for n, v in page.candidates.items()}
    padded = _scores(fitted, longer, 2 * page.rows)
    return _differ(scores, padded[: page.rows], "with further candidates on the page")


_TABLE: Mapping[Property, Callable[[Fit, Page], str | None]] = {
    Property.DETERMINISTIC: _deterministic,
    Property.UNTOUCHED: _untouched,
    Property.FINITE: _finite,
    Property.EMPTY_PAST: _empty_past,
    Property.FUTURE: _future,
    Property.RESTORED: _restored,
    Property.ROW_ORDER: _row_order,
    Property.CANDIDATE_ORDER: _candidate_order,
    Property.PADDING: _padding,
}
PROPERTIES = tuple(_TABLE)
