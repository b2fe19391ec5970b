"""An OpenSLO object: one of the seven kinds of OpenSLO v1, typed.

Source: OpenSLO specification v1, https://github.com/OpenSLO/OpenSLO (section "Object Types").
Where the official examples leave out what the text requires (`counter` of a ratio, `op` of a
condition), the examples win.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    TypeAdapter,
    model_validator,
)

from mlops.slo import ml_source
from mlops.slo.alert_policy import (
    AlertConditionSpec,
    AlertPolicySpec,
    InlinePolicy,
    NotificationTargetSpec,
    PolicyRef,
)
from mlops.slo.part import Description, Duration, Metadata, Name, Object, Operator, Part, form_of


class MetricSource(Part):
    """A query; its type may come from the DataSource that it refers to."""

    metric_source_ref: Name | None = None
    type: str | None = None
    spec: dict[str, JsonValue]

    @model_validator(mode="after")
    def _typed(self) -> "MetricSource":
        if self.metric_source_ref is None and self.type is None:
            message = "`type` is required where no `metricSourceRef` names a DataSource"
            raise ValueError(message)
        if self.type == ml_source.TYPE:
            ml_source.parse_source(self.spec)
        return self


class Metric(Part):
    """A holder of a metric source."""

    metric_source: MetricSource


class RatioMetric(Part):
    """Good or bad events over all events, or a ratio computed elsewhere."""

    counter: bool | None = None
    good: Metric | None = None
    bad: Metric | None = None
    total: Metric | None = None
    raw_type: Literal["success", "failure"] | None = None
    raw: Metric | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "RatioMetric":
        counted = (self.good, self.bad, self.total)
        if self.raw is not None:
            wrong = any(metric is not None for metric in counted) or self.raw_type is None
            message = "`raw` needs `rawType` and stands without `good`, `bad` and `total`"
        else:
            one = (self.good is None) != (self.bad is None)
            wrong = self.total is None or not one or self.raw_type is not None
            message = "give `total` with either `good` or `bad`, or `raw` with `rawType`"
        if wrong:
            raise ValueError(message)
        return self


class SliSpec(Part):
    """What is measured."""

    description: Description | None = None
    threshold_metric: Metric | None = None
    ratio_metric: RatioMetric | None = None

    @model_validator(mode="after")
    def _one_metric(self) -> "SliSpec":
        if (self.threshold_metric is None) == (self.ratio_metric is None):
            message = "give either `ratioMetric` or `thresholdMetric`"
            raise ValueError(message)
        return self


class Indicator(Part):
    """An SLI written inside an SLO."""

    metadata: Metadata
    spec: SliSpec


class Calendar(Part):
    """Where a calendar-aligned window starts."""

    start_time: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$")]
    time_zone: Annotated[str, StringConstraints(min_length=1)]

    @model_validator(mode="after")
    def _exists(self) -> "Calendar":
        datetime.fromisoformat(self.start_time)
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            message = f"there is no time zone `{self.time_zone}`; take an IANA name"
            raise ValueError(message) from error
        return self


class TimeWindow(Part):
    """The period that a budget is for."""

    duration: Duration
    is_rolling: bool = False
    calendar: Calendar | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "TimeWindow":
        if self.is_rolling == (self.calendar is not None):
            message = "a window is either `isRolling: true` or has a `calendar`"
            raise ValueError(message)
        return self


class Target(Part):
    """One objective of an SLO."""

    display_name: Annotated[str, StringConstraints(min_length=1)] | None = None
    op: Operator | None = None
    value: float | None = None
    target: Annotated[float, Field(ge=0, lt=1)] | None = None
    target_percent: Annotated[float, Field(ge=0, lt=100)] | None = None
    time_slice_target: Annotated[float, Field(gt=0, le=1)] | None = None
    time_slice_window: Duration | Annotated[float, Field(gt=0)] | None = None
    indicator: Indicator | None = None
    indicator_ref: Name | None = None
    composite_weight: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_target(self) -> "Target":
        if (self.target is None) == (self.target_percent is None):
            message = "give either `target` or `targetPercent`"
            raise ValueError(message)
        if self.indicator is not None and self.indicator_ref is not None:
            message = "give either `indicator` or `indicatorRef`"
            raise ValueError(message)
        return self

    @property
    def ratio(self) -> Decimal:
        """Return the target in [0, 1), exactly as it was written."""
        if self.target is not None:
            return Decimal(repr(self.target))
        return Decimal(repr(self.target_percent)) / 100


class SloBody(Part):
    """The spec of an SLO."""

    description: Description | None = None
    service: Name
    indicator: Indicator | None = None
    indicator_ref: Name | None = None
    time_window: Annotated[tuple[TimeWindow, ...], Field(min_length=1, max_length=1)] | None = None
    budgeting_method: Literal["Occurrences", "Timeslices", "RatioTimeslices"]
    objectives: Annotated[tuple[Target, ...], Field(min_length=1)]
    # The official examples hold the key with nothing behind it, and a bare name as a reference.
    alert_policies: (
        tuple[
            Annotated[
                Annotated[Name, Tag("name")]
                | Annotated[PolicyRef, Tag("ref")]
                | Annotated[InlinePolicy, Tag("inline")],
                Discriminator(form_of),
            ],
            ...,
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _complete(self) -> "SloBody":
        composite = [item.indicator or item.indicator_ref for item in self.objectives]
        given = (self.indicator is not None) + (self.indicator_ref is not None)
        if given != (0 if all(composite) else 1) or (any(composite) and not all(composite)):
            message = (
                "give either `indicator` or `indicatorRef`, once for the SLO or, in a composite "
                "SLO, in every objective"
            )
            raise ValueError(message)
        for item in self.objectives:
            if self.budgeting_method != "Occurrences" and item.time_slice_window is None:
                message = f"`timeSliceWindow` is required by {self.budgeting_method}"
                raise ValueError(message)
            if self.budgeting_method == "Timeslices" and item.time_slice_target is None:
                message = "`timeSliceTarget` is required by Timeslices"
                raise ValueError(message)
        return self


class DataSourceSpec(Part):
    """How to reach a source of metrics; the details are never shown, they may hold secrets."""

    description: Description | None = None
    type: Annotated[str, StringConstraints(min_length=1)]
    connection_details: Annotated[JsonValue, Field(repr=False)] = None


class ServiceSpec(Part):
    """A group of SLOs."""

    description: Description | None = None


class DataSource(Object):
    """A source of metrics that several SLIs share."""

    kind: Literal["DataSource"]
    spec: DataSourceSpec


class Service(Object):
    """A service that SLOs are for."""

    kind: Literal["Service"]
    spec: ServiceSpec = ServiceSpec()


class Sli(Object):
    """A service level indicator."""

    kind: Literal["SLI"]
    spec: SliSpec


class Slo(Object):
    """A service level objective."""

    kind: Literal["SLO"]
    spec: SloBody


class AlertPolicy(Object):
    """A policy of alerts."""

    kind: Literal["AlertPolicy"]
    spec: AlertPolicySpec


class AlertCondition(Object):
    """A condition of an alert."""

    kind: Literal["AlertCondition"]
    spec: AlertConditionSpec


class AlertNotificationTarget(Object):
    """A receiver of alerts."""

    kind: Literal["AlertNotificationTarget"]
    spec: NotificationTargetSpec


OpenSlo: TypeAlias = (
    DataSource | Service | Sli | Slo | AlertPolicy | AlertCondition | AlertNotificationTarget
)


def kind_name(kind: type[Part]) -> str:
    """Return how files call a kind.

    >>> kind_name(Sli)
    'SLI'
    """
    return str(get_args(kind.model_fields["kind"].annotation)[0])


KINDS: tuple[str, ...] = tuple(map(kind_name, get_args(OpenSlo)))
ADAPTER: TypeAdapter[OpenSlo] = TypeAdapter(Annotated[OpenSlo, Field(discriminator="kind")])
