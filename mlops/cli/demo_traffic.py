"""Traffic: requests at a steady rate over kept-alive connections, each answer timed.

The load is open-loop: a request is sent at its time whether or not earlier ones were answered, and
its latency counts from that time, so that a server that stalls cannot hide it.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from mlops.base.clock import Clock
from mlops.contracts.domain import Column, Domain
from mlops.contracts.sample import draw

_GIVE_UP_S = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One request and what came of it.

    Attributes:
        at_s: Monotonic seconds at which it was due.
        latency_ms: Milliseconds from then to the whole answer.
        code: HTTP status; 0 if there was no answer.
        source: Who answered; empty without a decision.
        reason: Why that source.
    """

    at_s: float
    latency_ms: float
    code: int
    source: str
    reason: str


def bodies(
    domain: Domain,
    known: dict[str, tuple[str, ...]],
    *,
    requests: int,
    candidates: int,
    seed: int,
) -> list[bytes]:
    """Return request bodies drawn from a contract, each for a user of its own.

    Args:
        domain: The request's contract.
        known: For each open category column, the values that the model knows.
        requests: How many.
        candidates: Candidates in each.
        seed: Of the draw.
    """
    rng = np.random.default_rng(seed)
    return [
        _body(domain, known, rng=rng, number=number, candidates=candidates)
        for number in range(requests)
    ]


def _body(
    domain: Domain,
    known: dict[str, tuple[str, ...]],
    *,
    rng: np.random.Generator,
    number: int,
    candidates: int,
) -> bytes:
    identifier = domain.identifier.name
    table = draw(domain, candidates, rng, known=known)
    rows = [
        {c.name: _value(c, table[c.name][row]) for c in domain.candidate if c.name != identifier}
        for row in range(candidates)
    ]
    for row, each in enumerate(rows):
        each[identifier] = str(row + 1)
    body = {
        "request_id": f"demo-{number}",
        "subject": f"user-{number}",
        "context": {c.name: _value(c, table[c.name][0]) for c in domain.context},
        "candidates": rows,
    }
    return json.dumps(body).encode()


def _value(column: Column, value: object) -> object:
    if value is None or value != value:
        return None
    if column.kind == "integer":
        return int(str(value).partition(".")[0])
    if column.kind == "boolean":
        return bool(value)
    return float(str(value)) if column.kind == "number" else value


class Traffic:
    """Sends bodies in turn to a decision endpoint.

    Args:
        url: Base address of the server.
        content: Bodies, sent in turn again and again.
        per_second: Requests a second.
        clock: Monotonic time.
    """

    def __init__(
        self, url: str, content: Sequence[bytes], *, per_second: float, clock: Clock
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._content = content
        self._gap_s = 1.0 / per_second
        self._clock = clock
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.answers: list[Answer] = []

    async def run(self, *, requests: int | None = None) -> None:
        """Send until cancelled, or a number of requests, and wait for their answers."""
        start = self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, body in enumerate(self._turns(requests)):
                due = start + number * self._gap_s
                await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
                group.create_task(self._send(body, due))
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    def _turns(self, requests: int | None) -> Iterator[bytes]:
        number = 0
        while requests is None or number < requests:
            yield self._content[number % len(self._content)]
            number += 1

    async def _send(self, body: bytes, due: float) -> None:
        code, source, reason = 0, "", ""
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            async with asyncio.timeout(_GIVE_UP_S), self._connection() as (reader, writer):
                writer.write(self._head(len(body)) + body)
                code, answer = await _read(reader)
                decision = json.loads(answer)
                source, reason = decision.get("source", ""), decision.get("reason", "")
        latency_ms = (self._clock.monotonic() - due) * 1000
        self.answers.append(Answer(due, latency_ms, code, source, reason))

    @contextlib.asynccontextmanager
    async def _connection(
        self,
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
        if self._idle:
            pair = self._idle.pop()
        else:
            pair = await asyncio.open_connection(self._host, self._port)
        try:
            yield pair
        except BaseException:
            pair[1].close()
            raise
        self._idle.append(pair)

    def _head(self, length: int) -> bytes:
        return (
            f"POST /v1/decide HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n"
        ).encode()


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(status.split(" ")[1]), body
