"""A burn policy: an SLO's own pairs of windows, from the alert policies that it names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from mlops.slo.alert_policy import (
    AlertConditionSpec,
    AlertPolicySpec,
    ConditionRef,
    InlinePolicy,
    PolicyRef,
    TargetRef,
)
from mlops.slo.index import Index
from mlops.slo.openslo import AlertCondition, AlertNotificationTarget, AlertPolicy, SloBody
from mlops.slo.spec import Tier
from mlops.slo.windows import openslo_seconds

_SHORT_PART = 12
"""The short window is a twelfth of the long one.

Source: Google SRE Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
"""
_SEVERITIES: dict[str, Literal["page", "ticket"]] = {
    "page": "page", "critical": "page", "ticket": "ticket", "warning": "ticket",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unused:
    """A policy that makes no alert.

    Attributes:
        at: Its place in the SLO's list.
        reason: Why not, as a sentence.
    """

    at: int
    reason: str


def tiers_of(body: SloBody, index: Index) -> tuple[tuple[Tier, ...], tuple[Unused, ...]]:
    """Return the pairs of windows of an SLO's policies, and the policies that make none.

    Args:
        body: The spec of the SLO.
        index: Has what it refers to.
    """
    tiers: list[Tier] = []
    unused: list[Unused] = []
    for at, given in enumerate(body.alert_policies or ()):
        match given:
            case InlinePolicy():
                spec = given.spec
            case PolicyRef():
                spec = index.item(AlertPolicy, given.alert_policy_ref).spec
            case _:
                spec = index.item(AlertPolicy, given).spec
        try:
            tier = _tier(spec, index)
        except ValueError as error:
            unused.append(Unused(at, str(error)))
            continue
        if any(_alike(tier, each) for each in tiers):
            unused.append(Unused(at, "another policy of the SLO has its windows and severity"))
        else:
            tiers.append(tier)
    return tuple(tiers), tuple(unused)


def _alike(one: Tier, other: Tier) -> bool:
    return (one.long_s, one.severity) == (other.long_s, other.severity)


def _tier(policy: AlertPolicySpec, index: Index) -> Tier:
    """Return a policy's pair of windows; ValueError says why it has none."""
    if not policy.alert_when_breaching:
        message = "it has `alertWhenBreaching: false`"
        raise ValueError(message)
    (given,) = policy.conditions
    condition = (
        index.item(AlertCondition, given.condition_ref).spec
        if isinstance(given, ConditionRef)
        else given.spec
    )
    # The specification's own examples write `lte` where "exceeds" is meant, and an alert while
    # little burns has no use: any operator means that it burns faster than the threshold.
    burn = condition.condition
    long_s, for_s = openslo_seconds(burn.lookback_window), openslo_seconds(burn.alert_after)
    if long_s is None or for_s is None:
        message = "months and longer have no fixed length; use days"
        raise ValueError(message)
    try:
        return Tier(
            factor=burn.threshold,
            long_s=long_s,
            short_s=long_s // _SHORT_PART,
            severity=_SEVERITIES.get(condition.severity.lower(), "ticket"),
            for_s=for_s,
            labels=dict(_labels(policy, condition, index)),
        )
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from None


def _labels(
    policy: AlertPolicySpec, condition: AlertConditionSpec, index: Index
) -> Iterator[tuple[str, str]]:
    """Yield what routes the alert: a severity of the user's own, and whom the policy names."""
    if condition.severity.lower() not in {"page", "ticket"}:
        yield "declared_severity", condition.severity
    targets = [
        index.item(AlertNotificationTarget, given.target_ref).spec.target
        if isinstance(given, TargetRef)
        else given.spec.target
        for given in policy.notification_targets
    ]
    yield "notify", ",".join(dict.fromkeys(targets))
