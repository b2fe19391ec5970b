"""An estimate: a value with a confidence interval, from its influence on each row.

Nearly every measure here is an average or a smooth function of averages. Such an estimate is its
true value plus the mean of one number per row, its influence (value), so that one mechanism gives
the standard error, the error when rows come in clusters (all rows of a query), and the error of a
paired difference (subtract the influences row by row).

Source: Hampel 1974, "The influence curve and its role in robust estimation"; van der Vaart 1998,
"Asymptotic Statistics", ch. 20. Clusters: Liang & Zeger 1986, the sandwich estimator.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.intp]


class Scale(StrEnum):
    """The scale on which an estimate is taken as normal.

    A small rate is skewed: on its own scale its interval would reach below zero.
    """

    PLAIN = "plain"
    LOG = "log"
    LOGIT = "logit"


@dataclass(frozen=True, slots=True)
class Precision:
    """How intervals are made.

    Attributes:
        level: Confidence level, in (0, 1).
        replicates: Bootstrap replicates, where a bootstrap is used.
        rng: Source of randomness for the bootstrap.
    """

    level: float
    replicates: int
    rng: np.random.Generator


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its interval, `low <= value <= high`."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Linearised:
    """A value and its influence on each row.

    Attributes:
        value: The point estimate.
        influence: Shape (n,), mean about 0, in the value's unit.
        scale: Where the normal approximation is good.
        trials: For a proportion: how many independent trials it rests on. At 0 or 1, where the
            influence vanishes, the interval is Wilson's with these. 0 if it is no proportion.
    """

    value: float
    influence: Floats
    scale: Scale = Scale.PLAIN
    trials: float = 0.0

    def standard_error(self, clusters: Ints | None = None) -> float:
        """Return the standard error, rows within one cluster being free to depend on each other.

        Args:
            clusters: Shape (n,), cluster of each row as 0..m-1; None if rows are independent.
        """
        parts = self.influence
        if clusters is not None:
            parts = sums_by(clusters, self.influence)
        count = len(parts)
        if count < 2:
            return math.inf
        return math.sqrt(float(parts @ parts) * count / (count - 1)) / len(self.influence)


def quantile(level: float) -> float:
    """Return the two-sided standard normal quantile.

    >>> round(quantile(0.95), 4)
    1.96
    """
    return NormalDist().inv_cdf(0.5 + level / 2)


def interval(
    linearised: Linearised, *, level: float, clusters: Ints | None = None
) -> Estimate | None:
    """Return the estimate with its interval, or None where there is nothing to estimate it from.

    Args:
        linearised: Value and influences.
        level: Confidence level.
        clusters: Shape (n,), see `Linearised.standard_error`.

    Source: delta method, van der Vaart 1998, ch. 3.
    """
    value, z = linearised.value, quantile(level)
    error = linearised.standard_error(clusters)
    if not (math.isfinite(value) and math.isfinite(error)):
        return None
    if linearised.trials > 0 and not 0 < value < 1:
        return wilson(value * linearised.trials, linearised.trials, level=level)
    match linearised.scale:
        case Scale.LOGIT if 0 < value < 1:
            middle = math.log(value / (1 - value))
            half = z * error / (value * (1 - value))
            return Estimate(value, _logistic(middle - half), _logistic(middle + half))
        case Scale.LOG if value > 0:
            factor = math.exp(min(z * error / value, 700.0))
            return Estimate(value, value / factor, value * factor)
        case _:
            return Estimate(value, value - z * error, value + z * error)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def wilson(events: float, trials: float, *, level: float) -> Estimate:
    """Return a proportion with Wilson's score interval, honest with few events and with none.

    Args:
        events: Successes; a fraction is allowed, for weighted counts.
        trials: Trials, above 0.
        level: Confidence level.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    >>> estimate = wilson(0, 100, level=0.95)
    >>> (estimate.value, round(estimate.low, 4), round(estimate.high, 4))
    (0.0, 0.0, 0.037)
    """
    z2 = quantile(level) ** 2
    share = events / trials
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = share * (1 - share) / trials + z2 / (4 * trials**2)
    half = math.sqrt(z2 * spread) / (1 + z2 / trials)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    # At the edges the formula is exact but for rounding, which must not exclude the value.
    return Estimate(share, min(low, share), max(high, share))


def difference(left: Linearised, right: Linearised) -> Linearised:
    """Return the paired difference of two estimates on the same rows.

    Args:
        left: Minuend, influences of shape (n,).
        right: Subtrahend, influences of shape (n,), row by row the same rows.
    """
    return Linearised(left.value - right.value, left.influence - right.influence)


def unpaired_difference(left: Estimate, right: Estimate) -> Estimate:
    """Return the difference of two estimates of which only the intervals are known.

    It is right for independent samples and too wide, never too narrow, for estimates that rise
    and fall together, as two rankings judged on the same log do.

    Source: Zou & Donner 2008, "Construction of confidence limits about effect measures", eq. 4
    (MOVER); for proportions Newcombe 1998.
    """
    value = left.value - right.value
    down = math.hypot(left.value - left.low, right.high - right.value)
    up = math.hypot(left.high - left.value, right.value - right.low)
    return Estimate(value, value - down, value + up)


def percentile(value: float, replicates: Floats, *, level: float) -> Estimate:
    """Return a value with the percentile interval of its bootstrap replicates.

    Args:
        value: The point estimate.
        replicates: Shape (r,), the estimate on each resample.
        level: Confidence level.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", ch. 13.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return Estimate(value, min(float(low), value), max(float(high), value))


def sums_by(codes: Ints, values: Floats, *, count: int = 0) -> Floats:
    """Return the sum of the values that share a code, shape (max(count, m),).

    Args:
        codes: Shape (n,), 0..m-1.
        values: Shape (n,).
        count: Least length of the answer.
    """
    return np.asarray(np.bincount(codes, weights=values, minlength=count), dtype=np.float64)
