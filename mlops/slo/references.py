"""A reference: a name in one object that another object must have."""

from collections.abc import Iterator

from mlops.slo import policy
from mlops.slo.alert_policy import AlertPolicySpec, ConditionRef, InlinePolicy, PolicyRef, TargetRef
from mlops.slo.document import KeyPath
from mlops.slo.openslo import AlertPolicy, Metric, OpenSlo, Sli, SliSpec, Slo
from mlops.slo.policy import ErrorBudgetPolicy


def references(item: OpenSlo | ErrorBudgetPolicy) -> Iterator[tuple[str, str, KeyPath]]:
    """Yield kind, name and key path of what an object refers to."""
    match item:
        case Sli():
            yield from _of_sli(item.spec, ("spec",))
        case AlertPolicy():
            yield from _of_policy(item.spec, ("spec",))
        case Slo():
            yield from _of_slo(item)
        case ErrorBudgetPolicy():
            yield from policy.references(item)
        case _:
            return


def _of_slo(item: Slo) -> Iterator[tuple[str, str, KeyPath]]:
    yield "Service", item.spec.service, ("spec", "service")
    holders = [(item.spec, ("spec",))] + [
        (target, ("spec", "objectives", index)) for index, target in enumerate(item.spec.objectives)
    ]
    for holder, path in holders:
        if holder.indicator_ref is not None:
            yield "SLI", holder.indicator_ref, (*path, "indicatorRef")
        if holder.indicator is not None:
            yield from _of_sli(holder.indicator.spec, (*path, "indicator", "spec"))
    for index, given in enumerate(item.spec.alert_policies or ()):
        at: KeyPath = ("spec", "alertPolicies", index)
        if isinstance(given, InlinePolicy):
            yield from _of_policy(given.spec, (*at, "spec"))
        elif isinstance(given, PolicyRef):
            yield "AlertPolicy", given.alert_policy_ref, (*at, "alertPolicyRef")
        else:
            yield "AlertPolicy", given, at


def _of_sli(spec: SliSpec, path: KeyPath) -> Iterator[tuple[str, str, KeyPath]]:
    held: list[tuple[Metric | None, KeyPath]] = [(spec.threshold_metric, ("thresholdMetric",))]
    if spec.ratio_metric is not None:
        ratio = spec.ratio_metric
        parts = {"good": ratio.good, "bad": ratio.bad, "total": ratio.total, "raw": ratio.raw}
        held += [(metric, ("ratioMetric", name)) for name, metric in parts.items()]
    for metric, below in held:
        if metric is not None and metric.metric_source.metric_source_ref is not None:
            at = (*path, *below, "metricSource", "metricSourceRef")
            yield "DataSource", metric.metric_source.metric_source_ref, at


def _of_policy(spec: AlertPolicySpec, path: KeyPath) -> Iterator[tuple[str, str, KeyPath]]:
    for index, condition in enumerate(spec.conditions):
        if isinstance(condition, ConditionRef):
            at = (*path, "conditions", index, "conditionRef")
            yield "AlertCondition", condition.condition_ref, at
    for index, target in enumerate(spec.notification_targets):
        if isinstance(target, TargetRef):
            at = (*path, "notificationTargets", index, "targetRef")
            yield "AlertNotificationTarget", target.target_ref, at
