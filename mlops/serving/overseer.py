"""An overseer: the service's side of its supervisor, which hears workers and answers admins."""

import logging
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from mlops.base.clock import Clock
from mlops.hosting.shared import Shared
from mlops.hosting.supervisor import Supervisor
from mlops.serving.events import Event, Events
from mlops.serving.flags import Flag
from mlops.serving.instruments import Instruments
from mlops.serving.loading import trained_at
from mlops.serving.messages import (
    Answered,
    Asked,
    Happened,
    Listening,
    Misbehaved,
    Prepared,
    Settled,
    encode,
    from_worker,
)
from mlops.serving.plan import Plan
from mlops.serving.rollover import Loader, Rollover
from mlops.serving.series import clear_gauges
from mlops.serving.spec import BreakerMode
from mlops.serving.steward import Steward

WORKER = "worker"
_MODES = tuple(BreakerMode)
_ANNOUNCE_S = 20.0
_BODY_BYTES = 60_000
_log = logging.getLogger(__name__)


class Crew:
    """The workers, as a rollover sees them.

    Args:
        supervisor: Returns who keeps them; it is made after this.
    """

    def __init__(self, supervisor: Callable[[], Supervisor]) -> None:
        self._supervisor = supervisor

    def workers(self) -> Sequence[int]:
        """Return the members that answer."""
        return self._supervisor().members(WORKER)

    def tell(self, member: int, content: bytes) -> None:
        """Send a message to a member."""
        self._supervisor().send(member, content)

    def try_out(
        self, run: Callable[[], bytes], *, within_s: float, done: Callable[[bytes | None], None]
    ) -> None:
        """Run something in a trial process; `done` gets its result, or None if it failed."""

        def in_child(connection: socket.socket) -> None:
            connection.send(run())

        self._supervisor().try_out(in_child, within_s=within_s, done=done)


class Overseer:
    """Hears what workers say, answers what admins ask, and says where the service listens.

    Args:
        first: The plan at boot.
        shared: The shared memory.
        loader: Reads settings and bundles.
        clock: The time.
        line: What is announced once the service answers, but for `model_ready`.
    """

    def __init__(
        self,
        first: Plan,
        *,
        shared: Shared,
        loader: Loader,
        clock: Clock,
        line: dict[str, object],
    ) -> None:
        settings = first.settings
        self._shared = shared
        self._clock = clock
        self._line: dict[str, object] | None = line
        self._started_at = clock.monotonic()
        self._workers = settings.serving.workers
        self._settled: dict[int, bool] = {}
        self._declared: BreakerMode | None = None
        self._supervisor: Supervisor | None = None
        self.events = Events(clock)
        self.instruments = Instruments(settings.service, shared.numbers(shared.members))
        self.rollover = Rollover(
            first,
            loader=loader,
            crew=Crew(self._who),
            commit=self._commit,
            events=self.events,
            counted=self.instruments.swap,
            clock=clock,
        )
        self._steward = Steward(
            settings,
            shared=shared,
            instruments=self.instruments,
            events=self.events,
            roll_back=self.rollover.roll_back,
            clock=clock,
        )
        self._commit(first)

    def attach(self, supervisor: Supervisor) -> None:
        """Tell who keeps the workers."""
        self._supervisor = supervisor

    def started(self, member: int, role: str) -> None:
        """A member gave its first heartbeat."""
        if role == WORKER:
            self.rollover.welcome(member)

    def ended(self, member: int, role: str, cause: str) -> None:
        """A member is dead."""
        clear_gauges(self._shared.numbers(member))
        if self._line is None:
            self._settled.pop(member, None)
        if cause != "stopped":
            self.instruments.worker_restarted(role, cause)
            self.events.add("worker", {"role": role, "member": str(member), "cause": cause})
        if role == WORKER:
            self.rollover.left(member)

    def message(self, member: int, content: bytes) -> None:
        """A member sent a message."""
        match from_worker(content):
            case Listening(answers):
                _log.info("worker %d accepts connections, answered by %s", member, answers)
            case Settled(model_ready):
                self._settled[member] = model_ready
                self._announce()
            case Prepared() as said:
                self.rollover.prepared(member, said)
            case Misbehaved() as said:
                self.rollover.misbehaved(said)
            case Happened(kind, fields):
                self.events.add(kind, fields)
            case Asked() as asked:
                self._answer(member, asked)

    def hangup(self) -> None:
        """SIGHUP came: load again what the settings name."""
        self.rollover.reload("", allow_downgrade=False, answer=_logged)

    def tick(self, now: float) -> None:
        """Some 50 milliseconds went by."""
        self.instruments.workers(len(self._who().members(WORKER)))
        self.rollover.tick(now)
        self._steward.tick(now)
        if self._line is not None and now - self._started_at > _ANNOUNCE_S:
            self._announce(late=True)

    def _answer(self, member: int, asked: Asked) -> None:
        tell = partial(self._tell, member, asked.ask_id)
        match asked.what:
            case "reload":
                self.rollover.reload(
                    asked.bundle, allow_downgrade=asked.allow_downgrade, answer=tell
                )
            case "catch_up":
                self.rollover.catch_up(member)
            case "drain":
                tell(202, {"outcome": "draining"})
                self.events.add("drain", {"asked": "by the admin port"})
                self._who().drain()
            case "fallback" | "latch" | "release":
                tell(*self._steward.order(asked.what))
            case "events":
                tell(200, {"events": _newest(self.events.recent())})
            case _:
                tell(200, self._status())

    def _tell(self, member: int, ask_id: int, code: int, body: dict[str, object]) -> None:
        content = msgspec.json.encode(body)
        self._who().send(member, encode(Answered(ask_id, code, content)))

    def _status(self) -> dict[str, object]:
        rollover = self.rollover
        return {
            "service": rollover.current.settings.service,
            "current": _named(rollover.current),
            "previous": None if rollover.previous is None else _named(rollover.previous),
            "watching": rollover.watching,
            "workers": list(self._who().members(WORKER)),
            "model_ready": self._shared_model_ready(),
            "breaker": _MODES[self._shared.flags[Flag.BREAKER_MODE]].value,
            "policy": self._steward.status(),
        }

    def _shared_model_ready(self) -> int:
        return sum(self._settled.get(member, False) for member in self._who().members(WORKER))

    def _commit(self, plan: Plan) -> None:
        flags, mode = self._shared.flags, plan.settings.serving.breaker.mode
        if mode is not self._declared:  # what an admin forced outlives a swap
            self._declared = mode
            flags[Flag.BREAKER_MODE] = _MODES.index(mode)
        flags[Flag.EPOCH] = plan.epoch
        flags[Flag.CHANGES] += 1
        self.instruments.model_trained(trained_at(plan))
        self._steward.declare(plan.settings)

    def _announce(self, *, late: bool = False) -> None:
        """Print one line of JSON to stdout: where the service listens."""
        line = self._line
        if line is None or (len(self._settled) < self._workers and not late):
            return
        self._line = None
        ready = len(self._settled) == self._workers and all(self._settled.values())
        sys.stdout.write(msgspec.json.encode({**line, "model_ready": ready}).decode() + "\n")
        sys.stdout.flush()
        self.events.add("boot", {"url": str(line["url"]), "model_ready": str(ready).lower()},
                        level=logging.INFO)  # fmt: skip

    def _who(self) -> Supervisor:
        assert self._supervisor is not None
        return self._supervisor


def _newest(events: list[Event]) -> list[Event]:
    """Return the newest events that fit into one message."""
    room = _BODY_BYTES
    for at in range(len(events) - 1, -1, -1):
        room -= len(msgspec.json.encode(events[at])) + 1
        if room < 0:
            return events[at + 1 :]
    return events


def _named(plan: Plan) -> dict[str, object]:
    return {"epoch": plan.epoch, "digest": plan.digest, "model": plan.model}


def _logged(code: int, body: dict[str, object]) -> None:
    """Answer nobody: nobody asked over HTTP, and what is swapped or refused is an event already."""
    _log.info("SIGHUP: %s, %s", code, body.get("outcome") or body.get("reason"))
