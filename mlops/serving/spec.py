"""The serving section: where a service listens and how it keeps its deadline."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from mlops.base.section import Section, contradiction


class BreakerSpec(Section):
    """When the model is left alone for a while."""

    window_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """Seconds of calls that are looked at; long enough to hold `min_calls` at low traffic."""
    min_calls: Annotated[int, Field(ge=1)] = 20
    """Calls in the window below which the breaker never opens: few calls prove nothing."""
    failure_ratio: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of failed or late calls in the window at which it opens."""
    open_s: Annotated[float, Field(gt=0, le=600)] = 2.0
    """Seconds that it stays open before it lets probes through."""
    trip_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Seconds that it stays open after one answer outside the bundle's certificate, which means
    that the model is corrupted; each further one before it closes doubles them, up to an hour."""
    probes: Annotated[int, Field(ge=1, le=100)] = 5
    """Calls that must succeed in a row, one at a time, before it closes."""


class HoldoutSpec(Section):
    """The heuristic holdout: traffic that the heuristic answers on purpose."""

    share: Annotated[float, Field(ge=0, le=0.5)] = 0.01
    """Share of subjects, 0 to 0.5. 1 % keeps the fallback exercised at a known small cost."""
    salt: Annotated[str, Field(min_length=1)] = "holdout"
    """Changes which subjects are held out; the same salt keeps the same ones."""


class ServingSpec(Section):
    """How a service is served."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """TCP port; 0 picks a free one, which is printed."""
    admin_port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """Loopback port of the fault switch; it is opened only when `faults_allowed`."""
    deadline_ms: Annotated[float, Field(ge=2, le=60_000)]
    """Milliseconds from a request's arrival to its answer."""
    reserve_ms: Annotated[float, Field(ge=0)] = 10.0
    """Milliseconds kept back from the model, to build and send the fallback's answer in. That
    itself takes under one; the rest is for a busy machine that wakes the server late."""
    fallback: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of heuristics of the bundle, in the order tried; a static order is always the last."""
    expected_rps: Annotated[float, Field(gt=0)] | None = None
    """Requests a second at a quiet hour, for checks that depend on traffic; null if not known."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 2**20)] = 2**20
    """Largest request body; a larger one gets 413."""
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Answers that the model process may owe at once, abandoned ones included; beyond it the
    heuristic answers."""
    hang_ms: Annotated[float, Field(gt=0)] = 1000.0
    """Milliseconds without any answer after which the model process is killed and replaced."""
    drain_s: Annotated[float, Field(ge=0, le=600)] = 10.0
    """Seconds that requests in flight are given when the server is told to stop."""
    breaker: BreakerSpec = BreakerSpec()
    """When a failing model is left alone."""
    holdout: HoldoutSpec = HoldoutSpec()
    """Traffic that the heuristic answers on purpose."""
    faults_allowed: bool = False
    """Whether the fault switches for drills may be used."""

    @model_validator(mode="after")
    def _leaves_time(self) -> Self:
        if self.reserve_ms >= self.deadline_ms:
            message = (
                f"reserve_ms ({self.reserve_ms:g}) must be less than deadline_ms"
                f" ({self.deadline_ms:g}), or the model never gets any time"
            )
            raise contradiction(message, "reserve_ms", "deadline_ms")
        return self
