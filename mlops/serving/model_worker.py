"""The model process: answers questions from one socket until it closes.

It runs as `python -m mlops.serving.model_worker FD SETTINGS`, so that a hang, a crash or a lost
interpreter lock stays inside it: a process is the only thing that a deadline can cut off.
"""

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from mlops.base.errors import MlopsError
from mlops.contracts.domain import Floats, Table
from mlops.models.artifact import load
from mlops.serving.faults import FaultKind
from mlops.serving.wire import LENGTH, Answer, Ask, join_table, pack, unpack_ask

_PR_SET_PDEATHSIG = 1
_NICENESS = 5  # a model that spins must not take the CPU from the server that cuts it off


class WorkerSettings(msgspec.Struct):
    """What the process is started with.

    Attributes:
        bundle: Folder of the bundle.
        packages: Packages that a custom heuristic may come from.
        parent: Process id of the server.
    """

    bundle: str
    packages: list[str]
    parent: int


def serve(connection: socket.socket, score: Callable[[Table], Floats]) -> None:
    """Answer until the other side closes.

    Args:
        connection: The socket to the server.
        score: Gives one score a candidate.
    """
    connection.sendall(pack(Answer(ask_id=0)))
    with connection.makefile("rb") as stream:
        while header := stream.read(LENGTH.size):
            ask = unpack_ask(stream.read(LENGTH.unpack(header)[0]))
            connection.sendall(pack(_answer(ask, score)))


def _answer(ask: Ask, score: Callable[[Table], Floats]) -> Answer:
    started = time.monotonic()
    if started >= ask.deadline:  # nobody waits for it any more
        return Answer(ask_id=ask.ask_id, error="expired before it was begun")
    try:
        scores = _play(ask, score)
    except Exception as error:
        return Answer(ask_id=ask.ask_id, error=f"{type(error).__name__}: {error}"[:500])
    return Answer(ask.ask_id, scores.tobytes(), time.monotonic() - started)


def _play(ask: Ask, score: Callable[[Table], Floats]) -> Floats:
    """Return the scores, after the drill's fault."""
    match FaultKind(ask.fault):
        case FaultKind.MODEL_HANG:
            while True:  # holds the interpreter lock as far as Python code can
                pass
        case FaultKind.MODEL_ERROR:
            message = "drill: model_error"
            raise RuntimeError(message)
        case FaultKind.MODEL_NAN:
            return np.full(ask.rows, np.nan)
        case FaultKind.MODEL_OUT_OF_RANGE:
            return np.full(ask.rows, sys.float_info.max)
        case FaultKind.SLOW_MS:
            time.sleep(ask.fault_ms / 1000)
        case FaultKind.NONE:
            pass
    return score(join_table(ask))


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process when the server dies, even if it hangs then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        sys.exit(0)


def main() -> None:
    """Run the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides when this ends
    os.nice(_NICENESS)
    settings = msgspec.json.decode(sys.argv[2], type=WorkerSettings)
    _die_with(settings.parent)
    connection = socket.socket(fileno=int(sys.argv[1]))
    try:
        bundle = load(Path(settings.bundle), packages=settings.packages)
    except MlopsError as error:
        connection.sendall(pack(Answer(ask_id=0, error=str(error))))
        return
    serve(connection, bundle.parts.program.score)


if __name__ == "__main__":
    main()
