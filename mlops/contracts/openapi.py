"""An OpenAPI document: the decision endpoint described from the contract."""

from mlops.base.digest import Json
from mlops.contracts.domain import Domain
from mlops.contracts.explanation import MAX_NAME
from mlops.contracts.json_schema import row_schema


def document(domain: Domain, *, service: str, version: str, max_candidates: int) -> dict[str, Json]:
    """Return the OpenAPI 3.1 document of a service.

    Args:
        domain: The request's contract.
        service: The service's name.
        version: Version of the served bundle or of the toolkit.
        max_candidates: Most candidates in a request.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{service} decisions",
            "version": version,
            "description": "Orders candidates for one user or query. A valid request always gets"
            " an answer inside its deadline; `source` and `reason` say who gave it.",
        },
        "paths": {
            "/v1/decide": {"post": _decide()},
            "/healthz": {"get": _probe("The process is alive.", codes=("200",))},
            "/readyz": {"get": _readyz()},
            "/metrics": {"get": _probe("Metrics in Prometheus' text format.", codes=("200",))},
            "/openapi.json": {"get": _probe("This document.", codes=("200",))},
        },
        "components": {
            "schemas": {
                "Request": _request(domain, max_candidates),
                "Decision": _decision(max_candidates),
                "Problem": _problem(),
            }
        },
    }


def _reference(name: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


_HEADERS: dict[str, dict[str, Json]] = {
    "X-Deadline-Ms": {
        "description": "Milliseconds until the caller stops waiting, if fewer than the service's.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": 600_000},
    },
    "X-Priority": {
        "description": "Who is refused last when not all can be answered.",
        "schema": {"type": "string", "enum": ["critical", "normal", "sheddable"]},
    },
}


def _header(name: str, **more: Json) -> dict[str, Json]:
    return {"name": name, "in": "header", "required": False, **more}


def _decide() -> dict[str, Json]:
    refused = {
        "400": "The message is no complete HTTP request, or a header of ours is wrong.",
        "405": "Another method than POST.",
        "408": "The request did not arrive whole in time.",
        "413": "The body is too large.",
        "415": "The body is compressed or no JSON.",
        "422": "The request breaks the contract; each field is named.",
        "431": "The headers are too large.",
        "503": "There is no capacity for it in its time, or only a model may answer and none can.",
    }
    answers: dict[str, Json] = {
        "200": {"description": "The decision.", "content": _reference("Decision")}
    }
    for code, text in refused.items():
        answers[code] = {"description": text, "content": _reference("Problem")}
    return {
        "operationId": "decide",
        "summary": "Order candidates.",
        "parameters": [_header(name, **more) for name, more in _HEADERS.items()],
        "requestBody": {"required": True, "content": _reference("Request")},
        "responses": answers,
    }


def _probe(text: str, *, codes: tuple[str, ...]) -> dict[str, Json]:
    return {"summary": text, "responses": {code: {"description": text} for code in codes}}


def _readyz() -> dict[str, Json]:
    probe = _probe("Some source can answer; `?require=model` asks for the model.", codes=("200",))
    parameter: Json = {
        "name": "require",
        "in": "query",
        "schema": {"type": "string", "enum": ["model"]},
    }
    responses = probe["responses"]
    assert isinstance(responses, dict)
    responses["400"] = {"description": "Something else than the model is required."}
    responses["503"] = {"description": "It cannot."}
    return {**probe, "parameters": [parameter]}


def _request(domain: Domain, max_candidates: int) -> dict[str, Json]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["context", "candidates"],
        "properties": {
            "request_id": {
                "type": "string",
                "maxLength": MAX_NAME,
                "description": "The caller's name for the request; one is given if it is empty.",
            },
            "subject": {
                "type": "string",
                "maxLength": MAX_NAME,
                "description": "Key of the user or session, by which arms are sticky.",
            },
            "context": row_schema(domain.context),
            "candidates": {
                "type": "array",
                "minItems": 1,
                "maxItems": max_candidates,
                "items": row_schema(domain.candidate),
                "description": f"Each {domain.identifier.name} at most once.",
            },
        },
    }


def _decision(max_candidates: int) -> dict[str, Json]:
    ranked: dict[str, Json] = {
        "type": "object",
        "required": ["id", "score"],
        "properties": {"id": {"type": "string"}, "score": {"type": "number"}},
    }
    return {
        "type": "object",
        "required": ["request_id", "source", "reason", "arm", "model", "ranking"],
        "properties": {
            "request_id": {"type": "string"},
            "source": {"type": "string", "enum": ["model", "cache", "heuristic", "static"]},
            "reason": {
                "type": "string",
                "description": "`ok`, `holdout`, or why the model did not answer.",
            },
            "arm": {"type": "string", "enum": ["model", "holdout"]},
            "model": {"type": "string", "description": "Digest of the bundle; empty if none."},
            "ranking": {"type": "array", "maxItems": max_candidates, "items": ranked},
        },
    }


def _problem() -> dict[str, Json]:
    return {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {"type": "string"},
            "fields": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "field": {"type": "string"},
                        "rule": {"type": "string"},
                        "message": {"type": "string"},
                    },
                },
            },
        },
    }
