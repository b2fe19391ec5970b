"""A watch: finds the silent, and does not blame them for a pause of everything."""

import pytest

from mlops.hosting.backoff import Backoff
from mlops.hosting.member import Member
from mlops.hosting.seat import Role
from mlops.hosting.settings import SupervisionSettings
from mlops.hosting.shared import Shared
from mlops.hosting.watch import Watch

SETTINGS = SupervisionSettings(heartbeat_ms=100.0, silent_ms=1000.0, boot_s=10.0)
TICK_S = 0.05


class Scene:
    """One member under a watch; time passes by ticks."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.shared = Shared(members=1, numbers=1, flags=0)
        self.watch = Watch(self.shared, SETTINGS, self.now)
        self.member = Member(0, Role("worker", 1, lambda _: None), Backoff(1.0), None)

    def tick(self, *, after_s: float = TICK_S, beats: bool = False) -> str:
        self.now += after_s
        if beats:
            self.shared.beat(0, self.now)
        self.watch.pass_time(self.now, [self.member])
        return self.watch.look(self.member)

    def ticks(self, seconds: float, *, beats: bool = False) -> str:
        """Return the first verdict within some seconds."""
        for _ in range(round(seconds / TICK_S)):
            verdict = self.tick(beats=beats)
            if verdict:
                return verdict
        return ""


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_who_beats_is_left_alone(scene: Scene) -> None:
    assert scene.ticks(30.0, beats=True) == ""


def test_who_beat_and_is_silent_for_too_long_is_named(scene: Scene) -> None:
    scene.tick(beats=True)
    assert scene.ticks(1.0) == ""
    assert scene.tick() == "silent"


def test_who_has_not_beaten_yet_has_the_time_to_boot(scene: Scene) -> None:
    assert scene.ticks(10.0) == ""
    assert scene.tick() == "not_started"


def test_pause_of_everything_is_no_silence(scene: Scene) -> None:
    scene.tick(beats=True)
    assert scene.ticks(0.9) == ""
    assert scene.tick(after_s=3600.0) == ""
    assert scene.ticks(0.9) == "", "the full time again"
    assert scene.ticks(0.3) == "silent"


def test_short_pauses_of_everything_count_for_little_but_save_no_dead_process(
    scene: Scene,
) -> None:
    scene.tick(beats=True)
    verdicts = [scene.tick(after_s=0.8) for _ in range(8)]
    assert verdicts[:6] == [""] * 6
    assert verdicts[-1] == "silent"


def test_pause_does_not_use_up_the_time_to_boot(scene: Scene) -> None:
    assert scene.ticks(9.0) == ""
    assert scene.tick(after_s=3600.0) == ""
    assert scene.ticks(9.0) == ""


def test_short_silence_is_looked_for_more_often() -> None:
    shared = Shared(members=1, numbers=1, flags=0)
    settings = SupervisionSettings(heartbeat_ms=20.0, silent_ms=80.0)
    assert Watch(shared, settings, 0.0).tick_s == pytest.approx(0.02)


def test_stopped_process_is_given_little_time_but_after_a_pause_of_everything_the_full(
    scene: Scene,
) -> None:
    assert scene.watch.stopped_s(scene.now) == pytest.approx(0.05)
    scene.tick(after_s=60.0)
    assert scene.watch.stopped_s(scene.now) == pytest.approx(1.0)
    scene.ticks(1.1)
    assert scene.watch.stopped_s(scene.now) == pytest.approx(0.05)
