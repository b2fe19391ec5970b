"""A back-off: quick after the first end, slower with each further one, quick again after calm."""

import itertools

import pytest

from mlops.hosting.backoff import CALM_S, Backoff


def test_who_keeps_ending_young_waits_twice_as_long_each_time_up_to_the_longest() -> None:
    backoff = Backoff(longest_s=1.0)
    pauses = [backoff.pause_s(lived_s=0.1, at_work=False) for _ in range(8)]
    assert pauses == [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_who_lived_a_while_is_back_at_once_whatever_came_before() -> None:
    backoff = Backoff(longest_s=5.0)
    for _ in range(6):
        backoff.pause_s(lived_s=0.0, at_work=False)
    assert backoff.pause_s(lived_s=CALM_S, at_work=False) == 0.0
    assert backoff.pause_s(lived_s=0.0, at_work=False) == 0.05


@pytest.mark.parametrize("lived_s", [0.01, CALM_S])
def test_requests_that_kill_do_not_make_their_workers_wait(lived_s: float) -> None:
    backoff = Backoff(longest_s=5.0)
    assert {backoff.pause_s(lived_s=lived_s, at_work=True) for _ in range(20)} == {0.0}
    assert backoff.pause_s(lived_s=0.01, at_work=False) == 0.0


def test_thousand_ends_in_a_row_wait_for_the_longest_and_not_for_ever() -> None:
    backoff = Backoff(longest_s=600.0)
    pauses = [backoff.pause_s(lived_s=0.0, at_work=False) for _ in range(1000)]
    assert all(earlier <= later for earlier, later in itertools.pairwise(pauses))
    assert pauses[-1] == 600.0
