"""A policy asks of a server only what it can do, and what it cannot is refused by name."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.base.verdict import Status
from mlops.config.compose import compose
from mlops.config.consistency_policy import policies_of
from mlops.config.policy import burn_rules
from mlops.config.settings import Settings
from mlops.serving.policy import BurnRule
from mlops.serving.selected import weights
from mlops.serving.spec import BreakerMode

ROOT = Path(__file__).parents[3]
SERVICE = "search_ranking"
SERVED = "search-ranking-model-served"
LATENCY = 'mlops_decision_duration_seconds_bucket{service="search_ranking",le="0.1"}'


@cache
def tree() -> str:
    composed = compose([f"service={SERVICE}"], folder=ROOT)
    return composed.settings.model_dump_json(by_alias=True)


def settings(**serving: Any) -> Settings:
    content = json.loads(tree())
    content["serving"].update(serving)
    return Settings.model_validate_json(json.dumps(content))


def written(folder: Path, *edits: tuple[str, str]) -> Path:
    """Copy the repository's SLO files, with some texts replaced in this service's."""
    shutil.copytree(ROOT / "slo", folder / "slo")
    path = folder / "slo" / f"{SERVICE}.yaml"
    text = path.read_text()
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)
    return folder


def rule(folder: Path, *edits: tuple[str, str]) -> BurnRule:
    (found,) = burn_rules(settings(), written(folder, *edits))
    return found


def test_rule_is_what_is_written_in_the_servers_terms(tmp_path: Path) -> None:
    found = rule(tmp_path)
    assert [each.slo for each in found.slos] == [SERVED, "search-ranking-latency"]
    assert (found.above, found.long_s, found.short_s) == (14.4, 3600.0, 300.0)
    assert found.min_bad_events == 50
    assert (found.falls_back, found.rolls_back) == (True, False)
    assert (found.recovery, found.after_s) == ("probe", 300.0)
    assert [each.budget for each in found.slos] == [0.01, 0.01]
    for watched in found.slos:
        assert weights(watched.numerator, SERVICE).any()
        assert weights(watched.total, SERVICE).any()


def test_way_back_by_a_person_has_no_wait(tmp_path: Path) -> None:
    found = rule(tmp_path, ("{by: probe, after: 5m}", "{by: person}"))
    assert (found.recovery, found.after_s) == ("person", 0.0)


def test_rule_may_roll_back(tmp_path: Path) -> None:
    found = rule(tmp_path, ("[page, fallBack]", "[page, rollBack]"),
                 ("recovery: {by: probe, after: 5m}", "recovery: {by: person}"))  # fmt: skip
    assert (found.falls_back, found.rolls_back) == (False, True)


def test_rule_that_only_calls_people_asks_nothing_of_the_server(tmp_path: Path) -> None:
    folder = written(tmp_path, ("[page, fallBack]", "[page]"),
                     ("\n      recovery: {by: probe, after: 5m}", ""))  # fmt: skip
    assert burn_rules(settings(), folder) == ()


def test_policy_of_another_service_asks_nothing(tmp_path: Path) -> None:
    content = {**json.loads(tree()), "name": "other"}
    other = Settings.model_validate_json(json.dumps(content))
    assert burn_rules(other, written(tmp_path)) == ()


def test_without_definitions_nothing_is_asked(tmp_path: Path) -> None:
    content = json.loads(tree())
    content["slo"]["files"] = []
    assert burn_rules(Settings.model_validate_json(json.dumps(content)), tmp_path) == ()


PROMISED = "    - displayName: answered by the model\n      targetPercent: 99\n"
UNKEPT: dict[str, tuple[dict[str, Json], tuple[str, str], str]] = {
    "an SLO of another program's series": (
        {}, (LATENCY, 'http_request_duration_seconds_bucket{service="search_ranking",le="0.1"}'),
        "how fast search-ranking-latency burns: the server counts no",
    ),
    "an SLO of a label that only Prometheus has": (
        {}, (LATENCY, LATENCY.replace("{", '{instance="a:1",')), "no label `instance`",
    ),
    "an SLO of a query that holds its own windows": (
        {}, (f"query: {LATENCY}", "query: 'sum(rate(" + LATENCY + "[{{.window}}])) + 1'"),
        "search-ranking-latency is no ratio of two plain counters",
    ),
    "an SLO that no failure can burn so fast": (
        {}, (PROMISED, PROMISED.replace("99", "90")), "burns that fast",
    ),
    "an SLO that has no rules": (
        {}, (
            f"{LATENCY}\n        total:\n          metricSource:\n            type: Prometheus\n",
            f"{LATENCY}\n        total:\n          metricSource:\n            type: Datadog\n",
        ),
        "search-ranking-latency has no rules",
    ),
    "nothing may answer but the model": (
        {"fallback": ["error"], "holdout": {"share": 0.0, "salt": "s"}}, ("", ""),
        "nothing to fall back to",
    ),
    "the person who decides has no door": (
        {"admin_port": None}, ("{by: probe, after: 5m}", "{by: person}"), "admin_port",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", UNKEPT)
def test_what_the_server_cannot_do_is_refused_and_found(sentence: str, tmp_path: Path) -> None:
    serving, edit, told = UNKEPT[sentence]
    folder = written(tmp_path, *([edit] if edit[0] else []))
    given = settings(**serving)
    with pytest.raises(ConfigError, match=told) as caught:
        burn_rules(given, folder)
    assert "burn-falls-back" in caught.value.message
    (finding,) = policies_of(given, folder)
    assert (finding.check, finding.status) == ("check.consistency.policy", Status.FAIL)
    for place in (caught.value.place, finding.place):
        assert place is not None
        text = (folder / "slo" / f"{SERVICE}.yaml").read_text()
        assert "burn-falls-back" in text.splitlines()[(place.line or 0) - 1]


@pytest.mark.parametrize("mode", ["metrics_only", "forced_open"])
def test_breaker_that_does_not_act_makes_no_way_back(mode: str, tmp_path: Path) -> None:
    given = settings()
    breaker = given.serving.breaker.model_copy(update={"mode": BreakerMode(mode)})
    serving = given.serving.model_copy(update={"breaker": breaker})
    found = [*policies_of(given.model_copy(update={"serving": serving}), written(tmp_path))]
    assert [(each.check, each.status) for each in found] == [
        ("check.consistency.policy-way-back", Status.WARN)
    ]


@pytest.mark.parametrize("service", ["open_bandit", "search_ranking"])
def test_policies_of_the_repository_can_be_kept(service: str) -> None:
    given = compose([f"service={service}"], folder=ROOT).settings
    assert list(policies_of(given, ROOT)) == []
    assert len(burn_rules(given, ROOT)) == 1
