"""The quick decoder takes what is usual and gives, bit for bit, what the one behind it gives."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops.contracts import quick
from mlops.contracts.columns import Layout
from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.explanation import MAX_NAME
from mlops.contracts.quick import QuickDecoder
from mlops.contracts.roles import Scope
from mlops.contracts.row import InvalidRequestError, Request, RowDecoder

MOST = 4


def column(name: str, kind: ColumnKind, scope: Scope, **rules: Any) -> Column:
    return Column(name=name, kind=kind, scope=scope, feature=True, **rules)


DOMAIN = Domain(
    name="Mixed",
    columns=(
        column("price", ColumnKind.NUMBER, Scope.CANDIDATE),
        column("city", ColumnKind.CATEGORY, Scope.CONTEXT, nullable=True, max_length=5),
        column("id", ColumnKind.CATEGORY, Scope.CANDIDATE, identifier=True, pattern="[a-zé]"),
        column("budget", ColumnKind.NUMBER, Scope.CONTEXT, nullable=True, minimum=-1.5),
        column("stars", ColumnKind.INTEGER, Scope.CANDIDATE, minimum=1, maximum=5),
        column("rate", ColumnKind.NUMBER, Scope.CANDIDATE, nullable=True, dtype="float32",
               maximum=1.0),
        column("kind", ColumnKind.CATEGORY, Scope.CANDIDATE, nullable=True,
               categories=("new", "ol d", "ä")),
        column("remote", ColumnKind.BOOLEAN, Scope.CANDIDATE),
        column("urgent", ColumnKind.BOOLEAN, Scope.CONTEXT, nullable=True),
        column("count", ColumnKind.INTEGER, Scope.CONTEXT, nullable=True),
        column("level", ColumnKind.NUMBER, Scope.CANDIDATE, nullable=True, numbers=(1.0, 2.5)),
    ),
)  # fmt: skip
BOTH = RowDecoder(DOMAIN, max_candidates=MOST)
SLOW = RowDecoder(DOMAIN, max_candidates=MOST, quick=False)
QUICK = QuickDecoder(DOMAIN, Layout.of(DOMAIN.request), max_candidates=MOST)

compiled = pytest.mark.skipif(quick._COMPILED is None, reason="no C decoder is installed")


def outcome(decoder: RowDecoder, body: bytes) -> object:
    """Return all that came of a body, numbers as their bytes."""
    try:
        request = decoder.decode(body)
    except InvalidRequestError as error:
        return error.errors
    return contents(request)


def contents(request: Request) -> object:
    table = {
        name: values.tolist() if values.dtype == object else values.tobytes()
        for name, values in sorted(request.table.items())
    }
    return request.request_id, request.subject, request.ids, table


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


numbers = st.one_of(
    st.floats(-1e6, 1e6), st.integers(-3, 8), st.sampled_from([0.0, -0.0, 1.0, 2.5, 1e300, 5e-324])
)
texts = st.sampled_from(
    ["a", "b", "é", "ol d", "new", "ä", "", "Q", "a\n", "日本語日本語", "a" * 130]
)
context = st.fixed_dictionaries(
    {},
    optional={
        "city": maybe(texts), "budget": maybe(numbers), "urgent": maybe(st.booleans()),
        "count": maybe(st.integers(-(2**54), 2**54)),
    },
)  # fmt: skip
candidate = st.fixed_dictionaries(
    {
        "price": numbers, "id": texts, "stars": st.integers(0, 6) | st.sampled_from([1.0, 2.5]),
        "remote": st.booleans() | st.integers(0, 1),
    },
    optional={
        "rate": maybe(numbers), "kind": maybe(texts), "level": maybe(numbers),
        "strange": st.integers(),
    },
)  # fmt: skip
bodies = st.fixed_dictionaries(
    {"context": context, "candidates": st.lists(candidate, max_size=MOST + 1)},
    optional={"request_id": texts | st.integers(), "subject": texts},
)
layouts = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r ")])


@settings(max_examples=400, deadline=None)
@given(body=bodies, separators=layouts, ascii_only=st.booleans())
def test_request_is_the_same_either_way(
    body: dict[str, Any], separators: tuple[str, str], ascii_only: bool
) -> None:
    text = json.dumps(body, separators=separators, ensure_ascii=ascii_only).encode()
    assert outcome(BOTH, text) == outcome(SLOW, text)


USUAL: dict[str, Any] = {
    "context": {"city": "Bonn", "budget": 2.5, "urgent": True, "count": 7},
    "candidates": [
        {"price": 1.25, "id": "a", "stars": 3, "rate": 0.1, "kind": "ol d", "remote": False,
         "level": None},
        {"remote": True, "stars": 5, "price": 12, "id": "é"},
    ],
    "request_id": "r-1",
    "subject": "u-1",
}  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    at=st.integers(0, 400),
    put=st.binary(max_size=4) | st.sampled_from([b'"', b"{", b"}", b",", b"0", b"-", b"\\", b"\0"]),
    drop=st.integers(0, 30),
    spaced=st.booleans(),
)
def test_damaged_body_comes_to_the_same_either_way(
    at: int, put: bytes, drop: int, spaced: bool
) -> None:
    usual = json.dumps(USUAL, ensure_ascii=False, indent=1 if spaced else None).encode()
    body = usual[:at] + put + usual[at + drop :]
    assert outcome(BOTH, body) == outcome(SLOW, body)


@compiled
@pytest.mark.parametrize("indent", [None, 2])
def test_usual_request_takes_the_quick_way(indent: int | None) -> None:
    body = json.dumps(USUAL, ensure_ascii=False, indent=indent).encode()
    found = QUICK.decode(body)
    assert found is not None
    request_id, subject, table = found
    assert (request_id, subject) == ("r-1", "u-1")
    assert table["city"].tolist() == ["Bonn", "Bonn"]
    assert table["count"].tolist() == [7.0, 7.0]
    assert table["price"].tolist() == [1.25, 12.0]
    assert table["kind"].tolist() == ["ol d", None]
    assert math.isnan(table["rate"][1])


UNUSUAL: dict[str, bytes] = {
    "a text with an escape": b'{"context":{},"candidates":[],"request_id":"\\u0041"}',
    "a name twice": b'{"context":{},"context":{},"candidates":[]}',
    "a member that is not known": b'{"context":{},"candidates":[],"more":1}',
    "no candidates": b'{"context":{},"candidates":[]}',
    "no context": b'{"candidates":[]}',
    "nothing": b"",
    "a zero": b"\0",
    "a name that is too long": b'{"request_id":"' + b"a" * (MAX_NAME + 1) + b'"}',
    "text that is no UTF-8": b'{"request_id":"\xff"}',
    "a column twice": json.dumps(USUAL).replace('"urgent"', '"count": 1, "urgent"').encode(),
    "a half": b'{"context":{"city":"Bo',
}


@pytest.mark.parametrize("sentence", UNUSUAL)
def test_unusual_request_is_left_to_the_decoder_behind(sentence: str) -> None:
    assert QUICK.decode(UNUSUAL[sentence]) is None


ONE = Domain(
    name="One",
    columns=(
        column("x", ColumnKind.NUMBER, Scope.CANDIDATE),
        column("id", ColumnKind.CATEGORY, Scope.CANDIDATE, identifier=True),
    ),
)
NUMBER = QuickDecoder(ONE, Layout.of(ONE.request), max_candidates=1)


def number_of(text: str) -> float | None:
    body = b'{"context":{},"candidates":[{"x":' + text.encode() + b',"id":"a"}]}'
    found = NUMBER.decode(body)
    return None if found is None else float(found[2].numbers[0, 0])


digits = st.integers(0, 10**19 - 1).map(str)


@compiled
@settings(max_examples=1000, deadline=None)
@given(
    text=st.one_of(
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.floats(0, 1).map(repr),
        st.builds("{}.{:0>{}}".format, st.integers(0, 99), st.integers(0, 10**9), st.just(17)),
        st.builds("{}e{}".format, digits, st.integers(-350, 320)),
        st.builds(lambda d, at: f"{d[:at] or '0'}.{d[at:] or '0'}", digits, st.integers(0, 19)),
        st.builds("{}e-{}".format, st.integers(2**53 - 3, 2**55), st.integers(0, 22)),
        st.builds("0.{}{}".format, st.integers(0, 25).map("0".__mul__), digits),
    )
)
@example("9007199254740993e-1")  # halfway between two doubles, and a digit beyond
@example("18446744073709551616")  # no digit is left of it in 64 bits
@example("0.18446744073709551616")
@example("26024005244194353e-9")  # beyond the half by less than 64 bits show
@example("73536807471722772e-19")
@example("9007199254740993.0")
@example("9007199254740995.00")
@example("5e-324")
@example("2.4703282292062327e-324")
@example("1.7976931348623157e308")
def test_number_is_the_double_that_lies_nearest(text: str) -> None:
    found = number_of(text)
    if found is not None:
        assert found.hex() == float(text).hex()
    else:  # left to the decoder behind: too long, or beyond what a double holds
        plain = text.lower().lstrip("-").split("e")[0]
        figures = plain.replace(".", "").lstrip("0")
        starts_with_zeros = plain[0] == "0" and plain[1:2].isdigit()
        assert len(figures) > 19 or math.isinf(float(text)) or starts_with_zeros


@pytest.mark.parametrize(
    "text",
    ["01", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "0x1", "1_0", "NaN", "Infinity", "1e999",
     "-0", "12345678901234567890", "1e12345", '"1"', "true", "[1]", "1 2"],
)  # fmt: skip
def test_text_that_is_no_number_of_the_usual_kind_is_left(text: str) -> None:
    assert number_of(text) is None


def test_body_that_is_not_of_bytes_is_left() -> None:
    assert QUICK.decode(bytearray(json.dumps(USUAL).encode())) is None  # type: ignore[arg-type] # meant
