"""Tests of drawing rows from a domain: they keep the contract and reach its edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.contracts import open_bandit, search_ranking
from mlops.contracts.roles import candidate, context
from mlops.contracts.sample import bounds, draw
from mlops.contracts.schema import DataFrameModel, Field, Schema, as_frame, read_domain, validate

HASHES = ["0" * 32, "a1b2" * 8, "f" * 32]
KNOWN = {
    "user_feature_0": HASHES, "user_feature_1": HASHES, "user_feature_2": HASHES,
    "user_feature_3": HASHES, "item_feature_1": HASHES, "item_feature_2": HASHES,
    "item_feature_3": HASHES, "item_id": ["0", "7", "42"], "job_id": ["j1", "j22"],
}  # fmt: skip


class Edges(DataFrameModel):
    item: str = Field(metadata=candidate(identifier=True))
    open_ends: float = Field(gt=0, lt=1, metadata=candidate())
    whole: int = Field(ge=-2, le=3, metadata=candidate())
    free: float = Field(nullable=True, metadata=context())
    above: float = Field(ge=2e6, metadata=context())
    flag: bool = Field(metadata=context())


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([open_bandit.Request, search_ranking.Request, Edges]),
    st.integers(0, 2**32),
)
def test_drawn_rows_keep_their_contract(schema: Schema, seed: int) -> None:
    domain = read_domain(schema)
    table = draw(domain, 300, np.random.default_rng(seed), known=KNOWN)
    frame = as_frame(table, domain.request)
    assert validate(schema, frame).violations == ()


def test_same_randomness_gives_the_same_rows() -> None:
    domain = read_domain(open_bandit.Request)
    first, second = (draw(domain, 50, np.random.default_rng(5), known=KNOWN) for _ in range(2))
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


@pytest.mark.parametrize("schema", [open_bandit.Request, search_ranking.Request])
def test_edges_gaps_and_unknowns_are_reached(schema: Schema) -> None:
    domain = read_domain(schema)
    table = draw(domain, 10_000, np.random.default_rng(1), known=KNOWN)
    for column in domain.request:
        values = table[column.name]
        if column.is_category:
            assert any(value is None for value in values) == column.nullable
            if column.categories is None:
                assert {v for v in values if v is not None} - set(KNOWN[column.name])
            else:
                assert {v for v in values if v is not None} == set(column.categories)
            continue
        assert bool(np.isnan(values.astype(np.float64)).any()) == column.nullable
        if column.kind.value == "number":
            low, high = bounds(column)
            assert float(np.nanmin(values)) == low
            assert float(np.nanmax(values)) == high


def test_open_ends_are_never_drawn() -> None:
    table = draw(read_domain(Edges), 10_000, np.random.default_rng(1), known={})
    numbers = table["open_ends"].astype(np.float64)
    assert 0 < numbers.min() < 1e-300
    assert numbers.max() == np.nextafter(1.0, 0.0)
