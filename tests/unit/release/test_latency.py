"""Latency: the model's own time, told apart from what else a machine does."""

import numpy as np
import pytest

from mlops.base.clock import Clock
from mlops.base.verdict import Status
from mlops.release.latency import judge_latency, time_calls


def _samples(own_ms: float, *, seed: int = 1, calls: int = 200) -> list[float]:
    rng = np.random.default_rng(seed)
    return [float(own_ms + x) for x in rng.exponential(0.02 * own_ms, calls)]


def _states(samples: list[float], limit: float = 2.0) -> tuple[Status, Status]:
    typical, high = judge_latency(samples, limit, 50).findings
    assert (typical.check, high.check) == ("latency.typical", "latency.p99")
    return typical.status, high.status


def _burst() -> list[float]:
    samples = _samples(1.0)
    samples[20:140] = [9.0 * x for x in samples[20:140]]  # 60 % of the time
    return samples


CASES: dict[str, tuple[list[float], tuple[Status, Status]]] = {
    "a fast model on a quiet machine": (_samples(1.0), (Status.PASS, Status.PASS)),
    "a slow model": (_samples(3.0), (Status.FAIL, Status.WARN)),
    "a fast model while others work": (_burst(), (Status.PASS, Status.WARN)),
    "a slow model is slow in every burst": (_samples(2.01), (Status.FAIL, Status.WARN)),
    "too few calls": (_samples(1.0, calls=49), (Status.UNKNOWN, Status.UNKNOWN)),
    "no call at all": ([], (Status.UNKNOWN, Status.UNKNOWN)),
    "just enough calls": (_samples(1.0, calls=50), (Status.PASS, Status.PASS)),
}


@pytest.mark.parametrize("case", CASES)
def test_latency(case: str) -> None:
    samples, states = CASES[case]
    assert _states(samples) == states


def test_the_message_names_page_and_limit() -> None:
    finding = judge_latency(_samples(1.0), 2.0, 50).findings[0]
    assert "200 pages of 50 rows" in finding.message
    assert (finding.limit, finding.unit) == (2.0, "ms")


class _Steps:
    """A clock that a call moves on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    now = Clock.now

    def monotonic(self) -> float:
        return self.seconds


def test_calls_are_timed_in_order_after_warming_up() -> None:
    clock, calls = _Steps(), 0

    def call() -> None:
        nonlocal calls
        calls += 1
        clock.seconds += 1.0 if calls <= 10 else 0.001 * (calls - 10)

    assert time_calls(call, clock, calls=3) == pytest.approx((1, 2, 3))
    assert calls == 13
