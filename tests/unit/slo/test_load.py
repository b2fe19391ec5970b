"""A load: its samples are its events, and count exactly."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.slo.load import Load, Phase, counter_values, sample_values, window_events


def read(values: str) -> list[float | None]:
    """Read promtool's notation: `1+2x3` is 1 3 5 7, `1x3` four ones, `_x3` three missing."""
    found: list[float | None] = []
    for word in values.split():
        level, _, times = word.partition("x")
        if level == "_":
            found += [None] * int(times or 1)
            continue
        first, _, step = level.partition("+")
        found += [float(first) + float(step or 0) * n for n in range(int(times or 0) + 1)]
    return found


def increase(samples: Sequence[float | None]) -> float:
    """Return a counter's increase as Prometheus counts it."""
    known = [sample for sample in samples if sample is not None]
    return sum(after - before if after >= before else after for before, after in pairwise(known))


_PHASES = st.builds(
    Phase,
    intervals=st.integers(1, 20),
    share=st.floats(0, 1),
    rate=st.integers(0, 10**6),
    restarts=st.booleans(),
    missing=st.booleans(),
)


@given(st.lists(_PHASES, min_size=1, max_size=6), st.data())
def test_a_counter_counts_what_happened_in_any_window(
    phases: list[Phase], data: st.DataObject
) -> None:
    steady = tuple(replace(phase, restarts=False) for phase in phases)
    load = Load(steady, interval_s=15)
    samples = read(counter_values(load, [phase.bad for phase in phases]))
    assert len(samples) == load.intervals + 1
    at = data.draw(st.integers(0, load.intervals))
    bad, _ = load.until(at)
    assert increase(samples[: at + 1]) == bad


@given(st.lists(_PHASES, min_size=1, max_size=6))
def test_a_restart_adds_nothing(phases: list[Phase]) -> None:
    """It may hide events: a counter that is as high again at its next sample shows no restart."""
    load = Load(tuple(phases), interval_s=15)
    samples = read(counter_values(load, [phase.bad for phase in phases]))
    bad, _ = load.until(load.intervals)
    assert increase(samples) <= bad


@given(st.lists(_PHASES, min_size=1, max_size=6))
def test_good_and_bad_are_all(phases: list[Phase]) -> None:
    load = Load(tuple(phases), interval_s=15)
    bad, total = load.until(load.intervals)
    assert 0 <= bad <= total
    happened = [phase for phase in phases if not phase.missing]
    assert total == sum((phase.good + phase.bad) * phase.intervals for phase in happened)


def test_a_counter_that_restarts_begins_anew() -> None:
    load = Load((Phase(2, rate=5), Phase(2, rate=5, restarts=True)), interval_s=15)
    assert read(counter_values(load, [5, 5])) == [0, 5, 10, 5, 10]


def test_a_gauge_is_bad_as_often_as_its_share_says() -> None:
    load = Load((Phase(8, share=0.25), Phase(2, missing=True), Phase(2)), 15, whole=True)
    assert sample_values(load, good="1", bad="0") == "1 1x2 0 1x2 0 _x2 1x1"
    assert window_events(load, 120, 8) == (2, 8)


@pytest.mark.parametrize(("at", "last"), [(0, 0), (4, 4), (5, 4), (9, 4), (10, 10)])
def test_the_last_sample_before_a_gap_is_known(at: int, last: int) -> None:
    load = Load((Phase(4), Phase(5, missing=True), Phase(3)), interval_s=15)
    assert load.last_sample(at) == last
