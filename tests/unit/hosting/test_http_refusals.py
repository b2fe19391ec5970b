import contextlib
from collections.abc import Iterator

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops.hosting.chunked import ChunkedBody
from mlops.hosting.refusal import RefusedError
from mlops.hosting.request_head import HeadParser
from mlops.hosting.request_reader import RequestReader
from tests.components.http_server import LOOPS, Running, chunked, get, post, running

HEAD, BODY = 2048, 8192


@pytest.fixture(scope="module", params=LOOPS)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(request.param, max_header_bytes=HEAD, max_body_bytes=BODY) as it:
        yield it


def raw(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def framed(*headers: str, body: bytes = b"0\r\n\r\n") -> bytes:
    return raw("POST /smuggled HTTP/1.1", "Host: a", *headers, body=body)


def in_chunks(body: bytes) -> bytes:
    return framed("Transfer-Encoding: chunked", body=body)


SMUGGLED = {
    "a length and chunks": framed("Content-Length: 5", "Transfer-Encoding: chunked"),
    "chunks and a length": framed("Transfer-Encoding: chunked", "Content-Length: 5"),
    "two lengths": framed("Content-Length: 5", "Content-Length: 6", body=b"abcdef"),
    "a length twice": framed("Content-Length: 5", "Content-Length: 5", body=b"abcde"),
    "a list of lengths": framed("Content-Length: 5, 5", body=b"abcde"),
    "a length with a sign": framed("Content-Length: +5", body=b"abcde"),
    "a negative length": framed("Content-Length: -5", body=b"abcde"),
    "a length in hexadecimal": framed("Content-Length: 0x5", body=b"abcde"),
    "a length with an underscore": framed("Content-Length: 1_0", body=b"abcdeabcde"),
    "an empty length": framed("Content-Length: ", body=b""),
    "a length beyond 64 bits": framed(f"Content-Length: {2**64 + 5}", body=b"abcde"),
    "a length of many zeros": framed("Content-Length: " + "0" * 500 + "5", body=b"abcde"),
    "white space before a colon": framed("Transfer-Encoding : chunked"),
    "a length with white space before its colon": framed("Content-Length : 5", body=b"abcde"),
    "a folded header": framed("Transfer-Encoding:", " chunked"),
    "a folded value": framed("X: a", " b", "Content-Length: 0", body=b""),
    "white space before the first header": raw("GET /smuggled HTTP/1.1", " Host: a"),
    "an unknown coding": framed("Transfer-Encoding: xchunked"),
    "a coding beside chunked": framed("Transfer-Encoding: gzip, chunked"),
    "a coding after chunked": framed("Transfer-Encoding: chunked, identity"),
    "chunked twice": framed("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "a coding hidden by a control character": framed("Transfer-Encoding: \x0bchunked"),
    "an empty coding": framed("Transfer-Encoding:"),
    "chunks in HTTP/1.0": raw(
        "POST /smuggled HTTP/1.0", "Host: a", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"
    ),
    "lines that end with LF": b"GET /smuggled HTTP/1.1\nHost: a\n\n",
    "one line that ends with LF": b"GET /smuggled HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "a CR inside a line": b"GET /smuggled HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "two CRs at a line's end": b"GET /smuggled HTTP/1.1\r\nHost: a\r\r\n\r\n",
    "a NUL in a value": raw("GET /smuggled HTTP/1.1", "Host: a", "X: \0"),
    "a NUL in a name": raw("GET /smuggled HTTP/1.1", "Host: a", "X\0: b"),
    "a header without a name": raw("GET /smuggled HTTP/1.1", "Host: a", ": b"),
    "a header without a colon": raw("GET /smuggled HTTP/1.1", "Host: a", "abc"),
    "no Host": raw("GET /smuggled HTTP/1.1", "X: a"),
    "two Hosts": raw("GET /smuggled HTTP/1.1", "Host: a", "Host: b"),
    "two Hosts in different cases": raw("GET /smuggled HTTP/1.1", "Host: a", "HOST: a"),
    "a request line without a version": b"GET /smuggled\r\nHost: a\r\n\r\n",
    "a second request line": b"GET /a\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9 by name": raw("GET /smuggled HTTP/0.9", "Host: a"),
    "HTTP/1.2": raw("GET /smuggled HTTP/1.2", "Host: a"),
    "HTTP/2.0": raw("GET /smuggled HTTP/2.0", "Host: a"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": raw("GET /smuggled RTSP/1.0", "Host: a"),
    "an unknown method": raw("SMUGGLE /smuggled HTTP/1.1", "Host: a"),
    "a method in lower case": raw("get /smuggled HTTP/1.1", "Host: a"),
    "a target with white space": raw("GET /smuggled it HTTP/1.1", "Host: a"),
    "a target with a tab": raw("GET /smuggled\tit HTTP/1.1", "Host: a"),
    "a target with a control character": raw("GET /smuggled\x01 HTTP/1.1", "Host: a"),
    "a target that is not ASCII": raw("GET /smuggled\xe4 HTTP/1.1", "Host: a"),
    "a greeting of TLS": bytes.fromhex("16030100a5010000a10303"),
    "a chunk size with 0x": in_chunks(b"0x1\r\na\r\n0\r\n\r\n"),
    "a chunk size with a sign": in_chunks(b"+1\r\na\r\n0\r\n\r\n"),
    "a chunk size with white space": in_chunks(b"1 \r\na\r\n0\r\n\r\n"),
    "a chunk size that is none": in_chunks(b"g\r\na\r\n0\r\n\r\n"),
    "an empty chunk size": in_chunks(b"\r\na\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": in_chunks(b"f" * 17 + b"\r\na\r\n0\r\n\r\n"),
    "a chunk longer than its size": in_chunks(b"1\r\nab\r\n0\r\n\r\n"),
    "a chunk that ends with LF": in_chunks(b"1\r\na\n0\r\n\r\n"),
    "a chunk size that ends with LF": in_chunks(b"1\na\r\n0\r\n\r\n"),
    "an LF in a chunk extension": in_chunks(b"1;a\nb\r\na\r\n0\r\n\r\n"),
    "a length in the trailers": in_chunks(b"0\r\nContent-Length: 5\r\n\r\n"),
    "a folded trailer": in_chunks(b"0\r\nX: a\r\n b\r\n\r\n"),
}


@pytest.mark.parametrize("cut", [1, 10_000])
@pytest.mark.parametrize("name", SMUGGLED)
def test_what_two_readers_may_read_differently_is_refused(
    server: Running, name: str, cut: int
) -> None:
    sent = SMUGGLED[name] + get("/smuggled")
    server.asked.clear()
    server.watcher.codes.clear()
    server.watcher.causes.clear()
    with server.caller() as caller:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # if it is refused before
            caller.send(*(sent[at : at + cut] for at in range(0, len(sent), cut)))
        answer = caller.answer()
        assert answer.code == 400
        assert answer.headers["connection"] == "close"
        assert "smuggled" not in answer.told["error"]
        assert caller.rest() == b""
    assert server.asked == []
    assert server.watcher.codes == [400]
    assert server.watcher.causes == ["malformed"]


def test_what_comes_with_a_body_is_no_request(server: Running) -> None:
    server.asked.clear()
    with server.caller() as caller:
        assert caller.ask(post(get("/smuggled"), "Upgrade: h2c", "Connection: Upgrade")).code == 200
        assert caller.ask(chunked(get("/smuggled"))).code == 200
        assert caller.ask(get("/after")).code == 200
    assert server.asked == ["/echo", "/echo", "/after"]


def test_nothing_is_read_after_a_request_that_ends_the_connection(server: Running) -> None:
    server.asked.clear()
    with server.caller() as caller:
        assert caller.ask(get("/last", "Connection: close") + get("/smuggled") * 9).code == 200
        assert caller.rest() == b""
    assert server.asked == ["/last"]


LIMITED = {
    "a head that does not end": (b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD, 431),
    "a target that does not end": (b"GET /" + b"a" * HEAD, 431),
    "a whole head one byte too large": (
        raw("GET / HTTP/1.1", "Host: a", "X: " + "a" * (HEAD - 31)), 431
    ),
    "a declared body one byte too large": (post(b"a" * (BODY + 1)), 413),
    "a declared body far too large": (framed(f"Content-Length: {10**15}", body=b"abc"), 413),
    "a chunked body one byte too large": (chunked(b"a" * BODY, b"a"), 413),
    "a chunk that will be too large": (chunked(b"a" * BODY * 7), 413),
    "chunks of one byte": (chunked(*[b"a"] * BODY), 413),
    "chunk extensions without an end": (in_chunks(b"1;" + b"a" * HEAD * 2), 413),
    "trailers without an end": (in_chunks(b"0\r\nX: " + b"a" * HEAD * 2), 413),
    "a compressed body": (post(b"abc", "Content-Encoding: gzip"), 415),
    "a body compressed twice": (
        post(b"abc", "Content-Encoding: identity", "Content-Encoding: br"), 415
    ),
}  # fmt: skip


@pytest.mark.parametrize("cut", [997, 10**6])
@pytest.mark.parametrize("name", LIMITED)
def test_what_is_too_large_or_coded_is_answered_before_the_end(
    server: Running, name: str, cut: int
) -> None:
    sent, code = LIMITED[name]
    server.watcher.codes.clear()
    with server.caller() as caller:
        caller.send(*(sent[at : at + cut] for at in range(0, len(sent), cut)))
        answer = caller.answer()
        assert answer.code == code
        assert answer.headers["connection"] == "close"
        assert "send" in answer.told["error"]
        assert caller.rest() == b""
    assert server.watcher.codes == [code]


ALLOWED = {
    "a head as large as allowed": raw("GET / HTTP/1.1", "Host: a", "X: " + "a" * (HEAD - 32)),
    "a body as large as allowed": post(b"a" * BODY),
    "a chunked body as large as allowed": chunked(b"a" * (BODY - 1), b"a"),
}


@pytest.mark.parametrize("cut", [997, 10**6])
@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_as_large_as_allowed_is_answered(server: Running, name: str, cut: int) -> None:
    sent = ALLOWED[name]
    with server.caller() as caller:
        caller.send(*(sent[at : at + cut] for at in range(0, len(sent), cut)))
        assert caller.answer().code == 200


def test_a_sender_that_waits_is_refused_without_being_told_to_continue(server: Running) -> None:
    head = framed(f"Content-Length: {BODY + 1}", "Expect: 100-continue", body=b"")
    with server.caller() as caller:
        assert caller.ask(head).code == 413


def test_a_sender_of_too_much_sees_the_answer_and_no_reset(server: Running) -> None:
    with server.caller() as caller:
        caller.send(framed(f"Content-Length: {6 * BODY}", body=b""))
        for _ in range(6):
            caller.send(b"a" * BODY)
        assert caller.answer().code == 413
        assert caller.rest() == b""


def test_a_sender_that_never_ends_is_cut_off(server: Running) -> None:
    flood = framed(f"Content-Length: {10**12}", body=b"a" * 10_000 * BODY)
    with server.caller() as caller, pytest.raises((BrokenPipeError, ConnectionResetError)):
        caller.send(flood)


@pytest.mark.parametrize("sent", [SMUGGLED["a greeting of TLS"], b"\0", b"HELO a\r\n"])
def test_what_can_become_no_request_is_refused_without_waiting_for_more(
    server: Running, sent: bytes
) -> None:
    with server.caller() as caller:
        assert caller.ask(sent).code == 400


def test_the_end_of_a_request_before_it_is_whole_is_refused(server: Running) -> None:
    for sent in (post(b"abc")[:-1], get("/")[:-1], b"G"):
        with server.caller() as caller:
            caller.send(sent)
            caller.half_close()
            assert caller.answer().code == 400
            assert caller.rest() == b""


GARBAGE = st.one_of(
    st.binary(max_size=400),
    st.lists(
        st.sampled_from(
            [b"GET", b"POST", b" ", b"/", b"HTTP/1.1", b"\r\n", b"\n", b"\r", b"Host: a", b"\0",
             b"Content-Length", b"Transfer-Encoding", b"chunked", b":", b"5", b"0", b"\r\n\r\n"]
        ), max_size=40,
    ).map(b"".join),
)  # fmt: skip


@given(GARBAGE, st.integers(1, 50))
@example(b"\r\n" * 100, 1)
@settings(max_examples=400, deadline=None)
def test_garbage_is_refused_or_waited_for(sent: bytes, cut: int) -> None:
    it = RequestReader(HeadParser(BODY), most_head=HEAD, most_body=BODY)
    with contextlib.suppress(RefusedError):
        for at in range(0, len(sent), cut):
            while it.read(sent[at : at + cut], 0.0) and it.held:
                pass


@given(GARBAGE)
@settings(max_examples=40, deadline=None)
def test_garbage_leaves_no_connection_behind(server: Running, sent: bytes) -> None:
    with server.caller() as caller:
        caller.send(sent)
        caller.half_close()
        answered = caller.rest()
        assert answered == b"" or answered.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200"))
    server.eventually(lambda: server.server.connections == 0)


class Taken:
    """What the library's parser makes of a chunked body."""

    def __init__(self) -> None:
        self.body = b""
        self.whole = False

    def on_body(self, piece: bytes) -> None:
        assert not self.whole
        self.body += piece

    def on_message_complete(self) -> None:
        self.whole = True


CHUNKS = st.lists(
    st.one_of(
        st.binary(max_size=12).map(lambda piece: b"%x\r\n%b\r\n" % (len(piece), piece)),
        st.sampled_from([b"0\r\n", b"\r\n", b"X: y\r\n", b"1", b";a", b"\r", b"a", b"GET / "]),
    ),
    max_size=8,
).map(b"".join)


@given(CHUNKS, st.integers(1, 30))
@settings(max_examples=400, deadline=None)
def test_a_chunked_body_is_what_the_library_takes_it_for(sent: bytes, cut: int) -> None:
    taken = Taken()
    parser = httptools.HttpRequestParser(taken)
    parser.feed_data(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    refused = False
    try:
        parser.feed_data(sent)
    except httptools.HttpParserError:
        refused = not taken.whole  # what follows a whole body is not of this body
    it = ChunkedBody(10_000, 10_000)
    try:
        at = 0
        while at < len(sent) and not it.whole:
            piece = sent[at : at + cut]
            at += it.read(piece, 0)
    except RefusedError:
        assert refused
    else:
        assert not refused
        assert it.whole == taken.whole
        if it.whole:
            assert it.take() == taken.body
            assert sent[:at].endswith(b"\r\n\r\n")
