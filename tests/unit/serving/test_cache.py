"""The cache gives the model's last good answers to equal requests, and to no others."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mlops.contracts.domain import Table
from mlops.contracts.row import Request
from mlops.serving.cache import Cache, key
from mlops.serving.spec import CacheSpec
from tests.components.serving import GOOD
from tests.fakes.clock import ManualClock

BUNDLE = "sha256:abc"


def table() -> dict[str, np.ndarray]:
    return {
        "fee": np.array([1.0, 2.0]),
        "kind": np.array(["a", "bc"], dtype=object),
        "place": np.array([None, "x"], dtype=object),
        "age": np.array([3.0, np.nan]),
    }


def asked(**changes: object) -> Request:
    columns: Table = {**table(), **changes}  # type: ignore[dict-item] # arrays, by the callers
    return Request(request_id="r", subject="u", ids=("i", "j"), table=columns)


def cache(entries: int = 3, ttl_s: float = 60.0) -> tuple[Cache, ManualClock]:
    clock = ManualClock()
    return Cache(CacheSpec(entries=entries, ttl_s=ttl_s), clock), clock


SAME: dict[str, Callable[[], Request]] = {
    "it has another id": lambda: replace(asked(), request_id="other"),
    "another user asks": lambda: replace(asked(), subject="other"),
    "its columns are other arrays": lambda: asked(fee=np.array([1.0, 2.0])),
    "an array is a part of another": lambda: asked(fee=np.array([1.0, 9.0, 2.0, 9.0])[::2]),
}
OTHER: dict[str, Callable[[], Request]] = {
    "other candidates": lambda: replace(asked(), ids=("i", "k")),
    "other names that read the same together": lambda: replace(asked(), ids=("ij", "")),
    "another number": lambda: asked(fee=np.array([1.0, np.nextafter(2.0, 3.0)])),
    "the numbers of two columns exchanged": lambda: asked(
        fee=np.array([3.0, np.nan]), age=np.array([1.0, 2.0])
    ),
    "a missing number": lambda: asked(fee=np.array([1.0, np.nan])),
    "another text": lambda: asked(kind=np.array(["a", "bd"], dtype=object)),
    "texts that read the same together": lambda: asked(kind=np.array(["ab", "c"], dtype=object)),
    "a missing text instead of an empty one": lambda: asked(
        place=np.array(["", "x"], dtype=object)
    ),
    "another order of the candidates": lambda: asked(kind=np.array(["bc", "a"], dtype=object)),
}


@pytest.mark.parametrize("sentence", SAME)
def test_request_is_equal_though(sentence: str) -> None:
    it, _ = cache()
    it.put(asked(), BUNDLE, GOOD)
    assert it.get(SAME[sentence](), BUNDLE) is GOOD


@pytest.mark.parametrize("sentence", OTHER)
def test_request_is_another_one_with(sentence: str) -> None:
    it, _ = cache()
    it.put(asked(), BUNDLE, GOOD)
    assert it.get(OTHER[sentence](), BUNDLE) is None
    assert it.get(asked(), BUNDLE) is GOOD


def test_answer_of_another_bundle_is_not_given() -> None:
    it, _ = cache()
    it.put(asked(), BUNDLE, GOOD)
    assert it.get(asked(), "sha256:abd") is None


def test_key_is_short() -> None:
    assert len(key(asked(), BUNDLE)) == 16


def numbered(number: int) -> Request:
    return replace(asked(), ids=(str(number), "j"))


def test_least_recently_used_answer_goes_first() -> None:
    it, _ = cache(entries=3)
    for number in (1, 2, 3):
        it.put(numbered(number), BUNDLE, GOOD)
    assert it.get(numbered(1), BUNDLE) is GOOD
    it.put(numbered(4), BUNDLE, GOOD)
    assert [it.get(numbered(n), BUNDLE) is not None for n in (1, 2, 3, 4)] == [
        True, False, True, True,
    ]  # fmt: skip
    it.put(numbered(3), BUNDLE, GOOD)
    it.put(numbered(5), BUNDLE, GOOD)
    it.put(numbered(6), BUNDLE, GOOD)
    assert it.get(numbered(3), BUNDLE) is GOOD
    assert len(it) == 3


def test_answer_grows_too_old() -> None:
    it, clock = cache()
    it.put(numbered(1), BUNDLE, GOOD)
    clock.advance(40.0)
    it.put(numbered(2), BUNDLE, GOOD)
    clock.advance(20.0)
    assert it.get(numbered(1), BUNDLE) is GOOD
    clock.advance(0.1)
    assert it.get(numbered(1), BUNDLE) is None
    assert it.get(numbered(2), BUNDLE) is GOOD


def test_when_all_are_too_old_nothing_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    it, clock = cache()
    it.put(asked(), BUNDLE, GOOD)
    clock.advance(61.0)
    monkeypatch.setattr("mlops.serving.cache.key", None)
    assert it.get(asked(), BUNDLE) is None
    assert len(it) == 0
    assert it.get(asked(), BUNDLE) is None


def test_cleared_it_gives_nothing() -> None:
    it, _ = cache()
    it.put(asked(), BUNDLE, GOOD)
    it.clear()
    assert it.get(asked(), BUNDLE) is None


def test_switched_off_it_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.serving.cache.key", None)
    it, _ = cache(entries=0)
    it.put(asked(), BUNDLE, GOOD)
    assert it.get(asked(), BUNDLE) is None


def test_keeping_answers_takes_a_fiftieth_of_the_time_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it, clock = cache(entries=10**6)

    def slowly(request: Request, bundle: str) -> bytes:
        clock.advance(20e-6)
        return key(request, bundle)

    monkeypatch.setattr("mlops.serving.cache.key", slowly)
    for number in range(10_000):
        clock.advance(100e-6)
        it.put(numbered(number), BUNDLE, GOOD)
    assert 950 <= len(it) <= 1050
    monkeypatch.undo()
    before = len(it)
    for number in range(100):
        clock.advance(0.01)
        it.put(numbered(-number - 1), BUNDLE, GOOD)
    assert len(it) == before + 100
