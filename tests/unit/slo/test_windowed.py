"""Queries that count events: plain counters, and expressions with a place for the window."""

import pytest

from mlops.slo.counter import Counter
from mlops.slo.promql import check_expression, pretty, shape
from mlops.slo.windowed import Windowed, parse_events

SAME = {
    "a counter": 'x_total{job="a"}',
    "its sum": 'sum(x_total{job="a"})',
    "its rate": 'sum(rate(x_total{job="a"}[{{.window}}]))',
    "its rate, with spaces": 'sum( rate( x_total{ job="a" } [{{ .window }}] ) )',
    "its increase": 'sum(increase(x_total{job="a"}[{{.window}}]))',
    "its rate in brackets": '(sum(rate(x_total{job="a"}[{{.window}}])))',
}


@pytest.mark.parametrize("sentence", SAME)
def test_what_means_one_counter_is_that_counter(sentence: str) -> None:
    events = parse_events(SAME[sentence])
    assert isinstance(events, Counter)
    assert events.increase("5m") == 'sum(increase(x_total{job="a"}[5m]))'


EVENTS = {
    "a sum of rates is per second": (
        "sum(rate(a[{{.window}}])) + sum(rate(b[{{.window}}]))",
        "(sum(sum(rate(a[5m])) + sum(rate(b[5m])))) * 300",
    ),
    "samples in a window are events already": (
        "sum_over_time((count(u < 0.75))[{{.window}}:]) OR on() vector(0)",
        "sum(sum_over_time((count(u < 0.75))[5m:]) OR on() vector(0))",
    ),
    "a moved range is not the counter": (
        "sum(rate(a[{{.window}}] offset 1m))",
        "(sum(rate(a[5m] offset 1m))) * 300",
    ),
    "a grouped sum is summed": (
        "sum by (job) (increase(a[{{.window}}]))",
        "sum(sum by (job) (increase(a[5m])))",
    ),
    "a fixed range is not the window": (
        "sum(rate(a[1m])) * sum(rate(b[{{.window}}]))",
        "(sum(sum(rate(a[1m])) * sum(rate(b[5m])))) * 300",
    ),
}


@pytest.mark.parametrize("sentence", EVENTS)
def test_an_expression_counts_events(sentence: str) -> None:
    query, expected = EVENTS[sentence]
    events = parse_events(query)
    assert isinstance(events, Windowed)
    assert events.increase("5m") == expected
    check_expression(expected)


WRONG = {
    "a range of its own": ("sum(rate(a[5m]))", "{{.window}}"),
    "no PromQL": ("sum(rate(a[{{.window}}])", "not PromQL"),
    "an unknown function": ("nosuch(a[{{.window}}])", "unknown function"),
    "two units": ("sum(rate(a[{{.window}}])) + sum(increase(b[{{.window}}]))", "no unit"),
    "a gauge under rate": ("sum(rate(a{{.window}}))", "not PromQL"),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_refused_with_what_is_expected(sentence: str) -> None:
    query, expected = WRONG[sentence]
    with pytest.raises(ValueError, match="(?s)" + expected.replace(".", "[.]").replace("{", "[{]")):
        parse_events(query)


def test_the_selectors_of_an_expression() -> None:
    events = parse_events('sum(rate(a{x="1"}[{{.window}}])) - sum(rate(b[{{.window}}]))')
    assert [str(each) for each in events.counters] == ['a{x="1"}', "b"]


def test_layout_does_not_matter() -> None:
    assert pretty("sum by(a)(  rate( x [5m] ) )") == pretty("sum by (a) (rate(x[5m]))")


def test_a_shape_knows_its_window() -> None:
    assert shape("sum(rate(a[5m]))", "5m").counter == Counter("a")
    assert shape("sum(rate(a[5m]))", "10m").counter is None
    assert shape("sum(rate(a[300s]))", "5m").counter == Counter("a")
