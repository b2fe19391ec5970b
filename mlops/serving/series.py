"""A series: one line of `/metrics`, and its place in a process's vector of numbers.

All series that can occur are laid out here, once, at import. So each starts at 0 (the first
increment is not lost to `increase()`), their number is bounded whatever callers send, and counting
is a write to a known place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from mlops.base import telemetry
from mlops.base.telemetry import Kind, Metric
from mlops.experiments.assignment import Arm
from mlops.serving.breaker import TRANSITIONS, State
from mlops.serving.decision import Reason, Source
from mlops.serving.guard import Breach
from mlops.serving.latch import TRANSITIONS as LATCH_TRANSITIONS

CODES = ("200", "400", "404", "405", "408", "413", "415", "422", "431", "500", "503")
RULES = (
    "json", "type", "missing", "unknown_field", "null", "minimum", "maximum", "category",
    "pattern", "count", "duplicate",
)  # fmt: skip
CLOSED = ("idle", "slow", "evicted", "malformed")
PRIORITIES = ("critical", "normal", "sheddable")
SHED = ("queue_full", "expired", "draining")
HEURISTIC_CAUSES = ("raised", "late", "invalid")
MODEL_CAUSES = ("died", "hung", "not_loaded", "corrupted")
ROLES = ("worker", "decision_log")
WORKER_CAUSES = ("died", "silent", "not_started")
SWAPS = ("swapped", "refused", "rolled_back")
ROWS = ("stored", "spooled", "lost", "late")

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric's series.

    Attributes:
        metric: Its declaration.
        labels: Values of the labels after `service`, one tuple a series.
        start: Place of the first series. A histogram takes a place for each bucket, not
            cumulated, the one up to infinity included, and one for its sum.
    """

    metric: Metric
    labels: tuple[Labels, ...]
    start: int

    @property
    def size(self) -> int:
        """Number of places."""
        if self.metric.kind is Kind.HISTOGRAM:
            return len(self.metric.buckets) + 2
        return len(self.labels)

    @property
    def places(self) -> dict[Labels, int]:
        """Place of each label set; a histogram's first."""
        return {values: self.start + at for at, values in enumerate(self.labels)}


def _decisions() -> Iterator[Labels]:
    """Yield the combinations that the chain can give.

    Another source than the model, and the previous bundle's model, answer for a reason; a subject
    that is held out is answered by neither a model nor what one once said.
    """
    yield Source.MODEL, Reason.OK, Arm.MODEL
    for source, reason in product(Source, Reason):
        if reason is Reason.HOLDOUT:
            if source not in (Source.MODEL, Source.CACHE):
                yield source, reason, Arm.HOLDOUT
        elif reason is not Reason.OK:
            yield source, reason, Arm.MODEL


_NONE: tuple[Labels, ...] = ((),)
_LABELS: tuple[tuple[Metric, Sequence[Labels]], ...] = (
    (telemetry.HTTP_REQUESTS, tuple(product(CODES))),
    (telemetry.HTTP_CONNECTIONS, _NONE),
    (telemetry.HTTP_CLOSED, tuple(product(CLOSED))),
    (telemetry.DECISIONS, tuple(_decisions())),
    (telemetry.DECISION_SECONDS, _NONE),
    (telemetry.QUEUE_SECONDS, _NONE),
    (telemetry.SHED, tuple(product(PRIORITIES, SHED))),
    (telemetry.MODEL_SECONDS, _NONE),
    (telemetry.MODEL_LIMIT, _NONE),
    (telemetry.CONTRACT_VIOLATIONS, tuple(product(RULES))),
    (telemetry.GUARD_VIOLATIONS, tuple(product(Breach))),
    (telemetry.CERTIFICATE_BREACHES, _NONE),
    (telemetry.HEURISTIC_FAILURES, tuple(product(HEURISTIC_CAUSES))),
    (telemetry.BREAKER_STATE, tuple(product(State))),
    (telemetry.BREAKER_TRANSITIONS, TRANSITIONS),
    (telemetry.MODEL_RESTARTS, tuple(product(MODEL_CAUSES))),
    (telemetry.MODEL_READY, _NONE),
    (telemetry.FALLBACK_LATCHED, _NONE),
    (telemetry.FALLBACK_TRANSITIONS, LATCH_TRANSITIONS),
    (telemetry.IN_FLIGHT, _NONE),
    (telemetry.WORKERS, _NONE),
    (telemetry.WORKER_RESTARTS, tuple(product(ROLES, WORKER_CAUSES))),
    (telemetry.POISON_REQUESTS, _NONE),
    (telemetry.MODEL_TRAINED, _NONE),
    (telemetry.BUNDLE_SWAPS, tuple(product(SWAPS))),
    (telemetry.LOG_ROWS, tuple(product(ROWS))),
    (telemetry.LOG_SPOOL_BYTES, _NONE),
    (telemetry.LOG_AVAILABLE, _NONE),
)


def _lay_out() -> Iterator[Family]:
    start = 0
    for metric, labels in _LABELS:
        texts = tuple(tuple(str(value) for value in values) for values in labels)
        family = Family(metric, texts, start)
        start += family.size
        yield family


FAMILIES: tuple[Family, ...] = tuple(_lay_out())
"""All metrics but `mlops_bundle_info`, whose labels are texts of the bundle."""

BY_NAME: dict[str, Family] = {family.metric.name: family for family in FAMILIES}

SIZE = FAMILIES[-1].start + FAMILIES[-1].size
"""Length of a vector of numbers."""

GAUGES: tuple[int, ...] = tuple(
    place
    for family in FAMILIES
    if family.metric.kind is Kind.GAUGE
    for place in family.places.values()
)
"""Places of what a process has at the moment, and no longer has when it is dead."""


def clear_gauges(numbers: "memoryview[float]") -> None:
    """Set a dead process's gauges to 0; its counters stay.

    Args:
        numbers: Its vector, which has no writer at the moment.
    """
    for place in GAUGES:
        numbers[place] = 0.0
