"""A relaxation: groups of trees that agree on each variable only on average, and its dual bound.

Every group may pick its best leaf if it pays, for each variable, the price of a piece that the leaf
covers; every variable picks the cell that earns most from all groups' prices turned round. Whatever
the prices, the sum of all picks is at least the largest raw score (weak duality), so any prices
give a sound bound, and good ones are found by descent on a smoothed sum. Prices that are optimal
give the linear programme's bound: for groups of one tree that of a mixed-integer formulation with
one variable a leaf and one a cell, for merged groups a tighter one.

Source: Sontag, Globerson and Jaakkola, Introduction to dual decomposition for inference, in
Optimization for Machine Learning (2011), section 1.3; Misic, Optimization of tree ensembles,
Operations Research 68 (2020), section 2; Kingma and Ba, Adam, ICLR (2015), for the descent.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Floats
from mlops.models.kernels import Kernel
from mlops.proofs.compiled import compiled
from mlops.proofs.packing import Index, Packed, Tables

_EVERY = 20  # steps of descent between two evaluations
_MEAN, _SQUARE, _FLOOR = 0.9, 0.99, 1e-3
_TINY = 1e-290  # below it a sum of shares has lost its digits
_ADDITIONS = 20_000  # more than any one sum of a group's leaves or a cell's prices has


@dataclass(frozen=True, slots=True)
class Duals:
    """What the prices make of every leaf and cell.

    Attributes:
        bound: No row of the open cells has a larger sum, rounding included.
        leaves: For each leaf the bound of the rows that reach it, less `bound`: at most 0.
        cells: For each cell the bound of its rows, less `bound`: at most 0.
        weights: For each leaf its share in its group at a temperature, adding up to 1.
    """

    bound: float
    leaves: Floats
    cells: Floats
    weights: Floats


def relax(
    packed: Packed, prices: Floats, *, steps: int, mu: tuple[float, float], rate: float,
    kernel: Kernel | None = None,
) -> float:  # fmt: skip
    """Lower the dual by some steps; `prices` become the best ones found.

    Args:
        packed: The groups and what is open to them.
        prices: Where to start; changed in place.
        steps: How many steps of descent.
        mu: First and last temperature of the smoothed sum, in units of the raw score.
        rate: How far a price moves in a step, in temperatures.
        kernel: Which kernel; None takes the fastest that is installed.

    Returns:
        The bound of the prices but for rounding; `duals` gives the sound one.
    """
    fast = compiled(kernel)
    if fast is None:
        return _descend(packed, prices, steps, mu, rate)
    tables = [getattr(packed.tables, name) for name in Tables.__slots__]
    open_cells = packed.open_cells.astype(np.uint8)
    return fast.relax([*tables, packed.allowed, open_cells, prices], steps, *mu, rate)


def _descend(
    packed: Packed, prices: Floats, steps: int, mu: tuple[float, float], rate: float
) -> float:
    """Do in numpy what the C kernel does."""
    index = Index(packed)
    best, now = _bound(packed, index, prices), prices.copy()
    mean, square = np.zeros(len(prices)), np.zeros(len(prices))
    for step in range(steps):
        here = mu[0] * (mu[1] / mu[0]) ** (step / steps)
        gradient = _gradient(packed, index, now, here)
        mean = _MEAN * mean + (1 - _MEAN) * gradient
        square = _SQUARE * square + (1 - _SQUARE) * gradient**2
        pace = np.sqrt(square / (1 - _SQUARE ** (step + 1))) + _FLOOR
        now = now - rate * here * (mean / (1 - _MEAN ** (step + 1))) / pace
        if step % _EVERY == _EVERY - 1 or step == steps - 1:
            bound = _bound(packed, index, now)
            if bound < best:
                best = bound
                prices[:] = now
    return best


def duals(packed: Packed, prices: Floats, *, mu: float) -> Duals:
    """Return the sound bound that prices give, and what they leave to each leaf and cell.

    Args:
        packed: The groups and what is open to them.
        prices: Any prices.
        mu: Temperature of the weights, in units of the raw score.
    """
    tables, index = packed.tables, Index(packed)
    top, _, scores = _costs(tables, index, prices)
    best = np.maximum.reduceat(scores, tables.first_leaf[:-1])
    rest, tops = _rest(packed, index, prices)
    if not np.isfinite(best).all():  # some group has no leaf that an open cell reaches
        return Duals(-math.inf, np.zeros(len(scores)), rest, np.zeros(len(scores)))
    leaves = scores - best[index.group]
    reach = float(np.abs(tables.value).max()) * len(best) + 4 * float(np.abs(prices).sum())
    slack = (len(prices) + _ADDITIONS) * 2.0**-53 * reach
    bound = math.fsum([*best, *top, *tops]) + slack
    return Duals(bound, leaves, rest, _shares(leaves / mu, index.group))


def _shares(exponents: Floats, owner: npt.NDArray[np.intp]) -> Floats:
    """Return exponentials as shares of their owner's sum; each owner's largest exponent is 0."""
    weights = np.exp(exponents)
    return weights / np.bincount(owner, weights)[owner]


def _costs(tables: Tables, index: Index, prices: Floats) -> tuple[Floats, Floats, Floats]:
    """Return each part's dearest open price, each mask's less that, and each leaf's score."""
    if not len(prices):
        return np.zeros(0), np.zeros(0), tables.value
    shown = np.where(index.may, prices, -np.inf)
    top = np.maximum.reduceat(shown, tables.first_price[:-1])
    cost = np.maximum.reduceat(shown[index.price], index.first_of_mask) - top[index.part_of_mask]
    return top, cost, _scores(tables, index, cost)


def _scores(tables: Tables, index: Index, cost: Floats) -> Floats:
    spent, leaves = cost[tables.condition], len(tables.value)
    closed = np.isneginf(spent)
    sums = np.bincount(index.leaf, np.where(closed, 0.0, spent), minlength=leaves)
    gone = np.bincount(index.leaf, closed, minlength=leaves) > 0
    return np.where(gone, -np.inf, tables.value + sums)


def _bound(packed: Packed, index: Index, prices: Floats) -> float:
    top, _, scores = _costs(packed.tables, index, prices)
    best = np.maximum.reduceat(scores, packed.tables.first_leaf[:-1])
    return math.fsum([*best, *top, *_rest(packed, index, prices)[1]])


def _gradient(packed: Packed, index: Index, prices: Floats, mu: float) -> Floats:
    """Return the gradient of the smoothed dual."""
    tables = packed.tables
    if not len(prices):
        return np.zeros(0)
    top, hard, _ = _costs(tables, index, prices)
    below = np.where(index.may, prices - top[index.part_of_price], -np.inf)
    share = np.exp(below / mu)
    total = np.bincount(index.part_of_price, share, minlength=len(top))
    passing = np.bincount(index.mask, share[index.price], minlength=len(tables.mask))
    smooth = passing > _TINY
    ratio = np.where(smooth, passing, 1.0) / total[index.part_of_mask]
    scores = _scores(tables, index, np.where(smooth, mu * np.log(ratio), hard))
    best = np.maximum.reduceat(scores, tables.first_leaf[:-1])
    weight = _shares((scores - best[index.group]) / mu, index.group)
    flow = np.bincount(tables.condition, weight[index.leaf], minlength=len(tables.mask))
    unasked = 1.0 - np.bincount(index.part_of_mask, flow, minlength=len(top))
    # Where all shares of a mask underflow, its dearest piece has all of the flow.
    dearest = hard[index.mask] == prices[index.price] - top[index.part_of_mask[index.mask]]
    inner = np.where(smooth[index.mask], share[index.price], dearest & index.may[index.price])
    inner = inner / np.maximum(np.bincount(index.mask, inner), _TINY)[index.mask]
    gradient: Floats = (unasked / total)[index.part_of_price] * share
    gradient += np.bincount(index.price, inner * flow[index.mask], minlength=len(prices))
    return gradient - _taken(packed, index, prices, mu)


def _taken(packed: Packed, index: Index, prices: Floats, mu: float) -> Floats:
    """Return for each price how much of its variable's choice lies in its piece."""
    rest, _ = _rest(packed, index, prices)
    cells = packed.tables.cells
    chosen = _shares(rest / mu, np.repeat(np.arange(len(cells) - 1), np.diff(cells)))
    before = np.r_[0.0, np.cumsum(chosen)]
    share = before[index.run_end] - before[index.run_start]
    return np.bincount(index.price_of_run, share, minlength=len(prices)).astype(np.float64)


def _rest(packed: Packed, index: Index, prices: Floats) -> tuple[Floats, Floats]:
    """Return what the prices leave to each cell less its variable's most, and that most."""
    cells = packed.tables.cells
    lengths = index.run_end - index.run_start
    offset = index.run_start - np.r_[0, np.cumsum(lengths)][: len(lengths)]
    at = np.repeat(offset, lengths) + np.arange(int(lengths.sum()))
    own = np.repeat(prices[index.price_of_run], lengths)
    rest: Floats = 0.0 - np.bincount(at, own, minlength=int(cells[-1])).astype(np.float64)
    rest[~packed.open_cells] = -np.inf
    tops: Floats = np.maximum.reduceat(rest, cells[:-1])
    return rest - np.repeat(tops, np.diff(cells)), tops
