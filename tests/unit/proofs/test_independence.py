"""Independence is decided as trying every row decides it."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.contracts.domain import Domain
from mlops.models.lowering_trees import Table
from mlops.models.program import Program
from mlops.proofs.independence import prove_independent
from mlops.proofs.proof import subject_of
from mlops.proofs.spec import IndependentSpec, ProofsSpec
from tests.components.ensembles import (
    column,
    domain,
    every_row,
    program_of,
    random_trees,
    table,
)


def status(program: Program, name: str, within: Domain | None = None) -> str:
    subject = subject_of(program, within or domain(), ProofsSpec(), clock=lambda: 0.0)
    found = prove_independent(subject, name, IndependentSpec())
    if found.status == "refuted":
        first, second = found.examples
        assert first.value != second.value
        assert {k: v for k, v in first.row.items() if k != name} == {
            k: v for k, v in second.row.items() if k != name
        }
    return found.status


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6), trees=st.integers(1, 3), depth=st.integers(1, 2),
    name=st.sampled_from(["a", "b", "c"]),
)  # fmt: skip
def test_decides_as_every_row_does(seed: int, trees: int, depth: int, name: str) -> None:
    program = program_of(random_trees(np.random.default_rng(seed), trees, depth))
    rows = every_row()
    scores = program.score(table(rows)).tolist()

    def rest(pair: tuple[dict[str, float | str | None], float]) -> str:
        return str([value for key, value in pair[0].items() if key != name])

    pairs = sorted(zip(rows, scores, strict=True), key=rest)
    spans = [
        max(s for _, s in group) - min(s for _, s in group)
        for group in ([*each] for _, each in groupby(pairs, key=rest))
    ]
    assert status(program, name) == ("refuted" if max(spans) > 1e-9 else "proven")


def test_split_with_equal_sides_changes_nothing() -> None:
    grown = Table()
    grown.begin_tree()
    grown.add_number(0, 2.0, children=(1, 2), flags=1)
    grown.add_leaf(0.25)
    grown.add_leaf(0.25)
    assert status(program_of(grown.finish()), "a") == "proven"


@pytest.mark.parametrize(("name", "expected"), [("fee", "refuted"), ("unread", "proven")])
def test_value_of_a_score_counts(name: str, expected: str) -> None:
    program = program_of(
        random_trees(np.random.default_rng(1), 2, 2),
        {"kind": "logit"},
        score={"kind": "expected_value", "heads": ["h"], "value": "fee"},
    )
    more = (
        column("fee", "number", minimum=1.0, maximum=50.0, feature=False),
        column("unread", "category", categories=("u", "v")),
    )
    whole = domain().model_copy(update={"columns": (*domain().columns, *more)})
    assert status(program, name, whole) == expected


def test_unseen_category_is_a_value_like_others() -> None:
    """`z` is in the contract and unknown to the model: both texts that it knows go left."""
    grown = Table()
    grown.begin_tree()
    grown.add_codes(2, [True, True], children=(1, 2), flags=1)
    grown.add_leaf(0.0)
    grown.add_leaf(1.0)
    assert status(program_of(grown.finish()), "c") == "refuted"


def test_value_that_the_contract_does_not_allow_refutes_nothing() -> None:
    """No text but the two known ones keeps the pattern, which the search cannot know."""
    grown = Table()
    grown.begin_tree()
    grown.add_codes(2, [True, True], children=(1, 2), flags=1)
    grown.add_leaf(0.0)
    grown.add_leaf(1.0)
    columns = [*domain().columns[:-1], column("c", "category", pattern="(x|y)$")]
    narrow = domain().model_copy(update={"columns": tuple(columns)})
    assert status(program_of(grown.finish()), "c", narrow) == "undecided"
