"""A message between a worker and its supervisor: MessagePack, one a datagram."""

from typing import Literal

import msgspec


class Listening(msgspec.Struct, tag="listening"):
    """A worker accepts connections.

    Attributes:
        answers: The best source that can answer: `model`, `heuristic` or `static`.
    """

    answers: str


class Settled(msgspec.Struct, tag="settled"):
    """A worker's model is ready, or will not be soon.

    Attributes:
        model_ready: Whether it can answer.
    """

    model_ready: bool


class Asked(msgspec.Struct, tag="asked"):
    """An admin request that only the supervisor can answer.

    Attributes:
        ask_id: Names it in its answer.
        what: `reload`, `drain`, `events`, `status`, `latch`, `release`, `fallback`, or `catch_up`,
            which is answered by a `Prepare` of the plan that serves.
        bundle: Reference of the bundle to load; empty for the configured one.
        allow_downgrade: Whether it may be older than the one that runs.
    """

    ask_id: int
    what: str
    bundle: str = ""
    allow_downgrade: bool = False


class Prepared(msgspec.Struct, tag="prepared"):
    """A worker holds a plan ready, or could not.

    Attributes:
        epoch: Which plan.
        problem: What went wrong; empty if nothing did.
    """

    epoch: int
    problem: str = ""


class Misbehaved(msgspec.Struct, tag="misbehaved"):
    """A worker's breaker opened.

    Attributes:
        epoch: The plan whose model it is.
        reason: Why.
    """

    epoch: int
    reason: str


class Happened(msgspec.Struct, tag="happened"):
    """A change of state that is worth an event.

    Attributes:
        kind: Such as `breaker`.
        fields: What, by name; never anything of a request.
    """

    kind: str
    fields: dict[str, str]


class Prepare(msgspec.Struct, tag="prepare"):
    """Load a plan and say so.

    Attributes:
        epoch: Its number.
        settings: `ServeSettings` as JSON.
        digest: Digest that its bundle must have.
        lane: Where its model shall run.
    """

    epoch: int
    settings: bytes
    digest: str
    lane: Literal["inline", "process"]


class Forget(msgspec.Struct, tag="forget"):
    """Let go of every plan but two.

    Attributes:
        current: The plan that serves.
        previous: The one before it; 0 for none.
    """

    current: int
    previous: int


class Answered(msgspec.Struct, tag="answered"):
    """The answer to an admin request.

    Attributes:
        ask_id: Which.
        code: HTTP status.
        body: JSON.
    """

    ask_id: int
    code: int
    body: bytes


FromWorker = Listening | Settled | Asked | Prepared | Misbehaved | Happened
ToWorker = Prepare | Forget | Answered

encode = msgspec.msgpack.Encoder().encode
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)


def from_worker(content: bytes) -> FromWorker:
    """Return what a worker said; raises msgspec.DecodeError if it is nothing known."""
    return _from_worker.decode(content)


def to_worker(content: bytes) -> ToWorker:
    """Return what the supervisor said; raises msgspec.DecodeError if it is nothing known."""
    return _to_worker.decode(content)
