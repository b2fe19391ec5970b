"""An objective of a made-up shop for tests that compile rules, and rules as Prometheus has them."""

from dataclasses import replace
from decimal import Decimal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from mlops.base.errors import Place
from mlops.slo.calendar import Calendar
from mlops.slo.counter import Counter, Matcher
from mlops.slo.indicator import CountedRatio, Counts
from mlops.slo.objective import Objective

SHOP = Objective(
    slo="shop-availability",
    service="shop",
    title="availability",
    description="Answers.",
    target=Decimal("0.999"),
    period_s=28 * 86_400,
    indicator=CountedRatio(
        Counts.BAD,
        Counter("errors_total", (Matcher("job", "=", "shop"),)),
        Counter("requests_total"),
    ),
    runbook_url="",
    first_look="",
    place=Place("slo/shop.yaml", 3),
)


class Rule(BaseModel):
    """A rule as Prometheus reads it."""

    model_config = ConfigDict(extra="forbid")

    record: str = ""
    alert: str = ""
    expr: str
    hold: str = Field("", alias="for")
    keep_firing_for: str = ""
    labels: dict[str, str]
    annotations: dict[str, str] = {}


def rules_of(text: str) -> list[Rule]:
    """Return all rules of a rule file."""
    groups = yaml.safe_load(text)["groups"]
    return [Rule.model_validate(rule) for group in groups for rule in group["rules"]]


def expression(text: str, name: str) -> str:
    """Return the one expression of a recorded series, on one line."""
    found = [rule.expr for rule in rules_of(text) if rule.record == name]
    assert len(found) == 1, name
    return " ".join(found[0].split())


def alert(text: str, name: str) -> Rule:
    """Return the one alert of a name."""
    (found,) = [rule for rule in rules_of(text) if rule.alert == name]
    return found


def by_calendar(calendar: Calendar) -> Objective:
    """Return the shop's objective with a budget for each period of a calendar."""
    return replace(SHOP, calendar=calendar, period_s=calendar.nominal_s)
