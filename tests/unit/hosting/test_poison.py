"""Poison: what ended processes twice is refused for ten minutes, and chance is not blamed."""

import signal

import pytest

from mlops.hosting.poison import FORGET_S, Poison, blames
from mlops.hosting.shared import Shared


@pytest.fixture
def shared() -> Shared:
    return Shared(members=1, numbers=1, flags=0, poison=4)


def test_second_death_on_equal_requests_makes_them_poison(shared: Shared) -> None:
    poison = Poison(shared)
    assert not poison.died(5, 100.0)
    assert not poison.died(6, 101.0)
    assert not shared.is_poison(5)
    assert poison.died(5, 102.0)
    assert shared.is_poison(5)
    assert not shared.is_poison(6)


def test_two_deaths_far_apart_are_chance(shared: Shared) -> None:
    poison = Poison(shared)
    poison.died(5, 0.0)
    assert not poison.died(5, FORGET_S)
    assert not shared.is_poison(5)
    assert poison.died(5, FORGET_S + 1)


def test_poison_is_let_in_again_after_ten_minutes_and_then_needs_two_deaths_anew(
    shared: Shared,
) -> None:
    poison = Poison(shared)
    poison.died(5, 0.0)
    poison.died(5, 1.0)
    poison.forget(FORGET_S)
    assert shared.is_poison(5)
    poison.forget(FORGET_S + 1.0)
    assert not shared.is_poison(5)
    assert not poison.died(5, FORGET_S + 2.0)
    assert poison.died(5, FORGET_S + 3.0)


def test_death_without_work_blames_nothing(shared: Shared) -> None:
    poison = Poison(shared)
    for _ in range(3):
        assert not poison.died(0, 1.0)


def test_of_more_poison_than_there_is_room_for_the_newest_is_known(shared: Shared) -> None:
    poison = Poison(shared)
    for fingerprint in range(1, 7):
        poison.died(fingerprint, float(fingerprint))
        poison.died(fingerprint, float(fingerprint))
    assert [shared.is_poison(each) for each in range(1, 7)] == [False, False, *[True] * 4]
    poison.forget(FORGET_S + 5.0)
    assert [shared.is_poison(each) for each in range(1, 7)] == [*[False] * 5, True]


def test_memory_of_suspects_is_bounded(shared: Shared) -> None:
    poison = Poison(shared)
    for fingerprint in range(1, 5000):
        poison.died(fingerprint, 1.0)
    assert not poison.died(1, 1.0), "the first was forgotten for newer ones"
    assert poison.died(4999, 1.0)


@pytest.mark.parametrize(
    ("cause", "status", "stopped", "blamed"),
    [
        pytest.param("died", -signal.SIGSEGV, False, True, id="crashed"),
        pytest.param("died", -signal.SIGABRT, False, True, id="aborted"),
        pytest.param("died", 1, False, True, id="raised"),
        pytest.param("died", 0, False, True, id="left"),
        pytest.param("silent", -signal.SIGKILL, False, True, id="hung"),
        pytest.param("silent", -signal.SIGKILL, True, False, id="stopped by somebody"),
        pytest.param("died", -signal.SIGKILL, False, False, id="killed by somebody"),
        pytest.param("died", -signal.SIGTERM, False, False, id="told to end by somebody"),
        pytest.param("not_started", 1, False, False, id="never came up"),
        pytest.param("stopped", 1, False, False, id="failed while stopping"),
    ],
)
def test_request_is_blamed_for_what_it_can_have_done(
    cause: str, status: int, stopped: bool, blamed: bool
) -> None:
    assert blames(cause, status, stopped=stopped) is blamed
