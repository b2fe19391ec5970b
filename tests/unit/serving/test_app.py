"""The HTTP face: codes, bodies and counters, driven as the HTTP protocol drives it."""

import json
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlops.serving.lane import Lane, ModelFailedError
from mlops.serving.spec import HoldoutSpec, LimitSpec
from tests.components.front import FakeExchange, Front, get, post
from tests.components.serving import GOOD, Joined, a_body, spec
from tests.fakes.model import FakeInline, FakeProcess

IN_FLIGHT = 'mlops_requests_in_flight{service="open_bandit"}'
LANES: dict[str, Callable[[], Lane]] = {
    "inline": lambda: FakeInline(GOOD),
    "process": lambda: FakeProcess(GOOD),
}


def failing() -> Front:
    return Front(Joined(FakeProcess(ModelFailedError("x"))))


def gone() -> Front:
    return Front(Joined(FakeProcess(GOOD, ready=False)))


@pytest.mark.parametrize("lane", LANES)
def test_decision(lane: str) -> None:
    it = Front(Joined(LANES[lane]()))
    reply = it.ask(post(a_body(request_id="r-1", subject="u-1")))
    assert reply.code == 200
    assert reply.json == {
        "request_id": "r-1",
        "source": "model",
        "reason": "ok",
        "arm": "model",
        "model": "sha256:new",
        "ranking": [
            {"id": "1", "score": 0.9},
            {"id": "2", "score": 0.5},
            {"id": "0", "score": 0.1},
        ],
    }
    assert len(reply.replies) == 1
    assert it.codes() == {"200": 1.0}
    assert list(it.moved("mlops_decisions_total").values()) == [1.0]
    assert it.series()[IN_FLIGHT] == 0
    [made] = it.desk.made
    assert (made.order, made.epoch, made.request.subject) == ([1, 2, 0], 7, "u-1")


def test_fallbacks_answer_is_a_200() -> None:
    reply = failing().ask(post())
    assert reply.code == 200
    assert (reply.json["source"], reply.json["reason"]) == ("heuristic", "model_error")


def test_no_answer_is_a_503_where_nothing_may_stand_in() -> None:
    bare = spec(fallback="error")
    it = Front(Joined(FakeProcess(ModelFailedError("x")), spec=bare))
    reply = it.ask(post())
    assert (reply.code, reply.replies[0].retry_after_s) == (503, 1)
    assert "model_error" in reply.json["error"]
    assert it.series()[IN_FLIGHT] == 0


def test_request_without_a_name_is_given_one() -> None:
    it = Front()
    names = [it.ask(post()).json["request_id"] for _ in range(2)]
    assert names == ["made-0", "made-1"]


def test_holdout_is_fair_to_callers_who_name_neither_subject_nor_request() -> None:
    it = Front(Joined(FakeInline(GOOD), spec=spec(holdout=HoldoutSpec(share=0.2))))
    arms = [it.ask(post()).json["arm"] for _ in range(300)]
    assert 25 < arms.count("holdout") < 105


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "another method": ({"method": "GET"}, 405, "only POST"),
    "a form": ({"headers": {"content-type": "text/plain"}}, 415, "application/json"),
    "a body that is no JSON": ({"body": b"{"}, 422, "contract"),
    "a deadline that is none": ({"headers": {"x-deadline-ms": "soon"}}, 400, "X-Deadline-Ms"),
    "a priority that is none": ({"headers": {"x-priority": "vip"}}, 400, "X-Priority"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refusals(sentence: str) -> None:
    options, code, text = REFUSED[sentence]
    lane = FakeInline(GOOD)
    it = Front(Joined(lane))
    reply = it.ask(post(**options))
    assert reply.code == code
    assert text in reply.json["error"]
    assert it.codes() == {str(code): 1.0}
    assert it.moved("mlops_decisions_total") == {}
    assert lane.asked == 0


def test_media_type_may_have_parameters_and_capitals() -> None:
    kind = {"content-type": "Application/JSON; charset=utf-8"}
    assert Front().ask(post(headers=kind)).code == 200


def test_contract_violation_names_the_fields() -> None:
    it = Front()
    body = json.loads(a_body())
    body["candidates"][1]["affinity"] = -1
    body["candidates"][2]["item_id"] = "x"
    reply = it.ask(post(json.dumps(body).encode()))
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
    assert it.moved("mlops_contract_violations_total") == {'rule="minimum"': 1.0}


def test_shorter_deadline_of_a_caller_is_kept() -> None:
    lane = FakeProcess(GOOD)
    it = Front(Joined(lane))
    it.ask(post(headers={"x-deadline-ms": "20"}), post(headers={"x-deadline-ms": "9000"}), post())
    hurried, patient, plain = (round(until - 1000.0, 4) for until in lane.asked)
    assert hurried < 0.02
    assert patient == plain == 0.04  # the service's own deadline less its reserve


def test_bug_of_ours_is_a_500_that_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    it = Front()
    assert it.joined is not None

    def broken(asked: object) -> None:
        raise RuntimeError("subject user-1")

    monkeypatch.setattr(it.joined.chain, "decide", broken)
    with caplog.at_level(logging.ERROR):
        reply = it.ask(post())
    assert (reply.code, reply.json) == (500, {"error": "internal error"})
    assert it.codes() == {"500": 1.0}
    assert it.series()[IN_FLIGHT] == 0
    assert "RuntimeError" in caplog.text
    assert "user-1" not in caplog.text


def test_answer_that_waits_for_its_row_goes_out_with_it() -> None:
    it = Front()
    it.desk.holds = []
    reply = it.ask(post())
    assert reply.replies == []
    it.desk.holds[0]()
    assert reply.code == 200
    assert it.codes() == {"200": 1.0}


def test_work_is_marked_while_it_is_done() -> None:
    it = Front(Joined(FakeInline(GOOD)))
    it.ask(post())
    begun, ended = it.desk.marks
    assert begun != 0
    assert ended == 0


def test_request_that_ended_workers_is_refused() -> None:
    it = Front()
    exchange = post()
    it.desk.poison = {hash(exchange.request.body)}
    assert it.ask(exchange).code == 503
    assert it.series()['mlops_poison_requests_total{service="open_bandit"}'] == 1
    assert it.ask(post(a_body(subject="another"))).code == 200


def test_shed_work_is_told_when_to_come_again() -> None:
    it = Front(Joined(FakeInline(GOOD), spec=spec(limit=LimitSpec(start=1, most=1, queue=1))))
    exchanges = [post(headers={"x-priority": name}) for name in ("normal", "sheddable", "critical")]
    it.ask(*exchanges)
    assert [each.code for each in exchanges] == [200, 503, 200]
    assert exchanges[1].replies[0].retry_after_s == 1
    shed = it.moved("mlops_requests_shed_total")
    assert shed == {'cause="queue_full",priority="sheddable"': 1.0}


def test_callers_are_not_critical_where_they_may_not_say_so() -> None:
    limit = LimitSpec(start=1, most=1, queue=1, critical_callers=False)
    it = Front(Joined(FakeInline(GOOD), spec=spec(limit=limit)))
    names = ("normal", "normal", "critical")
    exchanges = [post(headers={"x-priority": name}) for name in names]
    it.ask(*exchanges)
    assert sorted(each.code for each in exchanges) == [200, 200, 503]
    assert it.moved("mlops_requests_shed_total") == {'cause="queue_full",priority="normal"': 1.0}


def test_unknown_path() -> None:
    it = Front()
    reply = it.ask(post(path="/v1/decid"))
    assert reply.code == 404
    assert "/v1/decide" in reply.json["error"]
    assert it.codes() == {}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
def test_probes_answer(path: str, method: str) -> None:
    assert Front().ask(get(path, method=method)).code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
def test_probes_are_only_read(path: str) -> None:
    reply = Front().ask(get(path, method="POST"))
    assert (reply.code, reply.replies[0].allow) == (405, b"GET, HEAD")


READINESS: dict[str, tuple[Front, bytes, int, str]] = {
    "the model": (Front(), b"", 200, "model"),
    "the model, which is required": (Front(), b"a=b&require=model", 200, "model"),
    "the heuristic": (gone(), b"", 200, "heuristic"),
    "the heuristic, where the model is required": (gone(), b"require=model", 503, "heuristic"),
    "the static order": (Front(Joined(rungs=[])), b"", 200, "static"),
    "what cannot be required": (Front(), b"require=Model", 400, "require=model"),
    "one thing too many": (Front(), b"require=model&require=cache", 400, "require=model"),
}


@pytest.mark.parametrize("who", READINESS)
def test_readiness_tells_some_answer_from_the_models(who: str) -> None:
    it, query, code, named = READINESS[who]
    reply = it.ask(get("/readyz", query))
    assert reply.code == code
    assert named in reply.replies[0].body.decode()


def test_nothing_is_ready_where_only_the_model_may_answer_and_cannot() -> None:
    it = Front(Joined(FakeProcess(GOOD, ready=False), spec=spec(fallback="error")))
    assert it.ask(get("/readyz")).code == 503


@pytest.mark.parametrize("path", ["/readyz", "/openapi.json"])
def test_starting_service_is_alive_and_not_ready(path: str) -> None:
    it = Front(None)
    assert it.ask(get("/healthz")).code == 200
    assert it.ask(get(path)).code == 503
    assert it.ask(post()).code == 503
    assert it.codes() == {"503": 1.0}


def test_metrics_are_in_prometheus_format() -> None:
    [reply] = Front().ask(get("/metrics")).replies
    assert reply.kind.startswith(b"text/plain; version=0.0.4")
    assert b"# TYPE mlops_decisions_total counter" in reply.body


def test_duration_is_from_the_last_byte_on() -> None:
    it = Front(Joined(FakeProcess(np.array([0.1, 0.2, 0.3]))))
    it.clock.advance(0.02)
    it.ask(post(arrived=1000.0))
    seconds = it.series()['mlops_decision_duration_seconds_sum{service="open_bandit"}']
    assert seconds == pytest.approx(0.02)
    assert it.series()['mlops_queue_duration_seconds_sum{service="open_bandit"}'] == seconds


def test_exchange_that_nobody_waits_for_is_counted_like_any() -> None:
    it = Front()
    exchange: FakeExchange = post()
    exchange.gone = True
    it.ask(exchange)
    assert it.series()[IN_FLIGHT] == 0
