"""A service exports what telemetry declares: every series from the start, and summed up."""

import logging
import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlops.base import telemetry
from mlops.base.telemetry import Kind
from mlops.experiments.assignment import Arm
from mlops.hosting.shared import Shared
from mlops.serving import series
from mlops.serving.breaker import TRANSITIONS, Change, State
from mlops.serving.decision import Decision, Reason, Source
from mlops.serving.guard import Breach
from mlops.serving.instruments import Instruments
from mlops.serving.latch import TRANSITIONS as LATCH_TRANSITIONS
from mlops.serving.series import BY_NAME, SIZE, clear_gauges


@pytest.fixture
def instruments() -> Instruments:
    it = Instruments("s")
    it.bundles(("sha256:abc", "m"), ("sha256:def", "m"))
    return it


def lines(it: Instruments) -> list[str]:
    return [line for line in it.exposition().decode().splitlines() if not line.startswith("#")]


def values(it: Instruments) -> dict[str, float]:
    """Return each series' value by its name and labels without the service, as they are parsed."""
    text = it.exposition().decode()
    return {
        sample.name
        + "".join(f" {key}={value}" for key, value in sample.labels.items() if key != "service"): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def a_decision(source: Source, reason: Reason, arm: Arm) -> Decision:
    return Decision(source, reason, arm, np.zeros(1))


def all_decisions() -> list[Decision]:
    return [
        a_decision(Source(source), Reason(reason), Arm(arm))
        for source, reason, arm in BY_NAME[telemetry.DECISIONS.name].labels
    ]


def test_names_are_the_declared_ones(instruments: Instruments) -> None:
    exported = {line.partition("{")[0] for line in lines(instruments)}
    assert exported == telemetry.exported_series()


def test_types_and_help_are_the_declared_ones(instruments: Instruments) -> None:
    text = instruments.exposition().decode()
    for metric in telemetry.ALL:
        assert f"# TYPE {metric.name} {metric.kind.value}\n" in text
        assert f"# HELP {metric.name} {metric.help}\n" in text


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


def test_every_series_is_there_at_nought_before_the_first_event() -> None:
    fresh = values(Instruments("s"))
    assert len(fresh) > 200
    assert set(fresh.values()) == {0.0}


def test_every_reason_has_a_series_for_the_sources_that_can_give_it() -> None:
    given = {(each.source, each.reason) for each in all_decisions()}
    assert {reason for _, reason in given} == set(Reason)
    assert (Source.MODEL, Reason.OK) in given
    assert (Source.MODEL, Reason.MODEL_ERROR) in given, "the previous bundle's model answered"
    assert (Source.CACHE, Reason.DEADLINE) in given
    for source in (Source.CACHE, Source.HEURISTIC, Source.STATIC):
        assert (source, Reason.OK) not in given
    for source in (Source.CACHE, Source.MODEL):
        assert (source, Reason.HOLDOUT) not in given


def let_everything_happen(it: Instruments) -> None:
    for latched in (*LATCH_TRANSITIONS, LATCH_TRANSITIONS[0]):  # it ends latched
        it.fallback_changed(*latched)
    it.connections(3)
    it.model_limit(3)
    it.model_ready(ready=True)
    it.in_flight.inc()
    it.workers(2)
    it.log_spool(10)
    it.model_trained(1e9)
    it.log_available(True)
    it.poison_refused()
    it.count_breach()
    it.observe_model(math.pi)
    it.queued(math.pi)
    for code in series.CODES:
        it.count_request(int(code))
    for decision in all_decisions():
        it.count_decision(decision, 0.02)
    for breach in Breach:
        it.count_guard(breach)
    for change in TRANSITIONS:
        it.breaker_changed(*change)
    for priority, cause in product(series.PRIORITIES, series.SHED):
        it.shed(priority, cause)
    for role, cause in product(series.ROLES, series.WORKER_CAUSES):
        it.worker_restarted(role, cause)
    by_text: tuple[tuple[Callable[[str], None], tuple[str, ...]], ...] = (
        (it.connection_closed, series.CLOSED),
        (it.count_violation, series.RULES),
        (it.heuristic_failed, series.HEURISTIC_CAUSES),
        (it.model_restarted, series.MODEL_CAUSES),
        (it.swap, series.SWAPS),
        (lambda outcome: it.log_rows(outcome, 5), series.ROWS),
    )
    for count, texts in by_text:
        for text in texts:
            count(text)


def test_whatever_can_happen_moves_its_series_and_makes_no_new_one() -> None:
    it = Instruments("s")
    before = values(it)
    let_everything_happen(it)
    after = values(it)
    assert set(after) == set(before)
    still = {name for name, value in after.items() if not value and "breaker_state" not in name}
    assert not [name for name in still if "_bucket" not in name]


@pytest.mark.parametrize(
    ("code", "counted"), [(200, "200"), (418, "400"), (505, "500"), (501, "500"), (431, "431")]
)
def test_status_without_a_series_counts_as_the_plainest_of_its_hundred(
    code: int, counted: str
) -> None:
    it = Instruments("s")
    it.count_request(code)
    assert values(it)[f"mlops_http_requests_total code={counted}"] == 1


def test_unknown_label_is_logged_and_costs_neither_an_answer_nor_a_series(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = Instruments("s")
    before = values(it)
    with caplog.at_level(logging.ERROR):
        it.count_violation("whatever a caller makes up")
    assert "mlops_contract_violations_total has no series" in caplog.text
    assert values(it) == before


def test_buckets_count_what_is_at_most_their_bound() -> None:
    it = Instruments("s")
    for seconds in (0.0005, 0.00051, 0.05, 0.2, 99.0):
        it.observe_model(seconds)
    found, name = values(it), "mlops_model_duration_seconds"
    counts = {
        bound: found[f"{name}_bucket le={bound}"] for bound in ("0.0005", "0.001", "0.05", "+Inf")
    }
    assert counts == {"0.0005": 1, "0.001": 2, "0.05": 3, "+Inf": 5}
    assert found[f"{name}_bucket le=2.5"] == 4
    assert found[f"{name}_count"] == 5
    assert found[f"{name}_sum"] == pytest.approx(99.25101)


def test_breaker_is_in_one_state() -> None:
    it = Instruments("s")

    def state() -> list[str]:
        found = values(it).items()
        return [name for name, value in found if "breaker_state" in name and value == 1.0]

    assert state() == []
    it.breaker_is(State.CLOSED)
    assert state() == ["mlops_breaker_state state=closed"]
    it.breaker_changed(State.CLOSED, State.OPEN, Change.SLOW)
    assert state() == ["mlops_breaker_state state=open"]


def test_scrape_of_any_process_tells_the_sums_over_all() -> None:
    shared = Shared(members=2, numbers=SIZE, flags=0)
    all_three = [Instruments("s", shared.numbers(at), shared.totals) for at in range(3)]
    for each in all_three:
        each.count_request(200)
        each.observe_model(0.02)
        each.breaker_is(State.CLOSED)
    for each in all_three:
        found = values(each)
        assert found["mlops_http_requests_total code=200"] == 3
        assert found["mlops_model_duration_seconds_bucket le=0.02"] == 3
        assert found["mlops_breaker_state state=closed"] == 3


def test_dead_process_leaves_its_counters_and_none_of_its_gauges() -> None:
    shared = Shared(members=2, numbers=SIZE, flags=0)
    dead, other = (Instruments("s", shared.numbers(at), shared.totals) for at in range(2))
    for each in (dead, other):
        let_everything_happen(each)
    both = values(other)
    clear_gauges(shared.numbers(0))
    left = values(other)
    gauges = {metric.name for metric in telemetry.ALL if metric.kind is Kind.GAUGE}
    for name, value in both.items():
        kept = value / 2 if name.partition(" ")[0] in gauges else value
        assert left[name] == kept, name


def test_bundles_are_named_anew_at_each_swap() -> None:
    it = Instruments("s")

    def named() -> set[str]:
        return {name for name in values(it) if name.startswith("mlops_bundle_info")}

    assert named() == set()
    it.bundles(("a", "m"), None)
    assert named() == {"mlops_bundle_info digest=a model=m role=current"}
    it.bundles(("b", 'odd "\\\nname'), ("a", "m"))
    assert named() == {
        'mlops_bundle_info digest=b model=odd "\\\nname role=current',
        "mlops_bundle_info digest=a model=m role=previous",
    }
    assert values(it)["mlops_bundle_info digest=a model=m role=previous"] == 1
