"""The OpenAPI document says what the decoder does."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.contracts import open_bandit, search_ranking
from mlops.contracts.openapi import document
from mlops.contracts.roles import candidate, context
from mlops.contracts.row import InvalidRequestError, RowDecoder
from mlops.contracts.schema import DataFrameModel, Field, read_domain
from mlops.serving.decision import Reason, Source
from tests.components.json_schema import valid
from tests.components.requests import drawn

DOMAINS = {
    "open_bandit": read_domain(open_bandit.Request),
    "search_ranking": read_domain(search_ranking.Request),
}


class Edges(DataFrameModel):
    item: str = Field(metadata=candidate(identifier=True))
    between: float = Field(gt=0, lt=1, nullable=True, metadata=candidate(unit="ratio"))
    any_whole: int = Field(metadata=candidate())
    grade: str = Field(isin=["a", "b"], nullable=True, metadata=context())


def of(service: str) -> Any:
    return document(DOMAINS[service], service=service, version="0" * 12, max_candidates=5)


def request_schema(service: str) -> Any:
    return of(service)["components"]["schemas"]["Request"]


@pytest.mark.parametrize("service", DOMAINS)
def test_document_is_as_committed(service: str, golden: Callable[[str, str], None]) -> None:
    text = json.dumps(of(service), indent=2, ensure_ascii=False) + "\n"
    golden(f"openapi/{service}.json", text)


def accepts(service: str, body: object) -> bool:
    decoder = RowDecoder(DOMAINS[service], max_candidates=5)
    try:
        decoder.decode(json.dumps(body).encode())
    except InvalidRequestError as error:
        # Which identifiers are taken is beyond JSON Schema; the document says it in words.
        return [each.rule for each in error.errors] == ["duplicate"]
    return True


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(DOMAINS)), st.integers(1, 5), st.integers(0, 2**32))
def test_requests_of_the_contract_keep_the_document(service: str, rows: int, seed: int) -> None:
    _, body = drawn(service, rows, seed)
    assert valid(request_schema(service), body)
    assert accepts(service, body)


WRONG = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=4)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([-1, 0, 1, 10**6, 10**6 + 1, 2**53 + 1, 20_000.5, "west", "0" * 32, [], {}])
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_document_and_decoder_agree_on_changed_requests(data: st.DataObject) -> None:
    service = data.draw(st.sampled_from(sorted(DOMAINS)))
    _, body = drawn(service, 2, data.draw(st.integers(0, 2**32)))
    node = data.draw(st.sampled_from([body, body["context"], *body["candidates"]]))
    names = [*sorted(node), "request_id", "subject", "other"]
    name = data.draw(st.sampled_from(names))
    if data.draw(st.booleans()):
        node.pop(name, None)
    else:
        node[name] = data.draw(WRONG)
    assert valid(request_schema(service), body) == accepts(service, body)


@pytest.mark.parametrize("rows", [0, 1, 5, 6])
def test_number_of_candidates(rows: int) -> None:
    _, body = drawn("open_bandit", max(rows, 1), 3)
    body["candidates"] = body["candidates"][:rows]
    assert valid(request_schema("open_bandit"), body) == accepts("open_bandit", body)
    assert accepts("open_bandit", body) == (1 <= rows <= 5)


def test_open_ends_units_and_missing_values_are_said() -> None:
    domain = read_domain(Edges)
    made: Any = document(domain, service="s", version="v", max_candidates=2)
    request = made["components"]["schemas"]["Request"]["properties"]
    columns = request["candidates"]["items"]["properties"]
    assert columns["between"] == {
        "type": ["number", "null"],
        "exclusiveMinimum": 0.0,
        "exclusiveMaximum": 1.0,
        "description": "Unit: ratio.",
    }
    assert (columns["any_whole"]["minimum"], columns["any_whole"]["maximum"]) == (
        1 - 2**53,
        2**53 - 1,
    )
    assert request["context"]["properties"]["grade"]["enum"] == ["a", "b", None]
    assert request["candidates"]["items"]["required"] == ["item", "any_whole"]


def test_answers_are_described() -> None:
    schemas = of("open_bandit")["components"]["schemas"]
    decision = schemas["Decision"]["properties"]
    assert {source.value for source in Source} <= set(decision["source"]["enum"])
    assert decision["reason"]["type"] == "string"
    assert Reason.OK.value in decision["reason"]["description"]
    codes = of("open_bandit")["paths"]["/v1/decide"]["post"]["responses"]
    assert set(codes) >= {"200", "400", "405", "413", "415", "422"}


def test_every_reference_leads_somewhere() -> None:
    made = of("search_ranking")
    for reference in references(made):
        node: Any = made
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node["type"] == "object"


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for below in node.values():
            yield from references(below)
    elif isinstance(node, list):
        for below in node:
            yield from references(below)
