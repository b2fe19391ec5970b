"""The bare limit of our own server: its HTTP protocol, answering a constant.

python -m benchmarks.peers.constant_own PORT
"""

import asyncio
import socket
import sys

import uvloop

from benchmarks.peers.answer import constant
from mlops.base.clock import SystemClock
from mlops.hosting.exchange import Exchange, Reply
from mlops.hosting.http import HttpServer
from mlops.hosting.settings import HttpSettings


class _Nobody:
    """Watches nothing."""

    def connections(self, open_now: int) -> None:
        """Ignore it."""

    def refused(self, code: int) -> None:
        """Ignore it."""

    def closed(self, cause: str) -> None:
        """Ignore it."""


async def _serve(port: int) -> None:
    answer = Reply(200, constant())

    def handle(exchange: Exchange) -> None:
        exchange.reply(answer)

    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    listener.setblocking(False)
    server = HttpServer(handle, HttpSettings(), clock=SystemClock(), watcher=_Nobody())
    server.listen(listener)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
