"""An ML source: an SLI of a decision service by its name, in place of a query.

In OpenSLO's words it is a metric source of the type `mlops`. Each says by itself what is good, so
it stands where a ratio of successes does: `ratioMetric: {rawType: success, raw: {metricSource:
{type: mlops, spec: {sli: model-served}}}}`.
"""

from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from mlops.base.telemetry import (
    CONTRACT_VIOLATIONS,
    DECISION_SECONDS,
    DECISIONS,
    HTTP_REQUESTS,
    MODEL_TRAINED,
    Kind,
    Metric,
)
from mlops.slo.composite import decimal_text
from mlops.slo.counter import Counter, Matcher
from mlops.slo.indicator import CountedRatio, Counts, Indicator
from mlops.slo.part import Operator, Part
from mlops.slo.sampled import Sampled
from mlops.slo.windows import openslo_seconds

TYPE = "mlops"

_Service = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,255}$")]
_Age = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}[mhdw]$")]
_Positive = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(ge=0, le=1)]

# What no part of this release exports yet: whoever does must keep to these names and labels.
FEATURE_TIMESTAMP = Metric(
    "mlops_feature_timestamp_seconds",
    Kind.GAUGE,
    "Unix time of the newest value of a feature that the service has.",
    ("service", "feature"),
)
PREDICTION_DRIFT = Metric(
    "mlops_prediction_drift_psi",
    Kind.GAUGE,
    "Population stability index of the model's outputs against the bundle's reference.",
    ("service",),
)
FEATURE_DRIFT = Metric(
    "mlops_feature_drift_psi",
    Kind.GAUGE,
    "Population stability index of a feature against the bundle's reference.",
    ("service", "feature"),
)
CALIBRATION_ERROR = Metric(
    "mlops_calibration_error_ratio",
    Kind.GAUGE,
    "Mean distance of promised from observed rates, over decisions whose outcome is known.",
    ("service",),
)
QUALITY = Metric(
    "mlops_estimated_quality_ratio",
    Kind.GAUGE,
    "Estimate of a measure of quality in [0, 1], over decisions whose outcome is known.",
    ("service", "measure"),
)
LABEL_COVERAGE = Metric(
    "mlops_label_coverage_ratio",
    Kind.GAUGE,
    "Share of the decisions whose outcome is due that have one.",
    ("service",),
)
HOLDOUT_UPLIFT = Metric(
    "mlops_holdout_uplift_ratio",
    Kind.GAUGE,
    "Lower confidence bound of the model's gain over the heuristic holdout, as a share of it.",
    ("service",),
)
EXPECTED: tuple[Metric, ...] = (
    FEATURE_TIMESTAMP, PREDICTION_DRIFT, FEATURE_DRIFT, CALIBRATION_ERROR, QUALITY, LABEL_COVERAGE,
    HOLDOUT_UPLIFT,
)  # fmt: skip


class _Source(Part):
    service: _Service | None = None
    """Label `service` of its series; None takes the SLO's."""

    def indicator(self, service: str) -> Indicator:
        raise NotImplementedError

    def _of(self, service: str, **more: str) -> tuple[Matcher, ...]:
        labels = {"service": self.service or service} | more
        return tuple(Matcher(label, "=", value) for label, value in labels.items())

    def _gauge(self, service: str, metric: Metric, **more: str) -> str:
        return str(Counter(metric.name, self._of(service, **more)))


class ModelServed(_Source):
    """A decision is good if the model or its cache made it; the holdout is not counted."""

    sli: Literal["model-served"]

    def indicator(self, service: str) -> Indicator:
        """Return the ratio of decisions."""
        counted = (*self._of(service), Matcher("reason", "!=", "holdout"))
        served = (*self._of(service), Matcher("source", "=~", "model|cache"), counted[-1])
        return CountedRatio(
            Counts.GOOD, Counter(DECISIONS.name, served), Counter(DECISIONS.name, counted)
        )


class ContractValid(_Source):
    """A request is bad if it is refused since it breaks the contract."""

    sli: Literal["contract-valid"]

    def indicator(self, service: str) -> Indicator:
        """Return the ratio of requests."""
        of = self._of(service)
        return CountedRatio(
            Counts.BAD, Counter(CONTRACT_VIOLATIONS.name, of), Counter(HTTP_REQUESTS.name, of)
        )


def _declared_bucket(value: float) -> float:
    bounds_ms = [round(bound * 1000, 6) for bound in DECISION_SECONDS.buckets]
    if value not in bounds_ms:
        message = f"must be one of the buckets, {', '.join(f'{bound:g}' for bound in bounds_ms)} ms"
        raise ValueError(message)
    return value


class DecisionLatency(_Source):
    """A valid request is good if its answer took no longer than a bucket's bound."""

    sli: Literal["decision-latency"]
    within_ms: Annotated[float, AfterValidator(_declared_bucket)]

    def indicator(self, service: str) -> Indicator:
        """Return the ratio of answers."""
        of = self._of(service)
        bound = Matcher("le", "=", repr(self.within_ms / 1000))
        return CountedRatio(
            Counts.GOOD,
            Counter(f"{DECISION_SECONDS.name}_bucket", (*of, bound)),
            Counter(f"{DECISION_SECONDS.name}_count", of),
        )


class ModelFreshness(_Source):
    """A look is good if the served model was trained no longer ago than that."""

    sli: Literal["model-freshness"]
    max_age: _Age

    def indicator(self, service: str) -> Indicator:
        """Return the looks at its age."""
        return _aged(self._gauge(service, MODEL_TRAINED), self.max_age)


class FeatureFreshness(_Source):
    """A look is good if the newest value of a feature is no older than that."""

    sli: Literal["feature-freshness"]
    max_age: _Age
    feature: str | None = None

    def indicator(self, service: str) -> Indicator:
        """Return the looks at its age; of all features if none is named."""
        return _aged(
            self._gauge(service, FEATURE_TIMESTAMP, **_named("feature", self.feature)),
            self.max_age,
        )


class PredictionDrift(_Source):
    """A look is good if the model's outputs are distributed as in training, nearly."""

    sli: Literal["prediction-drift"]
    below: _Positive = 0.2

    def indicator(self, service: str) -> Indicator:
        """Return the looks at the population stability index."""
        return _compared(self._gauge(service, PREDICTION_DRIFT), "lt", self.below)


class FeatureDrift(_Source):
    """A look is good if a feature is distributed as in training, nearly."""

    sli: Literal["feature-drift"]
    below: _Positive = 0.2
    feature: str | None = None

    def indicator(self, service: str) -> Indicator:
        """Return the looks at the population stability index; of all features if none is named."""
        gauge = self._gauge(service, FEATURE_DRIFT, **_named("feature", self.feature))
        return _compared(gauge, "lt", self.below)


class _Delayed(_Source):
    min_coverage: _Share = 0.0
    """Share of due outcomes without which a look is no event; 0 takes any."""

    def _covered(self, service: str, gauge: str) -> str:
        if not self.min_coverage:
            return gauge
        coverage = self._gauge(service, LABEL_COVERAGE)
        return f"{gauge} and on (service) {coverage} >= {_number(self.min_coverage)}"


class CalibrationError(_Delayed):
    """A look is good if promised rates are near those observed."""

    sli: Literal["calibration-error"]
    below: _Positive

    def indicator(self, service: str) -> Indicator:
        """Return the looks at the error."""
        gauge = self._covered(service, self._gauge(service, CALIBRATION_ERROR))
        return _compared(gauge, "lt", self.below)


class EstimatedQuality(_Delayed):
    """A look is good if the model is as good as that, by what is known of outcomes."""

    sli: Literal["estimated-quality"]
    measure: Annotated[str, StringConstraints(min_length=1)]
    at_least: _Share

    def indicator(self, service: str) -> Indicator:
        """Return the looks at the estimate."""
        gauge = self._covered(service, self._gauge(service, QUALITY, measure=self.measure))
        return _compared(gauge, "gte", self.at_least)


class LabelCoverage(_Source):
    """A look is good if enough of the outcomes that are due are there."""

    sli: Literal["label-coverage"]
    at_least: _Share

    def indicator(self, service: str) -> Indicator:
        """Return the looks at the coverage."""
        return _compared(self._gauge(service, LABEL_COVERAGE), "gte", self.at_least)


class HoldoutUplift(_Source):
    """A look is good if the model is worth that much more than the heuristic."""

    sli: Literal["holdout-uplift"]
    at_least: float = 0.0

    def indicator(self, service: str) -> Indicator:
        """Return the looks at the uplift."""
        return _compared(self._gauge(service, HOLDOUT_UPLIFT), "gte", self.at_least)


MlSource: TypeAlias = Annotated[
    ModelServed
    | ContractValid
    | DecisionLatency
    | ModelFreshness
    | FeatureFreshness
    | PredictionDrift
    | FeatureDrift
    | CalibrationError
    | EstimatedQuality
    | LabelCoverage
    | HoldoutUplift,
    Field(discriminator="sli"),
]
_ADAPTER: TypeAdapter[MlSource] = TypeAdapter(MlSource)


def parse_source(spec: dict[str, JsonValue]) -> MlSource:
    """Read the `spec` of a metric source of the type `mlops`.

    Raises:
        ValueError: It is none; the message says what is expected.

    >>> parse_source({"sli": "model-freshness", "maxAge": "30d"}).sli
    'model-freshness'
    """
    try:
        return _ADAPTER.validate_python(spec)
    except ValidationError as error:
        told = [
            ": ".join([*map(str, detail["loc"][1:]), detail["msg"].removeprefix("Value error, ")])
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise ValueError(f"not an SLI of ours: {'; '.join(told)}") from None


def _named(label: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {label: value}


def _aged(gauge: str, max_age: str) -> Sampled:
    seconds = openslo_seconds(max_age)
    assert seconds is not None
    # A gauge of a time is 0 until there is one, which is no age.
    return Sampled(f"time() - ({gauge} > 0)", "lte", str(seconds))


def _compared(gauge: str, operator: Operator, limit: float) -> Sampled:
    return Sampled(gauge, operator, _number(limit))


def _number(value: float) -> str:
    return decimal_text(Decimal(repr(value)))
