"""Work: what fitting and asking a pipeline comes to, counted in units that a host can be timed in.

The same counts are fitted to a host's timings (`mlops.cost.calibration`) and multiplied with
what came out of that (`mlops.cost.cost`), so a prediction cannot differ from its calibration.
Every count has the form `a + b*n + iterations*(c + d*n)`; forests have levels for iterations.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Counts = Mapping[str, float]
"""Units by name: `frame.text` is one text of one row turned into a category."""

_L2_BYTES = 2.0**20
_L3_BYTES = 2.0**24
_LINE_BYTES = 64
_CODE_BITS = 3.0
"""Rounds in which rows are sorted by a column of few different values."""
_BOOTSTRAPPED = 0.632
"""Distinct rows of a bootstrap sample, 1 - 1/e; the others have no weight and are left out."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fit leaves behind, as far as size and speed depend on it.

    Attributes:
        trees: Number of trees.
        leaves: Leaves of each.
        depth: Mean length of a path from root to leaf.
        weights: Weights of linear models.
    """

    trees: float = 0.0
    leaves: float = 0.0
    depth: float = 0.0
    weights: float = 0.0

    def joined(self, other: "Outcome") -> "Outcome":
        """Return both together, the deeper one's depth for all."""
        return Outcome(
            trees=self.trees + other.trees,
            leaves=max(self.leaves, other.leaves),
            depth=max(self.depth, other.depth),
            weights=self.weights + other.weights,
        )


@dataclass(frozen=True, slots=True)
class Work:
    """What one fit comes to.

    Attributes:
        cpu: Units that take time, as expected.
        most: The same as an upper bound: no early stop.
        memory: Units that take memory at the peak.
        outcome: What it leaves behind.
        iterations: Rounds that are expected; 0 where there are none.
        parallel: Share of the time that several threads can divide, 0 to 1.
        doubts: What could not be known, as words.
    """

    cpu: Counts
    most: Counts
    memory: Counts
    outcome: Outcome = Outcome()
    iterations: float = 0.0
    parallel: float = 0.0
    doubts: tuple[str, ...] = field(default=())


def total(parts: Iterable[Counts]) -> dict[str, float]:
    """Return the sum of counts, unit by unit.

    >>> total([{"a": 1.0}, {"a": 2.0, "b": 1.0}])
    {'a': 3.0, 'b': 1.0}
    """
    found: dict[str, float] = {}
    for part in parts:
        for unit, count in part.items():
            found[unit] = found.get(unit, 0.0) + count
    return found


def times(counts: Counts, factor: float) -> dict[str, float]:
    """Return counts, each multiplied.

    >>> times({"a": 2.0}, 3.0)
    {'a': 6.0}
    """
    return {unit: count * factor for unit, count in counts.items()}


@dataclass(frozen=True, slots=True)
class Columns:
    """What an estimator gets.

    Attributes:
        width: Columns.
        filled: Values of a row that are not zero by construction: one a one-hot group.
        texts: Category columns among them that the estimator encodes itself.
        hot: Category columns that came in as one-hot groups.
        coded: Columns of few different values, which are sorted quickly: codes and flags.
        scaled: Whether the numbers have been brought to one scale.
    """

    width: float
    filled: float
    texts: float = 0.0
    hot: float = 0.0
    coded: float = 0.0
    scaled: bool = False


@dataclass(frozen=True, slots=True)
class TreeShape:
    """How a tree may grow; infinity stands for no limit.

    Attributes:
        leaves: Most leaves.
        depth: Most levels.
        leaf_rows: Least rows of a leaf.
    """

    leaves: float = math.inf
    depth: float = math.inf
    leaf_rows: float = 1.0

    def leaves_of(self, rows: float) -> float:
        """Return the leaves that a tree on so many rows comes to.

        A tree that nothing limits ends in about a leaf for every five rows where the outcome is
        noisy, which rare outcomes are.
        """
        by_rows = rows / max(self.leaf_rows * 1.5, 5.0)
        by_depth = math.exp2(min(self.depth, 60.0))
        return max(min(self.leaves, by_depth, by_rows), 2.0)


def boosting(rows: float, columns: Columns, tree: TreeShape, rounds: float) -> Work:
    """Return the work of histogram gradient boosting.

    Rows are binned once; a round adds them up by bin on every level, the smaller child only, and
    looks through the bins of every leaf.

    Source: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS
    2017, section 2.1, for the cost of histograms.
    """
    leaves = tree.leaves_of(rows)
    levels = math.log2(leaves)
    summed = rows * columns.width * (1.0 + levels / 2.0)
    cpu = {
        "boosting.fit": 1.0,
        "boosting.bin": rows * columns.width,
        "boosting.text": rows * columns.texts,
        "boosting.row": rows,
        "boosting.round": rounds,
        "boosting.round_row": rounds * rows * (1.0 + levels),
        "boosting.round_cell": rounds * summed,
        "boosting.round_leaf": rounds * leaves * columns.width,
    }
    memory = {
        "boosting.fit": 1.0,
        "boosting.row": rows,
        "boosting.text": rows * columns.texts,
        "boosting.leaf": rounds * leaves,
    }
    outcome = Outcome(trees=rounds, leaves=leaves, depth=1.25 * levels)
    return Work(cpu, cpu, memory, outcome, rounds, parallel=0.8)


@dataclass(frozen=True, slots=True)
class ForestShape:
    """How a forest is grown.

    Attributes:
        trees: How many.
        tree: How each may grow.
        tried: Columns that are tried at a node.
        sampled: Rows that each tree gets, as a share.
        random: Whether cuts are drawn, which needs no sorting.
        jobs: Whether several trees may be grown at once.
    """

    trees: float
    tree: TreeShape
    tried: float
    sampled: float
    random: bool
    jobs: bool


def forest(rows: float, columns: Columns, shape: ForestShape) -> Work:
    """Return the work of trees that sort their rows at every node: n log n a level.

    A level's rows lie scattered over the matrix, so what is read for a column costs a cache line
    each; which cache holds them depends on the node's size.
    """
    sampled = rows * shape.sampled
    leaves = shape.tree.leaves_of(sampled)
    levels = min(shape.tree.depth, math.log2(leaves) * 1.15)
    line = min(4.0 * columns.width, _LINE_BYTES)
    coded = columns.coded / columns.width
    sorting = near = far = 0.0
    for level in range(math.ceil(levels)):
        part = min(levels - level, 1.0)
        node = max(sampled / math.exp2(level), 2.0)
        exact = math.log2(node)
        sorting += part * ((1.0 - coded) * exact + coded * min(exact, _CODE_BITS))
        near += part * (_L2_BYTES < node * line <= _L3_BYTES)
        far += part * (node * line > _L3_BYTES)
    read = sampled * shape.tried * shape.trees
    cpu = {
        "forest.fit": 1.0,
        "forest.cell": rows * columns.width,
        "forest.tree": shape.trees,
        "forest.tree_row": shape.trees * rows,
        "forest.draw" if shape.random else "forest.sort": (
            read * levels if shape.random else read * sorting
        ),
        "forest.near": read * near,
        "forest.far": read * far,
        "forest.node": shape.trees * 2.0 * leaves * shape.tried,
    }
    memory = {
        "forest.fit": 1.0,
        "forest.cell": rows * columns.width,
        "forest.node": shape.trees * 2.0 * leaves,
    }
    outcome = Outcome(trees=shape.trees, leaves=leaves, depth=1.3 * levels)
    return Work(cpu, cpu, memory, outcome, shape.trees, parallel=0.9 * shape.jobs)


def logistic(rows: float, columns: Columns, *, most: float, tolerance: float) -> Work:
    """Return the work of logistic regression by a quasi-Newton method.

    It stops when the gradient is small, so `max_iter` gives only an upper bound. Expected are the
    iterations that scaled columns took in measurements, 12 + 1.4 sqrt(width) at a tolerance of
    1e-4; columns of different scales hardly ever converge before the bound.
    """
    usual = (12.0 + 1.4 * math.sqrt(columns.width)) * max(-math.log10(tolerance) / 4.0, 0.25)
    rounds = min(usual if columns.scaled else most, most)

    def cpu(iterations: float) -> dict[str, float]:
        return {
            "logistic.fit": 1.0,
            "logistic.row": rows,
            "logistic.cell": rows * columns.filled,
            "logistic.round": iterations,
            "logistic.round_row": iterations * rows,
            "logistic.round_cell": iterations * rows * columns.filled,
        }

    memory = {
        "logistic.fit": 1.0,
        "logistic.row": rows,
        "logistic.cell": rows * columns.filled,
        "logistic.hot": rows * columns.hot,
        "logistic.dense": 0.0 if columns.hot else rows * columns.width,
    }
    doubts = () if columns.scaled else ("the numbers are not scaled, so it may not converge",)
    outcome = Outcome(weights=columns.width)
    return Work(cpu(rounds), cpu(most), memory, outcome, rounds, doubts=doubts)


def least_squares(rows: float, columns: Columns, *, factor: float) -> Work:
    """Return the work of a direct solution: the square of the width for each row.

    Args:
        rows: Rows.
        columns: What it gets.
        factor: Times the normal equations' work: 1 for those, about 4 for a decomposition.

    Source: Golub and Van Loan, Matrix Computations, 4th ed., section 5.3, for the counts.
    """
    cpu = {
        "logistic.fit": 1.0,
        "logistic.cell": rows * columns.filled,
        "linear.square": factor * rows * columns.width**2,
    }
    memory = {
        "logistic.fit": 1.0,
        "logistic.cell": factor * rows * columns.width,
        "logistic.row": rows,
    }
    return Work(cpu, cpu, memory, Outcome(weights=columns.width))


def calibrated(
    whole: Work, fold: Work, *, rows: float, folds: float, ensemble: bool, isotonic: bool
) -> Work:
    """Return the work of calibration by cross-validation.

    Args:
        whole: A fit of the inner estimator on all rows.
        fold: A fit of it on what a fold leaves.
        rows: Rows.
        folds: Number of folds.
        ensemble: Whether the folds' models are kept; else one is fitted on all rows afterwards.
        isotonic: Whether the curve is isotonic, which sorts.
    """
    refit = 0.0 if ensemble else 1.0
    asked = {
        "walk.row": rows * fold.outcome.trees * fold.outcome.depth,
        "logistic.round_cell": 2.0 * rows * min(fold.outcome.weights, 100.0),
        "calibrate.row": rows * (math.log2(max(rows, 2.0)) if isotonic else 20.0),
        "calibrate.slice": rows * folds,
    }
    kept = folds if ensemble else 1.0
    one = whole.outcome
    return Work(
        cpu=total([times(fold.cpu, folds), times(whole.cpu, refit), asked]),
        most=total([times(fold.most, folds), times(whole.most, refit), asked]),
        memory=total([whole.memory, {"calibrate.slice": rows}]),
        outcome=Outcome(one.trees * kept, one.leaves, one.depth, one.weights * kept),
        iterations=whole.iterations,
        parallel=whole.parallel,
        doubts=whole.doubts,
    )


def distinct_share(max_samples: object, rows: float, *, bootstrap: bool) -> float:
    """Return the share of rows that a tree of a forest learns from.

    >>> distinct_share(None, 1000.0, bootstrap=True), distinct_share(0.1, 1000.0, bootstrap=True)
    (0.632, 0.09516258196404048)
    """
    if not bootstrap:
        return 1.0
    if isinstance(max_samples, float):
        return 1.0 - math.exp(-max_samples)
    if isinstance(max_samples, int):
        return 1.0 - math.exp(-max_samples / max(rows, 1.0))
    return _BOOTSTRAPPED
