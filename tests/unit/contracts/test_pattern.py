r"""A pattern is written again so that RE2, `re` and ECMA-262 read it alike."""

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.contracts.pattern import UnportableError, literal, translate
from tests.components.contracts import PATTERNS, TEXTS

TRANSLATED = {
    r"^[A-Za-z0-9_-]{1,64}$": (r"\A[A-Za-z0-9_\-]{1,64}\Z", r"^[A-Za-z0-9_\-]{1,64}$"),
    r"\d\D\w\s": (
        r"[0-9][^0-9][A-Za-z0-9_][\t\n\f\r ]",
        r"[0-9][^0-9][A-Za-z0-9_][\t\n\f\r ]",
    ),
    r"a.\Z": (r"a[^\n]\Z", r"a[^\n]$"),
    r"(?P<year>[0-9]{4})|b": ("(?:[0-9]{4})|b", "(?:[0-9]{4})|b"),
    r"\bx": (r"(?a:\b)x", r"\bx"),
    r"[]a-]": (r"[\]a\-]", r"[\]a\-]"),
    r"[^\]\-x-z\d]": (r"[^\]\-x-z0-9]", r"[^\]\-x-z0-9]"),
    r"[\x2d-a]": (r"[\--a]", r"[\--a]"),
    "a{b}/": (r"a\{b\}\/", r"a\{b\}\/"),
    "a\nb": (r"a\nb", r"a\nb"),
}


@pytest.mark.parametrize("text", TRANSLATED)
def test_translated(text: str) -> None:
    found = translate(text)
    assert (found.python, found.ecma) == TRANSLATED[text]


@pytest.mark.parametrize(
    "text",
    [
        "(?=a)", "(?<!a)b", "(?i)a", "(?s:.)", r"(a)\1", "a++", "a{,3}", "a{1001}", r"[\W]",
        "[[:alpha:]]", r"\u0061", r"\p", r"(?P<a>b)(?P=a)", "a(?#no)", r"[\b]", "(?>a)",
    ],
)  # fmt: skip
def test_what_engines_read_differently_is_not_portable(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        translate(text)


@pytest.mark.parametrize("text", ["[a", "(", "a)", "*", r"[z-a]", "a{2}{3}", r"[\d-x]"])
def test_what_is_no_expression_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="no regular expression") as told:
        translate(text)
    assert not isinstance(told.value, UnportableError)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_it_matches_what_pandas_matches(pattern: str) -> None:
    texts = pd.Series(list(TEXTS), dtype="str")
    found = translate(pattern).python
    wanted = texts.str.match(pattern).tolist()
    assert [re.match(found, text) is not None for text in TEXTS] == wanted


PIECES = st.sampled_from(
    ["a", "b", ".", "^", "$", r"\d", r"\w", r"\s", r"\S", "[ab]", "[^a]", "a*", "b?", "a+?",
     "(a|b)", "(?:ab){1,2}", "|", r"\.", r"\b", "é", "\n"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=6).map("".join), st.text("ab.é \n1", max_size=6))
def test_random_patterns_match_what_pandas_matches(pattern: str, text: str) -> None:
    try:
        found = translate(pattern).python
    except ValueError:
        return
    wanted = bool(pd.Series([text], dtype="str").str.match(pattern).iloc[0])
    assert (re.match(found, text) is not None) == wanted


@given(st.text(max_size=8), st.text(max_size=8))
def test_literal_matches_itself_and_nothing_else(text: str, other: str) -> None:
    found = literal(text)
    assert re.fullmatch(found.python, text)
    assert (re.fullmatch(found.python, other) is not None) == (text == other)
