"""Serving parts: a chain, its app and their fakes, joined as the server joins the real ones."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from mlops.contracts import open_bandit
from mlops.contracts.domain import Floats, Table
from mlops.contracts.row import Request, RowDecoder
from mlops.contracts.schema import read_domain
from mlops.hosting.settings import HttpSettings
from mlops.models.heuristics import Heuristic
from mlops.serving.app import App
from mlops.serving.breaker import Breaker
from mlops.serving.chain import Chain
from mlops.serving.guard import Limits
from mlops.serving.instruments import Instruments
from mlops.serving.spec import BreakerSpec, HoldoutSpec, LimitSpec, ServingSpec
from tests.components.requests import drawn
from tests.fakes.clock import ManualClock
from tests.fakes.heuristic import FakeHeuristic
from tests.fakes.model import FakeModel

SERVICE = "open_bandit"
DOMAIN = read_domain(open_bandit.Request)
ROWS = 3


def rising(rows: int) -> Floats:
    return np.arange(rows, dtype=np.float64)


def falling(rows: int) -> Floats:
    return -np.arange(rows, dtype=np.float64)


def spec(**changes: Any) -> ServingSpec:
    values: dict[str, Any] = {
        "deadline_ms": 50.0,
        "reserve_ms": 10.0,
        "fallback": ("first", "second"),
        "http": HttpSettings(max_body_bytes=20_000),
        "limit": LimitSpec(start=2, most=2),
        "breaker": BreakerSpec(min_calls=4, window_s=10.0, open_s=2.0, trip_s=8.0, probes=2),
        "holdout": HoldoutSpec(share=0.0),
    }
    return ServingSpec(**{**values, **changes})


@dataclass
class Joined:
    """A chain and its app over fakes.

    Attributes:
        model: Who is asked; None where there is none.
        heuristics: By name; the spec's fallback names `first` and `second`.
        spec: As the server gets it.
    """

    model: FakeModel | None = field(default_factory=lambda: FakeModel(np.array([0.1, 0.9, 0.5])))
    heuristics: Mapping[str, Heuristic] = field(
        default_factory=lambda: {"first": FakeHeuristic(rising), "second": FakeHeuristic(falling)}
    )
    spec: ServingSpec = field(default_factory=spec)
    limits: Limits = field(default_factory=lambda: Limits(0.0, 1.0))

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.instruments = Instruments(SERVICE)
        self.breaker = Breaker(self.spec.breaker, self.clock, self.instruments.breaker_changed)
        self.chain = Chain(
            self.spec,
            self.heuristics,
            model=self.model,
            limits=self.limits,
            breaker=self.breaker,
            instruments=self.instruments,
        )
        self.ids = iter(f"made-{at}" for at in range(10**6))
        self.app = App(
            decoder=RowDecoder(DOMAIN, max_candidates=5),
            chain=self.chain,
            instruments=self.instruments,
            clock=self.clock,
            new_id=lambda: next(self.ids),
            model="sha256:abc",
            openapi=b'{"openapi":"3.1.0"}',
            max_body_bytes=self.spec.http.max_body_bytes,
        )

    def series(self) -> dict[str, float]:
        """Return the value of each exported series by name and labels, as Prometheus reads it."""
        lines = self.instruments.exposition().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}


@cache
def _drawn() -> tuple[Table, dict[str, Any]]:
    return drawn(SERVICE, ROWS, 5)


def a_request(subject: str = "user-1") -> Request:
    table, _ = _drawn()
    ids = tuple(str(each) for each in table[DOMAIN.identifier.name])
    return Request(request_id="", subject=subject, ids=ids, table=table)


def a_body(**members: Any) -> bytes:
    _, body = _drawn()
    return json.dumps({**body, **members}).encode()


@dataclass(frozen=True)
class Reply:
    """What an app sent.

    Attributes:
        code: Status; 0 if it sent nothing.
        headers: By name.
        body: All of it.
    """

    code: int
    headers: Mapping[bytes, bytes]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Asgi = Callable[..., Any]


async def call(
    app: Asgi,
    path: str = "/v1/decide",
    *,
    method: str = "POST",
    body: bytes | list[bytes] = b"",
    headers: Mapping[str, str] | None = None,
    gone: bool = False,
    query: str = "",
) -> Reply:
    """Ask an ASGI app.

    Args:
        app: The app.
        path: Path.
        method: Method.
        body: The body, in the pieces in which it arrives.
        headers: Header fields.
        gone: The caller closes the connection instead of sending the last piece.
        query: Query string.
    """
    pieces = body if isinstance(body, list) else [body]
    events: list[dict[str, Any]] = [
        {"type": "http.request", "body": piece, "more_body": at < len(pieces) - 1}
        for at, piece in enumerate(pieces)
    ]
    if gone:
        events[-1] = {"type": "http.disconnect"}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return events.pop(0)

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    given = {"content-type": "application/json", **(headers or {})}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    await app(scope, receive, send)
    if not sent:
        return Reply(0, {}, b"")
    return Reply(
        sent[0]["status"],
        dict(sent[0]["headers"]),
        b"".join(event.get("body", b"") for event in sent[1:]),
    )
