"""A drill: a fault played where it would happen, in a model's process or in a heuristic."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from typing import Self

import numpy as np

from mlops.contracts.domain import Floats, Table
from mlops.models.heuristics import Heuristic, History, State
from mlops.serving.faults import Fault, FaultKind

_PIECE = 1 << 24
_PIECES = 1 << 10  # 16 GiB: an end where the system sets none
_LETTERS = 30  # about a minute of matching; each letter doubles it
_EXIT_STATUS = 3


def play(fault: Fault, rows: int, score: Callable[[], Floats]) -> Floats:
    """Return scores after a fault, if it lets it come to that.

    Args:
        fault: What is broken.
        rows: Number of candidates.
        score: Gives the true scores, shape [rows].

    Raises:
        RuntimeError: The fault is to raise.
        MemoryError: The fault took all there was.
    """
    before = _BEFORE.get(fault.kind)
    if before is not None:
        before(fault.amount_ms)
    match fault.kind:
        case FaultKind.MODEL_NAN:
            return np.full(rows, np.nan)
        case FaultKind.MODEL_OUT_OF_RANGE:
            return np.full(rows, sys.float_info.max)
        case FaultKind.MODEL_CONSTANT:
            return np.full(rows, score().mean())
        case _:
            return score()


class DrilledHeuristic(Heuristic):
    """A heuristic that runs inline and raises while the drill says so.

    Args:
        heuristic: What scores otherwise.
        faults: Returns the fault of the drill.
    """

    def __init__(self, heuristic: Heuristic, faults: Callable[[], Fault]) -> None:
        self._heuristic = heuristic
        self._faults = faults

    @property
    def columns(self) -> tuple[str, ...]:
        """Request columns that it reads."""
        return self._heuristic.columns

    @classmethod
    def fit(cls, history: History) -> Self:
        """It only wraps one that was fitted."""
        raise NotImplementedError

    def score(self, table: Table, rows: int) -> Floats:
        """Return a score for each candidate, shape [rows].

        Raises:
            RuntimeError: The fault is `heuristic_error`.
        """
        if self._faults().kind is FaultKind.HEURISTIC_ERROR:
            _raise(0)
        return self._heuristic.score(table, rows)

    def state(self) -> State:
        """Return that of the heuristic."""
        return self._heuristic.state()

    @classmethod
    def restore(cls, state: State) -> Self:
        """It only wraps one that was restored."""
        raise NotImplementedError


def _spin(_: int) -> None:
    while True:
        pass


def _hold_the_lock(_: int) -> None:
    re.match(r"(a+)+$", "a" * _LETTERS + "b")


def _raise(_: int) -> None:
    message = "drill: it raises"
    raise RuntimeError(message)


def _take_memory(_: int) -> None:
    taken = [np.empty(_PIECE, np.uint8) for _ in range(_PIECES)]  # untouched: the machine has it
    message = f"drill: {len(taken)} pieces of memory taken"
    raise MemoryError(message)


def _crash(_: int) -> None:
    signal.raise_signal(signal.SIGSEGV)


def _exit(_: int) -> None:
    os._exit(_EXIT_STATUS)


def _sleep(amount_ms: int) -> None:
    time.sleep(amount_ms / 1000)


_BEFORE: dict[FaultKind, Callable[[int], None]] = {
    FaultKind.MODEL_HANG: _spin,
    FaultKind.MODEL_LOCK: _hold_the_lock,
    FaultKind.MODEL_ERROR: _raise,
    FaultKind.MODEL_OOM: _take_memory,
    FaultKind.MODEL_SEGFAULT: _crash,
    FaultKind.MODEL_EXIT: _exit,
    FaultKind.SLOW_MS: _sleep,
    FaultKind.HEURISTIC_ERROR: _raise,
    FaultKind.HEURISTIC_HANG: _spin,
}
