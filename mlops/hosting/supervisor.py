"""A supervisor: starts a service's processes, notices what becomes of them, and stops them.

One thread, one loop, and nothing in it that waits for a single process or holds a lock: whatever
the others do, this one goes on. It answers no request itself.
"""

import contextlib
import gc
import logging
import math
import selectors
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial

from mlops.base.clock import Clock
from mlops.hosting import control
from mlops.hosting.backoff import Backoff
from mlops.hosting.forking import begin, ending, fork, is_stopped, kill, reap, was_stopped
from mlops.hosting.log import ALWAYS
from mlops.hosting.member import Member
from mlops.hosting.overseer import Overseer
from mlops.hosting.poison import Poison, blames
from mlops.hosting.seat import Role, Seat
from mlops.hosting.settings import SupervisionSettings
from mlops.hosting.shared import Shared
from mlops.hosting.signals import Signals
from mlops.hosting.stopping import Stopping
from mlops.hosting.trial import Done, Trials
from mlops.hosting.watch import Watch

_log = logging.getLogger(__name__)
_DOUBLED_S = 0.5
"""Seconds in which a second signal to stop is the same order once more: a terminal's Ctrl-C and a
wrapper that passes it on."""


class Supervisor:
    """Keeps the members of all roles running until it is told to stop.

    Members are numbered in the order of roles, from 0 on. They are stopped in that order too, each
    role after the one before has ended.

    Args:
        roles: What the members do.
        shared: Memory with as many members.
        settings: When a member counts as lost, and how soon it comes back.
        clock: Monotonic time.
        overseer: Is told what happens.
        listeners: Sockets that the members listen on; they are closed here when stopping begins.
        drain_s: Seconds that the members are given to stop. A later role gets one more second if
            those before have used them up.
        die_together: Whether the members die with this process, however it ends (Linux only).
        replaces: False for a drill in which nobody takes a dead member's place.
    """

    def __init__(  # noqa: PLR0913 - what a service consists of, joined in one place
        self,
        roles: Sequence[Role],
        shared: Shared,
        settings: SupervisionSettings,
        *,
        clock: Clock,
        overseer: Overseer,
        listeners: Sequence[socket.socket],
        drain_s: float,
        die_together: bool = True,
        replaces: bool = True,
    ) -> None:
        self._shared = shared
        self._clock = clock
        self._overseer = overseer
        self._listeners = listeners
        self._drain_s = drain_s
        self._die_together = die_together
        self._replaces = replaces
        every = [role for role in roles for _ in range(role.count)]
        self._members = [
            Member(at, role, Backoff(settings.longest_pause_s), restart_at=-math.inf)
            for at, role in enumerate(every)
        ]
        self._by_pid: dict[int, Member] = {}
        self._roles = [role.name for role in roles]
        self._signals = Signals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        self._selector = selectors.DefaultSelector()
        self._trials = Trials(self._selector)
        self._poison = Poison(shared)
        self._watch = Watch(shared, settings, clock.monotonic())
        self._next_tick = -math.inf
        self._children_changed = False
        self._stopping: Stopping | None = None

    def run(self) -> int:
        """Run until SIGTERM or SIGINT and all members have ended; to be called once.

        A second signal kills those that are left. SIGHUP is passed to the overseer.

        Returns:
            0 if all members ended by themselves when they were told to stop, 1 if one had to be
            killed or failed on the way.
        """
        self._signals.install()
        self._selector.register(self._signals, selectors.EVENT_READ, self._take_signals)
        gc.collect()
        gc.freeze()  # a collection in a child would copy the pages of all that is here already
        try:
            while self._stopping is None or not self._stopping.over:
                self._turn()
            return int(self._stopping.rough)
        finally:
            for pid in self._by_pid:  # none, unless this loop itself is broken
                kill(pid)
            self._selector.close()
            self._signals.close()

    def send(self, member: int, content: bytes) -> None:
        """Send a message of 1 to 65,536 bytes; one that cannot be sent at once is lost and logged.

        Raises:
            ValueError: It is empty or too large.
        """
        end = self._members[member].control
        if end is None or not control.send(end, content):
            _log.warning("a message to member %d is lost: it is gone or does not read", member)

    def members(self, role: str) -> Sequence[int]:
        """Return the numbers of a role's members that give heartbeats."""
        return [each.number for each in self._members if each.role.name == role and each.beats]

    def drain(self) -> None:
        """Begin to stop, as SIGTERM does."""
        if self._stopping is not None:
            return
        _log.info("told to stop: answering what is in flight", extra=ALWAYS)
        for listener in self._listeners:
            listener.close()
        now = self._clock.monotonic()
        self._stopping = Stopping(
            self._members, self._roles, self._shared, now=now, drain_s=self._drain_s
        )
        for pid in self._trials.pids:
            self._guard(partial(self._trials.finish, pid))

    def try_out(self, run: Callable[[socket.socket], None], *, within_s: float, done: Done) -> None:
        """Do something risky in a child, for one message that it sends.

        Args:
            run: What the child does with its end of a socket, which waits and keeps messages apart.
            within_s: Seconds after which it is killed.
            done: Called once, with the message of 1 to 65,536 bytes, or None if the child died,
                ended or was too late without having sent one, or if the service stops.
        """
        if self._stopping is not None:
            done(None)
            return
        ours, theirs = control.pair()

        def live() -> None:
            self._leave(listens=False)
            ours.close()
            theirs.setblocking(True)
            begin()
            run(theirs)

        with contextlib.closing(theirs):
            try:
                pid = fork(live, die_together=self._die_together)
            except OSError:
                _log.exception("a trial cannot be started")
                ours.close()
                self._guard(lambda: done(None))
                return
        self._trials.add(pid, ours, until=self._clock.monotonic() + within_s, done=done)

    def _turn(self) -> None:
        now = self._clock.monotonic()
        due = [each.restart_at for each in self._members if each.restart_at is not None]
        due += [each.stopped_until for each in self._by_pid.values()]
        wait_s = max(0.0, min([self._next_tick, *due]) - now)
        for key, _ in self._selector.select(min(wait_s, self._watch.tick_s)):
            self._guard(key.data)
        now = self._clock.monotonic()
        if self._watch.pass_time(now, self._by_pid.values()):
            _log.warning("this process was paused: all members get their full time again")
        self._reap(now)
        self._see_to_stopped(now)
        if now >= self._next_tick:
            self._next_tick = now + self._watch.tick_s
            self._tick(now)
        for member in self._members:
            if member.restart_at is not None and now >= member.restart_at:
                self._start(member, now)
        if self._stopping is not None:
            self._stopping.go_on(now)

    def _tick(self, now: float) -> None:
        for member in self._by_pid.values():
            self._look(member, now)
        self._guard(lambda: self._trials.expire(now))
        self._poison.forget(now)
        self._guard(lambda: self._overseer.tick(now))

    def _look(self, member: Member, now: float) -> None:
        if member.killed or member.stopping or member.pid is None:
            return
        new = not member.beat
        cause = self._watch.look(member)
        if cause:
            self._end(member, member.pid, cause)
        elif new and member.beat:
            _log.info(
                "%s %d (process %d) is up after %.3f s",
                member.role.name, member.number, member.pid, now - member.started_at,
                extra=ALWAYS,
            )  # fmt: skip
            self._guard(lambda: self._overseer.started(member.number, member.role.name))

    def _see_to_stopped(self, now: float) -> None:
        """Replace members that somebody stopped: the kernel tells, so silence need not."""
        for pid, member in self._by_pid.items():
            if self._children_changed and was_stopped(pid):
                member.stopped_until = now + self._watch.stopped_s(now)
            if now >= member.stopped_until:
                member.stopped_until = math.inf
                if is_stopped(pid) and not member.killed and not member.stopping:
                    self._end(member, pid, "silent" if member.beat else "not_started")
        self._children_changed = False

    def _end(self, member: Member, pid: int, cause: str) -> None:
        member.blameless = is_stopped(pid)
        member.killed = cause
        kill(pid)

    def _start(self, member: Member, now: float) -> None:
        try:
            ours, theirs = control.pair()
        except OSError:
            self._put_off(member, now)
            return
        self._shared.clear(member.number)

        def live() -> None:
            self._leave(listens=member.role.listens)
            ours.close()
            begin()
            member.role.run(Seat(member.number, self._shared, theirs))

        with contextlib.closing(theirs):
            try:
                pid = fork(live, die_together=self._die_together)
            except OSError:
                ours.close()
                self._put_off(member, now)
                return
        member.begin(pid, ours, now=now, felt=self._watch.felt)
        self._by_pid[pid] = member
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._take_messages(member))

    def _put_off(self, member: Member, now: float) -> None:
        _log.exception("%s %d cannot be started", member.role.name, member.number)
        pause_s = member.backoff.pause_s(lived_s=0.0, at_work=False)
        member.restart_at = now + max(pause_s, self._watch.tick_s)

    def _leave(self, *, listens: bool) -> None:
        """Close, in a child, what is not its own."""
        self._selector.close()
        self._signals.leave()
        for each in self._members:
            if each.control is not None:
                each.control.close()
        for end in self._trials.ends:
            end.close()
        if not listens:
            for listener in self._listeners:
                listener.close()

    def _take_signals(self) -> None:
        for number in self._signals.take():
            if number == signal.SIGCHLD:
                self._children_changed = True
            elif number == signal.SIGHUP:
                self._guard(self._overseer.hangup)
            elif number in (signal.SIGTERM, signal.SIGINT):
                if self._stopping is None:
                    self.drain()
                elif self._clock.monotonic() - self._stopping.began > _DOUBLED_S:
                    self._stopping.hurry()

    def _take_messages(self, member: Member) -> bool:
        """Pass on what a member sent; returns whether there may be more."""
        if member.control is None:
            return False
        messages = control.receive(member.control)
        if messages is None:
            # It closed its end, or is about to be reaped; either way nothing more will come.
            self._close(member)
            return False
        for content in messages:
            self._guard(partial(self._overseer.message, member.number, content))
        return bool(messages)

    def _close(self, member: Member) -> None:
        if member.control is not None:
            self._selector.unregister(member.control)
            member.control.close()
            member.control = None

    def _reap(self, now: float) -> None:
        own = {*self._by_pid, *self._trials.pids}
        for pid, status in reap(own):
            member = self._by_pid.pop(pid, None)
            if member is not None:
                self._ended(member, status, now)
            else:
                self._guard(partial(self._trials.finish, pid, reaped=True))

    def _ended(self, member: Member, status: int, now: float) -> None:
        while self._take_messages(member):  # what it had to say before it died
            pass
        self._close(member)
        self._watch.look(member)  # it may have given its first heartbeat since the last look
        number, pid, cause = member.number, member.pid, member.cause()
        member.pid = None
        work = self._shared.works_on(number)
        lived_s = max(0.0, self._shared.last_beat(number) - member.first_beat)
        stopping = self._stopping
        if member.stopping:
            assert stopping is not None
            stopping.ended(status)
        elif self._replaces and (stopping is None or not member.role.listens):
            pause_s = member.backoff.pause_s(lived_s=lived_s, at_work=work != 0)
            member.restart_at = now + pause_s
        _log.log(
            logging.INFO if member.stopping else logging.ERROR,
            "%s %d (process %d) ended: %s, %s, after %.3f s",
            member.role.name, number, pid, cause, ending(status), now - member.started_at,
            extra=ALWAYS,
        )  # fmt: skip
        if blames(cause, status, stopped=member.blameless) and self._poison.died(work, now):
            _log.critical(
                "requests like %x ended processes and are refused for a while",
                work & (2**64 - 1),
                extra=ALWAYS,
            )
        self._guard(lambda: self._overseer.ended(number, member.role.name, cause))

    def _guard(self, call: Callable[[], object]) -> None:
        """Call what is not ours, and live on whatever it does."""
        try:
            call()
        except Exception:
            _log.exception("the supervisor's call failed, which has no further effect")
