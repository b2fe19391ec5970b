"""A front: the app of one worker over a chain of fakes, driven as the HTTP protocol drives it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops.contracts.row import RowDecoder
from mlops.hosting.exchange import HttpRequest, Reply
from mlops.serving.app import App, Made
from mlops.serving.engine import Engine
from mlops.serving.faults import Fault
from mlops.serving.instruments import Instruments
from mlops.serving.plan import Plan
from mlops.serving.settings import ServeSettings
from tests.components.serving import DOMAIN, GOOD, SERVICE, Joined, a_body
from tests.fakes.model import FakeProcess


class FakeExchange:
    """Stands in for a connection's exchange."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.gone = False
        self.replies: list[Reply] = []

    def reply(self, reply: Reply) -> None:
        self.replies.append(reply)

    @property
    def code(self) -> int:
        return self.replies[0].code

    @property
    def json(self) -> Any:
        return json.loads(self.replies[0].body)


def post(
    body: bytes | None = None,
    *,
    path: str = "/v1/decide",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    query: bytes = b"",
    arrived: float = 1000.0,
) -> FakeExchange:
    given = {"content-type": "application/json", **(headers or {})}
    encoded = {name.encode(): value.encode() for name, value in given.items()}
    content = a_body() if body is None else body
    return FakeExchange(HttpRequest(method, path, query, encoded, content, arrived))


def get(path: str, query: bytes = b"", *, method: str = "GET") -> FakeExchange:
    return post(b"", path=path, method=method, query=query)


class FakeDesk:
    """Stands in for `mlops.serving.desk.Desk`."""

    def __init__(self, engine: Engine | None, instruments: Instruments) -> None:
        self.engine = engine
        self.fault = Fault()
        self.poison: set[int] = set()
        self.marks: list[int] = []
        self.made: list[Made] = []
        self.holds: list[Callable[[], None]] | None = None  # answers wait here, if it is a list
        self._instruments = instruments

    def begin(self, fingerprint: int) -> bool:
        self.marks.append(fingerprint)
        return fingerprint not in self.poison

    def end(self) -> None:
        self.marks.append(0)

    def record(self, made: Made, then: Callable[[], None]) -> None:
        self.made.append(made)
        if self.holds is None:
            then()
        else:
            self.holds.append(then)

    def exposition(self) -> bytes:
        return self._instruments.exposition()


@dataclass
class Front:
    """An app over fakes.

    Attributes:
        joined: The chain; None where no engine is open yet.
    """

    joined: Joined | None = field(default_factory=lambda: Joined(FakeProcess(GOOD)))

    def __post_init__(self) -> None:
        made = self.joined or Joined()
        self.instruments = Instruments(SERVICE)
        self.clock = made.clock
        settings = ServeSettings(
            service=SERVICE, bundle="", bundles="", state="", max_candidates=5,
            domain=DOMAIN, serving=made.spec,
        )  # fmt: skip
        decoder = RowDecoder(DOMAIN, max_candidates=5)
        engine = Engine(Plan(7, settings, None), decoder, made.chain, b"{}", made.current, ())
        self.desk = FakeDesk(None if self.joined is None else engine, self.instruments)
        self.soon: list[Callable[[], None]] = []
        self.ids = iter(f"made-{at}" for at in range(10**6))
        self.app = App(
            self.desk,
            made.spec,
            instruments=self.instruments,
            clock=self.clock,
            new_id=lambda: next(self.ids),
            call_soon=self.soon.append,
        )

    def ask(self, *exchanges: FakeExchange) -> FakeExchange:
        """Let exchanges arrive in one turn of the loop; returns the last when all are answered."""

        async def turn() -> None:
            for exchange in exchanges:
                self.app(exchange)
            while self.soon:
                self.soon.pop(0)()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            if rest:
                await asyncio.wait(rest, timeout=5)

        asyncio.run(turn())
        return exchanges[-1]

    def series(self) -> dict[str, float]:
        """Return the value of each exported series by name and labels, as Prometheus reads it."""
        lines = self.instruments.exposition().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def moved(self, name: str) -> dict[str, float]:
        """Return what moved of a counter, by its labels but the service's."""
        return {
            key.partition("{")[2].rstrip("}").replace(f',service="{SERVICE}"', ""): value
            for key, value in self.series().items()
            if key.startswith(f"{name}{{") and value
        }

    def codes(self) -> dict[str, float]:
        """Return how many answers of each code were counted."""
        found = self.moved("mlops_http_requests_total")
        return {key.removeprefix('code="').rstrip('"'): value for key, value in found.items()}
