"""A certificate says what is certain, and what a claim's answer means to the gate."""

import pytest

from mlops.base.verdict import Status
from mlops.models.certificate import Certificate, Demand, Example, Property, Range

ROWS = (
    Example(row={"a": 1.0, "c": "x"}, value=0.5),
    Example(row={"a": 2.0, "c": "x"}, value=0.25),
)


def claim(answer: str, demand: Demand = "not_refuted") -> Property:
    return Property.model_validate(
        {
            "kind": "monotone", "of": "score", "column": "a", "status": answer, "demand": demand,
            "claim": "a higher a never lowers the score", "reason": "the budget was used up",
            "examples": ROWS if answer == "refuted" else (),
        }
    )  # fmt: skip


ANSWERS = {
    ("proven", "proven"): Status.PASS,
    ("proven", "wish"): Status.PASS,
    ("refuted", "proven"): Status.FAIL,
    ("refuted", "not_refuted"): Status.FAIL,
    ("refuted", "wish"): Status.WARN,
    ("undecided", "proven"): Status.FAIL,
    ("undecided", "not_refuted"): Status.UNKNOWN,
    ("undecided", "wish"): Status.WARN,
}


@pytest.mark.parametrize(("answer", "demand"), ANSWERS)
def test_what_an_answer_means(answer: str, demand: Demand) -> None:
    found = claim(answer, demand).finding()
    assert found.status is ANSWERS[answer, demand]
    assert found.check == "certificate.monotone.a"


def test_refuted_claim_tells_the_move() -> None:
    message = claim("refuted").finding().message
    assert message == (
        "refuted: a higher a never lowers the score; a from 1 to 2 moves it from 0.5 to 0.25"
    )


def test_certificate_comes_back_from_json() -> None:
    whole = Certificate(
        score=Range(low=0.0, high=1.0), heads={}, finite=True, bound_s=2.0, bound_nodes=1,
        properties=(claim("refuted"), claim("undecided")), tolerance=1e-9, made_by="mlops 0",
    )  # fmt: skip
    assert Certificate.model_validate_json(whole.model_dump_json()) == whole
    states = [finding.status for finding in whole.verdict().findings]
    assert states == [Status.PASS, Status.FAIL, Status.UNKNOWN]


def test_older_certificate_is_refused_by_a_sentence() -> None:
    old = '{"version": 1, "score": {"low": 0.0, "high": 1.0}, "heads": {}, "finite": true}'
    with pytest.raises(ValueError, match="format 1, not 2: train again"):
        Certificate.model_validate_json(old)


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        ((0.0, 1.0), (0.0, 1.0), True),
        ((0.0, 1.0), (0.0, 1.5), False),
        ((0.0, None), (0.5, None), True),
        ((None, 1.0), (None, 0.5), True),
        ((0.0, 1.0), (None, 0.5), False),
        ((None, None), (None, None), True),
    ],
)
def test_range_covers_another(
    one: tuple[float | None, float | None], other: tuple[float | None, float | None], covers: bool
) -> None:
    assert Range(low=one[0], high=one[1]).covers(Range(low=other[0], high=other[1])) is covers
