"""The model process: answers questions from one socket until it closes.

It runs as `python -m mlops.serving.model_worker FD SETTINGS`, so that a hang, a crash or a lost
interpreter lock stays inside it: a process is the only thing that a deadline can cut off. It
scores with a bundle's model, or with a heuristic of a user's own class.
"""

import contextlib
import gc
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from mlops.base.errors import BundleError
from mlops.contracts.domain import Floats, Table
from mlops.hosting.lifeline import die_with
from mlops.models.artifact import Bundle, load
from mlops.serving.drill import play
from mlops.serving.faults import Fault
from mlops.serving.wire import LENGTH, LONGEST, Answer, Ask, join_table, pack, unpack_ask

OUT_OF_MEMORY = 12
"""Exit status of a process that ended since its memory did."""

Score = Callable[[Table, int], Floats]
"""Gives one score for each of a number of candidates."""

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the worker decides when this ends
_KILLED_EARLY = "500"  # of 1000: where the machine's memory ends, this goes before a worker


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a model process is started with.

    Attributes:
        bundle: Folder of the bundle.
        digest: Digest that the bundle must have.
        packages: Packages that a custom heuristic may come from.
        heuristic: Name of the bundle's heuristic that scores; empty for the model.
        columns: Columns of the request that it is sent; empty for all.
        golden: Whether a model must first give the bundle's golden scores, so that a standby has
            worked before it is needed.
        parent: Process id of the worker; it fills it in.
        death_signal: Whether the process dies with its worker even if it hangs then.
        spare_bytes: Memory beyond what it has when it is loaded. A page of 1000 candidates takes
            a few MB; 256 MiB are far from any honest need and from what a machine misses.
    """

    bundle: str
    digest: str
    packages: tuple[str, ...] = ()
    heuristic: str = ""
    columns: tuple[str, ...] = ()
    golden: bool = True
    parent: int = 0
    death_signal: bool = True
    spare_bytes: int = 1 << 28


def serve(connection: socket.socket, score: Score) -> int:
    """Answer until the other side closes; returns the exit status.

    Args:
        connection: The socket to the worker.
        score: Who scores.
    """
    connection.sendall(pack(Answer(ask_id=0)))
    while True:
        payload = _receive(connection)
        if payload is None:
            return 0
        ask = unpack_ask(payload)
        try:
            answer = _answer(ask, score)
        except MemoryError as error:  # what it left half done is not known
            connection.sendall(pack(_failed(ask, error)))
            return OUT_OF_MEMORY
        connection.sendall(pack(answer))


def _receive(connection: socket.socket) -> bytearray | None:
    header = _exactly(connection, LENGTH.size)
    if header is None:
        return None
    (length,) = LENGTH.unpack(header)
    return _exactly(connection, length) if length <= LONGEST else None


def _exactly(connection: socket.socket, length: int) -> bytearray | None:
    content = bytearray(length)  # a new one each time: columns are views of it
    view, at = memoryview(content), 0
    while at < length:
        got = connection.recv_into(view[at:])
        if not got:
            return None
        at += got
    return content


def _answer(ask: Ask, score: Score) -> Answer:
    started = time.monotonic()
    if started >= ask.deadline:  # nobody waits for it any more
        return Answer(ask_id=ask.ask_id, expired=True)
    try:
        table = join_table(ask)
        if ask.fault:
            fault = Fault.from_numbers(ask.fault, ask.fault_ms)
            given = play(fault, ask.rows, lambda: score(table, ask.rows))
        else:
            given = score(table, ask.rows)
        scores = np.asarray(given, dtype=np.float64)
        if scores.ndim != 1:
            return Answer(ask_id=ask.ask_id, error=f"scores of shape {scores.shape}")
    except MemoryError:
        raise
    except BaseException as error:  # code that ends the program shall not end this one
        return _failed(ask, error)
    return Answer(ask.ask_id, scores.tobytes(), time.monotonic() - started)


def _failed(ask: Ask, error: BaseException) -> Answer:
    return Answer(ask_id=ask.ask_id, error=f"{type(error).__name__}: {error}"[:500])


def _load(settings: WorkerSettings) -> Score:
    """Return who scores.

    Raises:
        BundleError: The bundle cannot be loaded, is another one, or scores other than it did.
    """
    # A model needs nothing of a user's own heuristics, so their faults cannot become its own.
    packages = settings.packages if settings.heuristic else None
    bundle = load(Path(settings.bundle), packages=packages)
    if bundle.ref.digest != settings.digest:
        raise BundleError(
            f"{settings.bundle} holds bundle {bundle.ref.digest}, not {settings.digest}"
        )
    if settings.heuristic:
        return _heuristic(bundle, settings.heuristic)
    return _model(bundle, golden=settings.golden)


def _model(bundle: Bundle, *, golden: bool) -> Score:
    program, batch = bundle.parts.program, bundle.parts.golden
    if golden and batch is not None:
        difference = replace(batch, heuristics={}).difference(program, {})
        if difference is not None:
            raise BundleError(f"bundle {bundle.ref.digest}: {difference}")
    return lambda table, _: program.score(table)


def _heuristic(bundle: Bundle, name: str) -> Score:
    fitted = bundle.parts.heuristics.get(name)
    if fitted is None:
        raise BundleError(f"bundle {bundle.ref.digest} holds no heuristic {name!r}")
    return fitted.heuristic.score


def _go_first() -> None:
    """Let a system that runs out of memory end this process before its worker."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_KILLED_EARLY)


def _limit_memory(spare_bytes: int) -> None:
    """Let this process take no more memory than it has now and some more."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return  # only Linux tells it
    wanted = pages * resource.getpagesize() + spare_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Run the process."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    settings = msgspec.json.decode(sys.argv[2], type=WorkerSettings)
    die_with(settings.parent, even_hanging=settings.death_signal)
    _go_first()
    connection = socket.socket(fileno=int(sys.argv[1]))
    with contextlib.suppress(ConnectionError):  # the worker is gone
        try:
            score = _load(settings)
        except Exception as error:  # a user's own class may raise anything
            connection.sendall(pack(Answer(ask_id=0, error=str(error) or type(error).__name__)))
            return
        gc.collect()
        gc.freeze()
        _limit_memory(settings.spare_bytes)
        sys.exit(serve(connection, score))


if __name__ == "__main__":
    main()
