"""What is right in each section and cannot be true of all together."""

import json
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import cast

import pytest

from mlops.base.digest import Json
from mlops.base.verdict import Finding, Status
from mlops.config.compose import Composed, compose
from mlops.config.consistency import consistency
from mlops.config.cost import cost
from mlops.config.resolve import Contracts, contracts
from mlops.config.settings import Settings

ROOT = Path(__file__).parents[3]
WARN, FAIL = Status.WARN, Status.FAIL


@cache
def base(service: str) -> tuple[Composed, Contracts]:
    composed = compose([f"service={service}"], folder=ROOT)
    return composed, contracts(composed)


def _mapping(node: Json) -> dict[str, Json]:
    assert isinstance(node, dict)
    return node


def changed(composed: Composed, changes: dict[str, Json]) -> Composed:
    """Return a configuration with some keys set, each still valid by itself."""
    tree: Json = json.loads(composed.settings.model_dump_json(by_alias=True))
    for dotted, value in changes.items():
        *above, last = dotted.split(".")
        node = tree
        for part in above:
            node = node[int(part)] if isinstance(node, list) else _mapping(node)[part]
        if isinstance(node, list):
            node[int(last)] = value
        else:
            _mapping(node)[last] = value
    return replace(composed, settings=Settings.model_validate_json(json.dumps(tree)))


@dataclass(frozen=True)
class Wrong:
    """Keys to set, texts to replace in the SLO file, and what must be said of it."""

    rule: str
    status: Status
    keys: dict[str, Json]
    at: str = ""
    edit: tuple[str, str] = ("", "")
    line_has: str = ""
    service: str = "open_bandit"


LATENCY = 'mlops_decision_duration_seconds_bucket{service="open_bandit",le="0.05"}'
SERVED = 'source=~"model|cache",reason!="holdout"}'
TOTAL = 'mlops_decisions_total{service="open_bandit",reason!="holdout"}'
POLICY = """  alertPolicies:
    - kind: AlertPolicy
      metadata: {name: slow}
      spec:
        conditions:
          - kind: AlertCondition
            metadata: {name: slow}
            spec: {severity: ticket, condition: {threshold: 1, lookbackWindow: 30d}}
        notificationTargets:
          - kind: AlertNotificationTarget
            metadata: {name: chat}
            spec: {target: chat}
"""
ANSWERED = "    - displayName: answered\n      targetPercent: 99.9\n"

WRONG = {
    "the deadline is raised and the promise is not": Wrong(
        "slo-deadline", WARN, {"serving.deadline_ms": 100}, at="serving.deadline_ms"
    ),
    "the promise is lowered and the deadline is not": Wrong(
        "slo-deadline", WARN, {}, at="serving.deadline_ms", edit=('le="0.05"', 'le="0.025"')
    ),
    "the model may take longer than anybody waits for it": Wrong(
        "slo-deadline",
        WARN,
        {},
        edit=(LATENCY, 'mlops_model_duration_seconds_bucket{service="open_bandit",le="0.05"}'),
        line_has="mlops_model_duration_seconds_bucket",
    ),
    "the objectives are another service's": Wrong(
        "slo-service", FAIL, {"name": "shop_window"}, at="slo.files"
    ),
    "one query was copied from another service": Wrong(
        "slo-service",
        FAIL,
        {},
        edit=(LATENCY, LATENCY.replace("open_bandit", "search_ranking")),
        line_has='search_ranking",le=',
    ),
    "the holdout is counted as a failure and is all of the budget": Wrong(
        "slo-holdout",
        FAIL,
        {},
        edit=(f"{SERVED}\n", 'source=~"model|cache"}\n'),
        line_has='source=~"model|cache"}',
    ),
    "Prometheus forgets within the period": Wrong(
        "retention", FAIL, {"slo.retention_days": 15}, at="slo.retention_days"
    ),
    "a window looks back further than data are kept": Wrong(
        "retention",
        FAIL,
        {"slo.retention_days": 2, "slo.period_s": 86400},
        at="slo.tiers.3.long_s",
    ),
    "an alert policy of its own looks back further than data are kept": Wrong(
        "retention",
        FAIL,
        {"slo.retention_days": 29},
        edit=(ANSWERED, ANSWERED + POLICY),
        line_has="name: open-bandit-availability",
    ),
    "one failed request would page": Wrong(
        "low-traffic",
        WARN,
        {"serving.expected_rps": 0.01, "slo.min_bad_events": 1},
        at="slo.tiers.0.long_s",
    ),
    "the breaker never sees enough calls": Wrong(
        "breaker", WARN, {"serving.expected_rps": 1.5}, at="serving.breaker.window_s"
    ),
    "more comes in than one process can answer": Wrong(
        "load", FAIL, {"serving.expected_rps": 1_000_000}, at="serving.expected_rps"
    ),
    "too little is held out to tell what the model is worth": Wrong(
        "holdout", WARN, {"serving.expected_rps": 0.001}, at="serving.holdout.share"
    ),
    "more events are asked for than rows are held out": Wrong(
        "few-rows", WARN, {"data.expected_rows": 250}, at="quality.versus.1.min_events"
    ),
    "the model process is killed before a request is late": Wrong(
        "hang", FAIL, {"serving.hang_ms": 30}, at="serving.hang_ms"
    ),
    "requests in flight are cut off at the end": Wrong(
        "drain", WARN, {"serving.drain_s": 0}, at="serving.drain_s"
    ),
    "the gate lets a model through that is always late": Wrong(
        "gate-latency", WARN, {"release.max_latency_ms": 45}, at="release.max_latency_ms"
    ),
    "the admin port is the service's own": Wrong(
        "ports", FAIL, {"serving.admin_port": 8080}, at="serving.admin_port"
    ),
    "decisions would be logged nowhere": Wrong(
        "decision-log", FAIL, {"serving.decision_log.url": "mysql://x/y"},
        at="serving.decision_log.url",
    ),
    "a trusted key is not there": Wrong(
        "file", FAIL, {"serving.trust.keys": ["keys/none.pem"]}, at="serving.trust.keys.0"
    ),
    "the admin port's token is not there": Wrong(
        "file", FAIL, {"serving.admin_token_file": "none.token"}, at="serving.admin_token_file"
    ),
    "a fallback stands behind one that never fails": Wrong(
        "fallback-order", FAIL, {"serving.fallback": ["static", "popularity"]},
        at="serving.fallback.0",
    ),
    "a fallback is named twice": Wrong(
        "fallback-twice", WARN, {"serving.fallback": ["popularity", "popularity"]},
        at="serving.fallback.1",
    ),
    "a heuristic counts what all candidates share": Wrong(
        "heuristic-key", FAIL, {"training.heuristics.popularity.key": "user_feature_0"},
        at="training.heuristics.popularity.key",
    ),
    "a heuristic counts a measured number": Wrong(
        "heuristic-key", WARN, {"training.heuristics.popularity.key": "text_relevance"},
        at="training.heuristics.popularity.key", service="search_ranking",
    ),
    "a fee is a text": Wrong(
        "heuristic-value", FAIL, {"training.heuristics.fee_weighted_popularity.value": "job_area"},
        at="training.heuristics.fee_weighted_popularity.value", service="search_ranking",
    ),
    "a fee is the same for all candidates": Wrong(
        "heuristic-value", FAIL,
        {"training.heuristics.fee_weighted_popularity.value": "seeker_experience"},
        at="training.heuristics.fee_weighted_popularity.value", service="search_ranking",
    ),
    "a custom heuristic is given a column that no request has": Wrong(
        "heuristic-column", WARN,
        {
            "training.heuristics.popularity": {
                "kind": "custom",
                "heuristic": {"_target_": "mlops.models.heuristics.Popularity", "key": "item"},
            }
        },
        at="training.heuristics.popularity.heuristic.key",
    ),
    "a floor is asked of nobody": Wrong(
        "demand", FAIL,
        {"quality.floors.0.subject": "popularty"}, at="quality.floors.0.subject",
        service="search_ranking",
    ),
    "a floor asks a probability of a heuristic": Wrong(
        "demand", FAIL, {"quality.floors.1.subject": "popularity"}, at="quality.floors.1.metric"
    ),
    "a heuristic is compared by what only models have": Wrong(
        "demand", FAIL, {"quality.versus.0.metric": "log_loss"}, at="quality.versus.0.metric"
    ),
    "a floor is higher than its metric can be": Wrong(
        "demand", FAIL, {"quality.floors.0.minimum": 65}, at="quality.floors.0.minimum"
    ),
    "two floors leave nothing between them": Wrong(
        "demand", FAIL, {"quality.floors.2.maximum": 0.6}, at="quality.floors.2.maximum"
    ),
    "no label is old enough to learn from": Wrong(
        "maturity", FAIL, {"training.heads.1.matures_days": 200},
        at="training.heads.1.matures_days", service="search_ranking",
    ),
    "no held-out label is old enough to be judged": Wrong(
        "maturity", WARN, {"training.heads.1.matures_days": 80},
        at="quality.evaluations.1.head", service="search_ranking",
    ),
}  # fmt: skip

RIGHT: dict[str, tuple[str, dict[str, Json]]] = {
    "the shop as it is": ("open_bandit", {}),
    "the job board as it is": ("search_ranking", {}),
    "a static order comes last": ("open_bandit", {"serving.fallback": ["popularity", "static"]}),
    "nothing is held out": ("open_bandit", {"serving.holdout": {"share": 0.0, "salt": "s"}}),
    "a tenth is held out, which the objectives leave out": (
        "open_bandit", {"serving.holdout": {"share": 0.1, "salt": "s"}},
    ),
    "a deadline is kept below the promise": ("open_bandit", {"serving.deadline_ms": 40}),
    "there is traffic enough for every window": ("open_bandit", {"serving.expected_rps": 50}),
    "retention is just the period": ("search_ranking", {"slo.retention_days": 28}),
    "the objectives of both services are in one set": (
        "open_bandit", {"slo.files": ["slo/open_bandit.yaml", "slo/search_ranking.yaml"]},
    ),
    "no objective is written yet": ("open_bandit", {"slo.files": []}),
    "a logged policy has a floor": (
        "open_bandit",
        {
            "quality.floors": [
                {"metric": "policy_value_snips", "subject": "bts", "minimum": 0.001}
            ]
        },
    ),
}  # fmt: skip


def look(service: str, keys: dict[str, Json], folder: Path) -> tuple[Finding, ...]:
    composed, loaded = base(service)
    composed = changed(composed, keys)
    prediction = cost(composed, loaded, folder).prediction
    return consistency(composed, loaded, folder, prediction=prediction)


@pytest.mark.parametrize("sentence", WRONG)
def test_contradiction_is_found(sentence: str, tmp_path: Path) -> None:
    case = WRONG[sentence]
    shutil.copytree(ROOT / "slo", tmp_path / "slo")
    path = tmp_path / "slo" / f"{case.service}.yaml"
    text = path.read_text()
    old, new = case.edit
    assert text.count(old) == 1 or not old
    text = text.replace(old, new) if old else text
    if case.rule == "slo-holdout":
        text = text.replace(TOTAL, TOTAL.replace(',reason!="holdout"', ""))
    path.write_text(text)
    found = look(case.service, case.keys, tmp_path)
    rule = f"check.consistency.{case.rule}"
    own = [each for each in found if each.check == rule and each.status is case.status]
    assert own, found
    if case.at:
        assert case.at in {".".join(each.key) for each in own}
    if case.line_has:
        place = own[0].place
        assert place is not None
        assert place.line is not None
        assert case.line_has in text.splitlines()[place.line - 1]
    assert all(each.hint or "never" in each.message or each.limit for each in own)


@pytest.mark.parametrize("sentence", RIGHT)
def test_right_configuration_passes_without_a_word(sentence: str, tmp_path: Path) -> None:
    service, keys = RIGHT[sentence]
    shutil.copytree(ROOT / "slo", tmp_path / "slo")
    found = look(service, keys, tmp_path)
    assert [each for each in found if each.status is not Status.PASS] == []
    assert len(found) == 1


def test_promise_below_what_the_model_needs_is_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "slo", tmp_path / "slo")
    path = tmp_path / "slo" / "open_bandit.yaml"
    path.write_text(path.read_text().replace('le="0.05"', 'le="0.001"'))
    model = {
        "name": "huge",
        "estimator": {
            "_target_": "sklearn.ensemble.HistGradientBoostingClassifier",
            "max_iter": 20_000,
            "early_stopping": False,
        },
    }
    found = look("open_bandit", {"model": cast("Json", model)}, tmp_path)
    rules = {each.check for each in found if each.status is FAIL}
    assert "check.consistency.slo-latency" in rules


def test_files_that_cannot_be_read_are_another_rules_to_tell(tmp_path: Path) -> None:
    found = look("open_bandit", {"slo.files": ["slo/nowhere.yaml"]}, tmp_path)
    assert [each.status for each in found] == [Status.PASS]


@pytest.mark.parametrize(
    ("matcher", "wrong"),
    [
        ('reason!~"holdout|drill"', False),
        ('reason=~"ok|deadline"', False),
        ('reason!~"drill"', True),
        ('reason!~".*|("', False),  # RE2 or not: what cannot be read is not complained about
    ],
)
def test_holdout_may_be_left_out_by_any_matcher(matcher: str, wrong: bool, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "slo", tmp_path / "slo")
    path = tmp_path / "slo" / "open_bandit.yaml"
    path.write_text(path.read_text().replace('reason!="holdout"', matcher))
    found = look("open_bandit", {}, tmp_path)
    assert ("check.consistency.slo-holdout" in {each.check for each in found}) is wrong
