"""Model processes: a lane with real children, what it told, and which children there are."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

from mlops.base.clock import SystemClock
from mlops.contracts.domain import Table
from mlops.models.artifact import BundleRef
from mlops.serving.faults import Fault, parse
from mlops.serving.model_worker import WorkerSettings
from mlops.serving.process import ModelProcess
from tests.components.toys import rows_of

SERVICE, MODEL = "search_ranking", "logistic"
ROWS = 20
CLOCK = SystemClock()
HANG_S = 0.4
START_S = 30.0


class Told:
    """Remembers what it is told about the processes."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def model_ready(self, *, ready: bool) -> None:
        self.events.append("ready" if ready else "lost")

    def model_restarted(self, cause: str) -> None:
        self.events.append(cause)


class Running:
    """A lane with its watcher, a fault switch and rows to ask about."""

    def __init__(self, settings: WorkerSettings, **ports: Any) -> None:
        self.told = Told()
        self.fault = Fault()
        self.lane = ModelProcess(
            settings,
            hang_s=HANG_S,
            clock=CLOCK,
            watcher=self.told,
            faults=lambda: self.fault,
            **ports,
        )
        self.table: Table = rows_of(SERVICE, MODEL, ROWS)

    def play(self, text: str) -> None:
        self.fault = parse(text)

    async def ask(self, within_s: float = 10.0, rows: int = ROWS) -> list[float]:
        deadline = CLOCK.monotonic() + within_s
        table = {name: values[:rows] for name, values in self.table.items()}
        scores, seconds = await self.lane.score(table, rows, deadline=deadline)
        assert 0 <= seconds < within_s
        found: list[float] = scores.tolist()
        return found

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(START_S):
            while not happened():
                await asyncio.sleep(0.005)

    async def standby(self) -> None:
        await self.until(lambda: self.lane.standby_ready)


def settings_of(ref: BundleRef, **changes: Any) -> WorkerSettings:
    return WorkerSettings(bundle=str(ref.path), digest=ref.digest, **changes)


@contextlib.asynccontextmanager
async def running(settings: WorkerSettings, **ports: Any) -> AsyncGenerator[Running, None]:
    it = Running(settings, **ports)
    await it.lane.start()
    try:
        assert await it.lane.wait_ready(START_S)
        yield it
    finally:
        await it.lane.stop()


def with_processes(
    settings: WorkerSettings, test: Callable[[Running], Awaitable[None]], **ports: Any
) -> None:
    """Run a test beside a lane that is ready, and see that it leaves no child."""

    async def run() -> None:
        async with running(settings, **ports) as it:
            await test(it)

    asyncio.run(run())
    assert children() == []


def children(of: int | None = None) -> list[int]:
    """Return processes of ours, or of another, that run the model worker; oldest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes()
            if parent == (of or os.getpid()) and b"mlops.serving.model_worker" in command:
                found.append(int(entry.name))
    return sorted(found)


def lives(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
