"""A subject: something that ranks, to be measured: the trained model, or a heuristic."""

from collections.abc import Mapping
from typing import Literal, Protocol

import pandas as pd

from mlops.quality.estimate import Floats


class Subject(Protocol):
    """What evaluation asks of a model or a heuristic."""

    @property
    def name(self) -> str:
        """The name that stands in tables, and that `versus` refers to."""
        ...

    @property
    def kind(self) -> Literal["model", "heuristic"]:
        """Whether it is the model; exactly one subject is."""
        ...

    def score(self, frame: pd.DataFrame) -> Floats:
        """Return the number that rows are ordered by, largest first, finite, shape (n,).

        Args:
            frame: Rows with at least the request's columns.
        """
        ...

    def heads(self, frame: pd.DataFrame) -> Mapping[str, Floats]:
        """Return each head's probabilities, shape (n,), in [0, 1]; nothing for a heuristic.

        Args:
            frame: Rows with at least the request's columns.
        """
        ...
