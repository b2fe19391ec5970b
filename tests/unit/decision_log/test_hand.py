"""A hand: one task at a time, whose result or error is taken once."""

import threading
from functools import partial

import pytest

from mlops.decision_log.hand import Hand
from tests.fakes.clock import ManualClock


class Held:
    """A hand, and its wake-up as an event."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.woken = threading.Event()
        self.hand: Hand[int] = Hand("test", wake=self.woken.set, clock=self.clock.monotonic)


def test_result_is_taken_once_and_the_next_task_can_begin() -> None:
    held = Held()
    assert held.hand.take() is None
    for number in (1, 2):
        held.woken.clear()
        held.hand.start(partial(int, number))
        assert held.woken.wait(20)
        seen = [held.hand.busy, held.hand.take(), held.hand.busy, held.hand.take()]
        assert seen == [True, number, False, None]


def test_a_task_that_fails_hands_its_error_over() -> None:
    held = Held()
    held.hand.start(lambda: 1 // 0)
    assert held.woken.wait(20)
    assert isinstance(held.hand.take(), ZeroDivisionError)


def test_a_task_that_hangs_is_seen_and_holds_nothing_up() -> None:
    held = Held()
    gate = threading.Event()
    held.hand.start(lambda: int(gate.wait(20)))
    held.clock.advance(3.0)
    assert (held.hand.busy, held.hand.busy_s(), held.hand.take()) == (True, 3.0, None)
    with pytest.raises(AssertionError):
        held.hand.start(lambda: 2)
    gate.set()
    assert held.woken.wait(20)
    assert held.hand.take() == 1
    assert held.hand.busy_s() == 0.0
