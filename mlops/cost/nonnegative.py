"""Non-negative least squares: weights that cannot be less than nothing, such as costs."""

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Floats

_TOLERANCE = 1e-10


def solve(matrix: Floats, wanted: Floats) -> Floats:
    """Return x >= 0 that minimises |matrix @ x - wanted|.

    Args:
        matrix: Shape (equations, unknowns); columns of very different size are scaled.
        wanted: Shape (equations,).

    Returns:
        Shape (unknowns,).

    Source: Lawson and Hanson, Solving Least Squares Problems, chapter 23, algorithm NNLS.

    >>> solve(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2.0, -1.0])).tolist()
    [2.0, 0.0]
    """
    sizes = np.sqrt((matrix**2).sum(axis=0))
    sizes[sizes == 0] = 1.0
    scaled = matrix / sizes
    unknowns = scaled.shape[1]
    free = np.zeros(unknowns, dtype=np.bool_)
    found = np.zeros(unknowns)
    for _ in range(10 * unknowns):
        slope = scaled.T @ (wanted - scaled @ found)
        slope[free] = -np.inf
        if not (slope > _TOLERANCE).any():
            break
        free[int(np.argmax(slope))] = True
        found = _inside(scaled, wanted, found, free)
    return np.asarray(found / sizes, dtype=np.float64)


def _inside(matrix: Floats, wanted: Floats, found: Floats, free: npt.NDArray[np.bool_]) -> Floats:
    """Solve for the free unknowns, taking back those that would fall below zero; edits `free`."""
    while free.any():
        tried = np.zeros_like(found)
        tried[free] = np.linalg.lstsq(matrix[:, free], wanted, rcond=None)[0]
        below = free & (tried <= 0)
        if not below.any():
            return tried
        steps = found[below] / np.maximum(found[below] - tried[below], np.finfo(float).tiny)
        found = found + steps.min() * (tried - found)
        free &= found > _TOLERANCE
        found[~free] = 0.0
    return np.zeros_like(found)
