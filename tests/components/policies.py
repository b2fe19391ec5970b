"""Policies as a server gets them: rules over its model-served ratio and its latency."""

from typing import Any

from mlops.serving.policy import BurnRule, Matcher, Selection, WatchedSlo

NOT_HELD_OUT = Matcher(label="reason", operator="!=", value="holdout")


def model_served(*, budget: float = 0.01) -> WatchedSlo:
    decisions = "mlops_decisions_total"
    by_model = Matcher(label="source", operator="=~", value="model|cache")
    return WatchedSlo(
        slo="model-served",
        budget=budget,
        counts="good",
        numerator=Selection(metric=decisions, matchers=(by_model, NOT_HELD_OUT)),
        total=Selection(metric=decisions, matchers=(NOT_HELD_OUT,)),
    )


def within(bound: str, *, budget: float = 0.01) -> WatchedSlo:
    name = "mlops_decision_duration_seconds"
    bucket = Matcher(label="le", operator="=", value=bound)
    return WatchedSlo(
        slo="latency",
        budget=budget,
        counts="good",
        numerator=Selection(metric=f"{name}_bucket", matchers=(bucket,)),
        total=Selection(metric=f"{name}_count"),
    )


def burn_rule(**changes: Any) -> BurnRule:
    values: dict[str, Any] = {
        "name": "falls-back",
        "slos": (model_served(),),
        "above": 14.4,
        "long_s": 600.0,
        "short_s": 10.0,
        "min_bad_events": 1,
        "falls_back": True,
        "recovery": "probe",
        "after_s": 300.0,
    }
    return BurnRule(**{**values, **changes})
