"""A measurement: one metric of one subject, with its interval, or the reason why it abstains."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from pydantic import TypeAdapter, ValidationError

from mlops.base.digest import Json
from mlops.base.errors import BundleError


class SubjectKind(StrEnum):
    """Who is measured: the trained model, a heuristic beside it, or a policy that was logged."""

    MODEL = "model"
    HEURISTIC = "heuristic"
    LOGGED = "logged"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure, with what is needed to judge it.

    Attributes:
        metric: What was measured (`auc`, `policy_value_snips`, `revenue_ndcg_at_10`).
        subject: Name of the model, the heuristic or the logged policy.
        kind: What the subject is.
        head: The head it is about; empty where it is about the ranking as a whole.
        reference: If not empty, this is a paired difference: subject minus the subject named here.
        value: Point estimate in `unit`; None if it abstains.
        low: Lower end of the confidence interval; None if it abstains or has no interval.
        high: Upper end; None as `low`.
        level: Confidence level of the interval, in (0, 1).
        rows: Rows that it was measured on (impressions, or queries for a measure per query).
        events: Positive outcomes among them: what the precision of a rare rate depends on.
        days: Days that the rows span; None if no time column was named.
        abstained: Why there is no value; empty if there is one.
        higher_is_better: None for a measure that should be near a target (`calibration_ratio`).
        unit: Unit of `value`; empty if none.
    """

    metric: str
    subject: str
    kind: SubjectKind
    head: str = ""
    reference: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    rows: int = 0
    events: int = 0
    days: float | None = None
    abstained: str = ""
    higher_is_better: bool | None = True
    unit: str = ""

    def __post_init__(self) -> None:
        """Hold that a value and a reason for having none exclude each other.

        Raises:
            ValueError: Both or neither is there, or a figure is not finite.
        """
        if (self.value is None) == (self.abstained == ""):
            message = f"{self.metric} of {self.subject} needs either a value or a reason"
            raise ValueError(message)
        figures = [x for x in (self.value, self.low, self.high) if x is not None]
        if not all(math.isfinite(x) for x in figures):
            message = f"{self.metric} of {self.subject} is not finite: {figures}"
            raise ValueError(message)


_ADAPTER = TypeAdapter(tuple[Measurement, ...])


def to_json(measurements: tuple[Measurement, ...]) -> list[Json]:
    """Return measurements as JSON, for the run record and the bundle's `quality.json`.

    Law: `from_json(to_json(m)) == m`, bit for bit.
    """
    return cast("list[Json]", _ADAPTER.dump_python(measurements, mode="json"))


def from_json(document: Json) -> tuple[Measurement, ...]:
    """Read measurements back.

    Raises:
        BundleError: The document does not hold measurements.
    """
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(
            f"the recorded measurements cannot be read: {where}: {first['msg']}",
            hint="train again with this version of mlops",
        ) from error
