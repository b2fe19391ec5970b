"""A sweep over all nodes of a tree gives, bit for bit, what a walk from node to node gives."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.contracts.domain import Column, ColumnKind, Domain, Floats
from mlops.contracts.roles import Scope
from mlops.contracts.sample import draw
from mlops.models.kernels import Walker, kernel_name, ways
from mlops.models.lowering import lower
from mlops.models.plan import MOST_CODES, MOST_LEAVES, Plan
from mlops.models.predictor import SklearnPredictor
from mlops.models.spec import HeadScore
from mlops.models.trees import LEAF, Trees
from tests.components.toys import spec

SIZES = (0, 3, 0, 62, 63, 64, 130, MOST_CODES, MOST_CODES + 1)
SWEPT = SIZES[:-1]
LEAVES = (1, 2, 3, 31, 32, 33, 63, 64)
ROWS = (0, 1, 2, 4, 5, 8, 9, 16, 17, 24, 25, 32, 33, 57)  # around the ends of blocks
WORDS = 3000

compiled = pytest.mark.skipif(kernel_name() != "c", reason="no C kernel is installed")


def grown(rng: np.random.Generator, leaves: list[int], *, columns: int = len(SWEPT)) -> Trees:
    """Return trees of random shape, each with so many leaves."""
    feature: list[int] = []
    left: list[int] = []
    right: list[int] = []
    roots: list[int] = []
    for count in leaves:
        roots.append(len(feature))
        ends = [len(feature)]
        feature.append(LEAF)
        left.append(0)
        right.append(0)
        for _ in range(count - 1):
            at = ends.pop(int(rng.integers(len(ends))))
            feature[at] = int(rng.integers(columns))
            left[at], right[at] = len(feature), len(feature) + 1
            ends += [left[at], right[at]]
            feature += [LEAF, LEAF]
            left += [0, 0]
            right += [0, 0]
    asked = np.array(feature, np.int32)
    size = np.array(SIZES)[asked] * (asked != LEAF)
    cut = rng.choice([*rng.normal(size=5), 0.0, -0.0, np.inf, -np.inf], len(asked))
    cut = np.where(asked == LEAF, rng.normal(size=len(asked)), np.where(size > 0, 0.0, cut))
    word = rng.integers(0, WORDS - 17, len(asked))
    return Trees(
        feature=asked,
        cut=cut,
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        flags=rng.integers(0, 4, len(asked)).astype(np.uint8),
        word=np.where(size > 0, word, -1).astype(np.int32),
        words=rng.integers(0, 2**63, WORDS, dtype=np.uint64) * np.uint64(2),
        roots=np.array(roots, np.int32),
    )


def odd_rows(rng: np.random.Generator, trees: Trees, rows: int) -> Floats:
    """Return rows that meet thresholds and codes exactly, narrowly, or not at all."""
    cuts = np.unique(trees.cut[trees.feature != LEAF])
    near = np.concatenate([cuts, np.nextafter(cuts, np.inf), np.nextafter(cuts, -np.inf)])
    ends = np.array([s + d for s in SIZES for d in (-1, 0, 1, 0.5)])
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, -0.5, -1.0, 0.5, 2.5, 5e-324, 1e300, -1e300]
    common = np.concatenate([near, ends, odd])
    codes = rng.integers(0, np.maximum(SIZES, 1), (rows, len(SIZES)))
    numbers = rng.normal(size=(rows, len(SIZES)))
    usual = np.where(np.array(SIZES) > 0, codes, numbers)
    return np.where(rng.random(usual.shape) < 0.5, rng.choice(common, usual.shape), usual)


@compiled
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    leaves=st.lists(st.sampled_from([*LEAVES, 65, 90]), max_size=9),
    rows=st.sampled_from(ROWS),
    whole=st.booleans(),
)
def test_every_way_gives_the_same_bits(
    seed: int, leaves: list[int], rows: int, whole: bool
) -> None:
    rng = np.random.default_rng(seed)
    trees = grown(rng, leaves, columns=len(SIZES) - int(rng.integers(2)))
    matrix = odd_rows(rng, trees, rows)
    walker = Walker(trees, SIZES)
    first, last = (0, len(leaves)) if whole else sorted(rng.integers(0, len(leaves) + 1, 2))
    wanted = walker.add(matrix, first, last, baseline=-0.0, kernel="numpy")
    for way in ways():
        found = walker.add_by(way, matrix, first, last, baseline=-0.0)
        assert found.tobytes() == wanted.tobytes(), way
    chosen = walker.add(matrix, first, last, baseline=-0.0, kernel="c")
    assert chosen.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("most", [31, 64, 65])
def test_boosting_is_equal_to_scikit_learns_at_the_largest_swept_tree(most: int) -> None:
    rng = np.random.default_rng(most)
    columns = [
        Column(name=f"x{at}", kind=ColumnKind.NUMBER, scope=Scope.CANDIDATE, feature=True,
               nullable=at == 1) for at in range(3)
    ]  # fmt: skip
    text = Column(name="c", kind=ColumnKind.CATEGORY, scope=Scope.CANDIDATE, feature=True,
                  identifier=True)  # fmt: skip
    domain = Domain(name="Rows", columns=(*columns, text))
    table = draw(domain, 1500, rng, known={"c": [f"v{at}" for at in range(70)]})
    outcome = (rng.random(1500) < 0.5).astype(np.float64)  # noise, so that trees grow full
    estimator = {
        "_target_": "sklearn.ensemble.HistGradientBoostingClassifier",
        "max_leaf_nodes": most, "min_samples_leaf": 2, "max_iter": 4, "early_stopping": False,
    }  # fmt: skip
    predictor = SklearnPredictor(spec({"name": "m", "estimator": estimator}), domain, seed=0)
    program = lower({"p": predictor.fit(table, outcome)}, domain, HeadScore(head="p"))
    swept = Plan.of(program.trees, program.sizes).trees["leaf"] >= 0
    assert swept.all() if most <= MOST_LEAVES else not swept.any()
    for rows in (1, 2, 50, 300):
        page = draw(domain, rows, rng, known={"c": [f"v{at}" for at in range(75)]})
        assert program.score(page).tolist() == predictor.predict(page).tolist()


def test_tree_of_more_leaves_than_a_word_has_bits_is_walked() -> None:
    plan = Plan.of(grown(np.random.default_rng(0), [64, 65, 1, 200]), SIZES)
    assert (plan.trees["leaf"] >= 0).tolist() == [True, False, True, False]


def test_tree_that_asks_for_a_huge_category_is_walked() -> None:
    rng = np.random.default_rng(0)
    trees = grown(rng, [4] * 20, columns=len(SIZES))
    huge = [len(SIZES) - 1 in trees.feature[start : start + 7] for start in trees.roots.tolist()]
    assert 0 < sum(huge) < 20
    assert (Plan.of(trees, SIZES).trees["leaf"] < 0).tolist() == huge


def knotted(depth: int) -> Trees:
    """Return one tree of `depth` nodes in a row, both of whose sides lead to the next."""
    inner = np.arange(depth + 1) < depth
    below = np.where(inner, np.arange(depth + 1) + 1, 0).astype(np.int32)
    return Trees(
        feature=np.where(inner, 0, LEAF).astype(np.int32),
        cut=np.where(inner, 0.0, 2.5),
        left=below,
        right=below,
        flags=np.zeros(depth + 1, np.uint8),
        word=np.full(depth + 1, -1, np.int32),
        words=np.zeros(0, np.uint64),
        roots=np.zeros(1, np.int32),
    )


@pytest.mark.parametrize("depth", [1, 6, 7, 1000])
def test_table_whose_branches_meet_again_is_swept_or_walked_but_never_blown_up(depth: int) -> None:
    trees = knotted(depth)
    plan = Plan.of(trees, (0,))
    assert (plan.trees["leaf"][0] >= 0) == (2**depth <= MOST_LEAVES)
    for rows in (1, 7):
        found = Walker(trees, (0,)).add(np.zeros((rows, 1)), 0, 1, baseline=0.0)
        assert found.tolist() == [2.5] * rows


@compiled
@pytest.mark.parametrize("bounds", [(-1, 2), (2, 1), (0, 4), (4, 4)])
def test_trees_that_are_not_there_are_refused(bounds: tuple[int, int]) -> None:
    walker = Walker(grown(np.random.default_rng(0), [3, 3, 3]), SIZES)
    for way in ways():
        with pytest.raises(ValueError, match="do not fit"):
            walker.add_by(way, np.zeros((2, len(SIZES))), *bounds, baseline=0.0)


def test_deepest_tree_that_can_be_swept_is() -> None:
    """A chain of 63 nodes: every other leaf hangs on the other side."""
    depth = 63
    feature = np.array([0, LEAF] * depth + [LEAF], np.int32)
    nodes = np.arange(len(feature), dtype=np.int32)
    inner = feature != LEAF
    turn = nodes % 4 == 0
    leaf, onward = nodes + 1, nodes + 2
    trees = Trees(
        feature=feature,
        cut=nodes.astype(np.float64),
        left=np.where(inner, np.where(turn, leaf, onward), 0).astype(np.int32),
        right=np.where(inner, np.where(turn, onward, leaf), 0).astype(np.int32),
        flags=np.zeros(len(feature), np.uint8),
        word=np.full(len(feature), -1, np.int32),
        words=np.zeros(0, np.uint64),
        roots=np.zeros(1, np.int32),
    )
    walker = Walker(trees, (0,))
    assert Plan.of(trees, (0,)).trees["leaf"][0] >= 0
    matrix = np.array([[math.nan], *([x] for x in range(-1, 2 * depth + 2))], np.float64)
    wanted = walker.add(matrix, 0, 1, baseline=0.0, kernel="numpy")
    for way in ways():
        assert walker.add_by(way, matrix, 0, 1, baseline=0.0).tolist() == wanted.tolist()
