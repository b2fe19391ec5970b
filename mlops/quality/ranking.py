"""Ranking: how well an ordering of a query's logged impressions puts the gain at the top.

`query` holds each row's query as 0..q-1 and `gain` what the row really brought (1 for an
application, the fee for a hire), both of shape (n,). Results are one number per query, shape (q,),
so that two subjects can be compared query by query. Rows with equal scores share the places that
they take: each gets their mean, so the order in which the log lists them decides nothing.

A log shows what was clicked where it stood; an order near the logged one looks better than it is.
Only an experiment, or weights for how likely a place is seen, removes that (Joachims et al. 2017).
"""

import numpy as np

from mlops.quality.estimate import Floats, Ints, Precision, sums_by


def dcg(query: Ints, score: Floats, gain: Floats, *, k: int) -> Floats:
    """Return the discounted gain of the first k, in the gain's unit, shape (q,).

    Source: Jarvelin & Kekalainen 2002, with the discount 1/log2(1 + place); ties: McSherry &
    Najork 2008, "Computing information retrieval performance measures efficiently in the presence
    of tied scores".
    """
    return _top(query, score, gain, 1.0 / np.log2(np.arange(2, k + 2)))


def ndcg(query: Ints, score: Floats, gain: Floats, *, k: int) -> Floats:
    """Return the discounted gain over the best possible, in [0, 1], shape (q,).

    NaN for a query without any gain: no order of it is better than another.

    Source: as `dcg`.
    """
    best = dcg(query, gain, gain, k=k)
    reached = dcg(query, score, gain, k=k)
    with np.errstate(invalid="ignore"):
        ratio: Floats = np.where(best > 0, reached / np.where(best > 0, best, 1.0), np.nan)
    return ratio


def captured(query: Ints, score: Floats, gain: Floats, *, k: int) -> Floats:
    """Return the gain of the first k, undiscounted, in the gain's unit, shape (q,)."""
    return _top(query, score, gain, np.ones(k))


def _top(query: Ints, score: Floats, gain: Floats, discount: Floats) -> Floats:
    order = np.lexsort((-score, query))
    queries, scores, gains = query[order], score[order], gain[order]
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (queries[1:] != queries[:-1]) | (scores[1:] != scores[:-1])
    tie = np.cumsum(starts) - 1
    shared = (sums_by(tie, gains) / np.bincount(tie))[tie]
    place = np.arange(len(order)) - np.searchsorted(queries, queries, side="left")
    seen = place < len(discount)
    worth = np.zeros(len(order))
    worth[seen] = shared[seen] * discount[place[seen]]
    return sums_by(queries, worth)


def bootstrap_means(values: Floats, precision: Precision) -> Floats:
    """Return the mean over queries of each measure, on resampled queries.

    All measures see the same resamples, so the difference of two columns is a paired one.

    Args:
        values: Shape (s, q), one row per measure and subject, NaN where a query does not count.
        precision: Number of replicates and source of randomness.

    Returns:
        Shape (r, s); NaN where a resample holds no query that counts.

    Source: cluster bootstrap, Davison & Hinkley 1997, sec. 3.8.
    """
    counts_as = ~np.isnan(values)
    filled = np.where(counts_as, values, 0.0)
    weight = counts_as.astype(np.float64)
    queries = values.shape[1]
    means = np.empty((precision.replicates, values.shape[0]))
    for replicate in range(precision.replicates):
        drawn = precision.rng.integers(0, queries, queries)
        times = np.bincount(drawn, minlength=queries).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            means[replicate] = (filled @ times) / (weight @ times)
    return means
