"""A steward falls back and rolls back as the policy says, and comes back as it declares."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops.base import telemetry
from mlops.experiments.assignment import Arm
from mlops.hosting.shared import Shared
from mlops.serving.breaker import Change, State
from mlops.serving.decision import Decision, Reason, Source
from mlops.serving.events import Events
from mlops.serving.flags import COUNT, Flag
from mlops.serving.instruments import Instruments
from mlops.serving.latch import LatchState
from mlops.serving.policy import BurnRule
from mlops.serving.series import BY_NAME, SIZE
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import ServingSpec
from mlops.serving.steward import LATCH_FILE, Steward
from tests.components.policies import burn_rule
from tests.fakes.clock import ManualClock

WORKERS = 2
STATES = tuple(LatchState)


class Stage:
    """A steward, and the workers whose counters it reads."""

    def __init__(self, state: Path, *rules: BurnRule, previous: bool = False) -> None:
        self.clock = ManualClock()
        self.shared = Shared(members=WORKERS, numbers=SIZE, flags=COUNT)
        self.workers = [Instruments("s", self.shared.numbers(at)) for at in range(WORKERS)]
        self.own = Instruments("s", self.shared.numbers(WORKERS), self.shared.totals)
        self.events = Events(self.clock)
        self.previous = previous
        self.rolled_back: list[str] = []
        self.settings = ServeSettings(
            service="s", bundle="", bundles="", state=str(state), max_candidates=5,
            policy=rules, serving=ServingSpec(deadline_ms=50.0, fallback=("static",)),
        )  # fmt: skip
        self.breakers(State.CLOSED)
        self.steward = Steward(
            self.settings, shared=self.shared, instruments=self.own, events=self.events,
            roll_back=self._roll_back, clock=self.clock,
        )  # fmt: skip

    def _roll_back(self, reason: str) -> bool:
        self.rolled_back.append(reason)
        return self.previous

    def latch(self) -> LatchState:
        return STATES[self.shared.flags[Flag.FALLBACK]]

    def breakers(self, *states: State) -> None:
        """Let the workers' breakers be in these states, or all in one."""
        for at, worker in enumerate(self.workers):
            worker.breaker_is(states[at % len(states)])

    def passes(self, seconds: float, *, good: int = 0, bad: int = 0) -> "Stage":
        """Let seconds pass, each with so many good and bad decisions in every worker."""
        for _ in range(round(seconds)):
            for worker in self.workers:
                _decide(worker, Source.MODEL, Reason.OK, good)
                _decide(worker, Source.HEURISTIC, Reason.DEADLINE, bad)
            self.clock.advance(1.0)
            self.steward.tick(self.clock.monotonic())
        return self

    def told(self, kind: str) -> list[dict[str, str]]:
        return [each.fields for each in self.events.recent() if each.kind == kind]

    def again(self) -> "Stage":
        """Start the service again on what it left."""
        return Stage(Path(self.settings.state), *self.settings.policy)


def _decide(worker: Instruments, source: Source, reason: Reason, n: int) -> None:
    for _ in range(n):
        worker.count_decision(Decision(source, reason, Arm.MODEL, np.zeros(1)), 0.01)


def latched(state: Path, **changes: Any) -> Stage:
    it = Stage(state, burn_rule(**changes)).passes(20, good=1, bad=1)
    assert it.latch() is LatchState.LATCHED
    it.breakers(State.FORCED_OPEN)
    return it


def recovering(state: Path, **changes: Any) -> Stage:
    it = latched(state, **changes)
    it.passes(300)
    assert it.latch() is LatchState.RECOVERING
    return it


def test_burn_over_both_windows_latches_the_fallback_and_is_told(tmp_path: Path) -> None:
    it = latched(tmp_path)
    changes = telemetry.FALLBACK_TRANSITIONS.name
    assert f'{changes}{{cause="burn",from_state="off",' in it.own.exposition().decode()
    assert f'{telemetry.FALLBACK_LATCHED.name}{{service="s"}} 1.0' in it.own.exposition().decode()
    (event,) = it.told("fallback")
    assert event["rule"] == "falls-back"
    assert event["slo"] == "model-served"
    assert float(event["long"]) == pytest.approx(50.0)
    assert event["way back"] == "probes in 300 s"
    assert it.shared.flags[Flag.CHANGES] == 1, "workers look at the flags when this moves"


def test_burn_just_below_its_factor_changes_nothing(tmp_path: Path) -> None:
    it = Stage(tmp_path, burn_rule(above=50.0)).passes(120, good=1, bad=1)
    assert it.latch() is LatchState.OFF
    assert it.passes(60, good=1, bad=3).latch() is LatchState.LATCHED


def test_bad_events_of_all_workers_count_together(tmp_path: Path) -> None:
    it = Stage(tmp_path, burn_rule(min_bad_events=20))
    it.passes(20).passes(9, bad=1)
    assert it.latch() is LatchState.OFF
    assert it.passes(2, bad=1).latch() is LatchState.LATCHED


def test_first_seconds_are_the_breakers_to_judge(tmp_path: Path) -> None:
    it = Stage(tmp_path, burn_rule(short_s=60.0)).passes(59, bad=1)
    assert it.latch() is LatchState.OFF
    assert it.passes(3, bad=1).latch() is LatchState.LATCHED


def test_without_a_policy_nothing_is_watched(tmp_path: Path) -> None:
    assert Stage(tmp_path).passes(60, bad=5).latch() is LatchState.OFF


def test_a_lull_is_no_way_back(tmp_path: Path) -> None:
    it = latched(tmp_path, recovery="person", after_s=0.0)
    assert it.passes(5000).latch() is LatchState.LATCHED
    assert it.passes(100, good=3).latch() is LatchState.LATCHED


def test_a_lull_on_the_way_back_leaves_it_unfinished(tmp_path: Path) -> None:
    it = recovering(tmp_path)
    it.breakers(State.HALF_OPEN)
    assert it.passes(5000).latch() is LatchState.RECOVERING


def test_way_back_ends_when_the_breakers_let_all_through(tmp_path: Path) -> None:
    it = recovering(tmp_path)
    it.breakers(State.RAMPING)
    assert it.passes(5, good=1).latch() is LatchState.RECOVERING
    it.breakers(State.CLOSED, State.RAMPING)
    assert it.passes(5, good=1).latch() is LatchState.RECOVERING
    it.breakers(State.CLOSED)
    assert it.passes(1, good=1).latch() is LatchState.OFF
    assert it.passes(700, good=1).latch() is LatchState.OFF, "what burnt before is forgotten"


def test_worker_that_nobody_asks_keeps_the_others_from_nothing(tmp_path: Path) -> None:
    it = recovering(tmp_path)
    it.breakers(State.CLOSED, State.HALF_OPEN)
    assert it.passes(2, good=1).latch() is LatchState.OFF


def test_breakers_are_not_believed_before_they_have_heard(tmp_path: Path) -> None:
    it = latched(tmp_path)
    it.breakers(State.CLOSED)  # as a worker's that has not looked at the flag yet
    it.steward.order("release")
    it.clock.advance(0.05)
    it.steward.tick(it.clock.monotonic())
    assert it.latch() is LatchState.RECOVERING


FAILURES = {
    "a probe fails": (State.HALF_OPEN, Change.PROBE_FAILED),
    "a step of the ramp goes wrong": (State.RAMPING, Change.RAMP_FAILED),
    "an answer is impossible": (State.RAMPING, Change.IMPOSSIBLE),
}


@pytest.mark.parametrize("sentence", FAILURES)
def test_way_back_that_fails_waits_twice_as_long(tmp_path: Path, sentence: str) -> None:
    state, why = FAILURES[sentence]
    it = recovering(tmp_path)
    it.workers[0].breaker_changed(state, State.OPEN, why)
    assert it.passes(1).latch() is LatchState.LATCHED
    assert it.told("fallback")[-1]["cause"] == "failed"
    it.breakers(State.FORCED_OPEN)
    assert it.passes(590).latch() is LatchState.LATCHED
    assert it.passes(11).latch() is LatchState.RECOVERING


def test_breaker_that_rests_first_fails_nothing(tmp_path: Path) -> None:
    it = recovering(tmp_path)
    it.workers[0].breaker_changed(State.FORCED_OPEN, State.OPEN, Change.RELEASED)
    assert it.passes(5).latch() is LatchState.RECOVERING


def test_burn_on_the_ramp_latches_again(tmp_path: Path) -> None:
    it = recovering(tmp_path)
    it.breakers(State.RAMPING)
    for _ in range(20):
        for worker in it.workers:
            _decide(worker, Source.HEURISTIC, Reason.BREAKER_RAMP, 99)
        it.passes(1, good=1)
    assert it.latch() is LatchState.RECOVERING, "the ramp's own fallback is no burn"
    it.passes(10, good=1, bad=1)
    assert it.latch() is LatchState.LATCHED
    assert it.told("fallback")[-1]["cause"] == "burn"
    assert it.told("fallback")[-1]["way back"] == "probes in 600 s"


def test_person_latches_and_releases(tmp_path: Path) -> None:
    it = Stage(tmp_path)
    code, told = it.steward.order("latch")
    assert (code, told["fallback"], told["recovery"]) == (200, "latched", "person")
    it.breakers(State.FORCED_OPEN)
    assert it.passes(5000).latch() is LatchState.LATCHED
    assert it.steward.order("fallback")[1]["fallback"] == "latched"
    assert it.steward.order("release")[1]["fallback"] == "recovering"
    assert it.steward.order("release")[1]["fallback"] == "recovering"
    it.breakers(State.CLOSED)
    assert it.passes(2).latch() is LatchState.OFF


def test_status_tells_the_burn_rates(tmp_path: Path) -> None:
    it = Stage(tmp_path, burn_rule(above=99.0)).passes(30, good=1, bad=1)
    assert it.steward.status()["burn"] == [{
        "rule": "falls-back", "slo": "model-served", "above": 99.0,
        "long": pytest.approx(50.0), "short": pytest.approx(50.0), "bad_events": 60.0,
    }]  # fmt: skip


# Restarts


def test_restart_is_no_way_back(tmp_path: Path) -> None:
    it = latched(tmp_path, recovery="person", after_s=0.0).again()
    assert it.latch() is LatchState.LATCHED
    assert it.told("fallback")[-1]["cause"] == "restored"
    assert it.passes(5000).again().latch() is LatchState.LATCHED


def test_restart_begins_the_wait_anew(tmp_path: Path) -> None:
    it = latched(tmp_path).passes(290).again()
    it.breakers(State.FORCED_OPEN)
    assert it.passes(290).latch() is LatchState.LATCHED
    assert it.passes(11).latch() is LatchState.RECOVERING


def test_latch_that_was_let_go_does_not_come_back(tmp_path: Path) -> None:
    it = recovering(tmp_path)
    it.breakers(State.CLOSED)
    assert it.passes(2).again().latch() is LatchState.OFF


def test_file_that_cannot_be_read_holds_until_a_person_says_so(tmp_path: Path) -> None:
    (tmp_path / LATCH_FILE).write_bytes(b"{")
    it = Stage(tmp_path)
    assert it.passes(5000).latch() is LatchState.LATCHED
    assert it.steward.order("release")[1]["fallback"] == "recovering"


def test_folder_that_cannot_be_written_costs_no_fallback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "file"
    state.write_text("")
    Stage(state / "state", burn_rule()).passes(20, bad=1)
    assert "a restart will forget it" in caplog.text


def test_rule_that_is_taken_away_lets_go_by_the_probes(tmp_path: Path) -> None:
    it = latched(tmp_path, recovery="person", after_s=0.0)
    it.steward.declare(it.settings.model_copy(update={"policy": ()}))
    assert it.latch() is LatchState.RECOVERING
    assert it.told("fallback")[-1]["cause"] == "undeclared"


def test_same_policy_again_changes_nothing(tmp_path: Path) -> None:
    it = Stage(tmp_path, burn_rule()).passes(8, bad=1)
    it.steward.declare(it.settings.model_copy())
    assert it.passes(3, bad=1).latch() is LatchState.LATCHED


# Rolling back


def test_burn_brings_the_bundle_before_back_and_begins_anew(tmp_path: Path) -> None:
    rule = burn_rule(falls_back=False, rolls_back=True, recovery="person")
    it = Stage(tmp_path, rule, previous=True).passes(20, good=1, bad=1)
    assert it.rolled_back[0] == "falls-back: model-served burns its budget"
    assert it.latch() is LatchState.OFF
    it.passes(300, bad=1)
    assert len(it.rolled_back) == 1, "the bundle before is given its long window"
    it.passes(400, bad=1)
    assert len(it.rolled_back) == 2


def test_without_a_bundle_before_it_falls_back_all_the_same(tmp_path: Path) -> None:
    it = Stage(tmp_path, burn_rule(rolls_back=True)).passes(20, bad=1)
    assert it.latch() is LatchState.LATCHED
    assert it.told("fallback")[0]["rollback"] == "there is no bundle before"


def test_gauge_of_the_breakers_is_where_the_steward_looks() -> None:
    names = {state for (state,) in BY_NAME[telemetry.BREAKER_STATE.name].places}
    assert names == {state.value for state in State}
