"""The load: requests to a server on this machine, in a closed or an open loop, each recorded.

In the closed loop each connection sends the next request as soon as it has its answer. In the open
loop requests are due at a fixed rate whatever the server does, and their latency counts from when
they were due, so that a server that stalls cannot hide what it kept waiting. The load also tells
how late it was itself.

    python -m benchmarks.load --port 8080 --body request.json --connections 8 --seconds 5
    python -m benchmarks.load --port 8080 --body request.json --rate 500 --seconds 5
    python -m benchmarks.load --plan plan.msgpack --samples samples.msgpack
"""

import argparse
import asyncio
import gc
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import uvloop

from benchmarks.load_records import Sample, head_of, summary
from benchmarks.load_wire import Pool

MOST_REQUESTS = 3_000_000
MOST_SECONDS = 3600.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_CALLERS_DRAWN = 4096  # callers are drawn once, and the draw repeats
_SPINS_BELOW = 500.0  # requests a second
_KEEPERS: dict[str, Callable[[bytes], bytes]] = {
    "code": lambda body: b"",
    "head": head_of,
    "all": bytes,
}


class Caller(msgspec.Struct, frozen=True):
    """A kind of caller.

    Attributes:
        name: What it is called.
        share: Its part of all requests, in proportion to the others'.
        headers: What it sends beside the usual headers.
        path: Where to; empty for the plan's.
    """

    name: str = "caller"
    share: float = 1.0
    headers: dict[str, str] = {}
    path: str = ""


class Step(msgspec.Struct, frozen=True):
    """A stretch of the load.

    Attributes:
        seconds: How long.
        rate: Requests a second; 0 is a closed loop.
    """

    seconds: float
    rate: float = 0.0


class Plan(msgspec.Struct, frozen=True):
    """What to send.

    Attributes:
        port: Port of the server.
        bodies: Request bodies, sent in turn.
        steps: The load over time.
        host: Address of the server; loopback only.
        path: Where decisions are asked for.
        connections: Most connections.
        callers: Who asks; drawn at random by their shares.
        keep: What of an answer is kept: its code, its head without the ranking, or all.
        give_up_s: Seconds after which a request without an answer is lost.
        most: Most requests.
        seed: Of the draw of callers.
        start_at: Monotonic seconds at which the first request is due, so that another process
            knows beforehand when; 0 starts at once.
    """

    port: int
    bodies: tuple[bytes, ...]
    steps: tuple[Step, ...]
    host: str = "127.0.0.1"
    path: str = "/v1/decide"
    connections: int = 8
    callers: tuple[Caller, ...] = (Caller(),)
    keep: Literal["code", "head", "all"] = "head"
    give_up_s: float = 5.0
    most: int = MOST_REQUESTS
    seed: int = 0
    start_at: float = 0.0

    def __post_init__(self) -> None:
        if self.host not in _LOOPBACK:
            message = f"the load goes to this machine only, not to {self.host}"
            raise ValueError(message)
        if sum(step.seconds for step in self.steps) > MOST_SECONDS or self.most > MOST_REQUESTS:
            message = f"at most {MOST_REQUESTS} requests in {MOST_SECONDS:g} s"
            raise ValueError(message)
        if not self.bodies or not self.steps or not self.callers:
            message = "a load needs a body, a step and a caller"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a plan.

    Attributes:
        samples: Its requests, in the order in which they were due.
        began: Monotonic seconds at which the first was due.
        seconds: Time from then to the last answer.
        cpu_s: CPU seconds of this process meanwhile.
    """

    samples: list[Sample]
    began: float
    seconds: float
    cpu_s: float


def run(plan: Plan) -> Ran:
    """Carry out a plan, in this process."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Load(plan).run())


class Load:
    """A plan under way.

    Args:
        plan: What to send.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._contents = [
            [_content(plan, caller, body) for body in plan.bodies] for caller in plan.callers
        ]
        shares = np.array([caller.share for caller in plan.callers])
        rng = np.random.default_rng(plan.seed)
        drawn = rng.choice(len(shares), _CALLERS_DRAWN, p=shares / shares.sum())
        self._callers: list[int] = drawn.tolist()
        self._samples: list[Sample] = []
        self._pool = Pool(
            plan.host,
            plan.port,
            most=plan.connections,
            give_up_s=plan.give_up_s,
            ended=self._ended,
            keep=_KEEPERS[plan.keep],
        )
        self._closed_until = 0.0
        self._stopped = asyncio.Event()

    async def run(self) -> Ran:
        """Send, wait for the last answers, and return all."""
        sweeping = asyncio.create_task(self._pool.sweep())
        await self._connect()
        wait_s = min(self._plan.start_at - time.monotonic(), MOST_SECONDS)
        await asyncio.sleep(max(0.0, wait_s))
        cpu, began = time.process_time(), self._plan.start_at or time.monotonic()
        try:
            await self._steps(began)
            limit = time.monotonic() + self._plan.give_up_s + 1.0
            while self._pool.owed and time.monotonic() < limit:
                await asyncio.sleep(0.005)
            ended, cpu = time.monotonic(), time.process_time() - cpu
        finally:
            sweeping.cancel()
            self._pool.close()
            await asyncio.sleep(0)
        return Ran(self._samples, began, ended - began, cpu)

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped.set()

    async def _connect(self) -> None:
        """Open the connections ahead, so that opening them is no part of a closed loop."""
        wanted = self._plan.connections if self._plan.steps[0].rate == 0 else 1
        self._pool.open(wanted)
        limit = time.monotonic() + 1.0
        while self._pool.ready < wanted and time.monotonic() < limit:
            await asyncio.sleep(0.005)

    async def _steps(self, began: float) -> None:
        start = began
        for step in self._plan.steps:
            if self._stopped.is_set() or len(self._samples) >= self._plan.most:
                break
            if step.rate > 0:
                await self._open_loop(start, step)
            else:
                await self._closed_loop(start + step.seconds)
            start += step.seconds

    async def _closed_loop(self, until: float) -> None:
        self._closed_until = until
        for _ in range(self._plan.connections):
            self._issue(time.monotonic())
        await self._sleep(until)
        self._closed_until = 0.0

    async def _open_loop(self, start: float, step: Step) -> None:
        loop = asyncio.get_running_loop()
        count, sent = round(step.seconds * step.rate), 0
        gap = 1.0 / step.rate
        # The loop's timers have steps of a millisecond. What is due within half of one is waited
        # for in a spin, which at a high rate would take a whole core from the server.
        least_s = 0.0 if step.rate < _SPINS_BELOW else 0.001
        done = asyncio.Event()

        def tick() -> None:
            nonlocal sent
            now = time.monotonic()
            while sent < count and (due := start + sent * gap) <= now:
                self._issue(due)
                sent += 1
            over = self._stopped.is_set() or len(self._samples) >= self._plan.most
            if sent >= count or over:
                done.set()
            else:
                loop.call_later(max(least_s, due - now), tick)

        tick()
        await done.wait()
        await self._sleep(start + step.seconds)

    async def _sleep(self, until: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._stopped.wait()
        except TimeoutError:
            pass

    def _issue(self, due: float) -> None:
        number = len(self._samples)
        body = number % len(self._plan.bodies)
        caller = self._callers[number % _CALLERS_DRAWN]
        sample = Sample(due, time.monotonic(), body, caller)
        self._samples.append(sample)
        self._pool.send(sample, self._contents[caller][body])

    def _ended(self, sample: Sample) -> None:
        """In a closed loop, send the next one."""
        if not self._closed_until or self._stopped.is_set():
            return
        now = sample.done
        if now < self._closed_until and len(self._samples) < self._plan.most:
            asyncio.get_running_loop().call_soon(self._issue, now)


def _content(plan: Plan, caller: Caller, body: bytes) -> bytes:
    lines = [
        f"POST {caller.path or plan.path} HTTP/1.1",
        f"host: {plan.host}:{plan.port}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in caller.headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """Write samples to a file, for another process."""
    path.write_bytes(msgspec.msgpack.encode(samples))


def read_samples(path: Path) -> list[Sample]:
    """Read samples that another process wrote."""
    return msgspec.msgpack.decode(path.read_bytes(), type=list[Sample])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a plan in a process of its own, and print its figures as JSON."""
    parser = argparse.ArgumentParser(prog="benchmarks.load", description="load on this machine")
    parser.add_argument("--plan", type=Path, help="a plan, as MessagePack; else the options below")
    parser.add_argument("--samples", type=Path, help="file for the samples, as MessagePack")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--body", type=Path, help="file with a request's body")
    parser.add_argument("--path", default="/v1/decide")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float, default=0.0, help="a second; 0 is a closed loop")
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args(arguments)
    plan = _plan(given)
    gc.disable()  # nothing here makes circles, and a collection would show as lateness
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = Load(plan)
        runner.get_loop().add_signal_handler(signal.SIGTERM, load.stop)
        ran = runner.run(load.run())
    if given.samples is not None:
        write_samples(given.samples, ran.samples)
    figures = summary(ran.samples, seconds=ran.seconds, cpu_s=ran.cpu_s)
    sys.stdout.write(json.dumps({"began": ran.began, **figures}) + "\n")
    return 0


def _plan(given: argparse.Namespace) -> Plan:
    if given.plan is not None:
        return msgspec.msgpack.decode(given.plan.read_bytes(), type=Plan)
    return Plan(
        port=given.port,
        bodies=(given.body.read_bytes(),) if given.body else (b"{}",),
        steps=(Step(given.seconds, given.rate),),
        path=given.path,
        connections=given.connections,
    )


if __name__ == "__main__":
    sys.exit(main())
