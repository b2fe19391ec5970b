"""The resolution: all that OpenSLO v1 can say becomes objectives, or is omitted with a reason."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.base.errors import ConfigError
from mlops.slo.calendar import Calendar
from mlops.slo.catalog import Catalog, read_catalog
from mlops.slo.composite import Composite, Member
from mlops.slo.counter import Counter
from mlops.slo.indicator import CountedRatio, Counts, QueriedRatio
from mlops.slo.objective import Objective
from mlops.slo.sampled import GaugeRatio, RawRatio, Sampled
from mlops.slo.sliced import Slice, Sliced

THRESHOLD = "thresholdMetric: {metricSource: {type: Prometheus, spec: {query: max(lag)}}}"


def slo(
    *,
    metric: str = "",
    objectives: str = "[{target: 0.99}]",
    method: str = "Occurrences",
    window: str = "{duration: 28d, isRolling: true}",
    metadata: str = "",
) -> str:
    """Return an SLO; without a metric its objectives must have their own."""
    indicator = f"  indicator: {{metadata: {{name: sli}}, spec: {{{metric}}}}}\n" if metric else ""
    return (
        "apiVersion: openslo/v1\nkind: SLO\n"
        f"metadata: {{name: shop, {metadata}}}\n"
        f"spec:\n  service: shop\n{indicator}"
        f"  timeWindow: [{window}]\n  budgetingMethod: {method}\n  objectives: {objectives}\n"
    )


def ratio(counter: str = "true", good: str = "good_total", total: str = "all_total") -> str:
    said = f"counter: {counter}, " if counter else ""
    return f"ratioMetric: {{{said}good: {query(good)}, total: {query(total)}}}"


def raw(kind: str = "success") -> str:
    return f"ratioMetric: {{rawType: {kind}, raw: {query('uptime_ratio')}}}"


def query(text: str) -> str:
    return f"{{metricSource: {{type: Prometheus, spec: {{query: '{text}'}}}}}}"


def part(name: str, target: float, more: str = "") -> str:
    metric = ratio(good=f"{name}_good_total", total=f"{name}_total")
    indicator = f"{{metadata: {{name: {name}}}, spec: {{{metric}}}}}"
    return f"{{target: {target}, indicator: {indicator}{more}}}"


def read(folder: Path, *texts: str) -> Catalog:
    path = folder / "slo.yaml"
    path.write_text("---\n".join(texts))
    return read_catalog([path])


def only(catalog: Catalog) -> Objective:
    assert catalog.omitted == ()
    (objective,) = catalog.objectives
    return objective


GOOD, ALL = Counter("good_total"), Counter("all_total")
OCCURRENCES = CountedRatio(Counts.GOOD, GOOD, ALL)

INDICATORS: Mapping[str, tuple[str, object]] = {
    "counters": (slo(metric=ratio()), OCCURRENCES),
    "counters that are known by their names": (slo(metric=ratio(counter="")), OCCURRENCES),
    "a rate over the window is its counter": (
        slo(metric=ratio(good="sum(rate(good_total[{{.window}}]))")),
        OCCURRENCES,
    ),
    "a threshold": (
        slo(metric=THRESHOLD, objectives="[{op: lte, value: 2.5, target: 0.9}]"),
        Sampled("max(lag)", "lte", "2.5"),
    ),
    "a raw share of successes": (slo(metric=raw()), RawRatio(Counts.GOOD, "uptime_ratio")),
    "a raw share of failures": (slo(metric=raw("failure")), RawRatio(Counts.BAD, "uptime_ratio")),
    "gauges": (
        slo(metric=ratio("false", "up", "count(up)")),
        GaugeRatio(Counts.GOOD, "up", "count(up)"),
    ),
    "time slices": (
        slo(
            metric=ratio(),
            method="Timeslices",
            objectives="[{target: 0.99, timeSliceWindow: 5m, timeSliceTarget: 0.95}]",
        ),
        Sliced(300, (Slice(OCCURRENCES, Decimal("0.95")),)),
    ),
    "ratio time slices, whose length is minutes without a unit": (
        slo(
            metric=ratio(),
            method="RatioTimeslices",
            objectives="[{target: 0.99, timeSliceWindow: 2}]",
        ),
        Sliced(120, (Slice(OCCURRENCES, None),)),
    ),
    "time slices of a threshold": (
        slo(
            metric=THRESHOLD,
            method="Timeslices",
            objectives=(
                "[{op: lt, value: 7, target: 0.9, timeSliceWindow: 1h, timeSliceTarget: 0.5}]"
            ),
        ),
        Sliced(3600, (Slice(Sampled("max(lag)", "lt", "7"), Decimal("0.5")),)),
    ),
    "one objective with an indicator of its own": (
        slo(objectives=f"[{part('a', 0.99)}]"),
        CountedRatio(Counts.GOOD, Counter("a_good_total"), Counter("a_total")),
    ),
}


@pytest.mark.parametrize("sentence", INDICATORS)
def test_a_definition_becomes_an_indicator(sentence: str, tmp_path: Path) -> None:
    text, expected = INDICATORS[sentence]
    objective = only(read(tmp_path, text))
    assert objective.slo == "shop"
    assert objective.indicator == expected
    assert (objective.ratio is not None) is isinstance(expected, CountedRatio)


def test_a_query_of_a_window_is_kept(tmp_path: Path) -> None:
    good = "sum(rate(a_total[{{.window}}])) - sum(rate(b_total[{{.window}}]))"
    found = only(read(tmp_path, slo(metric=ratio("", good)))).indicator
    assert isinstance(found, QueriedRatio)
    assert [counter.metric for counter in found.counters] == ["a_total", "b_total", "all_total"]
    assert found.increasing == (ALL,)


SLICES, HEAVY = ", timeSliceWindow: 1m, timeSliceTarget: 0.95", ", compositeWeight: 2"
OMITTED: Mapping[str, tuple[str, str]] = {
    "a threshold without a value": (slo(metric=THRESHOLD), "needs `op` and `value`"),
    "a threshold that is no vector": (
        slo(
            metric=THRESHOLD.replace("max(lag)", "1 + 1"),
            objectives="[{op: lt, value: 1, target: 0.9}]",
        ),
        "not PromQL",
    ),
    "a look with a place for a window": (
        slo(
            metric=THRESHOLD.replace("max(lag)", "'rate(a_total[{{.window}}])'"),
            objectives="[{op: lt, value: 1, target: 0.9}]",
        ),
        "ranges of its own",
    ),
    "a name that does not tell whether it counts": (
        slo(metric=ratio("", "good", "all_total")),
        "say `counter: true` or `counter: false`",
    ),
    "a counter with its own range": (
        slo(metric=ratio("true", "rate(good_total[5m])")),
        "plain counter",
    ),
    "a rolling month": (
        slo(metric=ratio(), window="{duration: 1M, isRolling: true}"),
        "no fixed length",
    ),
    "a calendar of hours": (
        slo(
            metric=ratio(),
            window=(
                "{duration: 12h, calendar: {startTime: 2026-01-01 00:00:00, timeZone: Etc/UTC}}"
            ),
        ),
        "days or longer",
    ),
    "a slice of a month": (
        slo(
            metric=ratio(),
            method="RatioTimeslices",
            objectives="[{target: 0.9, timeSliceWindow: 1M}]",
        ),
        "from a second to a year",
    ),
    "a slice of no time": (
        slo(
            metric=ratio(),
            method="RatioTimeslices",
            objectives="[{target: 0.9, timeSliceWindow: 0.001}]",
        ),
        "from a second to a year",
    ),
    "a period that nobody lives to see": (
        slo(metric=ratio(), window="{duration: 999999999w, isRolling: true}"),
        "longer than ten years",
    ),
    "weights that leave no budget": (
        slo(objectives=f"[{part('a', 0.5)}, {part('b', 0.5, ', compositeWeight: 1.0e+300')}]"),
        "so large",
    ),
    "composite slices of different lengths": (
        slo(
            method="RatioTimeslices",
            objectives=(
                f"[{part('a', 0.9, ', timeSliceWindow: 1m')}, "
                f"{part('b', 0.9, ', timeSliceWindow: 5m')}]"
            ),
        ),
        "one and the same `timeSliceWindow`",
    ),
    "weights of slices that are good or bad": (
        slo(
            method="Timeslices",
            objectives=f"[{part('a', 0.9, SLICES)}, {part('b', 0.9, SLICES + HEAVY)}]",
        ),
        "`compositeWeight` has no meaning",
    ),
    "weights that never spend the budget": (
        slo(
            objectives=(
                f"[{part('a', 0.5, ', compositeWeight: 0.1')}, "
                f"{part('b', 0.5, ', compositeWeight: 0.1')}]"
            ),
        ),
        "so small",
    ),
}


@pytest.mark.parametrize("sentence", OMITTED)
def test_what_cannot_be_compiled_is_omitted_with_the_reason(sentence: str, tmp_path: Path) -> None:
    text, reason = OMITTED[sentence]
    catalog = read(tmp_path, text)
    assert catalog.objectives == ()
    (omitted,) = catalog.omitted
    assert reason in omitted.reason
    assert (omitted.slo, omitted.place.line) == ("shop", 3)


NAMES = {
    "their names": (
        "[{displayName: For users!, target: 0.9}, {displayName: SLA, target: 0.8}]",
        [("shop-for-users", "Shop, For users!", "0.9"), ("shop-sla", "Shop, SLA", "0.8")],
    ),
    "numbers, if one has no name": (
        "[{displayName: Users, target: 0.9}, {target: 0.8}]",
        [("shop-1", "Shop, Users", "0.9"), ("shop-2", "Shop, 2", "0.8")],
    ),
    "numbers, if two have the same name": (
        "[{displayName: Users, target: 0.9}, {displayName: users, targetPercent: 80}]",
        [("shop-1", "Shop, Users", "0.9"), ("shop-2", "Shop, users", "0.8")],
    ),
}


@pytest.mark.parametrize("sentence", NAMES)
def test_several_objectives_are_told_apart_by(sentence: str, tmp_path: Path) -> None:
    objectives, expected = NAMES[sentence]
    text = slo(metric=ratio(), objectives=objectives, metadata="displayName: Shop")
    found = read(tmp_path, text).objectives
    assert [(each.slo, each.title, str(each.target)) for each in found] == expected
    assert {each.indicator for each in found} == {OCCURRENCES}


def test_two_objectives_that_would_be_called_alike_are_an_error(tmp_path: Path) -> None:
    several = slo(
        metric=ratio(),
        objectives="[{displayName: a, target: 0.9}, {displayName: b, target: 0.8}]",
    )
    other = slo(metric=ratio()).replace("name: shop,", "name: shop-a,")
    with pytest.raises(ConfigError, match="two objectives would be called `shop-a`"):
        read(tmp_path, several, other)


def test_a_composite_has_the_budget_that_its_parts_spend_together(tmp_path: Path) -> None:
    text = slo(objectives=f"[{part('a', 0.99)}, {part('b', 0.9, ', compositeWeight: 2')}]")
    objective = only(read(tmp_path, text))
    assert isinstance(objective.indicator, Composite)
    assert [member.weight for member in objective.indicator.members] == [1, 2]
    assert objective.error_budget == pytest.approx(Decimal(1) / 120)
    assert objective.asked_at.line == 8


def test_composite_slices_take_the_strictest_target(tmp_path: Path) -> None:
    text = slo(
        method="Timeslices",
        objectives=f"[{part('a', 0.99, SLICES)}, {part('b', 0.9, SLICES)}]",
    )
    objective = only(read(tmp_path, text))
    assert isinstance(objective.indicator, Sliced)
    assert len(objective.indicator.parts) == 2
    assert objective.target == Decimal("0.99")
    assert len(objective.counters) == 4


WEIGHTS = st.decimals(min_value="0.5", max_value=100, places=2)
BUDGETS = st.decimals(min_value="0.001", max_value="0.5", places=3)


@given(st.lists(st.tuples(BUDGETS, WEIGHTS, st.floats(0, 1)), min_size=2, max_size=5))
def test_a_composites_burn_rate_is_the_weighted_sum_of_its_parts(
    parts: list[tuple[Decimal, Decimal, float]],
) -> None:
    composite = Composite(tuple(Member(OCCURRENCES, budget, w) for budget, w, _ in parts))
    shares = [float(w / budget * composite.budget) for budget, w, _ in parts]
    assert sum(shares) == pytest.approx(1, rel=1e-6)
    error = sum(share * e for share, (_, _, e) in zip(shares, parts, strict=True))
    burn = sum(float(w) * e / float(budget) for budget, w, e in parts)
    assert error / float(composite.budget) == pytest.approx(burn, rel=1e-6)


def test_a_calendar_window_has_its_calendar(tmp_path: Path) -> None:
    window = "{duration: 2M, calendar: {startTime: 2026-01-01 12:00:00, timeZone: Europe/Vienna}}"
    objective = only(read(tmp_path, slo(metric=ratio(), window=window)))
    assert objective.calendar == Calendar(2, "M", datetime(2026, 1, 1, 12), "Europe/Vienna")  # noqa: DTZ001 - a wall clock
    assert objective.period_s == 60 * 86_400


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Europe/Vienna", "Europe/Wien", "there is no time zone `Europe/Wien`"),
        ("2026-01-01", "2026-02-31", "day is out of range"),
    ],
)
def test_a_calendar_that_does_not_exist_is_an_error(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    window = "{duration: 1M, calendar: {startTime: 2026-01-01 12:00:00, timeZone: Europe/Vienna}}"
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, slo(metric=ratio(), window=window.replace(old, new)))
    assert caught.value.place is not None
    assert caught.value.place.line == 7


def test_annotations_and_labels_reach_the_objective(tmp_path: Path) -> None:
    metadata = (
        "labels: {team: [ranking, search], cost.centre: a}, annotations: {"
        "dashboard_url: https://grafana/d/1, mlops/disable-alerts: 'page, ticket',"
        "mlops/min-bad-events: '7'}"
    )
    objective = only(read(tmp_path, slo(metric=ratio(), metadata=metadata)))
    assert objective.labels == {"team": "ranking,search", "cost_centre": "a"}
    assert objective.dashboard_url == "https://grafana/d/1"
    assert objective.muted == {"page", "ticket"}
    assert objective.min_bad_events == 7


def test_slices_ask_no_least_number_of_bad_ones_unless_told(tmp_path: Path) -> None:
    text, _ = INDICATORS["time slices"]
    assert only(read(tmp_path, text)).min_bad_events == 0
    own = text.replace("name: shop,", "name: shop, annotations: {mlops/min-bad-events: '2'}")
    assert only(read(tmp_path, own)).min_bad_events == 2


WRONG = {
    "an annotation of ours that nobody reads": (
        "annotations: {mlops/disable-alert: page}",
        "no annotation `mlops/disable-alert`",
        "did you mean `mlops/disable-alerts`?",
    ),
    "a severity that does not exist": (
        "annotations: {mlops/disable-alerts: sms}",
        "page or ticket or both",
        "",
    ),
    "a number that is none": (
        "annotations: {mlops/min-bad-events: few}",
        "a number of events",
        "",
    ),
    "a label that alerts have": (
        "labels: {severity: high}",
        "`severity` is an alert's own",
        "rename it, or make it an annotation",
    ),
    "two labels that become one": (
        "labels: {cost-centre: a, cost.centre: b}",
        "`cost_centre` is given twice",
        "rename it, or make it an annotation",
    ),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_metadata_that_cannot_be_meant_is_an_error(sentence: str, tmp_path: Path) -> None:
    metadata, message, hint = WRONG[sentence]
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, slo(metric=ratio(), metadata=metadata))
    assert message in caught.value.message
    assert caught.value.hint == hint
    assert caught.value.place is not None
    assert caught.value.place.line == 3


POLICY = """apiVersion: mlops/v1
kind: ErrorBudgetPolicy
metadata: {name: spent}
spec:
  service: shop
  rules:
    - name: freeze
      slos: [shop]
      when: {budgetRemaining: {below: 0.1}}
      then: [freeze]
      recovery: {by: budget}
"""


def test_a_policy_names_the_objectives_of_the_slos_that_it_names(tmp_path: Path) -> None:
    several = slo(metric=ratio(), objectives="[{target: 0.9}, {target: 0.8}]")
    service = """apiVersion: openslo/v1
kind: Service
metadata: {name: shop, labels: {service: my_shop}}
"""
    (policy,) = read(tmp_path, several, service, POLICY).policies
    assert policy.service == "my_shop"
    assert policy.rules[0].slos == ("shop-1", "shop-2")


def test_a_policy_keeps_the_name_of_an_omitted_slo(tmp_path: Path) -> None:
    catalog = read(tmp_path, slo(metric=THRESHOLD), POLICY)
    assert catalog.omitted
    assert catalog.policies[0].rules[0].slos == ("shop",)


def test_a_policy_of_an_slo_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no SLO `shp`"):
        read(tmp_path, slo(metric=ratio()), POLICY.replace("[shop]", "[shp]"))
