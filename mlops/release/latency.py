"""A latency check: how long the compiled model takes for a page, told apart from a busy machine.

Other work on a machine can only add time, and it comes in bursts. So the calls are cut into blocks
in the order in which they were made, and the smallest of the blocks' medians is the model's own
time: the median shrugs off single interruptions, the smallest block shrugs off a burst. A slow
model is slow in every block. Source: Chen & Revels 2016, "Robust benchmarking in noisy
environments", for the minimum as the estimate under noise that only adds.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median, quantiles

from mlops.base.clock import Clock
from mlops.base.verdict import Finding, Status, Verdict

NAME = "latency"

_BLOCKS = 5
_LEAST_CALLS = 50
_WARM_UP_CALLS = 10


def time_calls(call: Callable[[], object], clock: Clock, *, calls: int) -> tuple[float, ...]:
    """Time a call many times, after ten calls that warm caches up.

    Args:
        call: Scores one page.
        clock: Its monotonic time is read.
        calls: How often.

    Returns:
        Milliseconds of each call, in order.
    """
    for _ in range(_WARM_UP_CALLS):
        call()
    taken: list[float] = []
    for _ in range(calls):
        start = clock.monotonic()
        call()
        taken.append((clock.monotonic() - start) * 1000)
    return tuple(taken)


def judge_latency(samples_ms: Sequence[float], limit_ms: float, page: int) -> Verdict:
    """Hold the time of a page against its limit.

    Args:
        samples_ms: Milliseconds of each call, in the order in which they were made.
        limit_ms: Longest accepted time.
        page: Rows of a call, for the message.

    Returns:
        Two findings: `latency.typical` on the smallest block median, which passes or fails, and
        `latency.p99` on all calls, which warns at most, since a busy machine can cause it. Below
        50 calls both are unknown.
    """
    if len(samples_ms) < _LEAST_CALLS:
        text = f"{len(samples_ms)} calls were timed, {_LEAST_CALLS} are needed"
        return Verdict(
            NAME,
            tuple(
                Finding(f"{NAME}.{part}", Status.UNKNOWN, text, limit=limit_ms, unit="ms")
                for part in ("typical", "p99")
            ),
        )
    typical = min(_block_medians(samples_ms))
    high = quantiles(samples_ms, n=100, method="inclusive")[98]
    asked = f"{len(samples_ms)} pages of {page} rows"
    findings = (
        Finding(
            f"{NAME}.typical",
            Status.PASS if typical <= limit_ms else Status.FAIL,
            f"{asked} took {typical:.3g} ms each, wanted at most {limit_ms:.6g} ms",
            value=typical,
            limit=limit_ms,
            unit="ms",
        ),
        Finding(
            f"{NAME}.p99",
            Status.PASS if high <= limit_ms else Status.WARN,
            f"99 of 100 took at most {high:.3g} ms" + _blame(typical, high, limit_ms),
            value=high,
            limit=limit_ms,
            unit="ms",
        ),
    )
    return Verdict(NAME, findings)


def _block_medians(samples_ms: Sequence[float]) -> list[float]:
    edges = [len(samples_ms) * n // _BLOCKS for n in range(_BLOCKS + 1)]
    return [median(samples_ms[start:end]) for start, end in pairwise(edges)]


def _blame(typical: float, high: float, limit_ms: float) -> str:
    if high <= limit_ms or typical > limit_ms:
        return ""
    return f", over {limit_ms:.6g} ms: the machine was busy, or the model's tail is long"
