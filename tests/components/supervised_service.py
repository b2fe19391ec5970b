"""A small supervised service, run as a process of its own and told what to do line by line.

`python -m tests.components.supervised_service JSON` takes what `tests.components.supervised` gives
it. Each line on stdin is an order, each on stdout an event.
"""

import contextlib
import ctypes
import json
import logging
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any

from mlops.base.clock import SystemClock
from mlops.hosting.seat import Role, Seat
from mlops.hosting.settings import SupervisionSettings
from mlops.hosting.shared import Shared
from mlops.hosting.supervisor import Supervisor

BEAT_S = 0.02
COUNTED = 0
BRITTLE = 0
UNBORN = 1


def tell(**event: Any) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class Member:
    """Beats, answers on the listener with its process id, and does what it is told."""

    def __init__(self, seat: Seat, listener: socket.socket | None, lasts_s: float) -> None:
        self.seat = seat
        self.listener = listener
        self.lasts_s = lasts_s
        self.stopping = False
        self.beating = True

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self.on_sigterm)
        self.seat.send(f"hello {os.getpid()}".encode())
        with selectors.DefaultSelector() as selector:
            selector.register(self.seat.control, selectors.EVENT_READ, self.obey)
            if self.listener is not None:
                selector.register(self.listener, selectors.EVENT_READ, self.answer)
            while not self.stopping:
                if self.beating:
                    self.seat.beat(time.monotonic())
                for key, _ in selector.select(BEAT_S):
                    key.data()
        time.sleep(self.lasts_s)

    def on_sigterm(self, *_: object) -> None:
        # As a log writer does: one that is not its turn's is not for it.
        self.stopping = self.listener is not None or self.seat.told_to_stop

    def answer(self) -> None:
        assert self.listener is not None
        with contextlib.suppress(BlockingIOError):
            connection, _ = self.listener.accept()
            with connection:
                connection.sendall(f"{os.getpid()}\n".encode())

    def obey(self) -> None:
        for content in self.seat.receive() or ():
            order, _, amount = content.decode().partition(" ")
            match order:
                case "count":
                    self.seat.shared.numbers(self.seat.member)[COUNTED] += float(amount)
                case "work":
                    self.seat.shared.begin(self.seat.member, int(amount))
                case "is_poison":
                    self.seat.send(f"poison {self.seat.shared.is_poison(int(amount))}".encode())
                case "brittle":
                    self.seat.shared.flags[BRITTLE] = int(amount)
                    sys.exit(7)
                case "mute":
                    self.beating = False
                case "leave_child":
                    child = os.fork()
                    if child == 0:
                        time.sleep(60)
                        os._exit(0)
                    self.seat.send(f"child {child}".encode())
                case _:
                    fail(order)


def fail(how: str) -> None:
    match how:
        case "raise":
            raise RuntimeError("told to")
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            sys.exit(7)
        case "hang":
            while True:
                pass
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)


class Overseer:
    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.supervisor: Supervisor | None = None
        self.held = b""
        os.set_blocking(0, False)

    def started(self, member: int, role: str) -> None:
        tell(event="started", member=member, role=role)

    def ended(self, member: int, role: str, cause: str) -> None:
        tell(event="ended", member=member, role=role, cause=cause)

    def message(self, member: int, content: bytes) -> None:
        tell(event="message", member=member, content=content.decode())

    def hangup(self) -> None:
        tell(event="hangup")
        raise RuntimeError("an overseer may be broken")

    def tick(self, now: float) -> None:
        with contextlib.suppress(BlockingIOError):
            self.held += os.read(0, 65536)
        *lines, self.held = self.held.split(b"\n")
        for line in lines:
            self.obey(json.loads(line))

    def obey(self, order: dict[str, Any]) -> None:
        assert self.supervisor is not None
        match order["order"]:
            case "send":
                self.supervisor.send(order["member"], order["content"].encode())
            case "flood":
                for _ in range(10_000):
                    self.supervisor.send(order["member"], b"nothing" * 1000)
                tell(event="flooded")
            case "total":
                tell(event="total", value=self.shared.total(COUNTED))
            case "members":
                tell(event="members", members=list(self.supervisor.members(order["role"])))
            case "pause":
                time.sleep(order["s"])
            case "try_out":
                self.try_out(order["how"], order["within_s"])

    def try_out(self, how: str, within_s: float) -> None:
        def attempt(end: socket.socket) -> None:
            if how == "answer":
                end.send(b"x" * 65536)
                time.sleep(60)
            fail(how)

        def done(content: bytes | None) -> None:
            tell(event="tried", size=None if content is None else len(content))

        assert self.supervisor is not None
        self.supervisor.try_out(attempt, within_s=within_s, done=done)


def main() -> int:
    given = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    shared = Shared(members=given["workers"] + 1, numbers=4, flags=2)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    overseer = Overseer(shared)

    def work(seat: Seat) -> None:
        if given["unborn"] and seat.member == 0 and not shared.flags[UNBORN]:
            shared.flags[UNBORN] = 1
            time.sleep(60)
        if seat.member == 0 and shared.flags[BRITTLE]:  # so many processes die of their start
            shared.flags[BRITTLE] -= 1
            seat.beat(time.monotonic())
            fail("segfault")
        Member(seat, listener, given["lasts_s"]).run()

    def write(seat: Seat) -> None:
        Member(seat, None, 0.0).run()

    supervisor = Supervisor(
        [Role("worker", given["workers"], work), Role("writer", 1, write, listens=False)],
        shared,
        SupervisionSettings(**given["settings"]),
        clock=SystemClock(),
        overseer=overseer,
        listeners=[listener],
        drain_s=given["drain_s"],
        die_together=given["die_together"],
    )
    overseer.supervisor = supervisor
    tell(event="listening", port=listener.getsockname()[1])
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
