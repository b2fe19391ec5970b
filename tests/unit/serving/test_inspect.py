"""A guard finds an odd score wherever it stands in a page, and lets a sound page through."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlops.serving.guard import Breach, inspect

scores = st.lists(
    st.floats(allow_nan=True, allow_infinity=True)
    | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 5e-324])
    | st.floats(0.0, 1.0),
    max_size=40,
)
ends = st.sampled_from([(0.0, 1.0), (-math.inf, math.inf), (0.0, math.inf), (-math.inf, 1.0)])


@given(scores=scores, ends=ends)
def test_page_is_sound_only_if_every_score_is(
    scores: list[float], ends: tuple[float, float]
) -> None:
    low, high = ends
    found = inspect(np.array(scores, dtype=np.float64), rows=len(scores), low=low, high=high)
    if not all(map(math.isfinite, scores)):
        assert found is Breach.NOT_FINITE
    elif not all(low <= score <= high for score in scores):
        assert found is Breach.OUT_OF_RANGE
    else:
        assert found is None


@given(scores=scores, more=st.integers(1, 3))
def test_page_of_another_size_is_incomplete(scores: list[float], more: int) -> None:
    page = np.array(scores, dtype=np.float64)
    assert inspect(page, rows=len(page) + more, low=0.0, high=1.0) is Breach.INCOMPLETE
    assert inspect(page[:, None], rows=len(page), low=0.0, high=1.0) is Breach.INCOMPLETE
