"""The compiled search: the inner loops of climb and relaxation in C, where a compiler was there."""

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from mlops.models.kernels import Kernel


class Compiled(Protocol):
    """The functions of the C extension."""

    def climb(
        self, tables: Sequence[npt.NDArray[np.generic]], rounds: int, heat: float, seed: int,
        other: int, /,
    ) -> float: ...  # fmt: skip

    def relax(
        self, tables: Sequence[npt.NDArray[np.generic]], steps: int, mu: float, last: float,
        rate: float, /,
    ) -> float: ...  # fmt: skip


def _load() -> Compiled | None:
    try:
        return cast("Compiled", importlib.import_module("mlops.proofs._search"))
    except ImportError:
        return None


_COMPILED = _load()


def compiled(kernel: Kernel | None = None) -> Compiled | None:
    """Return the extension; None where it is missing or `kernel` asks for numpy."""
    return None if kernel == "numpy" else _COMPILED
