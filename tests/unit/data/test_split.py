"""Tests of splitting by time and of label maturity."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.base.errors import ContractError
from mlops.data.spec import SplitSpec
from mlops.data.split import by_time, mature

DAY = 86_400.0


def frame(times: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"at_s": times, "row": range(len(times))})


@given(
    st.lists(st.integers(0, 20), min_size=2, max_size=60).filter(lambda t: len(set(t)) > 1),
    st.floats(0.05, 0.95),
)
def test_past_and_future_never_touch_and_nothing_is_lost(times: list[int], share: float) -> None:
    split = by_time(frame([float(t) for t in times]), SplitSpec(test_share=share))
    assert split.train["at_s"].max() < split.boundary_s == split.test["at_s"].min()
    assert sorted([*split.train["row"], *split.test["row"]]) == list(range(len(times)))
    assert split.train["at_s"].is_monotonic_increasing
    assert split.test["at_s"].is_monotonic_increasing


def test_share_is_kept_where_no_times_are_equal() -> None:
    rng = np.random.default_rng(1)
    split = by_time(frame(rng.permutation(1000).astype(float).tolist()), SplitSpec(test_share=0.3))
    assert (len(split.train), len(split.test)) == (700, 300)


def test_rows_of_one_instant_stay_together_on_the_nearer_side() -> None:
    split = by_time(frame([0.0, 1.0, 1.0, 1.0, 2.0]), SplitSpec(test_share=0.5))
    assert split.train["at_s"].tolist() == [0.0]


def test_outcomes_are_known_until_the_named_column_says() -> None:
    rows = frame([1.0, 2.0]).assign(until_s=[9.0, 9.0])
    assert by_time(rows, SplitSpec(test_share=0.5)).as_of_s == 2.0
    assert by_time(rows, SplitSpec(test_share=0.5, observed_until="until_s")).as_of_s == 9.0


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        (frame([1.0, 1.0, 1.0]), "at_s"),
        (frame([1.0, float("nan")]), "at_s"),
        (frame([1.0, float("inf")]), "at_s"),
        (frame([]), "at_s"),
        (frame([1.0, 2.0]), "when"),
    ],
    ids=["one instant only", "a missing time", "an infinite time", "no rows", "no such column"],
)
def test_frame_without_a_past_and_a_future_is_refused(rows: pd.DataFrame, column: str) -> None:
    with pytest.raises(ContractError):
        by_time(rows, SplitSpec(column=column))


def test_label_is_mature_once_it_was_watched_for_long_enough() -> None:
    since = np.array([0.0, 5 * DAY, 5 * DAY + 1, np.nan])
    assert mature(since, 10 * DAY, days=5).tolist() == [True, True, False, False]
