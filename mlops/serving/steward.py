"""A steward: watches the burn rates that a policy names, and does what the policy says.

It lives in the supervisor, which sees all processes' counters and depends on nothing outside: a
budget is acted upon while Prometheus, its network or its disk is down. What it decides is one
shared flag that workers read, and a small file, so that no restart is a way back.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from mlops.base import telemetry
from mlops.base.clock import Clock
from mlops.base.errors import MlopsError
from mlops.base.store import write_file
from mlops.contracts.domain import Floats
from mlops.hosting.shared import Shared
from mlops.serving.breaker import Change, State
from mlops.serving.burn import Meter, Reading
from mlops.serving.events import Events
from mlops.serving.flags import Flag
from mlops.serving.instruments import Instruments
from mlops.serving.latch import Cause, Hold, Latch, LatchState, Record
from mlops.serving.policy import BurnRule
from mlops.serving.series import BY_NAME
from mlops.serving.settings import ServeSettings

LATCH_FILE = "latch"
_STATES = tuple(LatchState)
_HEARD_S = 1.0
"""Seconds on the way back before the breakers' states are believed: all workers have heard then."""
_log = logging.getLogger(__name__)


class Steward:
    """Does what a service's policy says.

    Args:
        settings: Name the policy, and the folder of the latch's file.
        shared: The counters of all processes, and the flags.
        instruments: The supervisor's own.
        events: Told of what it does.
        roll_back: Brings the bundle before back, for a reason; returns whether there is one.
        clock: The time.
    """

    def __init__(
        self,
        settings: ServeSettings,
        *,
        shared: Shared,
        instruments: Instruments,
        events: Events,
        roll_back: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._shared = shared
        self._instruments = instruments
        self._events = events
        self._roll_back = roll_back
        self._clock = clock
        self._file = Path(settings.state) / LATCH_FILE
        self._rules: tuple[BurnRule, ...] = ()
        self._meters: list[tuple[BurnRule, Meter]] = []
        self._asked_only: list[tuple[BurnRule, Meter]] = []
        self._rests: dict[str, float] = {}
        self._why: dict[str, str] = {}
        self._opened = 0.0
        self._latch = Latch(clock, self._changed)
        self._latch.restore(_read(self._file))
        self.declare(settings)

    def declare(self, settings: ServeSettings) -> None:
        """Go by a policy from now on; one that is the same changes nothing.

        A rule that is gone holds nothing any more: taking it away was somebody's decision.
        """
        if settings.policy != self._rules:
            self._rules = settings.policy
            self._meters = _meters(settings, asked_only=False)
            self._asked_only = _meters(settings, asked_only=True)
            self._restart()
        hold = self._latch.hold
        if hold is not None and hold.rule and hold.rule not in {each.name for each in self._rules}:
            self._let_go(Cause.UNDECLARED)

    def tick(self, now: float) -> None:
        """Some time went by.

        Args:
            now: Monotonic seconds.
        """
        state = self._latch.state
        if state is LatchState.OFF and not self._rules:
            return
        self._latch.tick()
        if self._latch.state is LatchState.LATCHED:
            return
        totals = self._shared.totals()
        if self._latch.state is LatchState.RECOVERING:
            self._look_after(now, totals)
        meters = self._meters if self._latch.state is LatchState.OFF else self._asked_only
        if self._latch.state is state:  # else they have just begun anew
            self._watch(meters, now, totals)

    def order(self, what: str) -> tuple[int, dict[str, object]]:
        """Do what an admin asks.

        Args:
            what: `latch`, `release`, or anything else to be told the state.

        Returns:
            HTTP status and body.
        """
        if what == "latch":
            self._engage(Hold(), Cause.PERSON, {})
        elif what == "release":
            self._let_go(Cause.PERSON)
        return 200, self.status()

    def status(self) -> dict[str, object]:
        """Return the latch's state and all burn rates, for people."""
        latch, now = self._latch, self._clock.monotonic()
        hold, wait_s = latch.hold, latch.wait_s
        probes_in_s = None
        if latch.state is LatchState.LATCHED and wait_s is not None:
            probes_in_s = round(max(0.0, latch.since + wait_s - now), 1)
        return {
            "fallback": latch.state.value,
            "rule": "" if hold is None else hold.rule,
            "recovery": "" if hold is None else "person" if hold.wait_s is None else "probe",
            "probes_in_s": probes_in_s,
            "burn": [
                {"rule": rule.name, "slo": meter.slo, "above": rule.above, **_told(meter.read())}
                for rule, meter in self._meters
            ],
        }

    def _watch(self, meters: list[tuple[BurnRule, Meter]], now: float, totals: Floats) -> None:
        for rule, meter in meters:
            if not meter.sample(now, totals) or now < self._rests.get(rule.name, now):
                continue
            reading = meter.too_fast()
            if reading is not None:
                self._act(rule, meter, reading)
                return  # whatever it was, the windows begin anew

    def _act(self, rule: BurnRule, meter: Meter, reading: Reading) -> None:
        told = {"rule": rule.name, "slo": meter.slo}
        told |= {
            name: f"{value:.4g}" for name, value in _told(reading).items() if value is not None
        }
        if rule.rolls_back and not self._roll_back(f"{rule.name}: {meter.slo} burns its budget"):
            told["rollback"] = "there is no bundle before"
        if rule.falls_back:
            wait_s = rule.after_s if rule.recovery == "probe" else None
            self._engage(Hold(rule.name, wait_s), Cause.BURN, told)
        else:
            self._events.add("policy", told)
            # What it brought back is given as long to prove itself as it took to act.
            self._rests[rule.name] = self._clock.monotonic() + rule.long_s
            self._restart()

    def _look_after(self, now: float, totals: Floats) -> None:
        """See how the way back goes, by what the breakers of all workers do."""
        if _sum(totals, _OPENINGS) > self._opened:
            self._latch.failed()
        elif now - self._latch.since < _HEARD_S:
            return
        elif _sum(totals, _HEALED) and not _sum(totals, _UNHEALED):
            self._latch.healed()

    def _engage(self, hold: Hold, cause: Cause, why: Mapping[str, str]) -> None:
        self._why = dict(why)
        self._latch.engage(hold, cause)
        self._why = {}

    def _let_go(self, cause: Cause) -> None:
        if not self._latch.let_go(cause):
            _log.info("the fallback is not latched")

    def _changed(self, old: LatchState, new: LatchState, cause: Cause) -> None:
        flags = self._shared.flags
        flags[Flag.FALLBACK] = _STATES.index(new)
        flags[Flag.CHANGES] += 1
        self._instruments.fallback_changed(old, new, cause)
        fields = {"from": old.value, "to": new.value, "cause": cause.value}
        hold, wait_s = self._latch.hold, self._latch.wait_s
        if hold is not None and hold.rule:
            fields["rule"] = hold.rule
        if new is LatchState.LATCHED:
            fields["way back"] = "a person" if wait_s is None else f"probes in {wait_s:g} s"
        self._events.add("fallback", {**fields, **self._why})
        self._restart()
        self._write()

    def _restart(self) -> None:
        """Let the windows begin anew: what was before says nothing about what is now."""
        now, totals = self._clock.monotonic(), self._shared.totals()
        self._opened = _sum(totals, _OPENINGS)
        for _, meter in (*self._meters, *self._asked_only):
            meter.restart(now, totals)

    def _write(self) -> None:
        try:
            write_file(self._file, msgspec.json.encode(self._latch.record))
        except MlopsError as error:
            _log.warning("the latch cannot be noted, a restart will forget it: %s", error.message)


def _meters(settings: ServeSettings, *, asked_only: bool) -> list[tuple[BurnRule, Meter]]:
    return [
        (rule, Meter(watched, rule, settings.service, asked_only=asked_only))
        for rule in settings.policy
        for watched in rule.slos
    ]


def _read(file: Path) -> Record:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Record)
    except FileNotFoundError:
        return Record()
    except (OSError, msgspec.DecodeError) as error:
        # Whatever was held is held on, by a person: the other way would be a way back by damage.
        _log.error("the latch's file cannot be read: %s", type(error).__name__)
        return Record(Hold())


def _told(reading: Reading) -> dict[str, float | None]:
    return {"long": reading.long, "short": reading.short, "bad_events": reading.bad_events}


def _sum(totals: Floats, places: list[int]) -> float:
    return float(totals[places].sum())


def _states(*states: State) -> list[int]:
    places = BY_NAME[telemetry.BREAKER_STATE.name].places
    return [places[state.value,] for state in states]


_HEALED = _states(State.CLOSED, State.METRICS_ONLY)
# A worker that nobody asks stays half open, and its breaker wants probes whatever the latch says:
# it keeps the others from nothing.
_UNHEALED = _states(State.OPEN, State.RAMPING, State.FORCED_OPEN)
_OPENINGS = [
    place
    for (_, new, why), place in BY_NAME[telemetry.BREAKER_TRANSITIONS.name].places.items()
    if new == State.OPEN.value and why != Change.RELEASED.value
]
