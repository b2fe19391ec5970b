"""The compiled search: the inner loops of climb and relaxation in C, where a compiler was there."""

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from mlops.models.kernels import Kernel

Arrays = Sequence[npt.NDArray[np.generic]]


class Compiled(Protocol):
    """The functions of the C extension; the last of the arrays is changed in place."""

    def climb(self, tables: Arrays, rounds: int, heat: float, seed: int, other: int, /) -> float:
        """Climb from a row, as `mlops.proofs.climb.climb` says; return the best sum."""
        ...

    def relax(self, tables: Arrays, steps: int, mu: float, last: float, rate: float, /) -> float:
        """Lower the dual, as `mlops.proofs.relaxation.relax` says; return its bound."""
        ...


def _load() -> Compiled | None:
    try:
        return cast("Compiled", importlib.import_module("mlops.proofs._search"))
    except ImportError:
        return None


_COMPILED = _load()


def compiled(kernel: Kernel | None = None) -> Compiled | None:
    """Return the extension; None where it is missing or `kernel` asks for numpy."""
    return None if kernel == "numpy" else _COMPILED
