"""A linear sum is the same, bit for bit, in C and in numpy, and for a row alone and in a page."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.models.flat import CategoryTerm, LinearRaw, NumberTerm, Step
from mlops.models.kernels import Kernel, kernel_name
from mlops.models.linear import LinearSum

KERNELS: tuple[Kernel, ...] = ("c", "numpy") if kernel_name() == "c" else ("numpy",)
SIZES = (0, 3, 0, 70, 0, 1)

finite = st.floats(-1e300, 1e300)
positive = st.floats(1e-300, 1e300)
steps = st.lists(
    st.one_of(
        st.builds(Step, kind=st.sampled_from(["fill", "subtract", "add", "at_least", "at_most"]),
                  value=finite),
        st.builds(Step, kind=st.sampled_from(["divide", "multiply"]), value=positive),
    ),
    max_size=4,
)  # fmt: skip
numbers = st.lists(
    st.builds(NumberTerm, column=st.sampled_from([0, 2, 4]), steps=steps.map(tuple), weight=finite),
    max_size=6,
)


def category(column: int) -> st.SearchStrategy[CategoryTerm]:
    count = SIZES[column] + 2
    weights = st.lists(finite, min_size=count, max_size=count).map(tuple)
    return st.builds(CategoryTerm, column=st.just(column), weights=weights)


raws = st.builds(
    LinearRaw,
    intercept=finite,
    numbers=numbers.map(tuple),
    categories=st.lists(st.sampled_from([1, 3, 5]).flatmap(category), max_size=3).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(raw=raws, seed=st.integers(0, 2**32), rows=st.integers(0, 9))
def test_kernels_add_up_to_the_same_bits(raw: LinearRaw, seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, -0.5, 0.5, -1.0, 1.0, 2.5, 3.0, 69.5, 70.0, 1e300]
    matrix = np.where(
        rng.random((rows, len(SIZES))) < 0.6,
        rng.choice(odd, (rows, len(SIZES))),
        rng.normal(size=(rows, len(SIZES))) * 10.0,
    )
    sums = LinearSum(raw, SIZES)
    with np.errstate(all="ignore"):  # overflow is among what is tried
        found = [sums.add(matrix, kernel=kernel) for kernel in KERNELS]
    for other in found[1:]:
        assert np.array_equal(found[0], other, equal_nan=True)
        assert (
            np.signbit(found[0][found[0] == 0]).tolist() == np.signbit(other[other == 0]).tolist()
        )
    for at in range(rows):
        alone = sums.add(matrix[at : at + 1])
        assert np.array_equal(alone, found[0][at : at + 1], equal_nan=True)


@pytest.mark.skipif(kernel_name() != "c", reason="no C kernel is installed")
@pytest.mark.parametrize("shape", [(2, 5), (2, 7), (6,)])
def test_matrix_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    raw = LinearRaw(intercept=0.0, numbers=(), categories=())
    with pytest.raises(ValueError, match="6 columns"):
        LinearSum(raw, SIZES).add(np.zeros(shape))
