import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.hosting.exchange import HttpRequest, Reply
from mlops.hosting.reply_heads import KEEP, ReplyHeads
from mlops.hosting.request_head import HeadParser
from mlops.hosting.request_reader import RequestReader
from tests.components.http_server import LOOPS, Running, chunked, get, post, running
from tests.fakes.clock import ManualClock


@pytest.fixture(scope="module", params=LOOPS)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(request.param) as it:
        yield it


UNDERSTOOD: dict[str, tuple[bytes, dict[str, Any]]] = {
    "a path without a query": (get("/a/b"), {"method": "GET", "path": "/a/b", "query": ""}),
    "a query stays as sent": (get("/a?b=%20c?d"), {"path": "/a", "query": "b=%20c?d"}),
    "a target in absolute form is its path": (get("http://x:1/a?b"), {"path": "/a", "query": "b"}),
    "a target in asterisk form": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", {"path": "*"}),
    "a CONNECT is a request like others": (
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", {"method": "CONNECT", "path": "a:1"}
    ),
    "a body of a length": (post(b"abc"), {"method": "POST", "body": "abc"}),
    "a body of length 0": (post(b""), {"body": ""}),
    "a body of a GET": (get("/", "Content-Length: 2") + b"ab", {"method": "GET", "body": "ab"}),
    "a chunked body": (chunked(b"ab", b"c" * 20), {"body": "ab" + "c" * 20}),
    "an empty chunked body": (chunked(), {"body": ""}),
    "a chunked body with empty lines inside": (chunked(b"\r\n\r\n", b"0\r\n\r\n"),
                                               {"body": "\r\n\r\n0\r\n\r\n"}),
    "a chunked body with a trailer, which is dropped": (
        chunked(b"ab", trailer="X-Sum: 1\r\n"),
        {"body": "ab", "headers": {"host": "a", "transfer-encoding": "chunked"}},
    ),
    "a chunk extension is passed over": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=b\r\nxy\r\n0\r\n\r\n",
        {"body": "xy"},
    ),
    "names in lower case, values without white space around": (
        get("/", "X-NaMe: \t Value \t"), {"headers": {"host": "a", "x-name": "Value"}}
    ),
    "values of a name sent twice are joined": (
        get("/", "X: 1", "Y: 2", "x: 3"), {"headers": {"host": "a", "x": "1, 3", "y": "2"}}
    ),
    "an offer of another protocol is passed over": (
        post(b"abc", "Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: x"), {"body": "abc"}
    ),
    "an offer of a websocket is passed over": (
        get("/ws", "Connection: Upgrade", "Upgrade: websocket"), {"path": "/ws"}
    ),
    "Content-Encoding identity": (post(b"abc", "Content-Encoding: identity"), {"body": "abc"}),
    "an empty line before the request": (b"\r\n" + get("/a"), {"path": "/a"}),
    "empty lines before the request": (b"\r\n\r\n\r\n" + get("/a"), {"path": "/a"}),
}  # fmt: skip


@pytest.mark.parametrize("name", UNDERSTOOD)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_request_is_understood_however_it_is_cut(server: Running, name: str, size: int) -> None:
    sent, told = UNDERSTOOD[name]
    with server.caller() as caller:
        for _ in range(2):  # on one connection
            caller.send(*(sent[at : at + size] for at in range(0, len(sent), size)))
            answer = caller.answer()
            assert answer.code == 200
            assert {key: answer.told[key] for key in told} == told
            assert "connection" not in answer.headers


KEPT = {
    "HTTP/1.1 keeps the connection": (get("/"), None),
    "HTTP/1.1 with close ends it": (get("/", "Connection: close"), "close"),
    "close wins over keep-alive": (get("/", "Connection: keep-alive, Close"), "close"),
    "HTTP/1.0 ends it": (get("/", version="1.0"), "close"),
    "HTTP/1.0 without a Host": (b"GET / HTTP/1.0\r\n\r\n", "close"),
    "HTTP/1.0 with keep-alive keeps it, and is told": (
        get("/", "Connection: Keep-Alive", version="1.0"), "keep-alive"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_a_connection_is_kept_as_agreed(server: Running, name: str) -> None:
    sent, connection = KEPT[name]
    with server.caller() as caller:
        assert caller.ask(sent).headers.get("connection") == connection
        if connection == "close":
            assert caller.rest() == b""
        else:
            assert caller.ask(sent).code == 200


def test_an_answer_bears_date_type_and_length(server: Running) -> None:
    with server.caller() as caller:
        answer = caller.ask(get("/"))
    assert list(answer.headers) == ["date", "content-type", "content-length"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["date"].endswith(" GMT")


def test_the_date_follows_the_clock() -> None:
    clock = ManualClock()
    heads = ReplyHeads(clock.now())
    dates = []
    for _ in range(3):
        dates.append(heads.render(Reply(200, b""), KEEP).split(b"\r\n")[1])
        clock.advance(0.6)
        heads.tick(clock.now())
    assert dates == [b"date: Thu, 01 Jan 2026 00:00:0%d GMT" % second for second in (0, 0, 1)]


def test_an_answer_to_head_has_the_length_and_no_body(server: Running) -> None:
    with server.caller() as caller:
        length = len(caller.ask(get("/large?9")).body)
        caller.send(b"HEAD /large?9 HTTP/1.1\r\nHost: a\r\n\r\n" + get("/after"))
        assert int(caller.answer(to_head=True).headers["content-length"]) == length == 9
        assert caller.answer().told["path"] == "/after"


EXTRA = {
    "when to come again": ("/busy", 503, {"retry-after": "7"}),
    "which methods are allowed": ("/method", 405, {"allow": "POST"}),
}


@pytest.mark.parametrize("name", EXTRA)
def test_an_answer_tells(server: Running, name: str) -> None:
    path, code, headers = EXTRA[name]
    with server.caller() as caller:
        answer = caller.ask(get(path))
    assert answer.code == code
    assert headers.items() <= answer.headers.items()


def test_a_sender_that_waits_is_told_to_continue(server: Running) -> None:
    with server.caller() as caller:
        for sent in (post(b"abc", "Expect: 100-continue"), post(b"abcd", "Expect: 100-Continue")):
            head, _, body = sent.partition(b"\r\n\r\n")
            assert caller.ask(head + b"\r\n\r\n").code == 100
            assert caller.ask(body).told["body"] == body.decode()


def test_a_sender_that_does_not_wait_is_not_told_to_continue(server: Running) -> None:
    with server.caller() as caller:
        assert caller.ask(post(b"abc", "Expect: 100-continue")).code == 200


PIPELINED = b"".join(
    [get("/later"), post(b"abc"), chunked(b"x", path="/later"), get("/a?b"), post(b"", path="/b")]
)


def test_requests_sent_at_once_are_answered_in_order(server: Running) -> None:
    with server.caller() as caller:
        caller.send(PIPELINED * 40)
        paths = [caller.answer().told["path"] for _ in range(200)]
    assert paths == ["/later", "/echo", "/later", "/a", "/b"] * 40


def test_no_request_reaches_the_handler_before_the_one_before_it_is_answered(
    server: Running,
) -> None:
    server.asked.clear()
    with server.caller() as caller:
        caller.send(get("/hold"), get("/first"), get("/second") * 3)
        server.eventually(lambda: bool(server.held))
        assert server.asked == ["/hold"]
        server.release()
        assert [caller.answer().code for _ in range(5)] == [200] * 5
    assert server.asked == ["/hold", "/first", *["/second"] * 3]


def test_a_flood_sent_before_an_answer_waits_in_the_transport(server: Running) -> None:
    flood = get("/") * 400_000
    with server.caller() as caller:
        caller.send(get("/hold"))
        server.eventually(lambda: bool(server.held))
        caller.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            caller.send(flood)  # more than the kernel's buffers hold
        server.release()


def test_a_second_reply_is_an_error_and_is_not_sent(server: Running) -> None:
    with server.caller() as caller:
        assert caller.ask(get("/twice")).body == b"{}"
        assert caller.ask(get("/after")).told["path"] == "/after"
    with server.caller() as caller:
        caller.send(get("/hold"))
        server.eventually(lambda: bool(server.held))
        exchange = server.held[0]
        server.release()
        with pytest.raises(RuntimeError, match="once"):
            server.call(lambda: exchange.reply(Reply(200, b"{}")))


def test_a_handler_that_raises_is_answered_for(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with server.caller() as caller:
        answer = caller.ask(get("/raise"))
        assert answer.code == 500
        assert answer.headers["connection"] == "close"
        assert caller.rest() == b""
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_arrival_is_when_the_last_byte_came(server: Running) -> None:
    with server.caller() as caller:
        before = server.clock.monotonic()
        sent = post(b"abc", path="/hold")
        caller.send(sent[:-1])
        with server.caller() as other:
            other.ask(get("/"))
        between = server.clock.monotonic()
        caller.send(sent[-1:])
        server.eventually(lambda: bool(server.held))
        assert before < between < server.held[0].request.arrived < server.clock.monotonic()
        server.release()


REQUESTS = st.lists(
    st.one_of(
        st.builds(get, st.sampled_from(["/", "/a?b=c", "/later"])),
        st.builds(post, st.binary(max_size=40), st.sampled_from(["X: 1", "Connection: upgrade"])),
        st.builds(chunked, st.binary(max_size=9), st.just(b"\r\n\r\n"), st.binary(max_size=9)),
        st.builds(post, st.just(b"GET / HTTP/1.1\r\n\r\n"), st.just("Upgrade: h2c")),
    ),
    min_size=1,
    max_size=6,
)
CUTS = st.lists(st.integers(0, 1500), max_size=30)


def pieces(sent: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    return [sent[a:b] for a, b in itertools.pairwise(places) if a < b]


def reader() -> RequestReader:
    return RequestReader(HeadParser(10_000), most_head=1000, most_body=10_000)


def read_all(given: list[bytes]) -> list[HttpRequest]:
    it = reader()
    found = []
    for piece in given:
        request = it.read(piece, 1.0)
        while request is not None:
            found.append(request)
            request = it.read(b"", 1.0) if it.held else None
    assert not it.begun
    return found


@given(REQUESTS, CUTS)
@settings(max_examples=300, deadline=None)
def test_any_cut_yields_the_same_requests(sent: list[bytes], cuts: list[int]) -> None:
    one_by_one = [request for each in sent for request in read_all([each])]
    assert len(one_by_one) == len(sent)
    assert read_all(pieces(b"".join(sent), cuts)) == one_by_one


@given(REQUESTS, CUTS)
@settings(max_examples=25, deadline=None)
def test_any_cut_of_what_is_sent_gets_the_same_answers(
    server: Running, sent: list[bytes], cuts: list[int]
) -> None:
    with server.caller() as caller:
        expected = [caller.ask(each).told for each in sent]
        caller.send(*pieces(b"".join(sent), cuts))
        assert [caller.answer().told for _ in sent] == expected
