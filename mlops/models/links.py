"""A link: what makes a raw score an output, bit for bit as scikit-learn does."""

from typing import assert_never

import numpy as np

from mlops.contracts.domain import Floats
from mlops.models.flat import Link
from mlops.models.kernels import Kernel, expit


def apply_link(link: Link, raw: Floats, *, kernel: Kernel | None = None) -> Floats:
    """Return the outputs of raw scores, shape as given.

    Source: Platt, "Probabilistic outputs for support vector machines" (1999), for `sigmoid`;
    Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability
    estimates" (KDD 2002), for `isotonic`.
    """
    match link.kind:
        case "identity":
            return raw
        case "logit":
            return expit(raw, kernel=kernel)
        case "sigmoid":
            return expit(-(link.slope * raw + link.offset), kernel=kernel)
        case "isotonic":
            found = np.interp(raw, np.array(link.x), np.array(link.y))
            # scikit-learn's rule for calibrators that leave the unit interval by rounding
            return np.where((found > 1.0) & (found <= 1.0 + 1e-5), 1.0, found)
        case _:
            assert_never(link.kind)
