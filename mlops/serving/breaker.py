"""A breaker: leaves a failing model alone, and lets it back in step by step.

    closed ──failures, slow, guard, impossible──▶ open ──rested──▶ half_open
      ▲                                            ▲                  │
      │                                            ├──probe_failed────┤ probes_passed
      └──ramp_done── ramping ──ramp_failed─────────┘                  ▼
                        └──ramp_step (1, 5, 25, 50 %)◀────────────────┘

Closed, it counts the calls of a sliding window and opens when enough of them failed, were slow,
or gave what the guard refused. Open, it refuses all. Half open, it lets one probe through at a
time, in the shadow: the fallback answers the caller, the model is asked beside it, and only its
outcome counts. Then the model gets growing shares of the traffic, so that what comes back is met
by a trickle and not by all callers at once, and any step that goes wrong opens it again.

An answer that was proved impossible trips it at once, for longer, whatever the window says.

Source of the pattern: Nygard, "Release It!", 2nd ed., ch. 5.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from mlops.base.clock import Clock
from mlops.serving.spec import BreakerMode, BreakerSpec, Protection, ServingSpec
from mlops.serving.window import Counts, Outcome, Window

_log = logging.getLogger(__name__)
_LONGEST_PAUSE_S = 60.0
_LONGEST_TRIP_S = 3600.0
_TRIPS_FORGOTTEN_S = 3600.0
_MOST_DOUBLINGS = 30
_FEW = 4
"""The part of `min_calls` that is enough to judge a step of the ramp: its traffic is a trickle."""


class State(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    RAMPING = "ramping"
    FORCED_OPEN = "forced_open"
    METRICS_ONLY = "metrics_only"


class Change(StrEnum):
    """Why a breaker changed its state."""

    FAILURES = "failures"
    SLOW = "slow"
    GUARD = "guard"
    IMPOSSIBLE = "impossible"
    RESTED = "rested"
    PROBES_PASSED = "probes_passed"
    PROBE_FAILED = "probe_failed"
    RAMP_STEP = "ramp_step"
    RAMP_DONE = "ramp_done"
    RAMP_FAILED = "ramp_failed"
    FORCED = "forced"
    RELEASED = "released"


_AUTO = (State.CLOSED, State.OPEN, State.HALF_OPEN, State.RAMPING)

TRANSITIONS: tuple[tuple[State, State, Change], ...] = (
    *((State.CLOSED, State.OPEN, why) for why in (Change.FAILURES, Change.SLOW, Change.GUARD)),
    *((old, State.OPEN, Change.IMPOSSIBLE) for old in _AUTO if old is not State.OPEN),
    (State.OPEN, State.HALF_OPEN, Change.RESTED),
    (State.HALF_OPEN, State.OPEN, Change.PROBE_FAILED),
    (State.HALF_OPEN, State.RAMPING, Change.PROBES_PASSED),
    (State.HALF_OPEN, State.CLOSED, Change.PROBES_PASSED),
    (State.RAMPING, State.RAMPING, Change.RAMP_STEP),
    (State.RAMPING, State.CLOSED, Change.RAMP_DONE),
    (State.RAMPING, State.OPEN, Change.RAMP_FAILED),
    *((old, State.FORCED_OPEN, Change.FORCED) for old in (*_AUTO, State.METRICS_ONLY)),
    *((old, State.METRICS_ONLY, Change.FORCED) for old in (*_AUTO, State.FORCED_OPEN)),
    (State.FORCED_OPEN, State.OPEN, Change.RELEASED),
    (State.FORCED_OPEN, State.HALF_OPEN, Change.RELEASED),
    (State.METRICS_ONLY, State.OPEN, Change.RELEASED),
    (State.METRICS_ONLY, State.CLOSED, Change.RELEASED),
)
"""Every change that can happen, with its reason."""

OnChange = Callable[[State, State, Change], None]


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """The right to one call, and the stay in one state during which it was given.

    Attributes:
        shadow: Whether the call is a probe: the fallback answers, and only the outcome counts.
        share: Share of requests that got a ticket at that time, 0 to 1.
        stay: Number of the stay.
    """

    shadow: bool
    share: float
    stay: int


class Breaker:
    """One model's breaker; used from one thread, and never held during a call.

    Args:
        spec: Its limits.
        clock: Monotonic time.
        on_change: Called with the old state, the new one, and why.
        acts: False for a drill that takes the breaker away: it stays in `metrics_only`.
    """

    def __init__(
        self, spec: BreakerSpec, clock: Clock, on_change: OnChange, *, acts: bool = True
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._on_change = on_change
        self._acts = acts
        self._state = State.CLOSED
        self._window = Window(spec.window_s)
        self._closed_at = -math.inf
        self._open_until = -math.inf
        self._openings = 0  # in a row, each before it had stayed closed for a window
        self._trips = 0  # in a row, each before it had stayed closed for an hour
        self._tripped = False
        self._distrusted = -1  # the last stay that an impossible answer ended
        self._ticket = Ticket(shadow=False, share=1.0, stay=0)
        self._probe: Ticket | None = None
        self._passed_probes = 0
        self._step = 0
        self._step_at = 0.0
        self._step_counts = Counts()
        self.set_mode(spec.mode)

    @classmethod
    def of(cls, spec: ServingSpec, clock: Clock, on_change: OnChange) -> Self:
        """Make the breaker that a service declares, without what a drill takes away."""
        limits = spec.breaker
        if not spec.protects(Protection.RAMP):
            limits = limits.model_copy(update={"ramp": ()})
        return cls(limits, clock, on_change, acts=spec.protects(Protection.BREAKER))

    @property
    def state(self) -> State:
        """The present state; an open breaker turns half open at the next `admit`."""
        return self._state

    @property
    def resting(self) -> bool:
        """Whether the next call would be refused, whatever it draws."""
        if self._state is State.OPEN:
            return self._clock.monotonic() < self._open_until
        return self._state is State.FORCED_OPEN

    @property
    def tripped(self) -> bool:
        """Whether it rests because of an answer that was proved impossible."""
        return self._tripped and self._state is State.OPEN and self.resting

    @property
    def share(self) -> float:
        """Share of requests whose answer the model may give at present, 0 to 1."""
        if self._state is State.RAMPING:
            return self._ticket.share
        return 1.0 if self._state in (State.CLOSED, State.METRICS_ONLY) else 0.0

    def admit(self, draw: float) -> Ticket | None:
        """Return a ticket if the model may be asked now, else None.

        Whoever holds a ticket owes exactly one `record` or `release` with it.

        Args:
            draw: A random number in [0, 1), by which the ramp chooses.
        """
        state = self._state
        if state is State.CLOSED or state is State.METRICS_ONLY:
            return self._ticket
        if self.resting:
            return None
        if state is State.RAMPING:
            self._climb()
            return self._ticket if draw < self._ticket.share else None
        if state is State.OPEN:
            self._change(State.HALF_OPEN, Change.RESTED)
        if self._probe is not None:
            return None
        self._probe = Ticket(shadow=True, share=0.0, stay=self._ticket.stay)
        return self._probe

    def record(self, ticket: Ticket, outcome: Outcome) -> None:
        """Record how a call ended.

        A call that was let through before the last change of state says nothing new and is
        not counted, so that stragglers can neither open nor close the breaker.
        """
        if ticket.stay != self._ticket.stay:
            return
        if ticket.shadow:
            self._record_probe(ticket, outcome)
            return
        if self._state is State.RAMPING:
            counts = self._step_counts
            counts.add(outcome)
            if outcome is not Outcome.OK and self._too_bad(counts, self._few, refused=1):
                self._open(Change.RAMP_FAILED)
            return
        self._window.add(self._clock.monotonic(), outcome)
        # A success is no reason to open, even if it is the call that makes them enough.
        if outcome is not Outcome.OK:
            least = self._spec.min_calls
            why = self._too_bad(self._window.counts, least, refused=least)
            if why is not None:
                self._open(why)

    def release(self, ticket: Ticket) -> None:
        """Give a ticket back whose call told nothing about the model."""
        if ticket is self._probe:
            self._probe = None

    def trip(self, ticket: Ticket | None = None) -> bool:
        """Open at once: an answer was proved impossible, and one is enough.

        Further ones from calls that were under way come from the same fault and change nothing;
        one after it rested doubles the pause. The call's ticket still has to be given back.

        Args:
            ticket: The call's, if it had one.

        Returns:
            Whether it is a new fault, so that the model has to be replaced.
        """
        known = ticket is not None and ticket.stay <= self._distrusted
        if known or self.tripped:
            return False
        self._distrusted = self._ticket.stay
        if self._state is State.METRICS_ONLY:
            self._tell(Change.IMPOSSIBLE)
            self._renew()
        else:
            self._open(Change.IMPOSSIBLE)
        return True

    def renew(self) -> None:
        """Forget the calls of a process that was replaced: they say nothing about the new one.

        A pause goes on; probes and the present step of the ramp begin anew.
        """
        if self._state not in (State.OPEN, State.FORCED_OPEN):
            self._renew()

    def set_mode(self, mode: BreakerMode) -> None:
        """Switch what it does; forced open and released, it probes before it lets traffic in."""
        if not self._acts:
            mode = BreakerMode.METRICS_ONLY
        state = self._state
        if mode is not BreakerMode.AUTO:
            if state.value != mode.value:
                self._change(State(mode.value), Change.FORCED)
        elif state in (State.FORCED_OPEN, State.METRICS_ONLY):
            if self._clock.monotonic() < self._open_until:
                self._change(State.OPEN, Change.RELEASED)
            elif state is State.FORCED_OPEN:
                self._change(State.HALF_OPEN, Change.RELEASED)
            else:
                self._change(State.CLOSED, Change.RELEASED)

    @property
    def _few(self) -> int:
        return max(1, self._spec.min_calls // _FEW)

    def _too_bad(self, counts: Counts, least: int, *, refused: int) -> Change | None:
        """Return what there is too much of, if there are enough calls to tell."""
        calls, spec = counts.calls, self._spec
        if calls >= refused and counts.refused >= max(1.0, spec.guard_ratio * calls):
            return Change.GUARD
        if calls < least:
            return None
        if counts.failed >= spec.failure_ratio * calls:
            return Change.FAILURES
        return Change.SLOW if counts.slow >= spec.slow_ratio * calls else None

    def _record_probe(self, ticket: Ticket, outcome: Outcome) -> None:
        if ticket is not self._probe:
            return
        self._probe = None
        if outcome is not Outcome.OK:
            self._open(Change.PROBE_FAILED)
            return
        self._passed_probes += 1
        if self._passed_probes >= self._spec.probes:
            self._change(State.RAMPING if self._spec.ramp else State.CLOSED, Change.PROBES_PASSED)

    def _climb(self) -> None:
        """Go to the next step once the present one has lasted, however few calls it had."""
        if self._clock.monotonic() - self._step_at < self._spec.ramp_s:
            return
        if self._step + 1 == len(self._spec.ramp):
            self._change(State.CLOSED, Change.RAMP_DONE)
            return
        if self._step_counts.calls >= self._few:  # else they are judged with the next step's
            self._step_counts = Counts()
        self._begin_step(self._step + 1)
        self._on_change(State.RAMPING, State.RAMPING, Change.RAMP_STEP)

    def _begin_step(self, step: int) -> None:
        self._step = step
        self._step_at = self._clock.monotonic()
        self._ticket = Ticket(shadow=False, share=self._spec.ramp[step], stay=self._ticket.stay)

    def _open(self, why: Change) -> None:
        if self._state is State.METRICS_ONLY:
            self._tell(why)
            self._window.clear()
            return
        now, spec = self._clock.monotonic(), self._spec
        closed_s = now - self._closed_at if self._state is State.CLOSED else 0.0
        if closed_s >= spec.window_s:
            self._openings = 0
        if closed_s >= _TRIPS_FORGOTTEN_S:
            self._trips = 0
        pause_s = min(spec.open_s * 2.0**self._openings, max(_LONGEST_PAUSE_S, spec.open_s))
        self._openings = min(self._openings + 1, _MOST_DOUBLINGS)
        self._tripped = why is Change.IMPOSSIBLE
        if self._tripped:
            trip_s = min(spec.trip_s * 2.0**self._trips, _LONGEST_TRIP_S)
            self._trips = min(self._trips + 1, _MOST_DOUBLINGS)
            pause_s = max(pause_s, trip_s)
        self._open_until = now + pause_s
        if self._state is not State.FORCED_OPEN:
            self._change(State.OPEN, why)

    def _tell(self, why: Change) -> None:
        _log.warning("breaker: would open (%s), but only counts", why.value)

    def _renew(self) -> None:
        """Begin a new stay in the same state: no ticket from before counts."""
        self._window.clear()
        self._step_counts = Counts()
        self._probe = None
        self._passed_probes = 0
        self._ticket = Ticket(shadow=False, share=1.0, stay=self._ticket.stay + 1)
        if self._state is State.RAMPING:
            self._begin_step(self._step)

    def _change(self, new: State, why: Change) -> None:
        old, self._state = self._state, new
        self._step = 0
        self._renew()
        if new is State.CLOSED:
            self._closed_at = self._clock.monotonic()
        if old is not new:
            self._on_change(old, new, why)
