"""Admission: the one queue of a worker, which decides whose turn it is and who gets the model.

While nothing waits, a request is worked on in the same call. Else it queues up by priority, first
come first served within one, and the queue is drained in short turns, so that the event loop goes
on reading and each request has its true time of arrival.

With more requests than the worker can answer by the model, three things happen, in this order:

1. **The heuristic answers some.** While more wait than the limiter lets wait, up to a fifth of
   the working time goes to answers by the heuristic, which take less time each. Not more: a worker
   that gave all its time to the cheapest answers would give none by the model when the load is
   high enough, which is when its answers are worth the most.
2. **The queue is bounded by time.** What would have to wait longer than half of the time that it
   has is refused on arrival, so that what is let in is answered in good time, and who is refused
   learns it at once. The least important goes first, and of those the youngest.
3. **What is too late is not worked on.**

The order was decided by simulation (tests/unit/serving/test_overload.py). First come, first served
without a bound spends its time on what is nearly too late: at 5 times the load the model gives
little over half of the useful answers that it could. Last come, first served gives them, but at
10 times the load it loses a tenth of the critical callers. The bound is on the time that a queue
costs, not on its length, after Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012.

Refusing costs time too. What a worker needs to read and refuse a request, times the overload, is
lost to its answers, and no order of the queue brings it back.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from mlops.base.clock import Clock
from mlops.hosting.exchange import Exchange
from mlops.serving.limiter import Limiter, Pace
from mlops.serving.spec import LimitSpec

_TURN_S = 0.002
_HEURISTIC_SHARE = 0.2
"""Most of the working time that goes to the heuristic's answers under pressure."""
_LONG_WAIT = 0.25
"""The part of its time after whose waiting a request presses for answers by the heuristic."""
_LONGEST_WAIT = 0.5
"""The part of its time that a request waits at most."""
_FIRST_GUESS_S = 0.0005
_GAIN = 0.125
_OUTLIER = 8.0
_CREDIT_S = 0.05
"""Most working time that may be owed to either kind of answer."""
_MOST_DEADLINE_MS = 600_000.0
_DIGITS = 16


class Priority(IntEnum):
    """How much a caller minds being refused; a larger one is more important."""

    SHEDDABLE = 0
    NORMAL = 1
    CRITICAL = 2

    @property
    def label(self) -> str:
        """Its name in headers and metrics."""
        return self.name.lower()


def parse_priority(value: bytes, *, allowed: bool) -> Priority:
    """Read the header that declares a caller's priority.

    Args:
        value: `critical`, `normal` or `sheddable`.
        allowed: Whether callers may call themselves critical; if not, that counts as normal.

    Raises:
        ValueError: It is none of these; the message is for a person.

    >>> parse_priority(b"critical", allowed=False)
    <Priority.NORMAL: 1>
    """
    match value.strip().lower():
        case b"critical":
            return Priority.CRITICAL if allowed else Priority.NORMAL
        case b"normal":
            return Priority.NORMAL
        case b"sheddable":
            return Priority.SHEDDABLE
    message = "X-Priority must be critical, normal or sheddable"
    raise ValueError(message)


def parse_deadline_ms(value: bytes) -> float:
    """Read the header by which a caller asks for a shorter deadline.

    Args:
        value: Milliseconds, a plain decimal number above 0.

    Raises:
        ValueError: It is none; the message is for a person.

    >>> parse_deadline_ms(b"12.5")
    12.5
    """
    text = value.strip()
    whole, _, part = text.partition(b".")
    plain = len(text) <= _DIGITS and (whole + part).isdigit()  # no sign, exponent, nan or _
    milliseconds = float(text) if plain else 0.0
    if not 0 < milliseconds <= _MOST_DEADLINE_MS:
        message = "X-Deadline-Ms must be a number of milliseconds, above 0 and at most 600000"
        raise ValueError(message)
    return milliseconds


@dataclass(slots=True)
class Job:
    """A request that wants to be decided.

    Attributes:
        exchange: The request and the way to answer it.
        arrived: Monotonic seconds of its arrival.
        deadline: Monotonic seconds by which it must be answered.
        priority: How important its caller is.
    """

    exchange: Exchange
    arrived: float
    deadline: float
    priority: Priority = Priority.NORMAL


class Desk(Protocol):
    """Who answers; neither method raises."""

    def work(self, job: Job, use_model: bool) -> None:
        """Answer a request, or begin to.

        Args:
            job: The request.
            use_model: Whether the model may be asked.
        """
        ...

    def shed(self, job: Job) -> None:
        """Refuse a request, so that others are in time."""
        ...


class Watcher(Protocol):
    """Who counts what was refused."""

    def shed(self, priority: str, cause: str) -> None:
        """A request was refused: `queue_full`, `expired` or `draining`."""
        ...


class Admission:
    """The queue of one worker; used from its event loop only.

    Args:
        spec: How many may wait.
        desk: Who answers.
        limiter: How many may wait before the heuristic takes a part of the answers. Without it
            (a drill) every request is worked on as it comes.
        clock: Monotonic time.
        call_soon: Runs a function in the loop's next iteration.
        watcher: Counts what is refused.
    """

    def __init__(
        self,
        spec: LimitSpec,
        desk: Desk,
        *,
        limiter: Limiter,
        clock: Clock,
        call_soon: Callable[[Callable[[], None]], object],
        watcher: Watcher,
    ) -> None:
        self._most = spec.queue
        self._desk = desk
        self._limiter = limiter
        self._now = clock.monotonic
        self._call_soon = call_soon
        self._watcher = watcher
        self._sheddable: deque[Job] = deque()
        self._normal: deque[Job] = deque()
        self._critical: deque[Job] = deque()
        self._queues = (self._sheddable, self._normal, self._critical)  # by `Priority`
        self._turn_due = False
        self._mean_s = _FIRST_GUESS_S
        self._least = Pace()  # how long an answer takes at least, by the heuristic
        self._aging = False  # whether someone has waited for long
        self._credit_s = 0.0  # working time that the heuristic's answers may still take
        self.waiting = 0
        """Requests that wait at present."""

    def offer(self, job: Job) -> None:
        """Take a request: work on it, let it wait, or refuse it or a less important one."""
        if not self._limiter.acts:
            self._desk.work(job, use_model=True)
            return
        if self._turn_due:
            self._enqueue(job)
            return
        # What else arrives in this iteration of the loop waits for the turn, in order of priority.
        self._turn_due = True
        self._call_soon(self._turn)
        self._work(job, self._now())

    def drain(self) -> None:
        """Refuse what waits: the worker stops and its time is over."""
        for queue in reversed(self._queues):
            while queue:
                self._shed(queue.popleft(), "draining")

    def _enqueue(self, job: Job) -> None:
        queue = self._queues[job.priority]
        queue.append(job)
        self.waiting += 1
        if self._waits_too_long(job, queue[0]):
            self._shed(queue.pop(), "queue_full")
        elif self.waiting > self._most:
            least = self._sheddable or self._normal or self._critical
            self._shed(least.pop(), "queue_full")

    def _waits_too_long(self, job: Job, first: Job) -> bool:
        """Tell whether a request would wait too long, by what is ahead or how the first fares.

        The first of its priority tells what the work ahead does not: how much of the time goes to
        more important requests that come later.
        """
        now, ahead = self._now(), self._ahead(job.priority) - 1
        if self._wait_s(ahead) > _LONGEST_WAIT * (job.deadline - now):
            return True
        # Where few wait, it was the whole worker that stood still, and they will soon be done.
        return not self._limiter.has_room(ahead) and _waited(first, now) > _LONGEST_WAIT

    def _wait_s(self, ahead: int) -> float:
        """Return how long so many take; in a short rush most of them by the heuristic."""
        least_s, share_s = self._least.mean_s, max(0.0, self._credit_s)
        quick = min(float(ahead), share_s / least_s) if least_s else 0.0
        return quick * least_s + (ahead - quick) * self._mean_s

    def _ahead(self, priority: Priority) -> int:
        """Return how many wait that are at least as important."""
        if not self.waiting:
            return 0
        if priority is Priority.CRITICAL:
            return len(self._critical)
        return self.waiting - len(self._sheddable) if priority is Priority.NORMAL else self.waiting

    def _turn(self) -> None:
        try:
            self._work_on()
        finally:  # or whatever waits would wait for ever
            self._turn_due = self.waiting > 0
            if self._turn_due:
                self._call_soon(self._turn)

    def _work_on(self) -> None:
        now = self._now()
        until = now + _TURN_S
        self._aging = False
        for queue in self._queues:  # the less important may not get their turn before it is over
            while queue and queue[0].deadline <= now:
                self._shed(queue.popleft(), "expired")
            self._aging |= bool(queue) and _waited(queue[0], now) > _LONG_WAIT
        while self.waiting and now < until:
            now = self._next(now)

    def _next(self, now: float) -> float:
        """Work on the most important request that waits; returns the time after it."""
        job = (self._critical or self._normal or self._sheddable).popleft()
        if job.deadline <= now + self._least.longest_s:
            self._least.fade()
            self._shed(job, "expired")
            return self._now()
        self.waiting -= 1
        return now if job.exchange.gone else self._work(job, now)

    def _work(self, job: Job, now: float) -> float:
        waiting = self._ahead(job.priority)
        use_model = not self._pressed(job, waiting)
        self._desk.work(job, use_model)
        after = self._now()
        took_s = after - now
        # A first request that fills caches, or a pause of the machine, is not what others take.
        self._mean_s += (min(took_s, _OUTLIER * self._mean_s) - self._mean_s) * _GAIN
        if use_model:
            self._credit_s += took_s * _HEURISTIC_SHARE / (1 - _HEURISTIC_SHARE)
            self._limiter.answered(after - job.arrived, waiting + 1)
        else:
            self._credit_s -= took_s
            self._least.observe(took_s)
        self._credit_s = max(-_CREDIT_S, min(self._credit_s, _CREDIT_S))
        return after

    def _pressed(self, job: Job, waiting: int) -> bool:
        """Tell whether the heuristic should answer: too much waits, and it has its share.

        A critical caller makes room for other critical ones only.
        """
        if self._credit_s <= 0:
            return False
        critical = job.priority is Priority.CRITICAL
        return (self._aging and not critical) or not self._limiter.has_room(waiting)

    def _shed(self, job: Job, cause: str) -> None:
        self.waiting -= 1
        self._watcher.shed(job.priority.label, cause)
        self._desk.shed(job)


def _waited(job: Job, now: float) -> float:
    """Return the part of its time that a request has waited."""
    return (now - job.arrived) / (job.deadline - job.arrived)
