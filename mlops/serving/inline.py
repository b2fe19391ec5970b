"""An inline model: a program that the worker's event loop runs itself."""

from mlops.contracts.domain import Floats, Table
from mlops.models.program import Program
from mlops.serving.lane import ModelFailedError


class InlineModel:
    """Scores at once.

    Args:
        program: A program so cheap that nothing has to cut it off.
    """

    def __init__(self, program: Program) -> None:
        self._program = program

    def score_now(self, table: Table, rows: int) -> Floats:
        """Return one score a candidate, unchecked, shape [rows].

        Raises:
            ModelFailedError: The model raised.
        """
        del rows
        try:
            return self._program.score(table)
        except Exception as error:
            raise ModelFailedError(f"{type(error).__name__}: {error}"[:500]) from error
