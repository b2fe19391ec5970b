"""A process tree: its members, their CPU time and memory, from /proc."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process tree uses.

    Attributes:
        processes: How many it has.
        cpu_s: CPU seconds of those that live, and of those that they waited for.
        pss_mb: Memory, that which is shared with others counted in part, MB.
        rss_mb: Memory, counted in full in each process, MB.
    """

    processes: int
    cpu_s: float
    pss_mb: float
    rss_mb: float


def tree(pid: int) -> list[int]:
    """Return a process and its descendants; empty if it is gone."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        each = waiting.pop()
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
            found.append(each)
    return found


def children(pid: int) -> list[int]:
    """Return a process's children, oldest first."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return sorted(found)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def usage(pids: Iterable[int]) -> Usage:
    """Return what some processes use together."""
    count, ticks, pss, rss = 0, 0, 0, 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(each) for each in fields[11:15])
            memory = smaps(pid)
            pss, rss, count = pss + memory["Pss"], rss + memory["Rss"], count + 1
    return Usage(count, ticks / _TICKS, pss / 1024, rss / 1024)


def smaps(pid: int) -> dict[str, int]:
    """Return a process's memory by kind, KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    pairs = (line.split() for line in lines)
    return {name.rstrip(":"): int(value) for name, value, *_ in pairs}


def open_files(pid: int) -> int:
    """Return the number of a process's file descriptors."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def free_port() -> int:
    """Return a TCP port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process that we started, and by their ids whatever it leaves behind."""
    members = tree(process.pid)
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in members[1:]:
        _end(pid)


def _end(pid: int) -> None:
    limit = time.monotonic() + 2.0
    while alive(pid) and time.monotonic() < limit:
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
