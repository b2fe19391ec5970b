"""A gate proves a certificate again: what is wrong, made up or of another model does not pass."""

from collections.abc import Callable
from functools import cache

import pytest

from mlops.base.verdict import Status
from mlops.models.certificate import Certificate, Property, Range
from mlops.proofs.proof import Task, prove_all
from mlops.proofs.recheck import recheck
from mlops.proofs.spec import ProofsSpec
from tests.components.toys import program, toy

SPEC = ProofsSpec.model_validate(
    {"bound_s": 60.0, "bound_nodes": 0, "monotone": {"text_relevance": {"demand": "wish"}}}
)


@cache
def task() -> Task:
    name = "search_ranking"
    return Task(program(name, "logistic"), toy(name).domain, SPEC, 0)


@cache
def stored() -> Certificate:
    return prove_all(task(), clock=lambda: 0.0)


def states(given: Certificate) -> dict[str, Status]:
    found = recheck(given, task(), clock=lambda: 0.0).verdict.findings
    return {finding.check: finding.status for finding in found}


def interval() -> Property:
    return next(each for each in stored().properties if each.kind == "interval")


def example(**changes: object) -> Certificate:
    first, *rest = interval().examples
    row = {**first.row, **{k: v for k, v in changes.items() if k != "value"}}
    changed = first.model_copy(update={"row": row, "value": changes.get("value", first.value)})
    update = {"examples": (changed, *rest)}
    return with_property(interval().model_copy(update=update))


def with_property(changed: Property) -> Certificate:
    return stored().model_copy(update={"properties": (changed,)})


def ranged(low: float, high: float) -> Certificate:
    return stored().model_copy(update={"score": Range(low=low, high=high)})


def test_certificate_as_it_was_made_stands() -> None:
    found = states(stored())
    assert found["certificate.range"] is Status.PASS
    assert found["certificate.examples"] is Status.PASS
    assert found["certificate.bounds"] is Status.PASS
    assert "certificate.monotone.text_relevance" in found


def high() -> float:
    value = stored().score.high
    assert value is not None
    return value


WRONG: dict[str, tuple[Callable[[], Certificate], str, Status]] = {
    "a range that an allowed row leaves": (
        lambda: ranged(0.0, high() / 2), "certificate.range", Status.FAIL,
    ),
    "a range that is tighter than what can be proved, and not refuted": (
        lambda: ranged(0.0, interval().examples[1].value * 1.000001),
        "certificate.range", Status.PASS,
    ),
    "a range that is wider": (lambda: ranged(-5.0, 1e6), "certificate.range", Status.PASS),
    "an example whose value is made up": (
        lambda: example(value=1.5), "certificate.examples", Status.FAIL,
    ),
    "an example that the contract does not allow": (
        lambda: example(success_fee=-1.0), "certificate.examples", Status.FAIL,
    ),
    "an example of a column that is not there": (
        lambda: example(shoe_size=42.0), "certificate.examples", Status.FAIL,
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", WRONG)
def test_what_is_stored_is_held_to_what_is_proved(sentence: str) -> None:
    make, check, status = WRONG[sentence]
    assert states(make())[check] is status


def test_claims_are_todays_and_proved_now_whatever_is_stored() -> None:
    lie = stored().properties[-1].model_copy(update={"status": "proven", "examples": ()})
    found = states(with_property(lie))["certificate.monotone.text_relevance"]
    assert found is states(stored())["certificate.monotone.text_relevance"]
