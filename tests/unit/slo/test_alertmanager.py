"""Alertmanager's part: it holds our alerts, all of them, and none of anybody else."""

import re

import yaml

from mlops.slo import standing
from mlops.slo.alertmanager import fragment, inhibit_rules, route
from mlops.slo.rules import generate
from mlops.slo.spec import SloSpec
from tests.components.objectives import SHOP, rules_of

SELECTED = re.compile(r'alertname=~"(.*)"')


def test_the_route_takes_every_alert_that_is_generated_and_no_other() -> None:
    (matcher,) = yaml.safe_load(fragment())["routes"][0]["matchers"]
    found = SELECTED.fullmatch(matcher)
    assert found is not None
    names = {rule.alert for rule in rules_of(generate([SHOP], SloSpec())) if rule.alert}
    assert len(names) == 10
    for name in names | set(standing.NAMES):
        assert re.fullmatch(found[1], name)
    for other in ("HighLatency", "SloBudgetBurn", "MySloDataAbsent", "Watchdog"):
        assert re.fullmatch(found[1], other) is None


def test_the_fragment_holds_what_the_functions_give_and_says_where_it_goes() -> None:
    text = fragment()
    assert yaml.safe_load(text) == {"routes": [route()], "inhibit_rules": inhibit_rules()}
    assert "# and name receivers `slo-page`" in text
