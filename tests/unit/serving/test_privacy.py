"""What a caller sends stands in no log line and in no series, wherever in a request it is."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from mlops.serving.lane import ModelFailedError
from tests.components.front import FakeExchange, Front, get, post
from tests.components.serving import GOOD, Joined, a_body, spec
from tests.fakes.model import FakeInline, FakeProcess

SECRET = "hunter2-7391"


def body(change: Callable[[dict[str, Any]], None]) -> bytes:
    found = json.loads(a_body())
    change(found)
    return json.dumps(found).encode()


def candidate(**members: object) -> bytes:
    return body(lambda it: it["candidates"][0].update(members))


def context(**members: object) -> bytes:
    return body(lambda it: it["context"].update(members))


def first_name(it: dict[str, Any]) -> str:
    return str(next(iter(it["candidates"][0])))


SENT: dict[str, Callable[[], FakeExchange]] = {
    "names": lambda: post(a_body(request_id=SECRET, subject=SECRET)),
    "names that are too long": lambda: post(a_body(request_id=SECRET * 20, subject=SECRET * 20)),
    "names that are none": lambda: post(a_body(request_id=[SECRET], subject={SECRET: SECRET})),
    "a value of a candidate": lambda: post(
        body(lambda it: it["candidates"][0].update({first_name(it): SECRET}))
    ),
    "a member that nobody knows": lambda: post(candidate(**{SECRET: SECRET})),
    "a member of the context": lambda: post(context(**{SECRET: SECRET})),
    "a member of the body": lambda: post(a_body(**{SECRET: SECRET})),
    "no JSON": lambda: post(f"{{{SECRET}".encode()),
    "no UTF-8": lambda: post(b"\xff" + SECRET.encode()),
    "nothing that is nested": lambda: post(json.dumps([[SECRET]] * 9).encode()),
    "a path": lambda: get(f"/{SECRET}"),
    "a question": lambda: get("/readyz", f"require={SECRET}".encode()),
    "a method": lambda: post(method=SECRET),
    "a media type": lambda: post(headers={"content-type": SECRET}),
    "a priority": lambda: post(headers={"x-priority": SECRET}),
    "a deadline": lambda: post(headers={"x-deadline-ms": SECRET}),
    "any header": lambda: post(headers={SECRET: SECRET, "authorization": SECRET}),
}
FRONTS: dict[str, Callable[[], Front]] = {
    "all is well": Front,
    "the model repeats it in its error": lambda: Front(
        Joined(FakeProcess(ModelFailedError(f"KeyError: {SECRET}")))
    ),
    "the model inline repeats it": lambda: Front(Joined(FakeInline(ModelFailedError(SECRET)))),
    "no model is there": lambda: Front(Joined(FakeProcess(GOOD, ready=False))),
    "nothing is ready": lambda: Front(None),
}


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("sentence", SENT)
def test_nothing_of_a_request_is_logged_or_counted_by_name(
    sentence: str, front: str, caplog: pytest.LogCaptureFixture
) -> None:
    it = FRONTS[front]()
    names = set(it.series())
    with caplog.at_level(logging.DEBUG):
        exchange = it.ask(SENT[sentence]())
    assert exchange.replies
    assert SECRET not in caplog.text
    assert all(SECRET not in str(vars(record)) for record in caplog.records)
    assert set(it.series()) == names


def test_what_is_allowed_by_name_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    lane = FakeInline(ModelFailedError(SECRET))
    Front(Joined(lane, spec=spec(logged_fields=("error_text",)))).ask(post())
    assert SECRET in caplog.text  # so that the tests above look where it would be


@pytest.mark.parametrize("sentence", sorted({*SENT} - {"names"}))
def test_what_is_refused_is_not_repeated_to_who_sent_it(sentence: str) -> None:
    reply = Front().ask(SENT[sentence]()).replies[0]
    told = reply.body.decode()
    # A name of nothing is named, so that a caller can find it; a value never is.
    if "member" not in sentence:
        assert SECRET not in told
