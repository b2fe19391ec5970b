"""A user's own heuristic that leaves a trace of each call, and misbehaves if its state says so."""

import sys
import time
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from mlops.contracts.domain import Table
from mlops.models.heuristics import Facts, Heuristic, History, State


class Counted(Heuristic):
    """Writes a line into a file at each call, then takes its time.

    Args:
        path: The file.
        takes_s: Seconds that each call takes.
        how: `scores`, `exits` or `matrix`.
    """

    def __init__(self, path: Path, *, takes_s: float = 0.0, how: str = "scores") -> None:
        self._path = path
        self._takes_s = takes_s
        self._how = how

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    @classmethod
    def fit(cls, history: History) -> Self:
        raise NotImplementedError

    def score(self, table: Table, rows: int) -> Any:
        with self._path.open("a") as file:
            file.write(f"{rows}\n")
        sys.stdout.write(f"scored {rows}\n")
        sys.stdout.flush()
        time.sleep(self._takes_s)
        if self._how == "exits":
            sys.exit("as if all were well")
        if self._how == "matrix":
            return np.zeros((rows, 1))
        return np.arange(rows, dtype=np.float64)

    def state(self) -> State:
        facts: Facts = {"path": str(self._path), "takes_s": self._takes_s, "how": self._how}
        return State(facts)

    @classmethod
    def restore(cls, state: State) -> Self:
        facts = state.facts
        takes_s = cast("float", facts["takes_s"])
        return cls(Path(str(facts["path"])), takes_s=takes_s, how=str(facts["how"]))
