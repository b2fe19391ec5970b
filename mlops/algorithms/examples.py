"""An example: a small sample or page that hypothesis draws, and shrinks once it breaks."""

import re

import numpy as np
from hypothesis import strategies as st

from mlops.algorithms.relations_estimator import Sample
from mlops.algorithms.relations_heuristic import Page
from mlops.contracts.domain import Column, Domain
from mlops.contracts.sample import draw_columns
from mlops.models.heuristics import History

_LEAST_ROWS, _MOST_ROWS = 12, 40
_MOST_COLUMNS = 3
_STEP = 0.25  # values on a grid: rows repeat and tie, as real ones do
_REACH = 12
_TEXTS = 4
_MOST_HISTORY = 12
_MOST_CANDIDATES = 5
_MONTH_S = 30 * 86_400
_SEEDS = 2**16
_PAST_SHARE = 0.7


@st.composite
def samples(draw: st.DrawFn, *, classifies: bool) -> Sample:
    """Draw a small training set with what is asked about it."""
    columns = draw(st.integers(1, _MOST_COLUMNS))
    grid = st.integers(-_REACH, _REACH)
    features = st.tuples(*[grid] * columns)
    labels = st.booleans() if classifies else grid
    lines = draw(st.lists(st.tuples(features, labels), min_size=_LEAST_ROWS, max_size=_MOST_ROWS))
    rows = np.array([line[0] for line in lines], dtype=np.float64) * _STEP
    target = np.array([line[1] for line in lines], dtype=np.float64)
    if classifies:
        target[:4] = (0.0, 1.0, 1.0, 0.0)  # both classes, more than once
    else:
        target = rows[:, 0] + target * _STEP
    asked = np.array(draw(st.lists(features, min_size=1, max_size=4)), dtype=np.float64) * _STEP
    rng = np.random.default_rng(draw(st.integers(0, _SEEDS)))
    return Sample(rows, target, asked, rng.permutation(len(rows)))


@st.composite
def pages(draw: st.DrawFn, *, training: Domain, request: Domain) -> Page:
    """Draw a history that keeps the training contract, and a page that keeps the request's.

    hypothesis draws and shrinks sizes and texts; the other values follow from a seed, since
    a contract's thirty columns drawn one by one would take seconds a page.
    """
    known = {
        column.name: draw(st.lists(_texts(column), min_size=1, max_size=_TEXTS, unique=True))
        for column in training.columns
        if column.is_category and column.categories is None
    }
    count = draw(st.integers(0, _MOST_HISTORY))
    rows = draw(st.integers(1, _MOST_CANDIDATES))
    rng = np.random.default_rng(draw(st.integers(0, _SEEDS)))
    at_s = rng.integers(0, _MONTH_S, count).astype(np.float64)
    history = draw_columns(training.columns, count, rng, known=known)
    context = draw_columns(request.context, 1, rng, known=known)
    candidates = {
        **{name: values[np.zeros(rows, dtype=np.intp)] for name, values in context.items()},
        **draw_columns(request.candidate, rows, rng, known=known),
    }
    others = draw_columns(request.candidate, rows, rng, known=known)
    return Page(
        history=History(history, at_s, _MONTH_S * _PAST_SHARE),
        candidates=candidates,
        rows=rows,
        others={**candidates, **others},
        shuffle=rng.permutation(rows),
    )


def _texts(column: Column) -> st.SearchStrategy[str]:
    if column.pattern is None:
        return st.text("abcxyz", min_size=1, max_size=4)
    pattern = column.pattern
    return st.from_regex(pattern).filter(lambda text: re.match(pattern, text) is not None)
