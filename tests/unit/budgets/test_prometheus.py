"""The HTTP client: every way in which a server can fail becomes one error."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest

from mlops.base.errors import UnavailableError
from mlops.budgets.prometheus import MAX_POINTS, HttpPrometheus, Sample, Series

AT = datetime(2026, 1, 1, tzinfo=UTC)
VECTOR = {
    "status": "success",
    "data": {
        "resultType": "vector",
        "result": [
            {"metric": {"__name__": "up", "job": "a"}, "value": [1.5, "0.25"]},
            {"metric": {}, "value": [1.5, "+Inf"]},
        ],
    },
}


@contextmanager
def answering(body: bytes, *, code: int = 200) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/prefix/", asked
        finally:
            server.shutdown()
            thread.join()


def test_an_instant_query() -> None:
    with answering(json.dumps(VECTOR).encode()) as (url, asked):
        found = HttpPrometheus(url, timeout_s=5).query("up == 1", at=AT)
    assert found == (Sample({"__name__": "up", "job": "a"}, 0.25), Sample({}, float("inf")))
    ((path, form),) = asked
    assert path == "/prefix/api/v1/query"
    assert parse_qs(form) == {"query": ["up == 1"], "time": ["1767225600.000"], "timeout": ["5s"]}


def test_a_long_range_is_asked_in_pieces_and_put_together() -> None:
    row = {"metric": {"slo": "a"}, "values": [[300, "1"], [600.0, "2.5"]]}
    body = {"status": "success", "data": {"resultType": "matrix", "result": [row]}}
    with answering(json.dumps(body).encode()) as (url, asked):
        found = HttpPrometheus(url, timeout_s=5).query_range(
            "x", first=300, last=300 * (MAX_POINTS + 1), step_s=300
        )
    assert found == (Series({"slo": "a"}, {300: 1.0, 600: 2.5}),)
    assert {path for path, _ in asked} == {"/prefix/api/v1/query_range"}
    forms = [parse_qs(form) for _, form in asked]
    assert [(form["start"], form["end"]) for form in forms] == [
        (["300"], [str(300 * MAX_POINTS)]),
        ([str(300 * (MAX_POINTS + 1))], [str(300 * (MAX_POINTS + 1))]),
    ]


BROKEN = {
    "an error of Prometheus": (400, b'{"status":"error","error":"parse error"}', "parse error"),
    "another server": (404, b"<html>", "404"),
    "a page that is no JSON": (200, b"<html>", "does not answer as Prometheus"),
    "a scalar": (
        200,
        b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}',
        "as",
    ),
    "a value that is no number": (
        200,
        json.dumps(VECTOR).replace("0.25", "abc").encode(),
        "does not answer as Prometheus",
    ),
    "an error with 200": (200, b'{"status":"error","error":"x"}', "does not answer"),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_broken_answer_is_unavailable(sentence: str) -> None:
    code, body, message = BROKEN[sentence]
    with answering(body, code=code) as (url, _), pytest.raises(UnavailableError, match=message):
        HttpPrometheus(url, timeout_s=5).query("up", at=AT)


def test_nobody_listening_is_unavailable_with_a_hint() -> None:
    with pytest.raises(UnavailableError, match="cannot reach") as caught:
        HttpPrometheus("http://127.0.0.1:9", timeout_s=1).query("up", at=AT)
    assert "slo.prometheus_url" in caught.value.hint


def test_a_server_that_hangs_is_unavailable_after_the_timeout() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UnavailableError, match="timed out"):
            HttpPrometheus(url, timeout_s=0.1).query("up", at=AT)
