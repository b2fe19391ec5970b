"""Policy value: the mean reward that a ranking would have earned, from another policy's log.

The log holds one row per impression: an item shown at a slot, the probability with which the
logging policy put that item there (the propensity), and the reward. The evaluated policy puts the
p-th item of its ranking at slot p, so a row counts when the ranking agrees with it, with weight
one over the propensity. All arrays are float64; shape (n,) is one number per logged row, shape
(m,) one per candidate of a logged row.
"""

import math
from dataclasses import dataclass

import numpy as np

from mlops.quality.estimate import Floats, Ints, Linearised, Scale


@dataclass(frozen=True, slots=True)
class Replay:
    """A log, as one evaluated policy sees it.

    Attributes:
        reward: Shape (n,), what was earned.
        propensity: Shape (n,), in (0, 1], the logging policy's probability of the logged item at
            its slot.
        agreement: Shape (n,), in [0, 1], the evaluated policy's probability of the same.
        predicted: Shape (n,), a reward model's prediction for the logged item; None if none.
        expected: Shape (n,), that model's mean over what the evaluated policy would show: the
            direct estimate for each row; None if none.
    """

    reward: Floats
    propensity: Floats
    agreement: Floats
    predicted: Floats | None = None
    expected: Floats | None = None

    @property
    def weights(self) -> Floats:
        """Importance weights, shape (n,), at least 0."""
        ratio: Floats = self.agreement / self.propensity
        return ratio

    @property
    def matched_events(self) -> int:
        """How many rewarded rows carry weight."""
        return int(np.count_nonzero((self.reward > 0) & (self.agreement > 0)))


@dataclass(frozen=True, slots=True)
class Trust:
    """What the weights must be like for an estimate to mean anything.

    Attributes:
        min_effective_sample: Least effective sample size.
        max_weight_share: Largest share of the total weight that one row may carry, in (0, 1].
        min_events: Least number of rewarded rows that carry weight.
    """

    min_effective_sample: float
    max_weight_share: float
    min_events: int


def ips(replay: Replay) -> Linearised:
    """Return the inverse propensity estimate: unbiased, with large variance.

    Source: Horvitz & Thompson 1952; for policies: Dudik, Langford & Li 2011, eq. 2.
    """
    terms = replay.weights * replay.reward
    value = float(terms.mean())
    return Linearised(value, terms - value, scale=Scale.LOG)


def snips(replay: Replay) -> Linearised:
    """Return the self-normalised estimate: the weighted mean reward. NaN if no row agrees.

    Consistent, in the rewards' range, and unmoved by a constant added to all rewards.

    Source: Swaminathan & Joachims 2015, "The self-normalized estimator for counterfactual
    learning", eq. 9; its error by the delta method on the ratio of means.
    """
    weights = replay.weights
    total = float(weights.mean())
    if total <= 0:
        return Linearised(math.nan, np.zeros_like(weights))
    value = float((weights * replay.reward).mean()) / total
    influence = weights * (replay.reward - value) / total
    # With rewards of 0 and 1 this is a proportion, of as many trials as rows are effective.
    rates = bool(((replay.reward == 0) | (replay.reward == 1)).all())
    if not rates:
        return Linearised(value, influence)
    return Linearised(value, influence, scale=Scale.LOGIT, trials=effective_sample_size(weights))


def doubly_robust(replay: Replay) -> Linearised:
    """Return the doubly robust estimate: the reward model, corrected where the log agrees.

    Unbiased if either the propensities or the reward model is right.

    Raises:
        ValueError: The replay carries no predictions.

    Source: Dudik, Langford & Li 2011, "Doubly robust policy evaluation and learning", eq. 3.
    """
    if replay.predicted is None or replay.expected is None:
        message = "a doubly robust estimate needs a reward model's predictions"
        raise ValueError(message)
    terms = replay.expected + replay.weights * (replay.reward - replay.predicted)
    value = float(terms.mean())
    return Linearised(value, terms - value)


def effective_sample_size(weights: Floats) -> float:
    """Return how many equally weighted rows would be as precise, in [0, n].

    Source: Kish 1965, "Survey Sampling", sec. 11.7: (sum w)^2 / sum w^2.

    >>> effective_sample_size(np.array([80.0, 0.0, 80.0]))
    2.0
    """
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def largest_share(weights: Floats) -> float:
    """Return the share of the total weight that the heaviest row carries, in [0, 1].

    >>> largest_share(np.array([3.0, 1.0]))
    0.75
    """
    total = float(weights.sum())
    return float(weights.max()) / total if total > 0 else 0.0


def distrust(replay: Replay, trust: Trust) -> str:
    """Return why an estimate from this replay means nothing, or an empty text if it does.

    Args:
        replay: The log as the policy sees it.
        trust: The limits.
    """
    weights = replay.weights
    size, share = effective_sample_size(weights), largest_share(weights)
    if share > trust.max_weight_share:
        return (
            f"one of {len(weights):,} rows carries {share:.1%} of the weight"
            f" (limit {trust.max_weight_share:.1%}): {size:.3g} effective rows"
        )
    if size < trust.min_effective_sample:
        return (
            f"{len(weights):,} rows weigh as much as {size:.3g} effective rows,"
            f" fewer than {trust.min_effective_sample:.6g}"
        )
    if replay.matched_events < trust.min_events:
        return (
            f"the ranking agrees with {replay.matched_events} rewarded rows,"
            f" fewer than {trust.min_events}"
        )
    return ""


def slot_probability(impression: Ints, score: Floats, *, rank: Ints) -> Floats:
    """Return each candidate's probability of standing at its impression's slot.

    The ranking is by descending score; candidates with equal scores share their places equally, so
    that a heuristic with many ties is not favoured by the order in which they happen to lie.

    Args:
        impression: Shape (m,), logged row of each candidate, 0..n-1.
        score: Shape (m,).
        rank: Shape (m,), zero-based slot of the candidate's impression.

    Returns:
        Shape (m,), in [0, 1], sums to 1 over an impression with more candidates than its slot.
    """
    order = np.lexsort((-score, impression))
    rows, scores = impression[order], score[order]
    first_of_row = np.searchsorted(rows, rows, side="left")
    place = np.arange(len(order)) - first_of_row
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (rows[1:] != rows[:-1]) | (scores[1:] != scores[:-1])
    group = np.cumsum(starts) - 1
    size = np.bincount(group)[group]
    begin = place[starts][group]
    slot = rank[order]
    hit = (begin <= slot) & (slot < begin + size)
    probability = np.empty(len(order))
    probability[order] = np.where(hit, 1.0 / size, 0.0)
    return probability
