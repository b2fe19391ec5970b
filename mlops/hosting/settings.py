"""Hosting settings: limits at the HTTP protocol, and how soon a silent process is replaced."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from mlops.base.section import Section, contradiction


class HttpSettings(Section):
    """What a caller may send, how much and how slowly."""

    max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 2**20)] = 2**20
    """Largest request body; a larger one gets 413. Compressed bodies get 415."""
    max_header_bytes: Annotated[int, Field(ge=1024, le=2**20)] = 16 * 2**10
    """Largest request line and headers together; larger ones get 431."""
    max_connections: Annotated[int, Field(ge=8, le=100_000)] = 2000
    """Open connections of one worker. Beyond it the connection that has been idle the longest is
    closed for the new one: connections are not requests, and idle ones must not keep others out."""
    request_s: Annotated[float, Field(gt=0, le=600)] = 5.0
    """Seconds from a request's first byte (of a new connection: from its start) to its last; a
    slower sender gets 408 and is closed; one that never sent a byte is closed without an answer."""
    idle_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Seconds that a connection may stay open between two requests."""


class SupervisionSettings(Section):
    """When a worker counts as lost, and how soon it comes back."""

    heartbeat_ms: Annotated[float, Field(ge=5, le=10_000)] = 100.0
    """Milliseconds between two heartbeats, which a worker gives from its event loop."""
    silent_ms: Annotated[float, Field(ge=50, le=600_000)] = 1000.0
    """Milliseconds without a heartbeat after which a worker is killed and replaced. A pause of the
    whole machine, which the supervisor feels too, does not count."""
    boot_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Seconds that a worker is given to its first heartbeat."""
    longest_pause_s: Annotated[float, Field(gt=0, le=600)] = 5.0
    """Longest wait before a worker that keeps ending young is started again; the first restart
    waits for nothing, each further one twice as long from 50 ms on."""

    @model_validator(mode="after")
    def _hears_two_beats(self) -> Self:
        if self.silent_ms < 2 * self.heartbeat_ms:
            message = (
                f"silent_ms ({self.silent_ms:g}) must be at least two heartbeats"
                f" ({self.heartbeat_ms:g} ms each), or healthy workers are killed"
            )
            raise contradiction(message, "silent_ms", "heartbeat_ms")
        return self
