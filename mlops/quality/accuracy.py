"""Accuracy: how near predicted probabilities are to what happened, and how well they separate.

`outcome` is 0 or 1 for each row, `probability` lies in [0, 1], `score` is any number that rises
with the predicted chance. All are float64 of shape (n,).
"""

import math

import numpy as np

from mlops.quality.estimate import (
    Estimate,
    Floats,
    Ints,
    Linearised,
    Precision,
    Scale,
    percentile,
    sums_by,
)

# A probability of exactly 0 or 1 that is wrong would cost infinitely much; scikit-learn clips at
# the same place, so that both give the same number.
_CLIP = float(np.finfo(np.float64).eps)


def log_loss(outcome: Floats, probability: Floats) -> Linearised:
    """Return the mean negative log likelihood, in nats, at least 0."""
    losses = _losses(outcome, probability)
    mean = float(losses.mean())
    return Linearised(mean, losses - mean, scale=Scale.LOG)


def log_loss_skill(outcome: Floats, probability: Floats) -> Linearised:
    """Return how much of the base rate's log loss the predictions remove: 1 is perfect, 0 no use.

    The reference is the best constant in hindsight, the rows' own rate, which is the hardest
    constant to beat: a model must beat it by what it knows, not by having guessed the level.
    NaN if only one class is there.

    Source: Roulston & Smith 2002 (ignorance skill score); the interval by the delta method on
    1 - L/H(p), with H the entropy of the rate p and H'(p) = log((1 - p)/p).
    """
    losses = _losses(outcome, probability)
    loss, rate = float(losses.mean()), float(outcome.mean())
    if not 0 < rate < 1:
        return Linearised(math.nan, np.zeros_like(losses))
    entropy = -rate * math.log(rate) - (1 - rate) * math.log1p(-rate)
    slope = math.log((1 - rate) / rate)
    influence = -(losses - loss) / entropy + loss / entropy**2 * slope * (outcome - rate)
    return Linearised(1 - loss / entropy, influence)


def _losses(outcome: Floats, probability: Floats) -> Floats:
    clipped = np.clip(probability, _CLIP, 1 - _CLIP)
    losses: Floats = -np.where(outcome > 0, np.log(clipped), np.log1p(-clipped))
    return losses


def auc(outcome: Floats, score: Floats) -> Linearised:
    """Return the area under the ROC curve, in [0, 1]; ties count one half. NaN for one class.

    Source: DeLong, DeLong & Clarke-Pearson 1988 (structural components, which are the influences);
    in n log n by mid-ranks: Sun & Xu 2014. On the logit scale: Pepe 2003, sec. 5.2. At 0 or 1,
    where DeLong's variance vanishes, the interval is Wilson's with as many trials as the rarer
    class has rows.
    """
    positive = outcome > 0
    rows, events = len(outcome), int(positive.sum())
    others = rows - events
    influence = np.zeros(rows)
    if not events or not others:
        return Linearised(math.nan, influence)
    ranks = _midranks(score)
    above = (ranks[positive] - _midranks(score[positive])) / others
    below = (ranks[~positive] - _midranks(score[~positive])) / events
    value = float(above.mean())
    influence[positive] = (above - value) * rows / events
    influence[~positive] = (1 - below - value) * rows / others
    return Linearised(value, influence, scale=Scale.LOGIT, trials=min(events, others))


def _midranks(score: Floats) -> Floats:
    """Return one-based ranks, ascending, equal scores sharing their mean rank."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: Floats = (last - (counts - 1) / 2.0)[inverse]
    return shared


def calibration_ratio(outcome: Floats, probability: Floats) -> Linearised:
    """Return observed over expected events: 1 is calibrated in the large, above 1 is too low.

    NaN if no event is expected.

    Source: Steyerberg 2009, "Clinical Prediction Models", sec. 15.3 (O/E); delta method.
    """
    expected = float(probability.mean())
    if expected <= 0:
        return Linearised(math.nan, np.zeros_like(outcome))
    ratio = float(outcome.mean()) / expected
    return Linearised(ratio, (outcome - ratio * probability) / expected, scale=Scale.LOG)


def calibration_error(
    outcome: Floats,
    probability: Floats,
    *,
    bins: int,
    precision: Precision,
    clusters: Ints | None = None,
) -> Estimate:
    """Return the expected calibration error over bins of equal mass, in [0, 1].

    It is the mean over rows of the bin's |observed rate - mean prediction|. Noise alone makes it
    positive, so that its interval is the reflected ("basic") bootstrap's, which takes off that
    bias once. A bin's sum of residuals is a sum of many rows, so it is resampled as a normal
    variable with its own variance instead of row by row.

    Args:
        outcome: Shape (n,).
        probability: Shape (n,).
        bins: How many bins, each with the same number of rows, but for ties.
        precision: How the interval is made.
        clusters: Shape (n,), cluster of each row as 0..m-1; None if rows are independent.

    Source: Naeini, Cooper & Hauskrecht 2015; equal mass: Nixon et al. 2019; the bias: Roelofs et
    al. 2022; the reflected interval: Davison & Hinkley 1997, sec. 5.2.
    """
    rows = len(outcome)
    edges = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    bin_of = np.searchsorted(edges, probability, side="right")
    residual = outcome - probability
    sums = sums_by(bin_of, residual, count=bins)
    deviation = _bin_deviations(residual, bin_of, bins=bins, clusters=clusters)
    value = float(np.abs(sums).sum()) / rows
    noise = precision.rng.standard_normal((precision.replicates, bins)) * deviation
    drawn = percentile(value, np.abs(sums + noise).sum(axis=1) / rows, level=precision.level)
    return Estimate(value, max(0.0, 2 * value - drawn.high), max(value, 2 * value - drawn.low))


def _bin_deviations(residual: Floats, bin_of: Ints, *, bins: int, clusters: Ints | None) -> Floats:
    """Return the standard deviation of each bin's sum of residuals, shape (bins,)."""
    count = np.maximum(np.bincount(bin_of, minlength=bins), 1)
    mean = sums_by(bin_of, residual, count=bins) / count
    centred = residual - mean[bin_of]
    if clusters is None:
        return np.sqrt(sums_by(bin_of, centred**2, count=bins))
    cell, at = np.unique(clusters * bins + bin_of, return_inverse=True)
    sums = sums_by(at, centred)
    return np.sqrt(sums_by(cell % bins, sums**2, count=bins))
