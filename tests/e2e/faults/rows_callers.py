"""Rows of the callers: malformed, oversized and slow ones, and floods of labels."""

import contextlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from benchmarks.load import Caller, Step
from benchmarks.load_records import Sample, percentiles_ms
from tests.e2e.faults.scene import Row, Scene, observe
from tests.e2e.faults.servers import Server
from tests.e2e.faults.verdicts import Goal, Observed

_RATE = 200.0
_CALM_S, _STORM_S = 3.0, 4.0
_SLOW = 300
_AT_ONCE = 15
"""Slow senders that come in a twentieth of a second: they are slow, not a flood."""
_LARGE = 8 * 2**20
_UNFELT_MS = 10.0
"""A fifth of the deadline: below it the p99 of a few requests tells of the machine only."""
_SPARE = {"workers": 1, "http": {"max_connections": 400, "request_s": 2.0}}
_FULL = {"http": {"max_connections": 100}, "without": ["sender_deadline"]}
"""Fewer places than slow senders, who may keep theirs: only making way for newcomers is left."""

Storm = Callable[[Server, threading.Event, Counter[int]], None]
"""Sends until the event is set; counts the statuses of what it gets."""


def _stormed(storm: Storm, *, most: float, each_new: bool = False) -> Callable[[Scene], Observed]:
    """Return a play: calm traffic, then the same while a storm goes on beside it.

    Args:
        storm: What is sent beside.
        most: How many times the p99 of the calm the storm's may be.
        each_new: Whether each request of the traffic comes over a connection of its own.
    """
    headers = {"connection": "close"} if each_new else {}

    def play(scene: Scene) -> Observed:
        answers: Counter[int] = Counter()
        step = Step(_CALM_S + _STORM_S, _RATE)
        with scene.serve() as server:
            with scene.traffic(server, step, callers=[Caller(headers=headers)]) as load:
                load.wait_until(_CALM_S - 0.1)
                before = len(server.metrics())
                began = load.wait_until(_CALM_S)
                with _blowing(storm, server, answers):
                    load.wait_until(_CALM_S + _STORM_S)
                samples = load.finish()
            new_series = len(server.metrics()) - before
        found = observe(scene, server, samples, recover_s=None)
        _compare(found, samples, began, most=most)
        found.told |= {"answered": sum(answers.values()), "new_series": new_series}
        if new_series:
            found.misses.append(f"{new_series} new series")
        if any(code >= 500 for code in answers):
            found.misses.append(f"answers to the storm: {dict(answers)}")
        return found

    return play


@contextlib.contextmanager
def _blowing(storm: Storm, server: Server, answers: Counter[int]) -> Iterator[None]:
    over = threading.Event()
    thread = threading.Thread(target=storm, args=(server, over, answers))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)


def _compare(found: Observed, samples: Sequence[Sample], began: float, *, most: float) -> None:
    calm = percentiles_ms([s for s in samples if s.due < began and s.due > began - 2.0])
    storm = percentiles_ms([s for s in samples if s.due >= began])
    found.told |= {"calm_p99_ms": calm["p99"], "storm_p99_ms": storm["p99"]}
    if storm["p99"] > max(most * calm["p99"], _UNFELT_MS):
        found.misses.append(f"p99 {storm['p99']:.1f} ms, before {calm['p99']:.1f} ms")


def _ask(port: int, content: bytes, answers: Counter[int], *, half_close: bool = False) -> None:
    """Send bytes on a connection of their own, and count the status; 0 without an answer."""
    code = 0
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection,
    ):
        connection.sendall(content)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        head = connection.recv(64)
        code = int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else 0
    answers[code] += 1


def _post(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [
        "POST /v1/decide HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _malformed(server: Server, over: threading.Event, answers: Counter[int]) -> None:
    chance = random.Random(1)
    deep = b"[" * 5000 + b"]" * 5000
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: _post(b'{"context":'),
        lambda: _post(b'{"context":{},"candidates":[{"x":NaN}]}'),
        lambda: _post(b'{"context":' + deep + b"}"),
        lambda: _post(b"{}", length=10**9),
        lambda: _post(b"{}", "content-encoding: gzip"),
        lambda: _post(b"{}", "transfer-encoding: nonsense"),
        lambda: _post(chance.randbytes(200)),
        lambda: chance.randbytes(200) + b"\r\n\r\n",
        lambda: b"GET / HTTP/9.9\r\n\r\n",
        lambda: b"POST /v1/decide HTTP/1.1\r\n" + b"x: " + b"y" * 40_000 + b"\r\n\r\n",
    )
    while not over.wait(0.02):
        kind = chance.choice(kinds)
        _ask(server.port, kind(), answers, half_close=chance.random() < 0.3)


def _oversized(server: Server, over: threading.Event, answers: Counter[int]) -> None:
    body = b'{"context":{},"candidates":[' + b'{"a":1},' * (_LARGE // 8) + b'{"a":1}]}'
    content = _post(body)
    while not over.wait(0.05):
        _ask(server.port, content, answers)


def _slow(server: Server, over: threading.Event, answers: Counter[int]) -> None:
    """Hold many connections: half of them silent, half with a request that never ends."""
    head = b"POST /v1/decide HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000\r\n\r\n"
    held: list[socket.socket] = []
    while not over.wait(0.05):
        held = [each for each in held if _drips(each)]
        for _ in range(min(_AT_ONCE, _SLOW - len(held))):
            try:
                each = socket.create_connection(("127.0.0.1", server.port), timeout=0.2)
                if len(held) % 2:
                    each.sendall(head)
                each.setblocking(False)
                held.append(each)
            except OSError:
                break
    for each in held:
        each.close()
    del answers


def _drips(connection: socket.socket) -> bool:
    """Send one more byte of a request; False if the server has closed the connection."""
    try:
        if connection.recv(1024) == b"":
            connection.close()
            return False
    except BlockingIOError:
        pass
    except OSError:
        connection.close()
        return False
    with contextlib.suppress(OSError):
        connection.send(b" ")
    return True


def _labels(server: Server, over: threading.Event, answers: Counter[int]) -> None:
    number = 0
    while not over.wait(0.01):
        number += 1
        text = f"x{number}"
        lines = (
            f"GET /{text} HTTP/1.1\r\nhost: {text}\r\nconnection: close\r\n\r\n",
            f"{text.upper()} /v1/decide HTTP/1.1\r\nhost: {text}\r\nconnection: close\r\n\r\n",
            _post(f'{{"{text}":1}}'.encode(), f"x-{text}: 1", "connection: close").decode(),
            _post(b"{}", f"x-priority: {text}", "connection: close").decode(),
        )
        _ask(server.port, lines[number % len(lines)].encode(), answers)


def _scraped(scene: Scene) -> Observed:
    """Compare slices of time in which the metrics are read with slices in which nobody does."""
    slices, length_s = 8, 0.75
    with (
        scene.serve() as server,
        scene.traffic(server, Step(0.5 + slices * length_s, _RATE)) as load,
    ):
        for each in range(slices):
            until = 0.5 + (each + 1) * length_s
            while each % 2 and time.monotonic() < load.began + until - 0.1:
                server.metrics()
                time.sleep(0.1)
            load.wait_until(until)
        samples = load.finish()
    found = observe(scene, server, samples)
    parts: tuple[list[Sample], list[Sample]] = ([], [])
    for sample in samples:
        number = int((sample.due - load.began - 0.5) // length_s)
        if number >= 0:
            parts[number % 2].append(sample)
    absent, there = (percentiles_ms(part)["p99"] for part in parts)
    found.told = {"absent_p99_ms": absent, "scraped_p99_ms": there}
    if absent > 1.1 * there:
        found.misses.append(f"p99 {absent:.1f} ms without Prometheus, {there:.1f} ms with it")
    return found


_ANSWERS = Goal(in_time=0.995, lost=0)
ROWS = (
    Row("malformed, deep, half-closed", _ANSWERS, _stormed(_malformed, most=2.0)),
    Row("oversized bodies", _ANSWERS, _stormed(_oversized, most=2.0),
        changes={"workers": 1}, unguarded={"http": {"max_body_bytes": 64 * 2**20}}),
    Row("300 slow or silent senders", _ANSWERS, _stormed(_slow, most=2.0, each_new=True),
        changes=_SPARE, unguarded=_FULL),
    Row("label flood", _ANSWERS, _stormed(_labels, most=1.1),
        unguarded={"without": ["label_sets"]}),
    Row("Prometheus absent", _ANSWERS, _scraped),
)  # fmt: skip
