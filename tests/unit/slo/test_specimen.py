"""A specimen: made up so that selectors pick it, or do not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.slo.counter import Counter, Matcher, parse_counter
from mlops.slo.specimen import Specimen, altered, picks, specimen

# By sentence: selectors that pick it, selectors that do not, and the series.
MADE_UP: dict[str, tuple[list[str], list[str], str | None]] = {
    "a plain selector": (['x{a="b"}'], [], 'x{a="b"}'),
    "bad events are requests with a code": (
        ['r_total{code=~"5..",job="j"}', 'r_total{job="j"}'],
        [],
        'r_total{code="500",job="j"}',
    ),
    "good events are those without it": (
        ['r_total{job="j"}'],
        ['r_total{code=~"5..",job="j"}'],
        'r_total{code="other",job="j"}',
    ),
    "of alternatives the first": (['x{a=~"b|c"}'], [], 'x{a="b"}'),
    "of groups, too": (['x{a=~"(5..|429)"}'], [], 'x{a="500"}'),
    "what must not be is something else": (['x{a!="b"}'], [], 'x{a="other"}'),
    "digits and classes": (['x{a=~"[a-c]+-\\\\d{3}"}'], [], 'x{a="a-1"}'),
    "two metrics have no series in common": (["x", "y"], [], None),
    "what every series of a metric is cannot be avoided": (['x{a="b"}'], ["x"], None),
    "a contradiction": (['x{a="b"}', 'x{a="c"}'], [], None),
}


@pytest.mark.parametrize("sentence", MADE_UP)
def test_a_series_is_made_up(sentence: str) -> None:
    wanted, unwanted, expected = MADE_UP[sentence]
    found = specimen([*map(parse_counter, wanted)], [*map(parse_counter, unwanted)])
    if "classes" in sentence:
        assert found is None or picks(parse_counter(wanted[0]), found)
    else:
        assert (None if found is None else str(found)) == expected


def test_of_alternatives_the_last_is_there_too() -> None:
    assert str(specimen([parse_counter('x{a=~"b|c"}')], last=True)) == 'x{a="c"}'


_TEXTS = st.from_regex(re.compile(r"[a-z0-9./-]{1,5}"), fullmatch=True)
_MATCHERS = st.builds(
    Matcher, st.sampled_from("abc"), st.sampled_from(["=", "!=", "=~", "!~"]), _TEXTS
)
_COUNTERS = st.builds(
    Counter, st.sampled_from(["x", "y"]), st.lists(_MATCHERS, max_size=4).map(tuple)
)


@given(st.lists(_COUNTERS, min_size=1, max_size=3), st.lists(_COUNTERS, max_size=2), st.booleans())
def test_whatever_is_made_up_is_picked_by_all_wanted_and_by_none_else(
    wanted: list[Counter], unwanted: list[Counter], last: bool
) -> None:
    found = specimen(wanted, unwanted, last=last)
    if found is not None:
        assert all(picks(counter, found) for counter in wanted)
        assert not any(picks(counter, found) for counter in unwanted)
        for label in found.labels:
            other = altered(found, label, wanted)
            assert other is None or not any(picks(counter, other) for counter in wanted)


def test_a_label_without_value_is_not_written() -> None:
    assert str(Specimen("x", {"b": "", "a": 'say "hi"'})) == 'x{a="say \\"hi\\""}'
