"""Rows of the heuristic: a user's own code raises or hangs while no model may answer."""

from collections.abc import Callable

from benchmarks.load import Step
from benchmarks.load_records import told
from tests.e2e.faults.scene import Row, Scene, observe
from tests.e2e.faults.verdicts import Goal, Observed

_LASTS_S = 2.0
_GOAL = Goal(in_time=0.999, lost=0)
_OWN = {"fallback": ["own"]}


def _broken(fault: str) -> Callable[[Scene], Observed]:
    """Return a play: the heuristic alone answers, breaks, and is mended."""

    def play(scene: Scene) -> Observed:
        own = str(scene.ground.own.path)
        with scene.serve(bundle=own) as server:
            server.admin("PUT", "/breaker", "forced_open")
            with scene.traffic(server, Step(1.5 + _LASTS_S + 2.0, 200.0)) as load:
                began = load.wait_until(1.5)
                server.fault(fault)
                ended = load.wait_until(1.5 + _LASTS_S)
                server.fault("none")
                samples = load.finish()
            events = server.events()
        found = observe(scene, server, samples, events=events, began=began)
        during = [told(s).source for s in samples if began + 0.2 <= s.due < ended]
        after = [s.due - ended for s in samples if s.due >= ended and told(s).source == "heuristic"]
        found.recover_s = min(after, default=None)
        if "static" not in during:
            found.misses.append("the caller's own order never answered")
        return found

    return play


ROWS = (
    Row("heuristic raises", _GOAL, _broken("heuristic_error"), changes=_OWN,
        unguarded={"fallback": "error", "holdout": {"share": 0}}),
    Row("heuristic hangs", _GOAL, _broken("heuristic_hang"), changes=_OWN,
        unguarded={"deadline_ms": 5000.0, "hang_ms": 60_000.0}),
)  # fmt: skip
