"""A running HTTP server in a thread, and a caller that speaks to it byte by byte."""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar, cast

import uvloop

from mlops.base.clock import Clock, SystemClock
from mlops.hosting.exchange import Exchange, Reply
from mlops.hosting.http import HttpServer
from mlops.hosting.settings import HttpSettings

T = TypeVar("T")
WITHIN_S = 20.0
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.SelectorEventLoop,
}


class Noted:
    """A watcher that notes what it learns."""

    def __init__(self) -> None:
        self.most_open = 0
        self.open = 0
        self.codes: list[int] = []
        self.causes: list[str] = []

    def connections(self, open_now: int) -> None:
        self.open = open_now
        self.most_open = max(self.most_open, open_now)

    def refused(self, code: int) -> None:
        self.codes.append(code)

    def closed(self, cause: str) -> None:
        self.causes.append(cause)


class Answer(NamedTuple):
    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)


class Caller:
    """One connection of a caller."""

    def __init__(self, address: tuple[str, int], *, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(WITHIN_S)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self._got = bytearray()

    def send(self, *pieces: bytes) -> None:
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            self.socket.sendall(piece)

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def answer(self, *, to_head: bool = False) -> Answer:
        """Read one answer."""
        while b"\r\n\r\n" not in self._got:
            self._more()
        head, _, rest = self._got.partition(b"\r\n\r\n")
        self._got = rest
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        code = int(first.split(" ")[1])
        assert first.startswith("HTTP/1.1 ")
        size = 0 if to_head or code == 100 else int(headers["content-length"])
        while len(self._got) < size:
            self._more()
        body = bytes(self._got[:size])
        del self._got[:size]
        return Answer(code, headers, body)

    def ask(self, request: bytes) -> Answer:
        self.send(request)
        return self.answer()

    def rest(self) -> bytes:
        """Read until the server closes its side; raises if it resets."""
        while piece := self.socket.recv(65536):
            self._got += piece
        return bytes(self._got)

    def is_closed(self, *, but_for: int = 1) -> bool:
        """Tell whether the server ends the connection, in whatever way, before that many bytes."""
        with contextlib.suppress(ConnectionResetError):
            self.rest()
        return len(self._got) < but_for

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError(f"the server closed after {self._got!r}")
        self._got += piece

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class Running:
    """A server in a thread of its own; its handler does what a request's path says."""

    def __init__(self, loop: str, clock: Clock, settings: HttpSettings) -> None:
        self.watcher = Noted()
        self.clock = clock
        self.held: list[Exchange] = []
        self.asked: list[str] = []
        self._loop = LOOPS[loop]()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server = self.call(
            lambda: HttpServer(self._handle, settings, clock=clock, watcher=self.watcher)
        )
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address: tuple[str, int] = self.listener.getsockname()
        self.call(lambda: self.server.listen(self.listener))

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the server's loop."""

        async def called() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(WITHIN_S)

    def start_drain(self, *, linger_s: float, within_s: float = WITHIN_S) -> Callable[[], None]:
        """Begin to drain; what is returned waits for the end."""
        until = self.clock.monotonic() + within_s
        ending = asyncio.run_coroutine_threadsafe(
            self.server.drain(until, linger_s=linger_s), self._loop
        )
        self.call(lambda: None)  # when this has come round, so has the drain's beginning
        return lambda: ending.result(WITHIN_S)

    def caller(self, *, receive_buffer: int = 0) -> Caller:
        return Caller(self.address, receive_buffer=receive_buffer)

    def release(self, body: bytes = b"{}") -> None:
        """Reply to the exchange that was held first."""
        self.eventually(lambda: bool(self.held))
        exchange = self.held.pop(0)
        self.call(lambda: exchange.reply(Reply(200, body)))

    def eventually(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + WITHIN_S
        while not true():
            assert time.monotonic() < end, "it did not become true"
            time.sleep(0.002)

    def close(self) -> None:
        self.call(self.server.stop_listening)
        self.start_drain(linger_s=0.0, within_s=0.0)()
        self.eventually(lambda: self.server.connections == 0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WITHIN_S)
        self._loop.close()

    def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        self.asked.append(request.path)
        match request.path:
            case "/hold":
                self.held.append(exchange)
            case "/later":
                self._loop.call_soon(exchange.reply, described(exchange))
            case "/raise":
                raise ValueError("a secret of the request")
            case "/large":
                exchange.reply(Reply(200, bytes(int(request.query))))
            case "/busy":
                exchange.reply(Reply(503, b"{}", retry_after_s=7))
            case "/method":
                exchange.reply(Reply(405, b"{}", allow=b"POST"))
            case "/twice":
                exchange.reply(Reply(200, b"{}"))
                with contextlib.suppress(RuntimeError):
                    exchange.reply(Reply(200, b'"second"'))
            case _:
                exchange.reply(described(exchange))


def described(exchange: Exchange) -> Reply:
    """Return a reply that tells what was asked."""
    method, path, query, headers, body, _ = cast("tuple[Any, ...]", exchange.request)
    told = {
        "method": method,
        "path": path,
        "query": query.decode("latin-1"),
        "headers": {name.decode(): value.decode("latin-1") for name, value in headers.items()},
        "body": body.decode("latin-1"),
    }
    return Reply(200, json.dumps(told).encode())


@contextlib.contextmanager
def running(
    loop: str = "uvloop", *, clock: Clock | None = None, **limits: float
) -> Iterator[Running]:
    """Run a server with limits, as in `HttpSettings`."""
    server = Running(loop, clock or SystemClock(), HttpSettings.model_validate(limits))
    try:
        yield server
    finally:
        server.close()


def get(path: str, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", "Host: a", *headers, "", ""]
    return "\r\n".join(lines).encode()


def post(body: bytes, *headers: str, path: str = "/echo") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*pieces: bytes, path: str = "/echo", trailer: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    return head + chunks + b"0\r\n" + trailer.encode() + b"\r\n"
