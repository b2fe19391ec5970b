"""What is declared is held to what it speaks of: claims to the contract, a range to the model."""

import pytest

from mlops.base.verdict import Status
from mlops.contracts.domain import Column
from mlops.models.certificate import Example, Property, Range
from mlops.proofs.bounds import certify
from mlops.proofs.declared import claim_problems, judge_range
from mlops.proofs.spec import ProofsSpec
from tests.components.ensembles import column
from tests.components.toys import program, toy

REQUEST = toy("search_ranking").domain

CLAIMS: dict[str, tuple[dict[str, object], tuple[str, ...], str]] = {
    "a column that is not there": (
        {"monotone": {"relevanc": {}}}, ("proofs", "monotone", "relevanc"), "no column 'relevanc'",
    ),
    "an order of texts": (
        {"monotone": {"query_area": {}}}, ("proofs", "monotone", "query_area"), "holds texts",
    ),
    "an answer that is not there": (
        {"independent": {"query_area": {"of": "clik"}}},
        ("proofs", "independent", "query_area", "of"), "no answer 'clik'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", CLAIMS)
def test_claim_that_no_model_can_be_held_to(sentence: str) -> None:
    claims, key, message = CLAIMS[sentence]
    (found,) = claim_problems(ProofsSpec.model_validate(claims), REQUEST, ["apply", "hire"])
    assert (found.status, found.key) == (Status.FAIL, key)
    assert message in found.message


def test_claims_that_can_be_made() -> None:
    claims = {
        "monotone": {"text_relevance": {"of": "apply"}, "success_fee": {}},
        "independent": {"query_area": {}},
    }
    assert not list(claim_problems(ProofsSpec.model_validate(claims), REQUEST, ["apply", "hire"]))


def allowed(**limits: float) -> Column:
    return column("score", "number", feature=False, **limits)


def judged(score: Column, *values: float) -> tuple[Status, str]:
    name = ("search_ranking", "hist_gradient_boosting")
    whole = program(*name)
    bounds = certify(whole, toy(name[0]).domain).model_copy(update={"score": Range(low=0, high=9)})
    examples = tuple(Example(row={}, value=value) for value in values)
    claim = Property(kind="interval", of="score", claim="", status="proven", examples=examples)
    found = judge_range(bounds.model_copy(update={"properties": (claim,)}), whole, score)
    return found.status, found.message


def test_range_that_the_model_keeps() -> None:
    assert judged(allowed(minimum=0.0, maximum=10.0))[0] is Status.PASS
    assert judged(allowed())[0] is Status.PASS


def test_range_that_an_allowed_row_leaves_names_knobs_and_the_clip() -> None:
    status, message = judged(allowed(minimum=0.0, maximum=5.0), 0.5, 7.25)
    assert status is Status.FAIL
    assert "an allowed row scores 7.25" in message
    assert "max_leaf_nodes" in message
    assert "training.score.clip makes it a certainty" in message


def test_range_that_could_not_be_excluded_says_so() -> None:
    status, message = judged(allowed(minimum=0.0, maximum=5.0), 0.5, 4.0)
    assert status is Status.FAIL
    assert "no row was found outside" in message
