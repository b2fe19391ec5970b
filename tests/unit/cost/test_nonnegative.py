"""The solver behind a calibration, held to the conditions that name a solution."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.cost.nonnegative import solve


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_no_step_is_better(seed: int, equations: int, unknowns: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(equations, unknowns)) * 10.0 ** rng.uniform(-6, 6, unknowns)
    wanted = rng.normal(size=equations)
    found = solve(matrix, wanted)
    assert (found >= 0).all()
    sizes = np.sqrt((matrix**2).sum(axis=0))
    slope = (matrix / sizes).T @ (wanted - matrix @ found)
    assert (slope <= 1e-6).all()  # nothing that is used, or could be, would lower the error
    assert np.abs(slope[found > 0]).max(initial=0.0) <= 1e-6


def test_costs_come_back_that_amounts_were_made_from() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.uniform(0, 1, (20, 6))
    costs = np.array([3.0, 0.0, 1e-3, 2.0, 0.0, 5.0])
    np.testing.assert_allclose(solve(matrix, matrix @ costs), costs, atol=1e-9)


def test_unknown_that_no_equation_has_costs_nothing() -> None:
    assert solve(np.array([[1.0, 0.0]]), np.array([2.0])).tolist() == [2.0, 0.0]
