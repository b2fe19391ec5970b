"""A fake model: answers a page with what a test has laid ready, or raises it."""

from mlops.contracts.domain import Floats, Table

Outcome = Floats | Exception


class FakeModel:
    """Stands in for `mlops.serving.model_client.ModelClient` in the chain.

    Args:
        outcome: Scores, or what is raised.
    """

    def __init__(self, outcome: Outcome, *, ready: bool = True, owed: int = 0) -> None:
        self.outcome = outcome
        self.ready = ready
        self.owed = owed
        self.asked: list[float] = []
        self.replaced = 0

    async def score(self, table: Table, rows: int, *, deadline: float) -> tuple[Floats, float]:
        del table, rows
        self.asked.append(deadline)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome, 0.003

    def replace(self) -> None:
        self.replaced += 1
