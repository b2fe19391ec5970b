"""A fake heuristic: gives what a test has laid ready, whatever it is, and counts its calls."""

from collections.abc import Callable
from typing import Any, Self

from mlops.contracts.domain import Table
from mlops.models.heuristics import Heuristic, History, State


class FakeHeuristic(Heuristic):
    """Stands in for a user's own heuristic.

    Args:
        give: Called with the number of candidates; its result is the score.
    """

    def __init__(self, give: Callable[[int], Any]) -> None:
        self._give = give
        self.calls = 0

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    @classmethod
    def fit(cls, history: History) -> Self:
        raise NotImplementedError

    def score(self, table: Table, rows: int) -> Any:
        del table
        self.calls += 1
        return self._give(rows)

    def state(self) -> State:
        return State()

    @classmethod
    def restore(cls, state: State) -> Self:
        raise NotImplementedError
