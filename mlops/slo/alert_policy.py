"""An alert policy: when an SLO's burn rate calls somebody, in OpenSLO's words."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from mlops.slo.part import Description, Duration, Metadata, Name, Operator, Part, form_of


class ConditionRef(Part):
    """Names an AlertCondition; `operator` is a word of older files, read and not used."""

    condition_ref: Name
    operator: str | None = None


class BurnRate(Part):
    """When a burn rate is too high."""

    kind: Literal["burnrate"] = "burnrate"
    op: Operator | None = None
    threshold: float
    lookback_window: Duration
    alert_after: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}[mhdwMQY]$")] = "0m"


class AlertConditionSpec(Part):
    """A condition and how bad it is."""

    description: Description | None = None
    severity: Annotated[str, StringConstraints(min_length=1)]
    condition: BurnRate


class InlineCondition(Part):
    """An AlertCondition written inside a policy."""

    api_version: Literal["openslo/v1"] | None = None
    kind: Literal["AlertCondition"]
    metadata: Metadata
    spec: AlertConditionSpec


class TargetRef(Part):
    """Names an AlertNotificationTarget."""

    target_ref: Name


class NotificationTargetSpec(Part):
    """Where a notification goes."""

    target: Annotated[str, StringConstraints(min_length=1)]
    description: Description | None = None


class InlineNotificationTarget(Part):
    """An AlertNotificationTarget written inside a policy."""

    api_version: Literal["openslo/v1"] | None = None
    kind: Literal["AlertNotificationTarget"]
    metadata: Metadata
    spec: NotificationTargetSpec


class AlertPolicySpec(Part):
    """What to alert on, and whom."""

    description: Description | None = None
    alert_when_no_data: bool = False
    alert_when_resolved: bool = False
    alert_when_breaching: bool = True
    conditions: Annotated[
        tuple[
            Annotated[
                Annotated[ConditionRef, Tag("ref")] | Annotated[InlineCondition, Tag("inline")],
                Discriminator(form_of),
            ],
            ...,
        ],
        Field(min_length=1, max_length=1),
    ]
    notification_targets: Annotated[
        tuple[
            Annotated[
                Annotated[TargetRef, Tag("ref")]
                | Annotated[InlineNotificationTarget, Tag("inline")],
                Discriminator(form_of),
            ],
            ...,
        ],
        Field(min_length=1),
    ]


class PolicyRef(Part):
    """Names an AlertPolicy."""

    alert_policy_ref: Name


class InlinePolicy(Part):
    """An AlertPolicy written inside an SLO."""

    api_version: Literal["openslo/v1"] | None = None
    kind: Literal["AlertPolicy"]
    metadata: Metadata
    spec: AlertPolicySpec
