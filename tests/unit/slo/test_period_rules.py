"""A period's rules: one sum where it rolls, the steps with the newest number where it does not."""

from dataclasses import replace
from datetime import datetime

import pytest

from mlops.slo.calendar import Calendar
from mlops.slo.period_rules import unrecorded
from mlops.slo.promql import check_expression
from mlops.slo.rules import generate
from mlops.slo.spec import SloSpec
from tests.components.objectives import SHOP, by_calendar, expression, rules_of

SELECTOR = '{service="shop",slo="shop-availability"}'


def calendar(text: str, *, zone: str = "UTC", start: str = "2026-01-01T00:00:00") -> Calendar:
    unit = next(each for each in ("d", "w", "M", "Q", "Y") if each == text[-1])
    return Calendar(int(text[:-1]), unit, datetime.fromisoformat(start), zone)


def test_a_period_that_rolls_is_a_sum_of_steps_evaluated_before_it_is_stale() -> None:
    text = generate([SHOP], SloSpec())
    bad, total = (
        f"sum_over_time(slo:sli_{each}:increase5m{SELECTOR}[28d:5m])" for each in ("bad", "total")
    )
    assert expression(text, "slo:sli_error:ratio_rate28d") == f"{bad} / on () ({total} > 0)"
    assert expression(text, "slo:period_error_budget_remaining:ratio") == (
        f"1 - slo:sli_error:ratio_rate28d{SELECTOR} / 0.001"
    )
    assert "name: slo-shop-availability-period\n    interval: 2m\n" in text


def test_a_period_as_long_as_an_alerts_window_is_recorded_once() -> None:
    text = generate([replace(SHOP, period_s=3 * 86_400)], SloSpec())
    recorded = [rule.record for rule in rules_of(text)]
    assert recorded.count("slo:sli_error:ratio_rate3d") == 1
    assert expression(text, "slo:period_error_budget_remaining:ratio")


@pytest.mark.parametrize(
    ("period", "start", "number", "longest"),
    [
        ("1M", "2026-01-01T00:00:00",
         "floor((12 * year(vector(time() - 300)) + month(vector(time() - 300)) - 24313) / 1)",
         "31d"),
        ("1Q", "2026-02-15T06:00:00",
         ("floor((12 * year(vector(time() - 21900)) + month(vector(time() - 21900)) - "
          "(day_of_month(vector(time() - 21900)) < bool 15) - 24314) / 3)"),
         "92d"),
        ("2w", "2026-01-05T00:00:00", "floor((vector(time() - 300) - 1767571200) / 1209600)",
         "14d"),
    ],
)  # fmt: skip
def test_a_calendars_steps_bear_the_number_of_their_period(
    period: str, start: str, number: str, longest: str
) -> None:
    text = generate([by_calendar(calendar(period, start=start))], SloSpec())
    assert expression(text, "slo_period:sli_bad:increase5m") == (
        f'slo:sli_bad:increase5m{SELECTOR} * on () group_left (period) '
        f'count_values("period", {number})'
    )  # fmt: skip
    left = expression(text, "slo:period_error_budget_remaining:ratio")
    assert f"[{longest}:5m]" in left
    assert left.endswith(f'and on (period) count_values("period", {number}) )')
    check_expression(left)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (calendar("1M"), ""),
        (calendar("1M", zone="Etc/UTC"), ""),
        (calendar("1M", zone="Europe/Vienna"), "PromQL knows no clocks of Europe/Vienna"),
        (calendar("1M", start="2026-01-31T00:00:00"), "not every month has a day 31"),
        (calendar("1w", start="2026-01-31T00:00:00"), ""),
    ],
)
def test_what_promql_cannot_tell_is_left_out_and_said(given: Calendar, why: str) -> None:
    objective = by_calendar(given)
    assert unrecorded(objective, SloSpec()) == why
    text = generate([objective], SloSpec())
    assert ("slo:period_error_budget_remaining:ratio" in {r.record for r in rules_of(text)}) == (
        not why
    )
    assert (f"# shop-availability: no slo:period_error_budget_remaining:ratio, {why}." in text) == (
        bool(why)
    )


def test_a_period_that_the_section_sets_rolls_whatever_the_calendar() -> None:
    spec = SloSpec(period_s=86_400 * 2)
    text = generate([by_calendar(calendar("1M", zone="Europe/Vienna"))], spec)
    assert "[2d:5m]" in expression(text, "slo:sli_error:ratio_rate2d")
