"""A lane: where a bundle's model runs, inline in the worker or in a process of its own."""

from typing import Protocol

from mlops.contracts.domain import Floats, Table


class ModelGoneError(Exception):
    """The model is not there, or its process died before it answered."""


class ModelFailedError(Exception):
    """The model raised; the message says what."""


class InlineLane(Protocol):
    """A model that answers at once: certified, and so cheap that nothing has to cut it off."""

    def score_now(self, table: Table, rows: int) -> Floats:
        """Return one score a candidate, unchecked, shape [rows].

        Raises:
            ModelFailedError: The model raised.
        """
        ...


class ProcessLane(Protocol):
    """A model in a process that a deadline can cut off."""

    @property
    def ready(self) -> bool:
        """Whether it can be asked."""
        ...

    @property
    def owed(self) -> int:
        """Number of questions that it has not answered, abandoned ones included."""
        ...

    async def score(self, table: Table, rows: int, *, deadline: float) -> tuple[Floats, float]:
        """Return one score a candidate, unchecked, and the seconds it took.

        Raises:
            TimeoutError: No answer came in time.
            ModelGoneError: The process is not there or died.
            ModelFailedError: The model raised.
        """
        ...

    def replace(self) -> None:
        """End its process, which can no longer be trusted; a new one takes over."""
        ...


Lane = InlineLane | ProcessLane
