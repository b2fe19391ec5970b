"""Rows of the processes: workers killed, stopped and poisoned, and the supervisor killed."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.load import Step
from benchmarks.load_records import Sample
from benchmarks.processes import alive
from tests.components.prometheus import eventually, free_port
from tests.e2e.faults.scene import Fault, Row, Scene, observe, under_load
from tests.e2e.faults.servers import READY_S, Server, close, start
from tests.e2e.faults.verdicts import Goal, Observed, model_is_back

_WORKERS = 4
_MOST_DEATHS = 3
_FOUR = {"workers": _WORKERS, "supervision": {"silent_ms": 300.0}}
_GOAL = Goal(in_time=0.995, back_s=2.0)


def _one(number: signal.Signals) -> Fault:
    """Return a fault: a signal to one worker."""

    def begin(server: Server) -> None:
        pid = server.workers()[0]
        server.seen.append(pid)
        os.kill(pid, number)

    return Fault(begin)


def _all_answer(server: Server, samples: Sequence[Sample], since: float) -> float | None:
    """Wait until as many workers as before answer, none of them the one that was hit."""
    del samples
    hit, workers = server.seen[-1], server.settings.serving.workers
    while time.monotonic() < since + 5.0:
        with contextlib.suppress(OSError, ValueError):
            if not alive(hit) and len(server.workers()) == workers:
                status = server.status()
                if len(status["workers"]) == status["model_ready"] == workers:
                    return time.monotonic() - since
        time.sleep(0.02)
    return None


def _poisoned(scene: Scene) -> Observed:
    with scene.serve() as server:
        before = set(server.workers())
        seen = set(before)
        with scene.traffic(server, Step(7.0, 200.0)) as load, _watched(server, seen):
            began = load.wait_until(1.0)
            server.fault("poison")
            for second in range(5):
                load.wait_until(1.0 + second)
                _send(server.port, scene.ground.poison)
            ended = time.monotonic()
            samples = load.finish()
        events = server.events()
        deaths = len(seen - set(server.workers()))
    found = observe(scene, server, samples, events=events, began=began,
                    recover_s=model_is_back(samples, ended))  # fmt: skip
    found.told["deaths"] = deaths
    if deaths > _MOST_DEATHS:
        found.misses.append(f"{deaths} workers died of one request")
    return found


@contextlib.contextmanager
def _watched(server: Server, seen: set[int]) -> Iterator[None]:
    """Note every worker that there ever was."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            seen.update(server.workers())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _send(port: int, body: bytes) -> None:
    """Send a request, and wait neither for an answer nor for who dies of it."""
    head = (
        "POST /v1/decide HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection,
    ):
        connection.sendall(head.encode() + body)
        connection.recv(1)


def _supervisor_killed(scene: Scene) -> Observed:
    """Kill the supervisor; its host starts another one on the same port at once."""

    changes = {"port": free_port()}
    scene = Scene(scene.ground, scene.folder, {**scene.changes, **changes})
    with scene.serve() as server, scene.traffic(server, Step(7.0, 200.0)) as load:
        began = load.wait_until(1.5)
        members = server.workers() + server.models()
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
        orphans = server.left_alive(members, within_s=1.0)
        server.seen += members
        try:
            next_one = start(server.settings, scene.folder / "next")
        except AssertionError:
            next_one = None
        try:
            if next_one is not None:
                with contextlib.suppress(AssertionError):
                    eventually(next_one.model_answers, within_s=READY_S, what="the model answers")
            samples = load.finish()
        finally:
            if next_one is not None:
                close(next_one)
    found = observe(scene, server, samples, began=began, recover_s=_answers_again(samples, began))
    found.told["orphans"] = len(orphans)
    if orphans:
        found.misses.append(f"{len(orphans)} orphans live on")
    return found


def _answers_again(samples: Sequence[Sample], since: float) -> float | None:
    """Return the seconds until whatever was asked got an answer again, from whichever source."""
    failed = [sample.due for sample in samples if sample.due >= since and sample.code != 200]
    later = [sample.due for sample in samples if sample.due > max(failed, default=since)]
    return min(later) - since if later else None


def _worker(number: signal.Signals) -> Callable[[Scene], Observed]:
    return under_load(_one(number), rest_s=4.0, recovered=_all_answer)


ROWS = (
    Row("worker SIGKILL", _GOAL, _worker(signal.SIGKILL), changes=_FOUR,
        unguarded={"without": ["replacement"]}),
    Row("worker SIGSTOP", _GOAL, _worker(signal.SIGSTOP), changes=_FOUR,
        unguarded={"without": ["heartbeat"]}),
    Row("poison request every second", _GOAL, _poisoned, changes=_FOUR,
        unguarded={"without": ["poison_list"]}),
    Row("supervisor SIGKILL", Goal(back_s=2.0), _supervisor_killed,
        unguarded={"without": ["death_signal"]}),
)  # fmt: skip
