"""Where a model runs: chosen by what is proved, what was measured, and what the config says."""

import dataclasses
import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from mlops.base.clock import SystemClock
from mlops.base.digest import Digest
from mlops.models.artifact import Bundle, BundleRef
from mlops.models.certificate import Range
from mlops.models.heuristics import FittedHeuristic, Heuristic, Static
from mlops.models.kernels import kernel_name
from mlops.serving.faults import Fault, FaultKind
from mlops.serving.inline import InlineModel
from mlops.serving.lane import ModelFailedError
from mlops.serving.lanes import (
    Choice,
    certified,
    choose,
    choose_lane,
    measure_page,
    open_heuristic,
    open_lane,
    process_settings,
)
from mlops.serving.process import ModelProcess
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import Protection, ServingSpec
from tests.components.bundles import parts
from tests.components.model_processes import MODEL, ROWS, SERVICE, Told
from tests.components.toys import program, rows_of, toy
from tests.fakes.clock import ManualClock
from tests.fakes.own_heuristics import ByFee


def spec(**changes: Any) -> ServingSpec:
    values: dict[str, Any] = {"deadline_ms": 50.0, "reserve_ms": 10.0, "fallback": ("popularity",)}
    return ServingSpec(**{**values, **changes})


FAST, CHEAP, DEAR = 0.00031, 0.0039, 0.004

CHOICES: dict[str, tuple[dict[str, Any], bool, Literal["c", "numpy"], float, str]] = {
    "it is certified and cheap": ({}, True, "c", FAST, "inline"),
    "it takes just less than a tenth of its time": ({}, True, "c", CHEAP, "inline"),
    "it takes a tenth of its time": ({}, True, "c", DEAR, "process"),
    "its time is short": ({"deadline_ms": 12.0}, True, "c", FAST, "process"),
    "it is not certified": ({}, False, "c", FAST, "process"),
    "there is no C kernel": ({}, True, "numpy", FAST, "process"),
    "faults may be played": ({"faults_allowed": True}, True, "c", FAST, "process"),
    "inline is asked for": ({"lane": "inline"}, False, "numpy", DEAR, "inline"),
    "inline is asked for in a drill": (
        {"lane": "inline", "faults_allowed": True}, True, "c", FAST, "inline",
    ),
    "a process is asked for": ({"lane": "process"}, True, "c", FAST, "process"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", CHOICES)
def test_lane_when(sentence: str) -> None:
    changes, trusted, kernel, page_s, wanted = CHOICES[sentence]
    found = choose(spec(**changes), certified=trusted, kernel=kernel, page_s=page_s, rows=200)
    assert found.lane == wanted
    assert found.reason


def test_choice_says_why() -> None:
    found = choose(spec(), certified=True, kernel="c", page_s=FAST, rows=200)
    assert found == Choice("inline", "certified, 0.31 ms of 40 ms for 200 candidates")


UNPROVED: dict[str, dict[str, Any]] = {
    "the low end": {"score": Range(low=None, high=1.0)},
    "the high end": {"score": Range(low=0.0, high=None)},
    "finiteness": {"finite": False},
}


@pytest.mark.parametrize("sentence", UNPROVED)
def test_not_certified_without(sentence: str) -> None:
    whole = parts(SERVICE, MODEL).certificate
    assert certified(whole)
    assert not certified(whole.model_copy(update=UNPROVED[sentence]))


class SlowingClock(ManualClock):
    """Each look takes a time of its own."""

    def __init__(self, *steps: float) -> None:
        super().__init__()
        self._steps = iter(steps)

    def monotonic(self) -> float:
        self.advance(next(self._steps))
        return super().monotonic()


@pytest.mark.parametrize(
    ("taken", "least"),
    [
        ([0.001, 0.002, 0.003, 0.009, 0.004, 0.005, 0.009], 0.001),  # pauses do not count
        ([0.030, 0.040], 0.030),  # enough of the start's time
        ([5.0], 5.0),
    ],
)
def test_cost_is_the_least_of_what_a_little_time_allows(taken: list[float], least: float) -> None:
    clock = SlowingClock(*(step for each in taken for step in (7.0, each)))
    found = measure_page(program(SERVICE, MODEL), toy(SERVICE).domain, 200, clock)
    assert found == pytest.approx(least)


# opening


def bundle(**changes: Any) -> Bundle:
    whole = dataclasses.replace(parts(SERVICE, MODEL), **changes)
    return Bundle(BundleRef(Digest("sha256:" + "0" * 64), Path("somewhere")), whole)


def settings(**changes: Any) -> ServeSettings:
    return ServeSettings(
        service=SERVICE,
        bundle="somewhere",
        bundles=".",
        state=".",
        packages=("tests.fakes",),
        max_candidates=ROWS,
        serving=spec(**changes),
    )


PORTS: dict[str, Any] = {"clock": SystemClock(), "watcher": Told(), "faults": Fault}


def test_choice_is_measured_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    whole = settings(deadline_ms=60_000.0)
    with caplog.at_level(logging.INFO):
        found = choose_lane(bundle(), whole, SystemClock())
    assert found.lane == ("inline" if kernel_name() == "c" else "process")
    assert f"the model runs {found.lane}: {found.reason}" in caplog.text


def test_untrusted_model_inline_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    proved = parts(SERVICE, MODEL).certificate
    unproved = proved.model_copy(update={"score": Range(low=None, high=1.0)})
    with caplog.at_level(logging.WARNING):
        choose_lane(bundle(), settings(lane="inline"), SystemClock())
        assert caplog.text == ""
        choose_lane(bundle(certificate=unproved), settings(lane="inline"), SystemClock())
    assert "though it is not certified" in caplog.text


def test_inline_lane_scores_as_the_program() -> None:
    lane = open_lane("inline", bundle(), settings=settings(), **PORTS)
    assert isinstance(lane, InlineModel)
    table = rows_of(SERVICE, MODEL, ROWS)
    wanted = program(SERVICE, MODEL).score(table)
    np.testing.assert_array_equal(lane.score_now(table, ROWS), wanted)


def test_inline_model_that_raises_has_failed() -> None:
    with pytest.raises(ModelFailedError, match="ContractError"):
        InlineModel(program(SERVICE, MODEL)).score_now({}, 0)


def test_process_lane_is_opened_and_not_yet_started() -> None:
    lane = open_lane("process", bundle(), settings=settings(), **PORTS)
    assert isinstance(lane, ModelProcess)
    assert not lane.ready


@pytest.mark.parametrize("name", ["popularity", "static", "fees"])
def test_heuristic_of_our_own_runs_inline(name: str) -> None:
    whole = bundle()
    found = open_heuristic(name, whole, settings=settings(), **PORTS)
    assert found is whole.parts.heuristics[name].heuristic


def test_heuristic_of_our_own_raises_in_a_drill_and_only_there() -> None:
    played = [Fault(), Fault(FaultKind.HEURISTIC_HANG), Fault(FaultKind.HEURISTIC_ERROR)]
    table = rows_of(SERVICE, MODEL, ROWS)
    ports = PORTS | {"faults": iter(played).__next__}
    sound = open_heuristic("static", bundle(), settings=settings(), **ports)
    drilled = open_heuristic("static", bundle(), settings=settings(faults_allowed=True), **ports)
    assert isinstance(sound, Static)
    assert isinstance(drilled, Heuristic)
    for _ in range(2):
        np.testing.assert_array_equal(drilled.score(table, ROWS), sound.score(table, ROWS))
    with pytest.raises(RuntimeError, match="drill"):
        drilled.score(table, ROWS)
    assert (drilled.columns, drilled.state()) == (sound.columns, sound.state())


def test_heuristic_of_a_users_own_runs_in_a_process() -> None:
    mine = FittedHeuristic("custom", "tests.fakes.own_heuristics.ByFee", ByFee())
    whole = bundle(heuristics={"mine": mine})
    found = open_heuristic("mine", whole, settings=settings(), **PORTS)
    assert isinstance(found, ModelProcess)


def test_process_is_started_as_the_settings_say() -> None:
    whole = bundle()
    usual = process_settings("", whole, settings())
    assert (usual.bundle, usual.digest) == ("somewhere", whole.ref.digest)
    assert usual.packages == ("tests.fakes",)
    assert usual.columns == whole.parts.program.columns
    assert (usual.death_signal, usual.golden) == (True, True)
    bare = process_settings(
        "popularity",
        whole,
        settings(faults_allowed=True, without=(Protection.DEATH_SIGNAL, Protection.GOLDEN_BATCH)),
    )
    assert (bare.heuristic, bare.columns) == ("popularity", ())
    assert (bare.death_signal, bare.golden) == (False, False)
