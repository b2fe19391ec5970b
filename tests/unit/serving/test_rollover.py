"""A reload replaces what serves in every worker at once, or leaves it as it was and says why."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlops.base.digest import Digest
from mlops.base.errors import BundleError, ConfigError
from mlops.models.artifact import Bundle, BundleRef
from mlops.models.refusal import Refusal, RefusedBundleError
from mlops.serving.events import Events
from mlops.serving.lanes import LaneKind
from mlops.serving.messages import Forget, Misbehaved, Prepare, Prepared, to_worker
from mlops.serving.plan import Plan
from mlops.serving.rollover import Rollover
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import Protection, ServingSpec
from tests.components.bundles import parts
from tests.fakes.clock import ManualClock

PARTS = parts("open_bandit")


def bundle(name: str) -> Bundle:
    return Bundle(BundleRef(Digest(f"sha256:{name}"), Path("bundles") / name), PARTS)


def settings(**changes: Any) -> ServeSettings:
    serving = ServingSpec(deadline_ms=50.0, fallback=("popularity",), **changes)
    return ServeSettings(
        service="open_bandit", bundle="old", bundles="bundles", state="state",
        max_candidates=20, serving=serving,
    )  # fmt: skip


class FakeLoader:
    def __init__(self) -> None:
        self.settings: ServeSettings | ConfigError = settings()
        self.bundles: dict[str, Bundle | BundleError] = {"new": bundle("new"), "old": bundle("old")}
        self.kept: list[str] = []
        self.asked: list[tuple[str, bool, bool]] = []

    def reread(self, running: ServeSettings) -> ServeSettings:
        if isinstance(self.settings, ConfigError):
            raise self.settings
        return self.settings

    def locate(self, reference: str, settings: ServeSettings) -> Path:
        name = "new" if reference == "latest" else reference
        if name not in self.bundles:
            raise RefusedBundleError(f"there is no bundle {name}", reason=Refusal.MISSING)
        return Path(name)

    def accept(self, path: Path, plan: Plan, *, allow_downgrade: bool, golden: bool) -> Bundle:
        self.asked.append((path.name, allow_downgrade, golden))
        found = self.bundles[path.name]
        if isinstance(found, BundleError):
            raise found
        return found

    def lane(self, bundle: Bundle, settings: ServeSettings) -> LaneKind:
        return "inline"

    def keep(self, plan: Plan) -> None:
        self.kept.append(plan.digest)


class FakeCrew:
    def __init__(self) -> None:
        self.members = [0, 1]
        self.told: list[tuple[int, object]] = []
        self.trial: Callable[[], None] | None = None
        self.dies = False

    def workers(self) -> Sequence[int]:
        return self.members

    def tell(self, member: int, content: bytes) -> None:
        self.told.append((member, to_worker(content)))

    def try_out(
        self, run: Callable[[], bytes], *, within_s: float, done: Callable[[bytes | None], None]
    ) -> None:
        self.trial = lambda: done(None if self.dies else run())

    def prepared(self) -> list[int]:
        return [member for member, said in self.told if isinstance(said, Prepare)]


class Stage:
    """A rollover over fakes."""

    def __init__(self, **changes: Any) -> None:
        self.loader = FakeLoader()
        self.loader.settings = settings(**changes)
        self.crew = FakeCrew()
        self.clock = ManualClock()
        self.epochs: list[int] = []
        self.outcomes: list[str] = []
        self.events = Events(self.clock)
        self.answers: list[tuple[int, dict[str, object]]] = []
        self.rollover = Rollover(
            Plan(1, settings(**changes), bundle("old")), loader=self.loader, crew=self.crew,
            commit=lambda plan: self.epochs.append(plan.epoch), events=self.events,
            counted=self.outcomes.append, clock=self.clock,
        )  # fmt: skip

    def reload(self, reference: str = "new", *, allow_downgrade: bool = False) -> None:
        def answer(code: int, body: dict[str, object]) -> None:
            self.answers.append((code, body))

        self.rollover.reload(reference, allow_downgrade=allow_downgrade, answer=answer)

    def try_it(self) -> None:
        assert self.crew.trial is not None
        trial, self.crew.trial = self.crew.trial, None
        trial()

    def swap(self) -> None:
        self.reload()
        self.try_it()
        for member in self.crew.members:
            self.rollover.prepared(member, Prepared(2))


def test_new_bundle_serves_once_every_worker_holds_it_ready() -> None:
    stage = Stage()
    stage.reload()
    assert stage.crew.prepared() == []
    stage.try_it()
    assert stage.crew.prepared() == [0, 1]
    stage.rollover.prepared(0, Prepared(2))
    assert stage.epochs == []
    stage.rollover.prepared(1, Prepared(2))
    assert stage.epochs == [2]
    assert stage.answers == [
        (200, {"outcome": "swapped", "digest": "sha256:new", "previous": "sha256:old"})
    ]
    assert stage.outcomes == ["swapped"]
    assert [said for _, said in stage.crew.told if isinstance(said, Forget)] == [Forget(2, 1)] * 2


def test_bundle_is_tried_with_its_golden_batch_before_the_supervisor_loads_it() -> None:
    stage = Stage()
    stage.reload(allow_downgrade=True)
    stage.try_it()
    assert stage.loader.asked == [("new", True, True), ("new", True, False)]


def test_reload_without_a_name_takes_what_the_settings_mean() -> None:
    stage = Stage()
    stage.reload("")
    stage.try_it()
    assert stage.crew.prepared() == [0, 1]


def test_worker_that_starts_meanwhile_prepares_too() -> None:
    stage = Stage()
    stage.reload()
    stage.try_it()
    stage.rollover.welcome(2)
    stage.rollover.prepared(0, Prepared(2))
    stage.rollover.prepared(1, Prepared(2))
    assert stage.epochs == []
    stage.rollover.prepared(2, Prepared(2))
    assert stage.epochs == [2]


def test_worker_that_was_forked_before_the_swap_and_begins_after_it_gets_the_new_plan() -> None:
    stage = Stage()
    stage.swap()
    stage.crew.told.clear()
    stage.rollover.welcome(1)
    assert stage.crew.prepared() == []
    stage.rollover.catch_up(1)
    ((member, order),) = stage.crew.told
    assert isinstance(order, Prepare)
    assert (member, order.epoch, order.digest) == (1, 2, "sha256:new")
    stage.rollover.prepared(1, Prepared(2))
    assert stage.epochs == [2]


def test_worker_that_dies_meanwhile_is_not_waited_for() -> None:
    stage = Stage()
    stage.reload()
    stage.try_it()
    stage.rollover.prepared(0, Prepared(2))
    stage.rollover.left(1)
    assert stage.epochs == [2]


REFUSALS: dict[str, tuple[Callable[[Stage], object], int, str]] = {
    "settings that are wrong": (
        lambda stage: setattr(stage.loader, "settings", ConfigError("deadline_ms is no number")),
        422,
        "settings",
    ),
    "a bundle that is not there": (lambda stage: stage.loader.bundles.pop("new"), 409, "missing"),
    "a bundle that is unsigned": (
        lambda stage: stage.loader.bundles.update(
            new=RefusedBundleError("it is unsigned", reason=Refusal.UNSIGNED)
        ),
        409,
        "unsigned",
    ),
    "a bundle that ends its trial": (
        lambda stage: setattr(stage.crew, "dies", True), 409, "invalid"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSALS)
def test_refused(what: str) -> None:
    spoil, code, reason = REFUSALS[what]
    stage = Stage()
    spoil(stage)
    stage.reload()
    if stage.crew.trial is not None:
        stage.try_it()
    [(found, body)] = stage.answers
    assert (found, body["reason"]) == (code, reason)
    assert stage.epochs == []
    assert stage.rollover.current.digest == "sha256:old"
    assert stage.outcomes == ["refused"]
    assert stage.events.recent()[-1].fields["reason"] == reason
    stage.loader.settings, stage.crew.dies = settings(), False
    stage.loader.bundles["new"] = bundle("new")
    stage.swap()
    assert stage.epochs == [2]  # a refusal does not stand in the way of the next try


def test_worker_that_cannot_load_stops_the_swap_everywhere() -> None:
    stage = Stage()
    stage.reload()
    stage.try_it()
    stage.rollover.prepared(0, Prepared(2))
    stage.rollover.prepared(1, Prepared(2, "no memory"))
    assert stage.epochs == []
    assert stage.answers[0][0] == 409
    assert Forget(1, 0) in [said for _, said in stage.crew.told]


def test_workers_that_never_answer_stop_the_swap() -> None:
    stage = Stage()
    stage.reload()
    stage.try_it()
    stage.clock.advance(100.0)
    stage.rollover.tick(stage.clock.monotonic())
    assert stage.answers[0][0] == 409
    stage.rollover.prepared(0, Prepared(2))
    stage.rollover.prepared(1, Prepared(2))
    assert stage.epochs == []


def test_bundle_that_changes_between_trial_and_load_is_refused() -> None:
    stage = Stage()
    stage.reload()
    trial = stage.crew.trial
    assert trial is not None
    original = stage.loader.accept

    def changing(path: Path, plan: Plan, *, allow_downgrade: bool, golden: bool) -> Bundle:
        found = original(path, plan, allow_downgrade=allow_downgrade, golden=golden)
        stage.loader.bundles["new"] = bundle("other")
        return found

    stage.loader.accept = changing  # type: ignore[method-assign] # the disk changes under it
    stage.try_it()
    assert stage.answers[0][1]["reason"] == "changed"


def test_second_reload_is_told_to_wait() -> None:
    stage = Stage()
    stage.reload()
    stage.reload()
    assert stage.answers == [(409, {"error": "another reload is under way", "reason": "busy"})]


def test_bundle_that_took_over_already_changes_nothing_and_the_one_before_stays() -> None:
    stage = Stage()
    stage.swap()
    stage.answers.clear()
    stage.reload()
    stage.try_it()
    assert stage.answers == [(200, {"outcome": "unchanged", "digest": "sha256:new"})]
    assert stage.rollover.previous is not None
    assert stage.rollover.previous.digest == "sha256:old"


def test_same_bundle_with_the_same_settings_changes_nothing() -> None:
    stage = Stage()
    stage.reload("old")
    stage.try_it()
    assert stage.answers == [(200, {"outcome": "unchanged", "digest": "sha256:old"})]
    assert stage.epochs == []


def test_same_bundle_with_other_settings_is_a_new_plan() -> None:
    stage = Stage()
    stage.loader.settings = settings(hang_ms=500.0)
    stage.reload("old")
    stage.try_it()
    assert stage.crew.prepared() == [0, 1]


def test_new_bundle_whose_breaker_opens_is_taken_back() -> None:
    stage = Stage()
    stage.swap()
    stage.rollover.misbehaved(Misbehaved(2, "failures"))
    assert stage.epochs == [2, 1]
    assert stage.rollover.current.digest == "sha256:old"
    assert stage.outcomes == ["swapped", "rolled_back"]
    assert stage.events.recent()[-1].fields["from"] == "sha256:new"


def test_breaker_of_a_bundle_that_proved_itself_takes_nothing_back() -> None:
    stage = Stage()
    stage.swap()
    stage.clock.advance(301.0)
    stage.rollover.tick(stage.clock.monotonic())
    assert stage.loader.kept == ["sha256:new"]
    stage.rollover.misbehaved(Misbehaved(2, "failures"))
    assert stage.epochs == [2]


@pytest.mark.parametrize("epoch", [1, 3])
def test_breaker_of_another_plan_takes_nothing_back(epoch: int) -> None:
    stage = Stage()
    stage.swap()
    stage.rollover.misbehaved(Misbehaved(epoch, "failures"))
    assert stage.epochs == [2]


def test_first_bundle_has_nothing_to_go_back_to() -> None:
    stage = Stage()
    stage.rollover.misbehaved(Misbehaved(1, "failures"))
    assert stage.epochs == []


def test_drill_without_the_watch_keeps_a_bad_bundle() -> None:
    stage = Stage(faults_allowed=True, without=(Protection.WATCH,))
    stage.swap()
    stage.rollover.misbehaved(Misbehaved(2, "failures"))
    assert stage.epochs == [2]


def test_prepare_message_fits_into_a_datagram() -> None:
    stage = Stage()
    stage.reload()
    stage.try_it()
    [first, _] = [said for _, said in stage.crew.told if isinstance(said, Prepare)]
    assert len(msgspec.msgpack.encode(first)) < 20_000
    assert ServeSettings.model_validate_json(first.settings).bundle == "new"
    assert first.lane == "inline"  # as the trial chose it, so that all workers do the same
