"""An error budget policy says what happens, when, and who decides the way back, or is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mlops.base.errors import Place
from mlops.slo.policy import (
    Act,
    BudgetLeft,
    Burn,
    Decider,
    ErrorBudgetPolicy,
    Policy,
    Recovery,
    policy_of,
    references,
)

BURN = {"burnRate": {"above": 14.4, "longWindow": "1h", "shortWindow": "5m", "minBadEvents": 10}}
LEFT = {"budgetRemaining": {"below": 0.1}}
PLACE = Place(str(Path("slo.yaml")), 3)


def rule(**changes: Any) -> dict[str, Any]:
    values = {
        "name": "falls-back", "slos": ["served"], "when": BURN, "then": ["page", "fallBack"],
        "recovery": {"by": "probe", "after": "10s"},
    }  # fmt: skip
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


def read(*rules: dict[str, Any]) -> ErrorBudgetPolicy:
    content = {
        "apiVersion": "mlops/v1", "kind": "ErrorBudgetPolicy", "metadata": {"name": "shop"},
        "spec": {"description": "All\n  of it.", "service": "shop", "rules": list(rules)},
    }  # fmt: skip
    return ErrorBudgetPolicy.model_validate_json(json.dumps(content))


def made(*rules: dict[str, Any]) -> Policy:
    return policy_of(read(*rules), service="the_shop", place=lambda path: PLACE)


def test_rule_is_what_is_written() -> None:
    policy = made(rule())
    assert (policy.name, policy.service, policy.description) == ("shop", "the_shop", "All of it.")
    (only,) = policy.rules
    assert only.when == Burn(14.4, 3600, 300, 10)
    assert only.then == (Act.PAGE, Act.FALL_BACK)
    assert only.recovery == Recovery(Decider.PROBE, 10)
    assert only.place == PLACE


def test_probes_wait_five_minutes_unless_it_says_otherwise() -> None:
    (only,) = made(rule(recovery={"by": "probe"})).rules
    assert only.recovery == Recovery(Decider.PROBE, 300)


def test_rest_of_the_budget_freezes_until_it_is_there_again() -> None:
    freeze = rule(when=LEFT, then=["freeze"], recovery={"by": "budget"})
    (only,) = made(freeze).rules
    assert (only.when, only.recovery) == (BudgetLeft(0.1), Recovery(Decider.BUDGET))


def test_rules_are_found_by_what_they_do() -> None:
    freeze = rule(name="freezes", when=LEFT, then=["ticket", "freeze"], recovery=None)
    policy = made(rule(), freeze)
    assert [each.name for each in policy.having(Act.FREEZE)] == ["freezes"]
    assert [each.name for each in policy.having(Act.PAGE, Act.TICKET)] == ["falls-back", "freezes"]
    assert policy.having(Act.ROLL_BACK) == ()


def test_policy_names_its_service_and_its_slos() -> None:
    assert list(references(read(rule(slos=["a", "b"])))) == [
        ("Service", "shop", ("spec", "service")),
        ("SLO", "a", ("spec", "rules", 0, "slos", 0)),
        ("SLO", "b", ("spec", "rules", 0, "slos", 1)),
    ]


def test_policy_is_the_same_when_it_is_written_and_read_again() -> None:
    item = read(rule(), rule(name="freezes", when=LEFT, then=["freeze"], recovery=None))
    text = item.model_dump_json(exclude_none=True)
    assert ErrorBudgetPolicy.model_validate_json(text) == item


def burning(**changes: Any) -> dict[str, Any]:
    return {"burnRate": {**BURN["burnRate"], **changes}}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no condition": ({"when": {}}, "either `burnRate` or `budgetRemaining`"),
    "two conditions": ({"when": {**BURN, **LEFT}}, "either `burnRate` or `budgetRemaining`"),
    "windows the wrong way round": ({"when": burning(shortWindow="2h")}, "must be shorter"),
    "windows of one length": ({"when": burning(shortWindow="60m")}, "must be shorter"),
    "months, which have no length": ({"when": burning(longWindow="1M")}, "pattern"),
    "a rate of nothing": ({"when": burning(above=0)}, "greater than 0"),
    "no event at all": ({"when": burning(minBadEvents=0)}, "greater than or equal to 1"),
    "nothing happens": ({"then": []}, "at least 1 item"),
    "nobody knows what": ({"then": ["explode"]}, "'page', 'ticket', 'fallBack'"),
    "twice the same": ({"then": ["fallBack", "fallBack"]}, "nothing twice"),
    "one SLO twice": ({"slos": ["a", "a"]}, "nothing twice"),
    "no SLO": ({"slos": []}, "at least 1 item"),
    "a fallback for ever": ({"recovery": None}, "needs `recovery`"),
    "a fallback that a lull ends": ({"recovery": {"by": "budget"}}, "needs `recovery`"),
    "a person who waits": ({"recovery": {"by": "person", "after": "5m"}}, "needs `by: probe`"),
    "a fallback by a budget that no server knows": ({"when": LEFT}, "remembers no 28 days"),
    "two ways back in one": ({"then": ["fallBack", "freeze"]}, "write two rules"),
    "a page with a way back": ({"then": ["page"]}, "the way back from `fallBack`"),
    "a roll-back that probes undo": ({"then": ["rollBack"]}, "only a `person`"),
    "a roll-back that a lull ends": (
        {"then": ["rollBack"], "recovery": {"by": "budget"}}, "only a `person`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_meant_is_refused(sentence: str) -> None:
    changes, told = REFUSED[sentence]
    with pytest.raises(ValidationError, match=told):
        read(rule(**changes))


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="the same name"):
        read(rule(), rule())
