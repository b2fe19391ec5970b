"""The HTTP face: codes, bodies and counters, driven as the server drives it."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from mlops.contracts.row import Request
from mlops.serving.app import App
from mlops.serving.decision import Decision
from mlops.serving.model_client import ModelFailedError
from mlops.serving.spec import HoldoutSpec
from tests.components.serving import Joined, Reply, a_body, call, spec
from tests.fakes.model import FakeModel


def ask(it: Joined, *args: Any, **options: Any) -> Reply:
    return asyncio.run(call(it.app, *args, **options))


def counted(it: Joined, name: str) -> dict[str, float]:
    """Return what moved of a counter, by its labels but the service's."""
    return {
        key.partition("{")[2].rstrip("}").replace(',service="open_bandit"', ""): value
        for key, value in it.series().items()
        if key.startswith(f"{name}{{") and value
    }


def codes(it: Joined) -> dict[str, float]:
    found = counted(it, "mlops_http_requests_total")
    return {key.removeprefix('code="').rstrip('"'): value for key, value in found.items()}


def test_decision() -> None:
    it = Joined()
    reply = ask(it, body=a_body(request_id="r-1", subject="u-1"))
    assert reply.code == 200
    assert reply.headers[b"content-type"] == b"application/json"
    assert int(reply.headers[b"content-length"]) == len(reply.body)
    assert reply.json == {
        "request_id": "r-1",
        "source": "model",
        "reason": "ok",
        "arm": "model",
        "model": "sha256:abc",
        "ranking": [
            {"id": "1", "score": 0.9},
            {"id": "2", "score": 0.5},
            {"id": "0", "score": 0.1},
        ],
    }
    assert codes(it) == {"200": 1.0}
    assert list(counted(it, "mlops_decisions_total").values()) == [1.0]
    assert it.series()['mlops_requests_in_flight{service="open_bandit"}'] == 0


def test_fallbacks_answer_is_a_200() -> None:
    reply = ask(Joined(FakeModel(ModelFailedError("x"))), body=a_body())
    assert reply.code == 200
    assert (reply.json["source"], reply.json["reason"]) == ("heuristic", "model_error")


def test_request_without_a_name_is_given_one() -> None:
    it = Joined()
    names = [ask(it, body=a_body()).json["request_id"] for _ in range(2)]
    assert names == ["made-0", "made-1"]


def test_holdout_is_fair_to_callers_who_name_neither_subject_nor_request() -> None:
    it = Joined(spec=spec(holdout=HoldoutSpec(share=0.2)))
    arms = [ask(it, body=a_body()).json["arm"] for _ in range(400)]
    assert 40 < arms.count("holdout") < 130


def test_body_may_come_in_pieces() -> None:
    whole = a_body()
    pieces = [whole[at : at + 100] for at in range(0, len(whole), 100)]
    assert ask(Joined(), body=pieces).code == 200


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "another method": ({"method": "GET"}, 405, "only POST"),
    "a form": ({"headers": {"content-type": "text/plain"}}, 415, "application/json"),
    "a compressed body": ({"headers": {"content-encoding": "gzip"}}, 415, "compressed"),
    "a declared length that is too large": (
        {"headers": {"content-length": "20001"}}, 413, "20000 bytes",
    ),
    "a declared length of thousands of digits": (
        {"headers": {"content-length": "9" * 5000}}, 413, "20000 bytes",
    ),
    "a declared length that is no number": (
        {"headers": {"content-length": "many"}}, 400, "content-length",
    ),
    "a declared length below nought": ({"headers": {"content-length": "-1"}}, 400, "no number"),
    "a declared length in other digits": ({"headers": {"content-length": "²"}}, 400, "no number"),
    "an empty declared length": ({"headers": {"content-length": ""}}, 400, "no number"),
    "a body that grows too large": ({"body": [b"x" * 15_000, b"x" * 15_000]}, 413, "20000 bytes"),
    "a body that is no JSON": ({"body": b"{"}, 422, "contract"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_refusals(sentence: str) -> None:
    options, code, text = REFUSED[sentence]
    it = Joined()
    reply = ask(it, **{"body": a_body(), **options})
    assert reply.code == code
    assert text in reply.json["error"]
    assert codes(it) == {str(code): 1.0}
    assert counted(it, "mlops_decisions_total") == {}
    assert it.model is not None
    assert it.model.asked == []


def test_media_type_may_have_parameters_and_capitals() -> None:
    kind = {"content-type": "Application/JSON; charset=utf-8", "content-encoding": "Identity"}
    assert ask(Joined(), body=a_body(), headers=kind).code == 200


def test_contract_violation_names_the_fields() -> None:
    it = Joined()
    body = json.loads(a_body())
    body["candidates"][1]["affinity"] = -1
    body["candidates"][2]["item_id"] = "x"
    reply = ask(it, body=json.dumps(body).encode())
    assert reply.code == 422
    assert reply.json["fields"] == [
        {
            "field": "candidates[1].affinity",
            "rule": "minimum",
            "message": "must be at least 0",
        },
        {
            "field": "candidates[2].item_id",
            "rule": "pattern",
            "message": "must match ^[0-9]{1,6}$",
        },
    ]
    assert counted(it, "mlops_contract_violations_total") == {'rule="minimum"': 1.0}


def test_caller_who_leaves_is_not_answered_and_not_counted() -> None:
    it = Joined()
    assert ask(it, body=[b"{", b""], gone=True).code == 0
    assert codes(it) == {}
    assert it.series()['mlops_requests_in_flight{service="open_bandit"}'] == 0


def test_bug_of_ours_is_a_500_that_tells_nothing() -> None:
    it = Joined()

    class Broken:
        model_can_answer = True

        async def decide(self, request: Request, *, arrived: float) -> Decision:
            message = "secret detail"
            raise RuntimeError(message)

    it.app._chain = Broken()  # type: ignore[assignment] # stands in for a bug
    reply = ask(it, body=a_body())
    assert (reply.code, reply.json) == (500, {"error": "internal error"})
    assert codes(it) == {"500": 1.0}
    assert it.series()['mlops_requests_in_flight{service="open_bandit"}'] == 0


def test_unknown_path() -> None:
    it = Joined()
    reply = ask(it, "/v1/decid", body=a_body())
    assert reply.code == 404
    assert "/v1/decide" in reply.json["error"]
    assert codes(it) == {}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
def test_probes_answer(path: str, method: str) -> None:
    assert ask(Joined(), path, method=method).code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
def test_probes_are_only_read(path: str) -> None:
    assert ask(Joined(), path, method="POST").code == 405


def test_readiness_tells_some_answer_from_the_models() -> None:
    good, gone = Joined(), Joined(FakeModel(np.zeros(3), ready=False))
    assert ask(good, "/readyz", method="GET").json == {"status": "ready", "answers": "model"}
    assert ask(gone, "/readyz", method="GET").json == {"status": "ready", "answers": "heuristic"}
    assert ask(good, "/readyz", method="GET", query="a=b&require=model").code == 200
    assert ask(gone, "/readyz", method="GET", query="require=model").code == 503


def test_metrics_are_in_prometheus_format() -> None:
    reply = ask(Joined(), "/metrics", method="GET")
    assert reply.headers[b"content-type"].startswith(b"text/plain; version=0.0.4")
    assert b"# TYPE mlops_decisions_total counter" in reply.body


def test_duration_is_from_the_last_byte_on() -> None:
    it = Joined()

    class Slow(FakeModel):
        async def score(self, *args: Any, **options: Any) -> Any:
            it.clock.advance(0.02)
            return await super().score(*args, **options)

    it.chain._model = Slow(np.array([0.1, 0.2, 0.3]))
    ask(it, body=a_body())
    assert it.series()['mlops_decision_duration_seconds_sum{service="open_bandit"}'] == (
        pytest.approx(0.02)
    )
    assert it.series()['mlops_model_duration_seconds_sum{service="open_bandit"}'] == 0.003


def test_other_protocols_are_left_alone() -> None:
    sent: list[Any] = []

    async def never() -> dict[str, Any]:
        raise AssertionError

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    app: App = Joined().app
    asyncio.run(app({"type": "lifespan"}, never, send))
    assert sent == []
