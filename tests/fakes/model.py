"""A fake model: answers a page with what a test has laid ready, or raises it."""

import asyncio
from collections.abc import Callable

from mlops.contracts.domain import Floats, Table
from tests.fakes.clock import ManualClock

Outcome = Floats | BaseException


class FakeProcess:
    """Stands in for `mlops.serving.process.ModelProcess`.

    Args:
        outcome: Scores, or what is raised.
        seconds: Time that it says it took.
    """

    def __init__(
        self, outcome: Outcome, *, ready: bool = True, owed: int = 0, seconds: float = 0.003
    ) -> None:
        self.outcome = outcome
        self.ready = ready
        self.owed = owed
        self.seconds = seconds
        self.asked: list[float] = []
        self.replaced = 0
        self.until: asyncio.Event | None = None  # answers wait for it, if there is one

    async def score(self, table: Table, rows: int, *, deadline: float) -> tuple[Floats, float]:
        del table, rows
        self.asked.append(deadline)
        if self.until is not None:
            self.owed += 1
            await self.until.wait()
            self.owed -= 1
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome, self.seconds

    def replace(self) -> None:
        self.replaced += 1


class FakeInline:
    """Stands in for `mlops.serving.inline.Inline`.

    Args:
        outcome: Scores, or what is raised.
        clock: Goes on by `seconds` with each question.
        seconds: Time that it takes.
    """

    def __init__(
        self, outcome: Outcome, *, clock: ManualClock | None = None, seconds: float = 0.0
    ) -> None:
        self.outcome = outcome
        self.seconds = seconds
        self.clock = clock
        self.asked = 0
        self.before: Callable[[], None] | None = None

    def score_now(self, table: Table, rows: int) -> Floats:
        del table, rows
        self.asked += 1
        if self.before is not None:
            self.before()
        if self.clock is not None:
            self.clock.advance(self.seconds)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome
