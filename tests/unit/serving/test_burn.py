"""A server's burn rates are those of its counters, over the windows that its policy names."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mlops.base import telemetry
from mlops.base.telemetry import Kind
from mlops.contracts.domain import Floats
from mlops.experiments.assignment import Arm
from mlops.serving.burn import Meter, step_s
from mlops.serving.decision import Decision, Reason, Source
from mlops.serving.instruments import Instruments
from mlops.serving.policy import BurnRule, Matcher, Selection, WatchedSlo
from mlops.serving.selected import weights
from mlops.serving.series import SIZE
from tests.components.policies import burn_rule, model_served, within

SERVICE = "s"


class Counted:
    """Instruments, and the vector that they count in."""

    def __init__(self) -> None:
        numbers = memoryview(bytearray(8 * SIZE)).cast("d")
        self.totals: Floats = np.frombuffer(numbers.cast("B"), dtype=np.float64)
        self.it = Instruments(SERVICE, numbers)

    def decide(self, source: Source, reason: Reason, n: int = 1, seconds: float = 0.01) -> None:
        arm = Arm.HOLDOUT if reason is Reason.HOLDOUT else Arm.MODEL
        for _ in range(n):
            self.it.count_decision(Decision(source, reason, arm, np.zeros(1)), seconds)

    def good(self, n: int = 1) -> None:
        self.decide(Source.MODEL, Reason.OK, n)

    def bad(self, n: int = 1) -> None:
        self.decide(Source.HEURISTIC, Reason.DEADLINE, n)


# Selections


def all_series(it: Instruments) -> list[tuple[str, dict[str, str], float]]:
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(it.exposition().decode())
        for sample in family.samples
    ]


def countable() -> list[str]:
    names = []
    for metric in telemetry.ALL:
        if metric.kind is Kind.COUNTER:
            names.append(metric.name)
        elif metric.kind is Kind.HISTOGRAM:
            names += [f"{metric.name}_bucket", f"{metric.name}_count"]
    return names


def test_each_selected_series_has_the_value_that_is_exported() -> None:
    counted = Counted()
    random = np.random.default_rng(5)
    counted.totals.flags.writeable = True
    counted.totals[:] = random.integers(0, 1000, SIZE)
    seen = 0
    for name, labels, value in all_series(counted.it):
        if name in countable():
            matchers = tuple(Matcher(label=k, operator="=", value=v) for k, v in labels.items())
            found = weights(Selection(metric=name, matchers=matchers), SERVICE)
            assert found @ counted.totals == value, (name, labels)
            seen += 1
    assert seen > 200


SELECTED: dict[str, tuple[str, list[tuple[str, str, str]], float]] = {
    "all decisions": ("mlops_decisions_total", [], 15),
    "by a text": ("mlops_decisions_total", [("source", "=", "model")], 10),
    "by another text": ("mlops_decisions_total", [("source", "!=", "model")], 5),
    "by a pattern": ("mlops_decisions_total", [("source", "=~", "model|cache")], 10),
    "a pattern must match all": ("mlops_decisions_total", [("source", "=~", "mode|.*ic")], 5),
    "by another pattern": ("mlops_decisions_total", [("reason", "!~", "ok|deadline")], 0),
    "by two": ("mlops_decisions_total", [("source", "!=", "x"), ("reason", "=", "ok")], 10),
    "of this service": ("mlops_decisions_total", [("service", "=", SERVICE)], 15),
    "a bucket": ("mlops_decision_duration_seconds_bucket", [("le", "=", "0.01")], 15),
    "a smaller bucket": ("mlops_decision_duration_seconds_bucket", [("le", "=", "0.005")], 0),
    "the last bucket": ("mlops_decision_duration_seconds_bucket", [("le", "=", "+Inf")], 15),
    "a count": ("mlops_decision_duration_seconds_count", [], 15),
}


def selection(metric: str, matchers: list[tuple[str, str, str]]) -> Selection:
    made = [{"label": at, "operator": how, "value": value} for at, how, value in matchers]
    return Selection.model_validate({"metric": metric, "matchers": tuple(made)})


@pytest.mark.parametrize("sentence", SELECTED)
def test_selection(sentence: str) -> None:
    metric, matchers, value = SELECTED[sentence]
    counted = Counted()
    counted.good(10)
    counted.bad(5)
    assert weights(selection(metric, matchers), SERVICE) @ counted.totals == value


REFUSED: dict[str, tuple[str, list[tuple[str, str, str]], str]] = {
    "another program's series": ("http_requests_total", [], "counts no `http_requests_total`"),
    "a gauge": ("mlops_workers", [], "counts no events"),
    "a histogram's sum": ("mlops_queue_duration_seconds_sum", [], "counts no events"),
    "a histogram without its part": ("mlops_queue_duration_seconds", [], "counts no events"),
    "a label that only a scrape adds": (
        "mlops_decisions_total", [("instance", "=", "a:1")], "no label `instance`"
    ),
    "a bucket that is not declared": (
        "mlops_queue_duration_seconds_bucket", [("le", "=", "0.07")], "selects none"
    ),
    "another service": ("mlops_decisions_total", [("service", "=", "t")], "selects none"),
    "a broken pattern": ("mlops_decisions_total", [("source", "=~", "(")], "is no pattern"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_the_server_does_not_count_is_refused(sentence: str) -> None:
    metric, matchers, told = REFUSED[sentence]
    with pytest.raises(ValueError, match=told):
        weights(selection(metric, matchers), SERVICE)


# Burn rates


class Metered:
    """A meter over real counters and a clock."""

    def __init__(self, watched: WatchedSlo, rule: BurnRule, **more: Any) -> None:
        self.counted = Counted()
        self.meter = Meter(watched, rule, SERVICE, **more)
        self.step_s = step_s(rule)
        self.now = 100.0
        self.meter.restart(self.now, self.counted.totals)

    def minute(self, good: int, bad: int, seconds: float = 60.0) -> "Metered":
        """Let a minute pass with events spread over it."""
        steps = round(seconds / self.step_s)
        for at in range(steps):
            self.counted.good(good * (at + 1) // steps - good * at // steps)
            self.counted.bad(bad * (at + 1) // steps - bad * at // steps)
            self.now += self.step_s
            self.meter.sample(self.now, self.counted.totals)
        return self


def metered(**changes: Any) -> Metered:
    rule = burn_rule(**changes)
    return Metered(rule.slos[0], rule)


def test_burn_rate_is_the_bad_share_over_the_budget() -> None:
    reading = metered(short_s=30.0).minute(80, 20).meter.read()
    assert reading.long == reading.short == pytest.approx(0.2 / 0.01)
    assert reading.bad_events == 20


def test_without_events_there_is_no_rate_and_nothing_is_too_fast() -> None:
    it = metered(above=0.0001)
    it.minute(0, 0)
    assert (it.meter.read().long, it.meter.read().short) == (None, None)
    assert it.meter.too_fast() is None


def test_both_windows_have_to_be_too_fast() -> None:
    it = metered(long_s=600.0, short_s=60.0, above=14.4)
    it.minute(0, 1, seconds=50.0)
    assert it.meter.too_fast() is None, "no whole short window was seen"
    it.minute(50, 49, seconds=10.0)
    assert it.meter.too_fast() is not None
    it.minute(100, 0).minute(100, 0)
    assert it.meter.read().long == pytest.approx(50 / 300 / 0.01)
    assert it.meter.read().short == 0.0
    assert it.meter.too_fast() is None, "it no longer burns"
    for _ in range(3):
        it.minute(100, 0)
    it.minute(0, 60)
    assert it.meter.read().short == pytest.approx(100.0)
    assert it.meter.read().long == pytest.approx(110 / 660 / 0.01)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    it = metered(long_s=120.0, short_s=30.0)
    it.minute(0, 100).minute(100, 0).minute(100, 0)
    assert it.meter.read().long == 0.0
    assert it.meter.read().bad_events == 0


def test_burn_at_just_the_rate_is_not_above_it() -> None:
    it = metered(above=20.0)
    it.minute(80, 20)
    assert it.meter.too_fast() is None


def test_few_bad_events_prove_nothing() -> None:
    it = metered(min_bad_events=11)
    it.minute(0, 10)
    assert it.meter.too_fast() is None
    it.minute(0, 1)
    assert it.meter.too_fast() is not None


def test_lull_keeps_the_long_windows_rate_and_loses_the_short_ones() -> None:
    it = metered(long_s=600.0, short_s=60.0)
    it.minute(0, 100).minute(0, 0).minute(0, 0)
    assert it.meter.read().long == pytest.approx(100.0)
    assert it.meter.read().short is None
    assert it.meter.too_fast() is None


def test_latency_burns_by_what_is_slower_than_the_bucket() -> None:
    rule = burn_rule(slos=(within("0.05"),))
    it = Metered(rule.slos[0], rule)
    it.counted.decide(Source.MODEL, Reason.OK, 9, seconds=0.05)
    it.counted.decide(Source.MODEL, Reason.OK, 1, seconds=0.051)
    it.minute(0, 0)
    assert it.meter.read().long == pytest.approx(0.1 / 0.01)


def test_holdout_counts_neither_as_good_nor_as_bad() -> None:
    it = metered()
    it.counted.decide(Source.HEURISTIC, Reason.HOLDOUT, 50)
    assert it.minute(10, 0).meter.read().long == 0.0


def test_on_the_way_back_only_requests_count_for_which_the_model_was_asked() -> None:
    rule = burn_rule()
    whole, asked = Metered(rule.slos[0], rule), Metered(rule.slos[0], rule, asked_only=True)
    for it in (whole, asked):
        for reason in (Reason.BURN, Reason.BREAKER_RAMP, Reason.BREAKER_OPEN):
            it.counted.decide(Source.HEURISTIC, reason, 30)
        it.minute(9, 1)
    assert whole.meter.read().long == pytest.approx(91.0)
    assert asked.meter.read().long == pytest.approx(10.0)
    assert asked.meter.read().bad_events == 1


def test_good_events_that_are_ahead_of_all_make_no_negative_rate() -> None:
    it = metered()
    it.counted.decide(Source.MODEL, Reason.OK, 3)
    it.minute(1, 0)
    assert it.meter.read().long == 0.0


def test_samples_are_few_however_long_the_window() -> None:
    for long_s, short_s in ((3600.0, 300.0), (20.0, 5.0), (2.4e6, 60.0), (259_200.0, 21_600.0)):
        rule = burn_rule(long_s=long_s, short_s=short_s)
        assert long_s / step_s(rule) <= 5000
        assert step_s(rule) <= max(short_s / 30, long_s / 5000)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=25),
    st.integers(1, 8),
    st.integers(2, 16),
)
def test_rates_are_those_of_the_events_in_the_window(
    minutes: list[tuple[int, int]], short: int, factor: int
) -> None:
    long = short * factor
    it = Metered(model_served(), burn_rule(long_s=long * 60.0, short_s=short * 60.0))
    for good, bad in minutes:
        it.counted.good(good)
        it.counted.bad(bad)
        it.now += 60.0
        it.meter.sample(it.now, it.counted.totals)
    reading = it.meter.read()
    for window, rate in ((long, reading.long), (short, reading.short)):
        good, bad = (sum(column) for column in zip(*minutes[-window:], strict=True))
        wanted = None if good + bad == 0 else bad / (good + bad) / 0.01
        assert rate == (None if wanted is None else pytest.approx(wanted))
    assert reading.bad_events == sum(bad for _, bad in minutes[-long:])
