"""An overseer keeps what an admin switched, and asks its steward for the fallback."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from mlops.hosting.shared import Shared
from mlops.hosting.supervisor import Supervisor
from mlops.serving.flags import COUNT, Flag
from mlops.serving.latch import LatchState
from mlops.serving.loading import FileLoader
from mlops.serving.messages import Answered, Asked, encode, to_worker
from mlops.serving.overseer import Overseer
from mlops.serving.plan import Plan
from mlops.serving.series import SIZE
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import BreakerMode, BreakerSpec, ServingSpec
from tests.fakes.clock import ManualClock

MODES = tuple(BreakerMode)


class FakeSupervisor:
    def __init__(self) -> None:
        self.sent: list[Any] = []

    def members(self, role: str) -> Sequence[int]:
        assert role == "worker"
        return [0]

    def send(self, member: int, content: bytes) -> None:
        assert member == 0
        self.sent.append(to_worker(content))


class Stage:
    """An overseer of one worker, which serves one plan and has another to go back to."""

    def __init__(self, folder: Path, *modes: BreakerMode) -> None:
        self.shared = Shared(members=1, numbers=SIZE, flags=COUNT)
        self.supervisor = FakeSupervisor()
        clock = ManualClock()
        plans = [Plan(2 - at, _settings(folder, mode), None) for at, mode in enumerate(modes)]
        loader = FileLoader(folder / "none.json", trust=None, clock=clock)
        self.overseer = Overseer(plans[0], shared=self.shared, loader=loader, clock=clock, line={})
        self.overseer.attach(cast("Supervisor", self.supervisor))
        self.overseer.rollover.previous = plans[1] if len(plans) > 1 else None

    @property
    def mode(self) -> BreakerMode:
        return MODES[self.shared.flags[Flag.BREAKER_MODE]]

    def force(self, mode: BreakerMode) -> None:
        """Switch the breakers as a worker does on its admin port."""
        self.shared.flags[Flag.BREAKER_MODE] = MODES.index(mode)

    def ask(self, what: str) -> dict[str, Any]:
        self.overseer.message(0, encode(Asked(7, what)))
        answered = self.supervisor.sent.pop()
        assert isinstance(answered, Answered)
        assert (answered.ask_id, answered.code) == (7, 200)
        return cast("dict[str, Any]", msgspec.json.decode(answered.body))


def _settings(folder: Path, mode: BreakerMode) -> ServeSettings:
    serving = ServingSpec(deadline_ms=50.0, fallback=("static",), breaker=BreakerSpec(mode=mode))
    return ServeSettings(
        service="s", bundle="", bundles=str(folder), state=str(folder), max_candidates=5,
        serving=serving,
    )  # fmt: skip


def test_swap_keeps_the_mode_that_an_admin_forced(tmp_path: Path) -> None:
    it = Stage(tmp_path, BreakerMode.AUTO, BreakerMode.AUTO)
    it.force(BreakerMode.FORCED_OPEN)
    assert it.overseer.rollover.roll_back("a test")
    assert it.shared.flags[Flag.EPOCH] == 1
    assert it.mode is BreakerMode.FORCED_OPEN


def test_swap_to_settings_of_another_mode_sets_it(tmp_path: Path) -> None:
    it = Stage(tmp_path, BreakerMode.AUTO, BreakerMode.METRICS_ONLY)
    it.force(BreakerMode.FORCED_OPEN)
    assert it.overseer.rollover.roll_back("a test")
    assert it.mode is BreakerMode.METRICS_ONLY


def test_without_a_bundle_before_nothing_is_rolled_back(tmp_path: Path) -> None:
    it = Stage(tmp_path, BreakerMode.AUTO)
    assert not it.overseer.rollover.roll_back("a test")
    assert it.shared.flags[Flag.EPOCH] == 2


def test_fallback_is_latched_released_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    it = Stage(tmp_path, BreakerMode.AUTO)
    states = tuple(LatchState)
    for what, wanted in (("fallback", "off"), ("latch", "latched"), ("release", "recovering")):
        assert it.ask(what)["fallback"] == wanted
        assert states[it.shared.flags[Flag.FALLBACK]] == wanted
    assert it.ask("status")["policy"]["fallback"] == "recovering"
    it.ask("release")
    assert "not latched" in caplog.text
