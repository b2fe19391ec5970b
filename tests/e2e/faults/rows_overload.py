"""Rows of overload: more than the model can take, and a model that heals under it."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.load import Caller, Step
from benchmarks.load_records import Sample, told
from tests.e2e.faults.ground import DEADLINE_MS
from tests.e2e.faults.scene import Row, Scene, observe
from tests.e2e.faults.verdicts import Goal, Observed, count

_MODEL_MS = 10
_PEAK_S, _SETTLE_S, _OVER_S = 2.0, 1.5, 4.0
_GOODPUT = 0.8
_CALLERS = (
    Caller("critical", 0.1, {"x-priority": "critical"}),
    Caller("normal", 0.7),
    Caller("sheddable", 0.2, {"x-priority": "sheddable"}),
)
_ONE: Mapping[str, Any] = {"workers": 1, "holdout": {"share": 0}}
_CRITICAL = {2: 0.999, 5: 0.995, 10: 0.99}


def _by_model(samples: Sequence[Sample], since: float, seconds: float) -> float:
    """Return the model's answers in time, a second."""
    good = [
        s for s in samples
        if since <= s.due < since + seconds and told(s).source == "model"
        and s.latency_ms <= DEADLINE_MS
    ]  # fmt: skip
    return len(good) / seconds


def _overloaded(times: int) -> Callable[[Scene], Observed]:
    """Return a play: what the model can do at most, and then several times as much."""

    def play(scene: Scene) -> Observed:
        with scene.serve() as server:
            server.fault(f"slow_ms:{_MODEL_MS}")
            # Two callers in turn keep a model busy that takes one page at a time.
            with scene.traffic(server, Step(_PEAK_S), connections=2, name="peak") as load:
                alone = load.finish()
                peak = _by_model(alone, load.began + 0.5, _PEAK_S - 0.5)
            steps = Step(_SETTLE_S + _OVER_S, times * peak)
            with scene.traffic(server, steps, callers=_CALLERS, connections=64) as load:
                samples = load.finish()
        since = load.began + _SETTLE_S
        goodput = _by_model(samples, since, _OVER_S)
        critical = count([s for s in samples if s.caller == 0], scene.ground.expected)
        found = observe(scene, server, [*alone, *samples])
        found.told = {"peak": peak, "goodput": goodput, "critical": critical.share_in_time}
        if critical.share_in_time < _CRITICAL[times]:
            found.misses.append(f"critical callers {critical.share_in_time:.2%} in time")
        if goodput < _GOODPUT * peak:
            found.misses.append(f"goodput {goodput:.0f}/s of {peak:.0f}/s")
        return found

    return play


def _heals(scene: Scene) -> Observed:
    """Let a model raise, and heal, under five times the load that it can take."""
    with scene.serve() as server:
        server.fault(f"slow_ms:{_MODEL_MS}")
        rate = 5 * 1000.0 / (_MODEL_MS + 1)
        with scene.traffic(server, Step(8.0, rate), connections=64) as load:
            began = load.wait_until(1.5)
            server.fault("model_error")
            load.wait_until(3.5)
            server.fault(f"slow_ms:{_MODEL_MS}")
            healed = time.monotonic()
            samples = load.finish()
        events = server.events()
    moves = [e.fields for e in events if e.kind == "breaker" and e.at > healed and "to" in e.fields]
    # The first opening ends in probes; whatever opens after its ramp began has reopened.
    ramped = [at for at, move in enumerate(moves) if move["to"] == "ramping"]
    reopened = [m for m in moves[ramped[0] :] if m["to"] == "open"] if ramped else []
    found = observe(scene, server, samples, events=events, began=began)
    closed = [
        event.at - healed
        for event in events
        if event.kind == "breaker" and event.at > healed and event.fields.get("to") == "closed"
    ]
    found.recover_s = min(closed, default=None)
    found.told = {"moves": len(moves), "reopened": len(reopened)}
    if not ramped:
        found.misses.append("no ramp")
    if reopened:
        found.misses.append("it opened again")
    return found


ROWS = (
    *(
        Row(f"overload {times} times", Goal(lost=0), _overloaded(times), changes=_ONE,
            unguarded={"without": ["limiter"]})
        for times in (2, 5, 10)
    ),
    Row("healing under 5 times load", Goal(lost=0, back_s=4.0), _heals, changes=_ONE,
        unguarded={"without": ["ramp"]}),
)  # fmt: skip
