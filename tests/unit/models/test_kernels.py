"""The two kernels against each other, against a walker of five lines, and against bad tables."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special  # type: ignore[import-untyped] # scipy ships no types

from mlops.contracts.domain import Floats
from mlops.models.flat import Step
from mlops.models.kernels import Kernel, Walker, expit, kernel_name
from mlops.models.linear import apply_steps
from mlops.models.lowering_trees import Table, fold_threshold
from mlops.models.trees import Trees

KERNELS: tuple[Kernel, ...] = ("c", "numpy") if kernel_name() == "c" else ("numpy",)
SIZES = (0, 3, 0, 130)


def grow(rng: np.random.Generator, trees: int, depth: int) -> Trees:
    table = Table()
    for _ in range(trees):
        start = table.begin_tree()
        inner = 2 ** rng.integers(0, depth + 1) - 1
        for node in range(2 * inner + 1):
            children = (start + 2 * node + 1, start + 2 * node + 2)
            flags = int(rng.integers(0, 4))
            column = int(rng.integers(0, len(SIZES)))
            if node >= inner:
                table.add_leaf(float(rng.normal()))
            elif SIZES[column]:
                codes = (rng.random(SIZES[column]) < 0.5).tolist()
                table.add_codes(column, codes, children=children, flags=flags)
            else:
                cut = float(rng.choice([rng.normal(), 0.0, np.inf, -np.inf]))
                table.add_number(column, cut, children=children, flags=flags)
    return table.finish()


def rows_of(rng: np.random.Generator, rows: int) -> Floats:
    matrix = np.stack(
        [rng.normal(size=rows) if size == 0 else rng.integers(-1, size, rows) for size in SIZES],
        axis=1,
    ).astype(np.float64)
    odd = np.array([np.nan, -1.0, 0.0, -0.0, 0.5, 2.5, 129.0, 130.0, 1e300, -1e300, np.inf])
    at = rng.random(matrix.shape) < 0.3
    matrix[at] = rng.choice(odd, int(at.sum()))
    return matrix


def walk(trees: Trees, root: int, row: Floats) -> float:
    node = root
    while (column := int(trees.feature[node])) >= 0:
        value, flags = float(row[column]), int(trees.flags[node])
        if math.isnan(value):
            left = bool(flags & 1)
        elif not SIZES[column]:
            left = value <= trees.cut[node]
        elif 0 <= value < SIZES[column]:
            word = int(trees.words[int(trees.word[node]) + int(value) // 64])
            left = bool(word >> (int(value) % 64) & 1)
        else:
            left = bool(flags & 2)
        node = int(trees.left[node] if left else trees.right[node])
    return float(trees.cut[node])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), trees=st.integers(0, 12), rows=st.integers(0, 20))
def test_kernels_are_bit_equal_to_a_plain_walk(seed: int, trees: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    table, matrix = grow(rng, trees, 5), rows_of(rng, rows)
    wanted = []
    for row in matrix:
        total = 0.1
        for root in table.roots.tolist():
            total += walk(table, root, row)
        wanted.append(total)
    for kernel in KERNELS:
        found = Walker(table, SIZES).add(matrix, 0, trees, baseline=0.1, kernel=kernel)
        assert found.tolist() == wanted, kernel


def test_part_of_the_trees_can_be_added() -> None:
    rng = np.random.default_rng(0)
    table, matrix = grow(rng, 9, 4), rows_of(rng, 30)
    walker = Walker(table, SIZES)
    for kernel in KERNELS:
        found = walker.add(matrix, 3, 5, baseline=0.0, kernel=kernel)
        assert found.tolist() == [
            walk(table, int(table.roots[3]), row) + walk(table, int(table.roots[4]), row)
            for row in matrix
        ]


def test_row_does_not_depend_on_the_rows_beside_it_nor_on_the_block() -> None:
    rng = np.random.default_rng(1)
    table, matrix = grow(rng, 400, 3), rows_of(rng, 2000)
    walker = Walker(table, SIZES)
    for kernel in KERNELS:
        whole = walker.add(matrix, 0, 400, baseline=0.0, kernel=kernel)
        alone = [walker.add(matrix[i : i + 1], 0, 400, baseline=0.0, kernel=kernel)[0]
                 for i in (0, 999, 1999)]  # fmt: skip
        assert whole[[0, 999, 1999]].tolist() == alone


def test_threads_walk_together() -> None:
    rng = np.random.default_rng(2)
    table, matrix = grow(rng, 50, 6), rows_of(rng, 3000)
    walker = Walker(table, SIZES)
    wanted = walker.add(matrix, 0, 50, baseline=0.0).tolist()
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda _: walker.add(matrix, 0, 50, baseline=0.0).tolist(), range(12))
    assert all(one == wanted for one in found)


def test_matrix_in_another_order_of_memory_gives_the_same() -> None:
    rng = np.random.default_rng(3)
    table, matrix = grow(rng, 5, 4), rows_of(rng, 20)
    walker = Walker(table, SIZES)
    for kernel in KERNELS:
        found = walker.add(np.asfortranarray(matrix), 0, 5, baseline=0.0, kernel=kernel)
        assert found.tolist() == walker.add(matrix, 0, 5, baseline=0.0, kernel=kernel).tolist()


@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (12,)])
def test_matrix_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    walker = Walker(grow(np.random.default_rng(0), 2, 2), SIZES)
    with pytest.raises(ValueError, match="4 columns"):
        walker.add(np.zeros(shape), 0, 2, baseline=0.0)


def small() -> Trees:
    table = Table()
    table.begin_tree()
    table.add_codes(3, [True] * 130, children=(1, 2), flags=3)
    table.add_number(0, 0.5, children=(3, 4), flags=0)
    for value in (1.0, 2.0, 3.0):
        table.add_leaf(value)
    return table.finish()


def edited(name: str, at: int, value: float) -> Callable[[Trees], Trees]:
    def edit(trees: Trees) -> Trees:
        array = getattr(trees, name).copy()
        array[at] = value
        return replace(trees, **{name: array})

    return edit


BROKEN: dict[str, Callable[[Trees], Trees]] = {
    "a node is its own child": edited("left", 0, 0),
    "a child leads back": edited("right", 1, 0),
    "a child lies behind the table": edited("left", 1, 5),
    "a child is negative": edited("right", 0, -3),
    "a feature lies outside the matrix": edited("feature", 1, 4),
    "a feature is negative and no leaf": edited("feature", 1, -2),
    "a root lies behind the table": edited("roots", 0, 5),
    "a root is negative": edited("roots", 0, -1),
    "a leaf is missing": edited("cut", 3, np.nan),
    "a leaf is infinite": edited("cut", 3, np.inf),
    "a threshold is missing": edited("cut", 1, np.nan),
    "a flag is unknown": edited("flags", 0, 8),
    "a set lies behind the words": edited("word", 0, 1),
    "a set is negative": edited("word", 0, -1),
    "a number is asked for its code": edited("word", 1, 0),
    "a code is asked for its size": edited("feature", 0, 0),
    "a number node asks a code": edited("feature", 1, 1),
    "an array is shorter": lambda trees: replace(trees, cut=trees.cut[:-1]),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_table_that_could_be_left_is_refused(sentence: str) -> None:
    Walker(small(), SIZES)
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence says which
        Walker(BROKEN[sentence](small()), SIZES)


@pytest.mark.parametrize("kernel", KERNELS)
def test_expit_is_bit_equal_to_scipys(kernel: Kernel) -> None:
    rng = np.random.default_rng(0)
    edges = [0.0, -0.0, 709.7, 709.8, 745.2, -709.7, -709.8, -745.2, np.inf, -np.inf, 1e-320]
    raw = np.concatenate([rng.normal(0, 5, 20_000), rng.uniform(-800, 800, 5_000), edges])
    wanted: Floats = special.expit(raw)
    assert np.array_equal(expit(raw, kernel=kernel).view(np.int64), wanted.view(np.int64))


numbers = st.floats(-1e9, 1e9, allow_nan=False)
positive = st.floats(1e-9, 1e9)
steps = st.lists(
    st.one_of(
        st.builds(Step, kind=st.sampled_from(["subtract", "add", "at_least", "at_most", "fill"]),
                  value=numbers),
        st.builds(Step, kind=st.sampled_from(["divide", "multiply"]), value=positive),
    ),
    max_size=4,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(steps=steps, value=numbers, other=numbers)
def test_folded_threshold_sends_the_same_numbers_left(
    steps: list[Step], value: float, other: float
) -> None:
    def after(x: float) -> float:
        with np.errstate(over="ignore"):  # the largest floats are among those tried
            return float(apply_steps(steps, np.array([x]))[0])

    for cut in (other, after(value)):
        folded = fold_threshold(steps, cut)
        for x in (value, folded, math.nextafter(folded, np.inf), math.nextafter(folded, -np.inf)):
            if math.isfinite(x):
                assert (x <= folded) == (after(x) <= cut)
