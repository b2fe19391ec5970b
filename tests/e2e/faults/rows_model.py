"""Rows of the model: it hangs, raises, is slow, answers wrongly, and its process dies."""

import os
import signal
import time
from collections.abc import Callable

from benchmarks.processes import children
from tests.e2e.faults.scene import Fault, Row, Scene, under_load
from tests.e2e.faults.servers import Server
from tests.e2e.faults.verdicts import Goal, Observed

_LASTS_S = 2.0
_FAR = {"deadline_ms": 5000.0, "hang_ms": 60_000.0}
"""A deadline that is none: what a server without one does."""
_KEEPS_ANSWERING = Goal(in_time=0.999, lost=0)
_NEVER_WRONG = Goal(in_time=0.999, lost=0, wrong=0)
_BACK_SOON = Goal(lost=0, back_s=0.2)
"""Sooner than the half second that is promised: a process started anew may just keep that."""
_MOST_PULSES = 40
_BETWEEN_PULSES_S = 0.02


def switched(text: str) -> Fault:
    """Return a fault that is switched on for a while."""
    return Fault(lambda s: s.fault(text), lambda s: s.fault("none"), lasts_s=_LASTS_S)


def _crashes(text: str) -> Callable[[Scene], Observed]:
    """Play a fault in pulses so short that about one request meets it, until it had an effect.

    Were it on for longer, it would end the standby too, as no fault of one process does.
    """

    def once(server: Server) -> None:
        before = set(server.models())
        for _ in range(_MOST_PULSES):
            server.fault(text)
            server.fault("none")
            time.sleep(_BETWEEN_PULSES_S)
            if not before <= set(server.models()):
                return

    return under_load(Fault(once))


def _kill_models(server: Server) -> None:
    for worker in server.workers():
        # The oldest one is asked now; its standby is younger.
        for pid in children(worker)[:1]:
            os.kill(pid, signal.SIGKILL)


ROWS = (
    Row("model hangs", _KEEPS_ANSWERING, under_load(switched("model_hang")), unguarded=_FAR),
    Row(
        "model hangs holding the interpreter lock",
        _KEEPS_ANSWERING,
        under_load(switched("model_lock")),
        unguarded=_FAR,
    ),
    Row(
        "model raises",
        _KEEPS_ANSWERING,
        under_load(switched("model_error")),
        unguarded={"fallback": "error", "holdout": {"share": 0}},
    ),
    Row("model 10 times slower", _KEEPS_ANSWERING, under_load(switched("slow_ms:100")),
        unguarded=_FAR),
    Row("NaN", _NEVER_WRONG, under_load(switched("model_nan")),
        unguarded={"without": ["output_guard"]}),
    Row("out of range", _NEVER_WRONG, under_load(switched("model_out_of_range")),
        unguarded={"without": ["output_guard"]}),
    Row("constant output", _NEVER_WRONG, under_load(switched("model_constant")),
        unguarded={"without": ["spot_check"]}),
    Row("model child out of memory", _BACK_SOON, _crashes("model_oom"),
        unguarded={"without": ["standby"]}),
    Row("model child segfault", _BACK_SOON, _crashes("model_segfault"),
        unguarded={"without": ["standby"]}),
    Row("model child killed", _BACK_SOON, under_load(Fault(_kill_models)),
        unguarded={"without": ["standby"]}),
)  # fmt: skip
