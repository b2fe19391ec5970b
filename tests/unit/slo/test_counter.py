"""The counters: plain selectors are read back as they were, anything else says what is wanted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.slo.counter import Counter, Matcher, parse_counter

_NAME = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)
_COUNTERS = st.builds(
    Counter,
    _NAME,
    st.lists(
        st.builds(Matcher, _NAME, st.sampled_from(["=", "!=", "=~", "!~"]), st.text(max_size=8)),
        max_size=3,
    ).map(tuple),
)


@given(_COUNTERS)
def test_what_is_written_is_read_back(counter: Counter) -> None:
    assert parse_counter(str(counter)) == counter
    assert parse_counter(f" sum( {counter} ) ") == counter


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a_total", "a_total"),
        ("a_total{}", "a_total"),
        ("a_total { x = 'y', }", 'a_total{x="y"}'),
        (r'a{path=~"/v1/.*\\.json"}', r'a{path=~"/v1/.*\\.json"}'),
        ('a{x="}"}', 'a{x="}"}'),
    ],
)
def test_accepted(query: str, expected: str) -> None:
    assert str(parse_counter(query)) == expected


@pytest.mark.parametrize(
    "query",
    [
        "",
        "rate(a[5m])",
        "a[5m]",
        "a offset 5m",
        "sum(a) + sum(b)",
        "sum by (x) (a)",
        'a{x="1" y="2"}',
        "a{x=1}",
        'a{x="1"',
        'a{,x="1"}',
        'a{x="1"}[5m]{',
        "1",
    ],
)
def test_refused(query: str) -> None:
    with pytest.raises(ValueError, match=r"plain counter|matcher|comma"):
        parse_counter(query)
