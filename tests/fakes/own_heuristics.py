"""Heuristics of a user's own, one right and the others wrong in one way each."""

import sys
from typing import Any, Self

import numpy as np

from mlops.contracts.domain import Table
from mlops.models.heuristics import Heuristic, History, State


class ByFee(Heuristic):
    """Ranks by the fee."""

    read: tuple[str, ...] = ("success_fee",)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.read

    @classmethod
    def fit(cls, history: History, *, power: float = 1.0) -> Self:
        assert power > 0
        assert len(history.at_s) == len(history.table["applied"])
        return cls()

    def score(self, table: Table, rows: int) -> Any:
        assert len(table["success_fee"]) == rows
        return table["success_fee"]

    def state(self) -> State:
        return State()

    @classmethod
    def restore(cls, state: State) -> Self:
        del state
        return cls()


class ReadsPosition(ByFee):
    """Declares a column that only the log holds."""

    read = ("success_fee", "position")


class ScoresByPosition(ByFee):
    """Reads a column that only the log holds, and declares none."""

    def score(self, table: Table, rows: int) -> Any:
        return -np.asarray(table["position"], dtype=np.float64)[:rows]


class ReadsSalary(ByFee):
    """Passes missing values on."""

    def score(self, table: Table, rows: int) -> Any:
        return np.asarray(table["job_salary"], dtype=np.float64)[:rows]


class OneScore(ByFee):
    """Gives one number for a page."""

    def score(self, table: Table, rows: int) -> Any:
        return np.zeros(1)


class Divides(ByFee):
    """Fails for a reason of its own."""

    @classmethod
    def fit(cls, history: History, *, power: float = 1.0) -> Self:
        raise ZeroDivisionError("power")


class DoesNotRestore(ByFee):
    """Cannot be carried by a bundle."""

    @classmethod
    def restore(cls, state: State) -> Self:
        raise ValueError("nothing to restore")


class Unfinished(Heuristic):
    """Lacks what carries it."""

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    @classmethod
    def fit(cls, history: History) -> Self:
        return cls()

    def score(self, table: Table, rows: int) -> Any:
        return np.zeros(rows)


class EndsTheProgram(ByFee):
    """Asks the interpreter to end as if all were well."""

    @classmethod
    def fit(cls, history: History, *, power: float = 1.0) -> Self:
        sys.exit(0)
