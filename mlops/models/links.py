"""A link: what makes a raw score an output, bit for bit as scikit-learn does."""

from collections.abc import Callable
from typing import assert_never

import numpy as np

from mlops.contracts.domain import Floats
from mlops.models.flat import Link
from mlops.models.kernels import Kernel, expit

LinkFunction = Callable[[Floats, Kernel | None], Floats]
"""From raw scores to outputs, by some kernel."""


def prepare_link(link: Link) -> LinkFunction:
    """Return what makes raw scores outputs, shape as given.

    Source: Platt, "Probabilistic outputs for support vector machines" (1999), for `sigmoid`;
    Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability
    estimates" (KDD 2002), for `isotonic`.
    """
    match link.kind:
        case "identity":
            return lambda raw, kernel: raw
        case "logit":
            return lambda raw, kernel: expit(raw, kernel=kernel)
        case "sigmoid":
            slope, offset = link.slope, link.offset
            return lambda raw, kernel: expit(-(slope * raw + offset), kernel=kernel)
        case "isotonic":
            x, y = np.array(link.x), np.array(link.y)
            return lambda raw, kernel: _interpolated(raw, x, y)
        case _:
            assert_never(link.kind)


def apply_link(link: Link, raw: Floats, *, kernel: Kernel | None = None) -> Floats:
    """Return the outputs of raw scores, shape as given."""
    return prepare_link(link)(raw, kernel)


def _interpolated(raw: Floats, x: Floats, y: Floats) -> Floats:
    found: Floats = np.interp(raw, x, y)
    # scikit-learn's rule for calibrators that leave the unit interval by rounding
    return np.where((found > 1.0) & (found <= 1.0 + 1e-5), 1.0, found)
