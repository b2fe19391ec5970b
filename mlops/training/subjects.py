"""A subject's two kinds: the compiled program and the fitted heuristic, made measurable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from mlops.contracts.domain import Column, Domain, Floats, Table
from mlops.contracts.schema import as_table
from mlops.models.heuristics import Heuristic
from mlops.models.program import Program


def _table(frame: pd.DataFrame, names: tuple[str, ...], domain: Domain) -> Table:
    columns: tuple[Column, ...] = tuple(domain.column(name) for name in names)
    return as_table(columns, frame)


@dataclass(frozen=True, slots=True)
class ProgramSubject:
    """The compiled model: what is measured is what will be served.

    Attributes:
        name: The model's name.
        program: The compiled form.
        domain: The contract of the frames.
    """

    name: str
    program: Program
    domain: Domain

    @property
    def kind(self) -> Literal["model"]:
        """It is the model."""
        return "model"

    def score(self, frame: pd.DataFrame) -> Floats:
        """Return the score of each row, shape (rows,)."""
        return self.program.score(_table(frame, self.program.columns, self.domain))

    def heads(self, frame: pd.DataFrame) -> Mapping[str, Floats]:
        """Return each head's output, shape (rows,)."""
        table = _table(frame, self.program.columns, self.domain)
        return self.program.heads(self.program.encode(table))


@dataclass(frozen=True, slots=True)
class HeuristicSubject:
    """A heuristic that was fitted by the same run.

    Attributes:
        name: Its name in the configuration.
        heuristic: The thing itself.
        domain: The contract of the frames.
    """

    name: str
    heuristic: Heuristic
    domain: Domain

    @property
    def kind(self) -> Literal["heuristic"]:
        """It is a heuristic."""
        return "heuristic"

    def score(self, frame: pd.DataFrame) -> Floats:
        """Return the score of each row, shape (rows,)."""
        table = _table(frame, self.heuristic.columns, self.domain)
        return self.heuristic.score(table, len(frame))

    def heads(self, frame: pd.DataFrame) -> Mapping[str, Floats]:
        """Return nothing: a heuristic predicts no probability."""
        del frame
        return {}
