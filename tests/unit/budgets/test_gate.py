"""The deployment gate: only a rule that freezes says no, and what is not known is no yes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlops.base.errors import Place
from mlops.base.verdict import Status
from mlops.budgets.gate import Answer, Clearance, Gate, told_when
from mlops.budgets.prometheus import Sample, Series
from mlops.slo.policy import Act, BudgetLeft, Burn, Policy, PolicyRule
from mlops.slo.spec import Maintenance, SloSpec
from tests.fakes.fake_prometheus import FakePrometheus
from tests.unit.slo.test_check import OBJECTIVE

AT = datetime(2026, 1, 1, tzinfo=UTC)
NOW = int(AT.timestamp())
BURN = Burn(above=14.4, long_s=3_600, short_s=300, min_bad_events=10)
SLOW = Burn(above=3, long_s=7_200, short_s=3_600, min_bad_events=1)


def policy(when: Burn | BudgetLeft, *then: Act, service: str = "shop", slo: str = "shop") -> Policy:
    rule = PolicyRule("stop", (slo,), when, then or (Act.FREEZE,), None, Place("slo/shop.yaml", 9))
    return Policy("shop-policy", service, "", (rule,), Place("slo/shop.yaml", 5))


def sample(value: float | None) -> Sequence[Sample]:
    labels = {"service": "shop", "slo": "shop"}
    return () if value is None else [Sample(labels, value)]


def left(
    total: float | None, bad: float | None, *, now: float | None = 1, steps: Sequence[Series] = ()
) -> FakePrometheus:
    """Answer for a budget of 0.1 % of `total`."""
    return FakePrometheus(
        {
            r"^sum_over_time\(slo:sli_total": sample(total),
            r"^sum_over_time\(slo:sli_bad": sample(bad),
            r"^count_over_time": sample(8_064),
            r"^slo:sli_total": sample(now),
        },
        {"sli_total": steps, "sli_bad": [Series({}, dict.fromkeys(steps[0].points, 1.0))]}
        if steps
        else {},
    )


def burning(long: tuple[float, float] | None, short: tuple[float, float] | None) -> FakePrometheus:
    """Answer with bad and all events of the windows of `BURN`, or of the steps of `SLOW`."""
    answers: dict[str, Sequence[Sample]] = {}
    for window, seen in (("1h", long), ("5m", short)):
        bad, total = seen or (None, None)
        answers[rf"(?s)or\s.*\[{window}\]"] = sample(bad)
        answers[rf"(?s)^sum.*\[{window}\]"] = sample(total)
    return FakePrometheus(answers)


def asked(
    rules: Policy,
    prometheus: FakePrometheus,
    *,
    service: str = "shop",
    maintenance: tuple[Maintenance, ...] = (),
) -> Clearance:
    gate = Gate([OBJECTIVE], SloSpec(maintenance=maintenance), prometheus, at=AT)
    return gate.ask([rules], [service])


BELOW = policy(BudgetLeft(0.1))
FAST = policy(BURN)
ANSWERS: dict[str, tuple[Clearance, Status, str]] = {
    "enough of the budget is left": (
        asked(BELOW, left(10_000, 5)), Status.PASS, "shop: 50.00% of its budget of 28d is left",
    ),
    "exactly enough is left": (asked(policy(BudgetLeft(1)), left(10_000, 0)), Status.PASS, ""),
    "too little is left": (
        asked(BELOW, left(10_000, 9.5)), Status.FAIL,
        "shop: 5.00% of its budget of 28d is left, and deployments are frozen below 10.00%",
    ),
    "no data": (asked(BELOW, left(None, None)), Status.UNKNOWN, "no data in 28d"),
    "nothing happened yet": (asked(BELOW, left(0, 0)), Status.UNKNOWN, "nothing happened"),
    "the service is silent": (
        asked(BELOW, left(10_000, 5, now=None)), Status.UNKNOWN, "but no data for the last 5m",
    ),
    "the service is silent and its budget spent": (
        asked(BELOW, left(10_000, 50, now=None)), Status.FAIL, "-400.00%",
    ),
    "both windows burn": (
        asked(FAST, burning((20, 1_000), (2, 100))), Status.FAIL,
        "and deployments are frozen above 14.4x; they are free about 5m after the failures end",
    ),
    "the short window has recovered": (
        asked(FAST, burning((20, 1_000), (0, 100))), Status.PASS, "0x over 5m",
    ),
    "the long window is not yet": (
        asked(FAST, burning((10, 1_000), (5, 100))), Status.PASS, "10x over 1h",
    ),
    "just enough events are bad": (
        asked(FAST, burning((10, 10), (9, 9))), Status.FAIL, "with 10 bad events",
    ),
    "too few events are bad": (
        asked(FAST, burning((9, 9), (9, 9))), Status.PASS, "with 9 bad events",
    ),
    "nothing happens": (asked(FAST, burning((0, 0), (0, 0))), Status.PASS, "0x over 1h"),
    "no data in a window": (
        asked(FAST, burning((0, 10), None)), Status.UNKNOWN, "no data in 1h or 5m",
    ),
    "an SLO that is not generated": (
        asked(policy(BURN, slo="other"), burning(None, None)), Status.UNKNOWN,
        "other: it is not generated",
    ),
    "a burn in maintenance": (
        asked(
            FAST, burning((20, 1_000), (2, 100)),
            maintenance=(
                Maintenance(start=AT, end=AT + timedelta(hours=1), reason="the deployment"),
            ),
        ),
        Status.PASS, "in maintenance",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", ANSWERS)
def test_answer(sentence: str) -> None:
    clearance, state, message = ANSWERS[sentence]
    (answer,) = clearance.answers
    assert (clearance.status, answer.status) == (state, state)
    assert message in answer.message
    (finding,) = clearance.verdict().findings
    assert (finding.check, finding.status) == ("slo.gate.stop", state)
    assert finding.place == Place("slo/shop.yaml", 9)


def test_a_long_window_is_summed_from_recorded_steps() -> None:
    prometheus = FakePrometheus(
        {
            r"^sum_over_time\(slo:sli_bad.*\[7199s:300s\] @": sample(20),
            r"^sum_over_time\(slo:sli_total.*\[7199s:300s\] @": sample(1_000),
            r"(?s)or\s.*\[1h\]": sample(9),
            r"(?s)^sum.*\[1h\]": sample(500),
        }
    )
    (answer,) = asked(policy(SLOW), prometheus).answers
    assert answer.status is Status.FAIL
    assert "20x over 2h and 18x over 1h" in answer.message


NOTHING_FREEZES: Mapping[str, Policy] = {
    "no rule that freezes": policy(BURN, Act.PAGE),
    "another service's policy": policy(BURN, service="other"),
}


@pytest.mark.parametrize("sentence", NOTHING_FREEZES)
def test_where_nothing_freezes_the_gate_is_open_and_says_so(sentence: str) -> None:
    prometheus = FakePrometheus({})
    clearance = asked(NOTHING_FREEZES[sentence], prometheus)
    assert clearance.answers == ()
    assert clearance.verdict().status is Status.WARN
    assert "no policy freezes deployments of shop" in clearance.verdict().findings[0].message
    assert prometheus.asked == []


def test_a_freeze_says_when_it_ends() -> None:
    # Every step had one bad event of 1,000, so the budget is spent just so; its first half goes.
    steps = [Series({}, dict.fromkeys(range(NOW - 8_063 * 300, NOW + 300, 300), 1_000.0))]
    (answer,) = asked(policy(BudgetLeft(0.5)), left(8_064_000, 8_064, steps=steps)).answers
    assert answer.status is Status.FAIL
    assert answer.free_at == AT + timedelta(days=14)
    assert answer.free_at_this_rate is None
    assert list(told_when(answer)) == [
        "If nothing fails from now on, deployments are free on 2026-01-15 00:00 UTC.",
        "If as much goes on failing as in the last hour, not within this period.",
    ]


def test_what_is_told_of_the_end() -> None:
    blank = ANSWERS["too little is left"][0].answers[0]
    later = AT + timedelta(days=1)

    def told(answer: Answer) -> list[str]:
        return list(told_when(answer))

    assert told(replace(blank, free_at=None)) == ["It is not known when that will be enough again."]
    assert len(told(replace(blank, free_at=AT, free_at_this_rate=AT))) == 1
    assert told(replace(blank, free_at=AT, free_at_this_rate=later))[1] == (
        "If as much goes on failing as in the last hour, on 2026-01-02 00:00 UTC."
    )
    assert told(replace(blank, status=Status.PASS)) == []
    assert told(ANSWERS["both windows burn"][0].answers[0]) == []
