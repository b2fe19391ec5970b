"""The request decoder accepts what the contract allows, and names what it does not."""

import json
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.contracts import open_bandit, search_ranking
from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.explanation import Explainer
from mlops.contracts.roles import candidate, context
from mlops.contracts.row import FieldError, InvalidRequestError, Request, RowDecoder
from mlops.contracts.schema import DataFrameModel, Field, Schema, as_frame, read_domain, validate
from mlops.serving.series import RULES
from tests.components.requests import drawn

SCHEMAS: dict[str, Schema] = {
    "open_bandit": open_bandit.Request,
    "search_ranking": search_ranking.Request,
}
DOMAINS = {name: read_domain(schema) for name, schema in SCHEMAS.items()}
DECODERS = {name: RowDecoder(domain, max_candidates=5) for name, domain in DOMAINS.items()}


class Edges(DataFrameModel):
    item: str = Field(str_matches="^[a-z]+$", alias="item-id", metadata=candidate(identifier=True))
    between: float = Field(gt=0, lt=1, metadata=candidate())
    whole: int = Field(gt=-3, le=3, metadata=candidate())
    any_whole: int = Field(metadata=candidate(), alias="class")
    any_text: str = Field(metadata=candidate())
    code: str = Field(str_matches="[0-9]|x", metadata=candidate())
    grade: str = Field(isin=["a", "b"], nullable=True, metadata=candidate())
    free: float = Field(nullable=True, metadata=context())
    flag: bool = Field(metadata=context())


EDGES = RowDecoder(read_domain(Edges), max_candidates=3)
ROW = '{"item-id":"a","between":0.5,"whole":1,"class":0,"any_text":"t","code":"1","grade":"a"}'
BODY = f'{{"context":{{"free":1,"flag":true}},"candidates":[{ROW}]}}'
ITEM = "candidates[0].item-id"


def errors(decoder: RowDecoder, body: bytes | str) -> list[tuple[str, str]]:
    """Return field and rule of everything that is wrong."""
    return [(error.field, error.rule) for error in refusal(decoder, body)]


def refusal(decoder: RowDecoder, body: bytes | str) -> tuple[FieldError, ...]:
    try:
        decoder.decode(body if isinstance(body, bytes) else body.encode())
    except InvalidRequestError as error:
        return error.errors
    return ()


def changed(old: str, new: str) -> str:
    assert old in BODY
    return BODY.replace(old, new)


ACCEPTED: dict[str, tuple[str, dict[str, Any]]] = {
    "the plain request": (BODY, {}),
    "an integer stands for a number": (changed('"free":1', '"free":3'), {"free": 3.0}),
    "a missing nullable column is missing": (changed('"free":1,', ""), {"free": math.nan}),
    "null in a nullable column is missing": (
        changed(':1,"flag"', ':null,"flag"'),
        {"free": math.nan},
    ),
    "null in a nullable category is missing": (
        changed('"grade":"a"', '"grade":null'),
        {"grade": None},
    ),
    "an exponent is a number": (changed("0.5", "5e-1"), {"between": 0.5}),
    "the least number above an open end": (changed("0.5", "5e-324"), {"between": 5e-324}),
    "the least whole number above an open end": (
        changed('"whole":1', '"whole":-2'),
        {"whole": -2.0},
    ),
    "a whole number at its closed end": (changed('"whole":1', '"whole":3'), {"whole": 3.0}),
    "the largest whole number that float64 stands for alone": (
        changed('"class":0', '"class":9007199254740991'),
        {"class": 2.0**53 - 1},
    ),
    "a number that float64 rounds": (
        changed('"free":1', '"free":9007199254740993'),
        {"free": 2.0**53},
    ),
    "a text of 128 letters, each four bytes": (
        changed('"any_text":"t"', f'"any_text":"{"😀" * 128}"'),
        {"any_text": "😀" * 128},
    ),
    "an empty text where any is allowed": (
        changed('"any_text":"t"', '"any_text":""'),
        {"any_text": ""},
    ),
    "members in another order": (
        '{"candidates":[' + ROW + '],"context":{"flag":true,"free":1}}',
        {},
    ),
    "a text that keeps a pattern without anchors at its start": (
        changed('"code":"1"', '"code":"1a"'),
        {"code": "1a"},
    ),
    "white space": (json.dumps(json.loads(BODY), indent=4), {}),
    "an escaped text": (changed('"grade":"a"', '"grade":"\\u0061"'), {"grade": "a"}),
}


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_accepted(sentence: str) -> None:
    body, columns = ACCEPTED[sentence]
    request = EDGES.decode(body.encode())
    assert request.rows == 1
    for name, value in columns.items():
        np.testing.assert_equal(request.table[name][0], value)


REFUSED = {
    # JSON
    "nothing": ("", [("body", "json")]),
    "half a request": (BODY[:-3], [("body", "json")]),
    "something after the request": (BODY + "x", [("body", "json")]),
    "NaN": (changed("0.5", "NaN"), [("body", "json")]),
    "Infinity": (changed("0.5", "Infinity"), [("body", "json")]),
    "a number beyond float64": (changed("0.5", "1e999"), [("body", "json")]),
    "thousands of digits": (changed('"class":0', '"class":' + "9" * 5000), [("body", "json")]),
    "sixty thousand brackets": ("[" * 60_000, [("body", "json")]),
    "thirty thousand nested lists": ("[" * 30_000 + "]" * 30_000, [("body", "json")]),
    "half a surrogate pair": (changed('"t"', '"\\ud800"'), [("body", "json")]),
    "a list": ("[]", [("body", "type")]),
    "a text": ('"x"', [("body", "type")]),
    "null": ("null", [("body", "type")]),
    # structure
    "no context": ('{"candidates":[' + ROW + "]}", [("context", "missing")]),
    "a null context": ('{"context":null,"candidates":[' + ROW + "]}", [("context", "null")]),
    "a list as context": ('{"context":[],"candidates":[' + ROW + "]}", [("context", "type")]),
    "no candidates": ('{"context":{"flag":true}}', [("candidates", "missing")]),
    "null candidates": ('{"context":{"flag":true},"candidates":null}', [("candidates", "null")]),
    "an object of candidates": (
        '{"context":{"flag":true},"candidates":{}}',
        [("candidates", "type")],
    ),
    "an empty list of candidates": (changed(ROW, ""), [("candidates", "count")]),
    "four candidates where three are allowed": (
        changed(ROW, ",".join(ROW.replace('"a","b', f'"{x}","b') for x in "wxyz")),
        [("candidates", "count")],
    ),
    "a candidate that is null": (changed(ROW, "null"), [("candidates[0]", "null")]),
    "a candidate that is a text": (changed(ROW, '"a"'), [("candidates[0]", "type")]),
    "a candidate that occurs twice": (
        changed(ROW, f"{ROW},{ROW}"),
        [("candidates[1].item-id", "duplicate")],
    ),
    "an unknown member of the body": (
        changed('{"context"', '{"x":1,"context"'),
        [("x", "unknown_field")],
    ),
    "an unknown member of the context": (
        changed('{"free"', '{"x":1,"free"'),
        [("context.x", "unknown_field")],
    ),
    "an unknown member of a candidate": (
        changed('{"item-id"', '{"x":1,"item-id"'),
        [("candidates[0].x", "unknown_field")],
    ),
    "an outcome is no part of a request": (
        changed('{"item-id"', '{"click":1,"item-id"'),
        [("candidates[0].click", "unknown_field")],
    ),
    "a request id that is a number": (
        changed('{"context"', '{"request_id":5,"context"'),
        [("request_id", "type")],
    ),
    "a subject that is null": (
        changed('{"context"', '{"subject":null,"context"'),
        [("subject", "type")],
    ),
    "a request id of 129 letters": (
        changed('{"context"', f'{{"request_id":"{"x" * 129}","context"'),
        [("request_id", "type")],
    ),
    # values
    "a number as text": (changed("0.5", '"0.5"'), [("candidates[0].between", "type")]),
    "a truth value as number": (changed("0.5", "true"), [("candidates[0].between", "type")]),
    "a number as truth value": (changed("true", "1"), [("context.flag", "type")]),
    "a text as truth value": (changed("true", '"true"'), [("context.flag", "type")]),
    "a fraction as whole number": (
        changed('"whole":1', '"whole":1.7'),
        [("candidates[0].whole", "type")],
    ),
    "a decimal point in a whole number": (
        changed('"whole":1', '"whole":1.0'),
        [("candidates[0].whole", "type")],
    ),
    "an exponent in a whole number": (
        changed('"class":0', '"class":1e2'),
        [("candidates[0].class", "type")],
    ),
    "a truth value as whole number": (
        changed('"whole":1', '"whole":true'),
        [("candidates[0].whole", "type")],
    ),
    "null where none is allowed": (changed("0.5", "null"), [("candidates[0].between", "null")]),
    "a column that is missing": (
        changed('"between":0.5,', ""),
        [("candidates[0].between", "missing")],
    ),
    "a number at its open end": (changed("0.5", "0"), [("candidates[0].between", "minimum")]),
    "a number that underflows to its open end": (
        changed("0.5", "1e-400"),
        [("candidates[0].between", "minimum")],
    ),
    "a number that rounds to its open end": (
        changed("0.5", "0.99999999999999999999"),
        [("candidates[0].between", "maximum")],
    ),
    "a whole number at its open end": (
        changed('"whole":1', '"whole":-3'),
        [("candidates[0].whole", "minimum")],
    ),
    "a whole number above its end": (
        changed('"whole":1', '"whole":4'),
        [("candidates[0].whole", "maximum")],
    ),
    "a whole number that shares its float64": (
        changed('"class":0', '"class":9007199254740992'),
        [("candidates[0].class", "maximum")],
    ),
    "a whole number beyond float64": (
        changed('"class":0', '"class":-' + "9" * 400),
        [("candidates[0].class", "minimum")],
    ),
    "an integer beyond float64 where a number stands": (
        changed('"free":1', '"free":' + "9" * 400),
        [("context.free", "maximum")],
    ),
    "a text that keeps a pattern without anchors only further on": (
        changed('"code":"1"', '"code":"a1"'),
        [("candidates[0].code", "pattern")],
    ),
    "a text that keeps a pattern's second way only further on": (
        changed('"code":"1"', '"code":"ax"'),
        [("candidates[0].code", "pattern")],
    ),
    "a category that is unknown": (
        changed('"grade":"a"', '"grade":"c"'),
        [("candidates[0].grade", "category")],
    ),
    "a category in capitals": (
        changed('"grade":"a"', '"grade":"A"'),
        [("candidates[0].grade", "category")],
    ),
    "a category as number": (
        changed('"grade":"a"', '"grade":1'),
        [("candidates[0].grade", "type")],
    ),
    "a text that keeps the pattern only further on": (
        changed('-id":"a"', '-id":" a"'),
        [(ITEM, "pattern")],
    ),
    "a text that keeps the pattern only at its start": (
        changed('-id":"a"', '-id":"a1"'),
        [(ITEM, "pattern")],
    ),
    "an empty text where the pattern wants letters": (
        changed('-id":"a"', '-id":""'),
        [(ITEM, "pattern")],
    ),
    "a text that is too long": (
        changed('"any_text":"t"', f'"any_text":"{"x" * 129}"'),
        [("candidates[0].any_text", "pattern")],
    ),
    "a name that occurs twice, wrong the first time": (
        changed('"whole":1', '"whole":9,"whole":1'),
        [("candidates[0].whole", "type")],
    ),
    "three things at once": (
        BODY.replace("0.5", "7").replace("true", "null").replace('"whole":1,', ""),
        [
            ("context.flag", "null"),
            ("candidates[0].between", "maximum"),
            ("candidates[0].whole", "missing"),
        ],
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused_by_name(sentence: str) -> None:
    body, wanted = REFUSED[sentence]
    assert errors(EDGES, body) == wanted
    # Only what the slow way cannot see has no words of its own.
    vague = any(error.message == "breaks the contract" for error in refusal(EDGES, body))
    assert vague == sentence.startswith("a name that occurs twice")


def test_at_most_twenty_fields_are_named() -> None:
    body = changed("0.5", "0.5," + ",".join(f'"x{at}":1' for at in range(100)))
    assert len(errors(EDGES, body)) == 20


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"context":"\xff"}', BODY.encode("utf-16")])
def test_bytes_that_are_no_utf8_are_no_json(body: bytes) -> None:
    assert errors(EDGES, body) == [("body", "json")]


def test_context_is_repeated_for_each_candidate() -> None:
    second = ROW.replace('-id":"a"', '-id":"b"').replace("0.5", "0.25")
    body = changed(ROW, f"{ROW},{second}").replace('{"context"', '{"subject":"s","context"')
    request = EDGES.decode(body.encode())
    assert (request.ids, request.subject, request.request_id) == (("a", "b"), "s", "")
    assert request.table["between"].tolist() == [0.5, 0.25]
    assert request.table["free"].tolist() == [1.0, 1.0]
    assert request.table["any_text"].tolist() == ["t", "t"]


# Values that break a column's rule, whatever the rule's limits are.


def broken(column: Column) -> list[tuple[str, Any]]:
    """Return rules of a column with a value that breaks each."""
    found: list[tuple[str, Any]] = [] if column.nullable else [("null", None)]
    match column.kind:
        case ColumnKind.BOOLEAN:
            found += [("type", 1), ("type", "true"), ("type", 0.0)]
        case ColumnKind.CATEGORY:
            found += [("type", 7), ("type", True), ("type", ["a"])]
            if column.categories is not None:
                found += [("category", ""), ("category", "Nowhere")]
            else:
                found += [("pattern", "!"), ("pattern", "z" * 300)]
        case _:
            found += [("type", "1"), ("type", True), ("type", [1])]
            if column.kind is ColumnKind.INTEGER:
                found += [("type", 1.5)]
            if column.minimum is not None:
                found += [("minimum", column.minimum - 1), ("minimum", -(10**400))]
            if column.maximum is not None:
                found += [("maximum", column.maximum + 1), ("maximum", 10**400)]
    whole = column.kind is ColumnKind.INTEGER
    return [
        (rule, int(value) if whole and rule in ("minimum", "maximum") else value)
        for rule, value in found
    ]


def judged_by_pandera(service: str, request: Request) -> tuple[str, ...]:
    """Return the columns that pandera refuses in the rows of a request."""
    frame = as_frame(request.table, DOMAINS[service].request)
    return tuple(v.column for v in validate(SCHEMAS[service], frame).violations)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(SCHEMAS)), st.integers(1, 5), st.integers(0, 2**32))
def test_what_is_drawn_from_the_contract_is_accepted(service: str, rows: int, seed: int) -> None:
    table, body = drawn(service, rows, seed)
    request = DECODERS[service].decode(json.dumps(body).encode())
    assert request.rows == rows
    for column in DOMAINS[service].request:
        got, wanted = request.table[column.name], table[column.name]
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
    assert judged_by_pandera(service, request) == ()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_one_broken_rule_is_refused_by_field_and_rule(data: st.DataObject) -> None:
    service = data.draw(st.sampled_from(sorted(SCHEMAS)))
    _, body = drawn(service, 3, data.draw(st.integers(0, 2**32)))
    column = data.draw(st.sampled_from(DOMAINS[service].request))
    rule, value = data.draw(st.sampled_from(broken(column)))
    if column in DOMAINS[service].context:
        node, path = body["context"], f"context.{column.name}"
    else:
        at = data.draw(st.integers(0, 2))
        node, path = body["candidates"][at], f"candidates[{at}].{column.name}"
    node[column.name] = value
    (error,) = refusal(DECODERS[service], json.dumps(body))
    assert (error.field, error.rule) == (path, rule)
    assert rule in RULES
    values = column_of(body, column)
    if values is not None:
        assert refused_by_pandera(service, column, values)


def column_of(body: dict[str, Any], column: Column) -> Any:
    """Return a column as the array that pandera can judge; None if its dtype has no such values."""
    rows = [{**body["context"], **each} for each in body["candidates"]]
    values = [row.get(column.name) for row in rows]
    kinds = {type(value) for value in values}
    if column.kind is ColumnKind.CATEGORY:
        return np.array(values, dtype=object) if kinds <= {str, type(None)} else None
    allowed = {int, float, type(None)} if column.nullable else {int, float}
    if column.kind is ColumnKind.INTEGER:
        allowed = {int}
    if column.kind is ColumnKind.BOOLEAN or not kinds <= allowed:
        return None
    return np.array([math.nan if value is None else clipped(value) for value in values])


def clipped(value: float) -> float:
    return float(max(min(value, 10**15), -(10**15)))


def refused_by_pandera(service: str, column: Column, values: Any) -> bool:
    table, _ = drawn(service, len(values), 0)
    frame = as_frame({**table, column.name: values}, DOMAINS[service].request)
    return column.name in {v.column for v in validate(SCHEMAS[service], frame).violations}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_fast_and_slow_way_never_disagree(data: st.DataObject) -> None:
    """What msgspec refuses, the slow way can name; what it accepts, the slow way accepts too."""
    service = data.draw(st.sampled_from(sorted(SCHEMAS)))
    _, body = drawn(service, 2, data.draw(st.integers(0, 2**32)))
    node = data.draw(st.sampled_from([body, body["context"], *body["candidates"]]))
    node[data.draw(st.sampled_from(sorted(node)) | st.text(max_size=3))] = data.draw(JSON)
    encoded = msgspec.json.encode(body)
    found = refusal(DECODERS[service], encoded)
    slow = explained(DOMAINS[service], body)
    assert bool(found) == bool(slow) or [error.rule for error in found] == ["duplicate"]
    assert all(error.rule in RULES for error in found)
    assert [error.message for error in found] != ["breaks the contract"]


def explained(domain: Domain, body: object) -> list[FieldError]:
    return Explainer(domain, max_candidates=5).explain(body)


SECRET = "hunter2-7391"


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_message_repeats_what_was_sent(data: st.DataObject) -> None:
    service = data.draw(st.sampled_from(sorted(SCHEMAS)))
    _, body = drawn(service, 2, 1)
    node = data.draw(st.sampled_from([body, body["context"], *body["candidates"]]))
    name = data.draw(st.sampled_from([*sorted(node), "request_id", "unknown"]))
    node[name] = data.draw(st.sampled_from([SECRET * 30, [SECRET], {"x": SECRET}, 739173917391]))
    for error in refusal(DECODERS[service], json.dumps(body)):
        assert SECRET not in error.message + error.field
        assert "7391" not in error.message


def test_error_is_told_as_one_sentence() -> None:
    with pytest.raises(InvalidRequestError, match=r"candidates\[0\]\.between: must be a number"):
        EDGES.decode(changed("0.5", '"x"').encode())
