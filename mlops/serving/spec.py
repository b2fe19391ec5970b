"""The serving section: where a service listens and how it keeps its deadline."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mlops.base.section import Section, contradiction
from mlops.decision_log.settings import DecisionLogSettings
from mlops.hosting.settings import HttpSettings, SupervisionSettings

Share = Annotated[float, Field(gt=0, le=1)]

ERROR = "error"
"""What `fallback` says where nothing but a model may answer."""


class BreakerMode(StrEnum):
    """What a breaker does with what it sees."""

    AUTO = "auto"
    """It opens and closes by itself."""
    FORCED_OPEN = "forced_open"
    """The model is not asked, whatever it does."""
    METRICS_ONLY = "metrics_only"
    """It counts, logs what it would have done, and lets every call through."""


class BreakerSpec(Section):
    """When the model is left alone for a while."""

    mode: BreakerMode = BreakerMode.AUTO
    """Whether it acts; the admin port switches it while the service runs."""
    window_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """Seconds of calls that are looked at; long enough to hold `min_calls` at low traffic."""
    min_calls: Annotated[int, Field(ge=1)] = 20
    """Calls in the window below which the breaker never opens: few calls prove nothing."""
    failure_ratio: Share = 0.5
    """Share of failed or late calls in the window at which it opens."""
    slow_ms: Annotated[float, Field(gt=0)] | None = None
    """Milliseconds from which a call that was in time counts as slow; null takes half of the time
    that the deadline leaves the model."""
    slow_ratio: Share = 0.8
    """Share of slow, late or failed calls in the window at which it opens."""
    guard_ratio: Share = 0.1
    """Share of calls in the window whose output the guard refused at which it opens."""
    open_s: Annotated[float, Field(gt=0, le=600)] = 2.0
    """Seconds that it stays open before it lets probes through; each further opening before it has
    stayed closed for a window doubles them, up to a minute."""
    trip_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Seconds that it stays open after one answer outside the bundle's certificate, which means
    that the model is corrupted; each further one before it has stayed closed for an hour doubles
    them, up to an hour."""
    probes: Annotated[int, Field(ge=1, le=100)] = 5
    """Calls that must succeed in a row, one at a time and in the shadow of the fallback's answer,
    before the model is let back in."""
    ramp: tuple[Share, ...] = (0.01, 0.05, 0.25, 0.5)
    """Shares of traffic that the model gets on its way back, ascending; then all of it. Empty
    closes the breaker right after the probes."""
    ramp_s: Annotated[float, Field(gt=0, le=600)] = 1.0
    """Seconds on each step of the ramp."""

    @model_validator(mode="after")
    def _ramp_rises(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise(self.ramp)):
            raise contradiction("the steps of `ramp` must rise", "ramp")
        return self


class HoldoutSpec(Section):
    """The heuristic holdout: traffic that the heuristic answers on purpose."""

    share: Annotated[float, Field(ge=0, le=0.5)] = 0.01
    """Share of subjects, 0 to 0.5. 1 % keeps the fallback exercised at a known small cost."""
    salt: Annotated[str, Field(min_length=1)] = "holdout"
    """Changes which subjects are held out; the same salt keeps the same ones."""


class CacheSpec(Section):
    """Answers of the model that are given again when it cannot answer an equal request."""

    entries: Annotated[int, Field(ge=0, le=1_000_000)] = 1000
    """Answers that each worker keeps; 0 keeps none."""
    ttl_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """Seconds after which one is too old."""


class LimitSpec(Section):
    """How much work is let in, found while it runs."""

    start: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Pages that a worker's model may owe at once to begin with, abandoned ones included."""
    most: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Where the limit stops rising."""
    queue: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Requests that may wait in a worker; beyond it the least important is refused with 503."""
    critical_callers: Annotated[bool, Field()] = True
    """Whether callers may declare their priority with `X-Priority: critical`; if not, that counts
    as `normal`."""


class SwapSpec(Section):
    """How a bundle is replaced while the service runs."""

    watch_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """Seconds after a swap in which an opening breaker brings the previous bundle back."""
    load_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Seconds that a new bundle is given to load and pass its golden batch."""


class TrustSpec(Section):
    """Which bundles are believed."""

    signatures: Literal["required", "optional"] = "optional"
    """`required` refuses a bundle without a signature by one of `keys`; `optional` takes one
    without a signature, and still refuses one whose signature does not hold."""
    keys: tuple[str, ...] = ()
    """Files with Ed25519 public keys (PEM), relative to where the command runs."""

    @model_validator(mode="after")
    def _keys_are_named(self) -> Self:
        if self.signatures == "required" and not self.keys:
            message = (
                "signatures are required and no key is named; `mlops bundle keygen keys` makes a"
                " pair: name its public file in serving.trust.keys"
            )
            raise contradiction(message, "signatures", "keys")
        return self


class Protection(StrEnum):
    """Something that protects answers, which a drill may take away to see what it is worth."""

    OUTPUT_GUARD = "output_guard"
    SPOT_CHECK = "spot_check"
    BREAKER = "breaker"
    STANDBY = "standby"
    REPLACEMENT = "replacement"
    HEARTBEAT = "heartbeat"
    DEATH_SIGNAL = "death_signal"
    POISON_LIST = "poison_list"
    SPOOL = "spool"
    LIMITER = "limiter"
    DRAIN = "drain"
    GOLDEN_BATCH = "golden_batch"
    SIGNATURE = "signature"
    EPOCH = "epoch"
    WATCH = "watch"
    RAMP = "ramp"
    SENDER_DEADLINE = "sender_deadline"
    MONOTONIC_CLOCK = "monotonic_clock"
    LABEL_SETS = "label_sets"
    LOG_QUEUE = "log_queue"


def _alone(given: object) -> object:
    if given == ERROR:
        return (ERROR,)
    return tuple(given) if isinstance(given, list) else given  # strict, and JSON has no tuples


class ServingSpec(Section):
    """How a service is served."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """TCP port; 0 picks a free one, which is printed."""
    admin_host: str = "127.0.0.1"
    """Address of the admin port; any but loopback needs `admin_token_file`."""
    admin_port: Annotated[int, Field(ge=0, le=65535)] | None = 8081
    """Port of reload, drain, breaker and, with `faults_allowed`, the fault switch; 0 picks a free
    one; null opens none."""
    admin_token_file: str | None = None
    """File with the token that admin requests bear as `Authorization: Bearer TOKEN`; null asks
    for none, which only loopback allows."""
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    """Processes that answer. With two, one that dies takes no more than its own requests along."""
    deadline_ms: Annotated[float, Field(ge=2, le=60_000)]
    """Milliseconds from a request's arrival to its answer; a caller may ask for fewer with
    `X-Deadline-Ms`."""
    reserve_ms: Annotated[float, Field(ge=0)] = 10.0
    """Milliseconds kept back from the model, to build and send the fallback's answer in. That
    itself takes under one; the rest is for a busy machine that wakes the server late."""
    lane: Literal["auto", "inline", "process"] = "auto"
    """Where the model runs: in a process of its own, which a deadline can cut off; or inline, in
    the worker. `auto` runs it inline if it is certified, runs on the C kernel, and takes less
    than a tenth of its time for the largest page; with `faults_allowed`, in a process."""
    fallback: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_alone)]
    """Names of heuristics of the bundle, in the order tried; a static order is always the last.
    `error` answers 503 where the model cannot: for services where no answer is better than a
    heuristic one."""
    expected_rps: Annotated[float, Field(gt=0)] | None = None
    """Requests a second at a quiet hour, for checks that depend on traffic; null if not known."""
    hang_ms: Annotated[float, Field(gt=0)] = 1000.0
    """Milliseconds without any answer after which the model process is killed and replaced."""
    drain_s: Annotated[float, Field(ge=0, le=600)] = 10.0
    """Seconds that requests in flight are given when the server is told to stop."""
    breaker: BreakerSpec = BreakerSpec()
    """When a failing model is left alone."""
    holdout: HoldoutSpec = HoldoutSpec()
    """Traffic that the heuristic answers on purpose."""
    cache: CacheSpec = CacheSpec()
    """Answers of the model that are given again."""
    limit: LimitSpec = LimitSpec()
    """How much work is let in."""
    swap: SwapSpec = SwapSpec()
    """How a bundle is replaced while the service runs."""
    trust: TrustSpec = TrustSpec()
    """Which bundles are believed."""
    http: HttpSettings = HttpSettings()
    """What a caller may send, how much and how slowly."""
    supervision: SupervisionSettings = SupervisionSettings()
    """When a worker counts as lost."""
    decision_log: DecisionLogSettings = DecisionLogSettings()
    """Where decisions are written down."""
    logged_fields: tuple[Literal["error_text"], ...] = ()
    """What may stand in log lines although a request may be quoted there: `error_text`, what a
    model or heuristic writes into its own exception. Nothing else of a request ever does."""
    faults_allowed: bool = False
    """Whether the fault switches for drills may be used."""
    without: tuple[Protection, ...] = ()
    """Protections that a drill takes away; needs `faults_allowed`."""

    @property
    def rungs(self) -> tuple[str, ...]:
        """The heuristics that answer where the model cannot; empty with `fallback: error`."""
        return () if self.only_model else self.fallback

    @property
    def only_model(self) -> bool:
        """Whether nothing but a model may answer."""
        return self.fallback == (ERROR,)

    def protects(self, protection: Protection) -> bool:
        """Tell whether a protection is in place."""
        return protection not in self.without

    @model_validator(mode="after")
    def _leaves_time(self) -> Self:
        if self.reserve_ms >= self.deadline_ms:
            message = (
                f"reserve_ms ({self.reserve_ms:g}) must be less than deadline_ms"
                f" ({self.deadline_ms:g}), or the model never gets any time"
            )
            raise contradiction(message, "reserve_ms", "deadline_ms")
        return self

    @model_validator(mode="after")
    def _protects(self) -> Self:
        if self.without and not self.faults_allowed:
            message = "only a drill may take protections away: it needs faults_allowed"
            raise contradiction(message, "without", "faults_allowed")
        return self

    @model_validator(mode="after")
    def _admin_is_closed(self) -> Self:
        if self.admin_host not in ("127.0.0.1", "::1", "localhost") and not self.admin_token_file:
            message = f"admin_host ({self.admin_host}) is not loopback: it needs admin_token_file"
            raise contradiction(message, "admin_host", "admin_token_file")
        return self

    @model_validator(mode="after")
    def _error_has_no_holdout(self) -> Self:
        if self.only_model and self.holdout.share > 0:
            message = "with `fallback: error` nothing can answer the holdout: set its share to 0"
            raise contradiction(message, "fallback", "holdout.share")
        return self
