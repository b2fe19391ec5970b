"""The load records each request, hides no stall, and goes to no other machine."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from benchmarks.load import Caller, Plan, Ran, Step, read_samples, run
from benchmarks.load_records import Failure, Ranked, Told, is_wrong, lateness_ms, tally, told

DIGEST = "sha256:abc"
ANSWER = json.dumps(
    {
        "source": "model",
        "reason": "ok",
        "model": DIGEST,
        "ranking": [{"id": "a", "score": 0.5}, {"id": "b", "score": 0.25}],
    },
    separators=(",", ":"),
).encode()
BODIES = (b'{"n":0}', b'{"n":1}')


class Backend:
    """A server whose behaviour a test chooses for each request by its head."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.stalls_at: dict[int, float] = {}
        self.resets_at: set[int] = set()
        self.closes = False
        self.port = 0

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(BODIES[0]))
                number = len(self.heads)
                self.heads.append(head)
                if number in self.stalls_at:
                    time.sleep(self.stalls_at[number])  # all connections wait, as in a hung server
                if number in self.resets_at:
                    writer.transport.abort()
                    return
                close = b"connection: close\r\n" if self.closes else b""
                length = b"content-length: %d\r\n\r\n" % len(ANSWER)
                writer.write(b"HTTP/1.1 200 OK\r\n" + close + length + ANSWER)
                if self.closes:
                    writer.close()
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@contextmanager
def running(backend: Backend) -> Iterator[Backend]:
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    def serve() -> None:
        loop.run_until_complete(backend.serve(ready, stop))
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(5)
    yield backend
    loop.call_soon_threadsafe(stop.set)
    thread.join(5)


@pytest.fixture
def backend() -> Iterator[Backend]:
    with running(Backend()) as it:
        yield it


def ran(backend: Backend, *steps: Step, **members: object) -> Ran:
    plan = {"port": backend.port, "bodies": BODIES, "steps": steps, **members}
    return run(Plan(**plan))  # type: ignore[arg-type]  # a test's keyword arguments


def test_closed_loop_sends_the_next_request_after_each_answer(backend: Backend) -> None:
    samples = ran(backend, Step(0.2), connections=2).samples
    assert len(samples) > 4
    assert {sample.code for sample in samples} == {200}
    assert [sample.body for sample in samples[:4]] == [0, 1, 0, 1]
    assert told(samples[0]).source == "model"
    assert told(samples[0]).ranking == [], "only the head is kept"


def test_open_loop_sends_what_is_due_though_the_server_stalls_and_counts_the_wait(
    backend: Backend,
) -> None:
    backend.stalls_at[10] = 0.3
    samples = ran(backend, Step(0.5, rate=100), connections=4).samples
    assert len(samples) == 50
    assert sum(sample.latency_ms > 100 for sample in samples) >= 15
    assert lateness_ms(samples)["p50"] < 50


def test_steps_change_the_rate(backend: Backend) -> None:
    it = ran(backend, Step(0.1, rate=50), Step(0.1, rate=200))
    assert len(it.samples) == 25
    assert it.samples[5].due == pytest.approx(it.began + 0.1)


def test_lost_connection_is_a_lost_request_and_is_opened_again(backend: Backend) -> None:
    backend.resets_at = {3}
    samples = ran(backend, Step(0.1, rate=100), connections=1).samples
    failures = [sample.failure for sample in samples]
    assert failures.count(Failure.RESET) == 1
    assert sum(sample.code == 200 for sample in samples) == 9
    assert tally(samples, deadline_ms=500).lost == 1


def test_closing_server_loses_nothing(backend: Backend) -> None:
    backend.closes = True
    samples = ran(backend, Step(0.1, rate=100), connections=2).samples
    assert [sample.code for sample in samples] == [200] * 10


def test_request_without_an_answer_is_given_up(backend: Backend) -> None:
    backend.stalls_at[0] = 0.8
    samples = ran(backend, Step(0.1, rate=10), connections=1, give_up_s=0.2).samples
    assert [sample.failure for sample in samples] == [Failure.NO_ANSWER]


def test_server_that_is_not_there_refuses_and_is_not_counted_as_losing() -> None:
    samples = run(Plan(port=1, bodies=BODIES, steps=(Step(0.1, rate=50),))).samples
    counts = tally(samples, deadline_ms=50)
    assert (counts.requests, counts.refused, counts.lost, counts.in_time) == (5, 5, 0, 0)


def test_callers_are_drawn_by_their_shares_and_send_their_headers(backend: Backend) -> None:
    callers = (Caller("some", 3.0), Caller("few", 1.0, {"x-priority": "critical"}))
    samples = ran(backend, Step(0.4, rate=500), callers=callers).samples
    few = sum(sample.caller == 1 for sample in samples)
    assert 20 < few < 90
    assert sum(b"x-priority: critical" in head for head in backend.heads) == few


def told_by(source: str, **scores: float) -> Told:
    ranking = [Ranked(name, score) for name, score in scores.items()]
    return Told(source, "", DIGEST, ranking)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        pytest.param(Told("model", "ok", DIGEST, []), True, id="candidates are missing"),
        pytest.param(Told("model", "ok", "sha256:other", []), True, id="an unknown bundle's score"),
        pytest.param(told_by("model", a=0.5, b=0.25), False, id="the model's own scores"),
        pytest.param(told_by("model", a=0.5, b=0.26), True, id="another score"),
        pytest.param(told_by("cache", a=0.5, b=0.26), True, id="another score from the cache"),
        pytest.param(told_by("heuristic", a=9, b=8), False, id="the heuristic has its own scores"),
        pytest.param(told_by("heuristic", a=9, c=8), True, id="other candidates"),
    ],
)
def test_wrong_is_what_the_named_bundle_does_not_give(answer: Told, wrong: bool) -> None:
    assert is_wrong(answer, 0, {DIGEST: [{"a": 0.5, "b": 0.25}]}) is wrong


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"host": "192.0.2.1"}, id="another machine"),
        pytest.param({"steps": (Step(10**6),)}, id="no end in time"),
        pytest.param({"most": 10**9}, id="no end in count"),
        pytest.param({"bodies": ()}, id="nothing to send"),
    ],
)
def test_load_is_bounded_and_stays_on_this_machine(members: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"load goes|at most|needs"):
        Plan(**{"port": 1, "bodies": BODIES, "steps": (Step(1),), **members})  # type: ignore[arg-type]  # a test's keyword arguments


def test_process_of_its_own_prints_figures_and_writes_samples(
    backend: Backend, tmp_path: Path
) -> None:
    plan = Plan(port=backend.port, bodies=BODIES, steps=(Step(0.2, rate=100),), keep="all")
    (tmp_path / "plan").write_bytes(msgspec.msgpack.encode(plan))
    command = ["--plan", str(tmp_path / "plan"), "--samples", str(tmp_path / "samples")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *command],
        capture_output=True,
        check=True,
        timeout=60,
    )
    figures = json.loads(done.stdout)
    assert figures["codes"] == {"200": 20}
    assert figures["latency_ms"]["p50"] > 0
    samples = read_samples(tmp_path / "samples")
    assert [sample.answer for sample in samples] == [ANSWER] * 20
