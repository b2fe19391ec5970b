"""A burn policy: an SLO's alert policies are its own pairs of windows."""

from pathlib import Path

import pytest

from mlops.base.verdict import Status
from mlops.slo.catalog import read_catalog
from mlops.slo.check import validate
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec, Tier

SHARED = """apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec:
  severity: page
  condition: {kind: burnrate, op: gt, threshold: 10, lookbackWindow: 2h, alertAfter: 5m}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: on-call}
spec: {target: pager}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: by-name}
spec:
  alertWhenBreaching: true
  conditions: [{conditionRef: fast}]
  notificationTargets: [{targetRef: on-call}, {targetRef: on-call}]
"""
SLO = """---
apiVersion: openslo/v1
kind: SLO
metadata: {name: shop}
spec:
  service: shop
  indicator:
    metadata: {name: sli}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: Prometheus, spec: {query: good_total}}}
        total: {metricSource: {type: Prometheus, spec: {query: all_total}}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
  alertPolicies: POLICIES
"""
FAST = Tier(
    factor=10, long_s=7200, short_s=600, severity="page", for_s=300, labels={"notify": "pager"}
)


def inline(severity: str = "page", condition: str = "", more: str = "") -> str:
    given = condition or "{threshold: 3, lookbackWindow: 1d}"
    return (
        f"{{kind: AlertPolicy, metadata: {{name: p}}, spec: {{{more} "
        "conditions: [{kind: AlertCondition, metadata: {name: c}, "
        f"spec: {{severity: {severity}, condition: {given}}}}}], "
        "notificationTargets: [{targetRef: on-call}, "
        "{kind: AlertNotificationTarget, metadata: {name: t}, spec: {target: chat}}]}}"
    )


def write(folder: Path, *policies: str) -> Path:
    path = folder / "slo.yaml"
    path.write_text(SHARED + SLO.replace("POLICIES", f"[{', '.join(policies)}]"))
    return path


def objective(folder: Path, *policies: str) -> Objective:
    (found,) = read_catalog([write(folder, *policies)]).objectives
    return found


@pytest.mark.parametrize("policy", ["by-name", "{alertPolicyRef: by-name}"])
def test_a_policy_that_is_named_is_a_pair_of_windows(policy: str, tmp_path: Path) -> None:
    assert objective(tmp_path, policy).tiers == (FAST,)


def test_without_a_policy_the_section_decides(tmp_path: Path) -> None:
    assert objective(tmp_path).tiers is None


@pytest.mark.parametrize(
    ("given", "severity", "declared"),
    [
        ("page", "page", None),
        ("ticket", "ticket", None),
        ("Critical", "page", "Critical"),
        ("warning", "ticket", "warning"),
        ("sev3", "ticket", "sev3"),
    ],
)
def test_a_severity_pages_or_waits_and_keeps_its_own_word(
    given: str, severity: str, declared: str | None, tmp_path: Path
) -> None:
    tiers = objective(tmp_path, inline(given)).tiers
    assert tiers is not None
    assert tiers[0].severity == severity
    assert tiers[0].labels.get("declared_severity") == declared
    assert tiers[0].labels["notify"] == "pager,chat"
    assert (tiers[0].factor, tiers[0].long_s, tiers[0].short_s) == (3, 86_400, 7200)


@pytest.mark.parametrize("op", ["lte", "lt", "gte", "gt"])
def test_any_operator_means_that_it_burns_faster(op: str, tmp_path: Path) -> None:
    policy = inline(condition=f"{{op: {op}, threshold: 2, lookbackWindow: 1h}}")
    (tier,) = objective(tmp_path, policy).tiers or ()
    assert (tier.factor, tier.long_s, tier.for_s) == (2, 3600, 0)


UNUSED = {
    "no alert when it burns": (
        inline(more="alertWhenBreaching: false, alertWhenNoData: true,"),
        "it has `alertWhenBreaching: false`",
    ),
    "a window without a length": (
        inline(condition="{threshold: 1, lookbackWindow: 1M}"),
        "months and longer have no fixed length",
    ),
    "a threshold that always holds": (
        inline(condition="{threshold: 0, lookbackWindow: 1h}"),
        "greater than 0",
    ),
}


@pytest.mark.parametrize("sentence", UNUSED)
def test_a_policy_that_makes_no_alert_is_a_warning(sentence: str, tmp_path: Path) -> None:
    policy, reason = UNUSED[sentence]
    path = write(tmp_path, policy)
    assert read_catalog([path]).objectives[0].tiers is None
    (warning,) = [f for f in validate([path], SloSpec()).findings if f.status is Status.WARN]
    assert reason in warning.message
    assert "its alerts come from `slo.tiers`" in warning.message
    assert warning.place is not None
    assert warning.place.key == "spec.alertPolicies.0"


def test_one_window_may_page_and_wait(tmp_path: Path) -> None:
    longer = "{threshold: 2, lookbackWindow: 2h}"
    tiers = objective(tmp_path, "by-name", inline("ticket", longer)).tiers or ()
    assert [(tier.factor, tier.severity) for tier in tiers] == [(10, "page"), (2, "ticket")]


def test_a_policy_with_the_windows_of_another_is_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path, "by-name", "{alertPolicyRef: by-name}")
    assert read_catalog([path]).objectives[0].tiers == (FAST,)
    (warning,) = [f for f in validate([path], SloSpec()).findings if f.status is Status.WARN]
    assert warning.message.endswith("another policy of the SLO has its windows and severity")
    assert warning.place is not None
    assert warning.place.key == "spec.alertPolicies.1"
