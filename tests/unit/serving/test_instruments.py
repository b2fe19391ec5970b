"""The server exports what telemetry declares, and every series from the start."""

import math

import numpy as np
import pytest

from mlops.base import telemetry
from mlops.base.telemetry import Kind
from mlops.experiments.assignment import Arm
from mlops.serving.decision import Decision, Reason, Source
from mlops.serving.guard import Breach
from mlops.serving.instruments import CAUSES, CODES, RULES, TRANSITIONS, Instruments
from tests.components.serving import Joined


@pytest.fixture
def instruments() -> Instruments:
    it = Instruments("s")
    it.bundle_loaded(digest="sha256:abc", model="m")
    return it


def lines(it: Instruments) -> list[str]:
    return [line for line in it.exposition().decode().splitlines() if not line.startswith("#")]


def test_names_are_the_declared_ones(instruments: Instruments) -> None:
    exported = {line.partition("{")[0].partition(" ")[0] for line in lines(instruments)}
    created = {name for name in exported if name.endswith("_created")}
    assert exported - created == telemetry.exported_series()


def test_labels_are_the_declared_ones(instruments: Instruments) -> None:
    labels: dict[str, set[frozenset[str]]] = {}
    for line in lines(instruments):
        name, _, rest = line.partition("{")
        found = (part.partition("=")[0] for part in rest.rpartition("}")[0].split(","))
        labels.setdefault(name, set()).add(frozenset(found))
    for metric in telemetry.ALL:
        declared = frozenset(metric.labels)
        if metric.kind is Kind.HISTOGRAM:
            assert labels[f"{metric.name}_bucket"] == {declared | {"le"}}
            assert labels[f"{metric.name}_count"] == {declared}
        else:
            assert labels[metric.name] == {declared}


def test_buckets_are_the_declared_ones(instruments: Instruments) -> None:
    name = f"{telemetry.DECISION_SECONDS.name}_bucket"
    bounds = [line.split('le="')[1].split('"')[0] for line in lines(instruments) if name in line]
    wanted = [str(float(each)) for each in telemetry.DECISION_SECONDS.buckets]
    assert bounds == [*wanted, "+Inf"]


def test_every_label_set_is_there_at_nought_before_the_first_event() -> None:
    before = Joined().series()
    seen = [name for name, value in before.items() if name.startswith("mlops_") and value == 0]
    assert len(seen) > 80
    for reason in Reason:
        wanted = f'reason="{reason.value}"'
        assert any("mlops_decisions_total" in name and wanted in name for name in seen)


def test_nothing_that_can_happen_lacks_its_series() -> None:
    it = Joined()
    before = set(it.series())
    instruments = it.instruments
    for code in CODES:
        instruments.count_request(int(code))
    for source in Source:
        for reason in Reason:
            if (source is Source.MODEL) == (reason is Reason.OK):
                arm = Arm.HOLDOUT if reason is Reason.HOLDOUT else Arm.MODEL
                decision = Decision(source, reason, arm, np.zeros(1))
                instruments.count_decision(decision, 0.02)
    for rule in RULES:
        instruments.count_violation(rule)
    for breach in Breach:
        instruments.count_guard(breach)
    instruments.count_breach()
    for cause in CAUSES:
        instruments.model_restarted(cause)
    for old, new in TRANSITIONS:
        instruments.breaker_changed(old, new)
    instruments.model_ready(ready=True)
    instruments.observe_model(math.pi)
    after = it.series()
    assert set(after) == before
    moved = {name for name in before if name.startswith("mlops_") and after[name] == 0}
    assert not [name for name in moved if "_total{" in name]


def test_breakers_state_is_one_of_three() -> None:
    it = Joined()

    def state() -> dict[str, float]:
        return {k: v for k, v in it.series().items() if k.startswith("mlops_breaker_state")}

    assert sorted(state().values()) == [0.0, 0.0, 1.0]
    for old, new in TRANSITIONS[:2]:
        it.instruments.breaker_changed(old, new)
        (name,) = [k for k, v in state().items() if v == 1.0]
        assert f'state="{new.value}"' in name
