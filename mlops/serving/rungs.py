"""Rungs: the heuristics that answer where no model does, in their order, and the static one last.

Each does less than the one before and needs less. The last is the caller's own order, a constant.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, Self

import msgspec
import numpy as np

from mlops.contracts.domain import Floats
from mlops.contracts.row import Request
from mlops.models.heuristics import Heuristic
from mlops.serving.decision import Source
from mlops.serving.guard import inspect
from mlops.serving.lane import ModelGoneError, ProcessLane

_log = logging.getLogger(__name__)

Rung = Heuristic | ProcessLane


class Below(msgspec.Struct, frozen=True, gc=False):
    """The answer that lies below the model's.

    Attributes:
        source: `heuristic` or `static`.
        scores: One a candidate.
        name: The heuristic's; empty for the static order.
    """

    source: Source
    scores: Floats
    name: str


class Pending(NamedTuple):
    """An answer of a heuristic's process that is under way.

    Attributes:
        at: Its place among the rungs.
        task: Gives its scores, or None if it failed.
    """

    at: int
    task: "asyncio.Task[Floats | None]"


class _Kind(NamedTuple):
    """A rung by its kind, told apart once and not on every request."""

    name: str
    heuristic: Heuristic | None
    process: ProcessLane | None

    @classmethod
    def of(cls, name: str, rung: Rung) -> Self:
        if isinstance(rung, Heuristic):
            return cls(name, rung, None)
        return cls(name, None, rung)


class Watcher(Protocol):
    """Who counts failures of heuristics."""

    def heuristic_failed(self, cause: str) -> None:
        """One raised, was late or gave what is no score: `raised`, `late`, `invalid`."""
        ...


class Rungs:
    """The heuristics of a bundle.

    Args:
        rungs: By name, in the order tried: one that runs inline, or the process of one.
        most: Questions that a heuristic's process may owe before it is passed over.
        watcher: Counts failures.
        told: Gives what may be logged of an error.
    """

    def __init__(
        self,
        rungs: Sequence[tuple[str, Rung]],
        *,
        most: int,
        watcher: Watcher,
        told: Callable[[Exception], str],
    ) -> None:
        self._rungs = tuple(_Kind.of(name, rung) for name, rung in rungs)
        self._most = most
        self._watcher = watcher
        self._told = told
        self._tasks: set[asyncio.Task[Floats | None]] = set()

    def __len__(self) -> int:
        """Return the number of heuristics."""
        return len(self._rungs)

    def begin(self, request: Request, until: float, *, first: int = 0) -> Below | Pending:
        """Compute the first answer that a heuristic can give at once, or ask one in a process.

        Args:
            request: What is asked.
            until: Monotonic seconds until which a process is waited for.
            first: Place of the first rung tried.
        """
        for at in range(first, len(self._rungs)):
            name, heuristic, process = self._rungs[at]
            if heuristic is not None:
                scores = self._compute(name, heuristic, request)
                if scores is not None:
                    return Below(Source.HEURISTIC, scores, name)
            elif process is not None and self._may_ask(name, process):
                ask = self._ask(name, process, request, until)
                task = asyncio.get_running_loop().create_task(ask)
                self._tasks.add(task)  # the loop itself holds tasks weakly
                task.add_done_callback(self._tasks.discard)
                return Pending(at, task)
        return Below(Source.STATIC, 0.0 - np.arange(request.rows, dtype=np.float64), "")

    async def finish(self, begun: Pending, request: Request, until: float) -> Below:
        """Return the answer that was begun, or if that fails the next rung's.

        Args:
            begun: From `begin`.
            request: What is asked.
            until: Monotonic seconds until which further processes are waited for.
        """
        step: Below | Pending = begun
        while isinstance(step, Pending):
            scores = await step.task
            if scores is not None:
                return Below(Source.HEURISTIC, scores, self._rungs[step.at].name)
            step = self.begin(request, until, first=step.at + 1)
        return step

    def _may_ask(self, name: str, process: ProcessLane) -> bool:
        if not process.ready:
            self._fail(name, "raised", "its process is away")
        elif process.owed >= self._most:
            self._fail(name, "late", "its process owes too many answers")
        else:
            return True
        return False

    def _compute(self, name: str, heuristic: Heuristic, request: Request) -> Floats | None:
        try:
            scores = np.asarray(heuristic.score(request.table, request.rows), dtype=np.float64)
        except Exception as error:
            # A heuristic is the user's code: whatever it does, the next rung answers.
            self._fail(name, "raised", self._told(error))
            return None
        return self._valid(name, scores, request.rows)

    async def _ask(
        self, name: str, process: ProcessLane, request: Request, until: float
    ) -> Floats | None:
        try:
            scores, _ = await process.score(request.table, request.rows, deadline=until)
        except TimeoutError:
            self._fail(name, "late", "it was not in time")
        except ModelGoneError:
            self._fail(name, "raised", "its process died")
        except Exception as error:
            self._fail(name, "raised", self._told(error))
        else:
            return self._valid(name, scores, request.rows)
        return None

    def _valid(self, name: str, scores: Floats, rows: int) -> Floats | None:
        # A sum of squares is finite only if all are, and takes a third of the time of two ends.
        if scores.shape == (rows,) and math.isfinite(np.vdot(scores, scores)):
            return scores
        breach = inspect(scores, rows=rows, low=-math.inf, high=math.inf)
        if breach is None:
            return scores
        self._fail(name, "invalid", breach.value.removeprefix("guard_"))
        return None

    def _fail(self, name: str, cause: str, why: str) -> None:
        self._watcher.heuristic_failed(cause)
        _log.error("heuristic %s failed: %s", name, why)
