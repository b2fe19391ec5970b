"""The app: the decision endpoint and its probes as a raw ASGI application."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec

from mlops.base.clock import Clock
from mlops.contracts.row import FieldError, InvalidRequestError, Request, RowDecoder
from mlops.serving.chain import Chain
from mlops.serving.decision import Decision
from mlops.serving.instruments import Instruments

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_JSON = b"application/json"
_METRICS = b"text/plain; version=0.0.4; charset=utf-8"
_MOST_DIGITS = 18
_log = logging.getLogger(__name__)


class _Ranked(msgspec.Struct):
    id: str
    score: float


class _DecisionBody(msgspec.Struct):
    request_id: str
    source: str
    reason: str
    arm: str
    model: str
    ranking: list[_Ranked]


class _Problem(msgspec.Struct, omit_defaults=True):
    error: str
    fields: list[FieldError] = []


class _RefusedError(Exception):
    """The message is refused before it is looked at.

    Args:
        code: HTTP status.
        text: Why.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class _GoneError(Exception):
    """The caller closed the connection before the request was whole."""


_encode = msgspec.json.Encoder().encode


class App:
    """One service's HTTP face.

    Args:
        decoder: Decodes and checks bodies.
        chain: Decides.
        instruments: Counts.
        clock: Monotonic time.
        new_id: Names a request whose caller did not, so that its decision can be referred to.
        model: Digest of the bundle.
        openapi: The document, encoded.
        max_body_bytes: Largest body.
    """

    def __init__(  # noqa: PLR0913 - the app's ports, joined in one place (`server`)
        self,
        *,
        decoder: RowDecoder,
        chain: Chain,
        instruments: Instruments,
        clock: Clock,
        new_id: Callable[[], str],
        model: str,
        openapi: bytes,
        max_body_bytes: int,
    ) -> None:
        self._decoder = decoder
        self._chain = chain
        self._instruments = instruments
        self._clock = clock
        self._new_id = new_id
        self._model = model
        self._openapi = openapi
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/v1/decide":
            await self._decide(scope, receive, send)
        elif path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
            await self._probe(scope, send)
        else:
            await _problem(send, 404, f"no such path; decisions are at POST {'/v1/decide'}")

    async def _probe(self, scope: Scope, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _problem(send, 405, "only GET")
            return
        match scope["path"]:
            case "/healthz":
                await _respond(send, 200, b'{"status":"alive"}')
            case "/metrics":
                await _respond(send, 200, self._instruments.exposition(), content_type=_METRICS)
            case "/openapi.json":
                await _respond(send, 200, self._openapi)
            case _:
                await self._readyz(scope["query_string"], send)

    async def _readyz(self, query: bytes, send: Send) -> None:
        able = self._chain.model_can_answer
        answers = b"model" if able else b"heuristic"
        if b"require=model" in query.split(b"&") and not able:
            await _problem(send, 503, "the model cannot answer; the heuristic does")
            return
        await _respond(send, 200, b'{"status":"ready","answers":"' + answers + b'"}')

    async def _decide(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._instruments.in_flight.inc()
        try:
            code, body = await self._answer(scope, receive)
        except _GoneError:
            return
        finally:
            self._instruments.in_flight.dec()
        self._instruments.count_request(code)
        await _respond(send, code, body)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        try:
            body = await self._read(scope, receive)
            arrived = self._clock.monotonic()
            request = self._decoder.decode(body)
            if not request.request_id:
                request = replace(request, request_id=self._new_id())
            decision = await self._chain.decide(request, arrived=arrived)
            answer = self._encode(request, decision)
        except _RefusedError as error:
            return error.code, _encode(_Problem(str(error)))
        except InvalidRequestError as error:
            self._instruments.count_violation(error.errors[0].rule)
            return 422, _encode(_Problem("the request breaks the contract", list(error.errors)))
        except _GoneError:
            raise
        except Exception:
            _log.exception("a request could not be answered")
            return 500, _encode(_Problem("internal error"))
        self._instruments.count_decision(decision, self._clock.monotonic() - arrived)
        return 200, answer

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] != "POST":
            raise _RefusedError(405, "only POST")
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", _JSON).split(b";")[0].strip().lower()
        if kind != _JSON:
            raise _RefusedError(415, "the body must be application/json")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise _RefusedError(415, "compressed bodies are not accepted")
        declared = headers.get(b"content-length", b"0")
        limit = self._max_body_bytes
        if not declared.isdigit():
            raise _RefusedError(400, "content-length is no number")
        if len(declared) > _MOST_DIGITS or int(declared) > limit:
            raise _RefusedError(413, f"the body must have at most {limit} bytes")
        chunks: list[bytes] = []
        size = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise _GoneError
            chunk = event.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise _RefusedError(413, f"the body must have at most {limit} bytes")
            chunks.append(chunk)
            if not event.get("more_body", False):
                return b"".join(chunks)

    def _encode(self, request: Request, decision: Decision) -> bytes:
        scores = decision.scores.tolist()
        ranking = [_Ranked(request.ids[at], scores[at]) for at in decision.order()]
        return _encode(
            _DecisionBody(
                request_id=request.request_id,
                source=decision.source.value,
                reason=decision.reason.value,
                arm=decision.arm.value,
                model=self._model,
                ranking=ranking,
            )
        )


async def _problem(send: Send, code: int, text: str) -> None:
    await _respond(send, code, _encode(_Problem(text)))


async def _respond(send: Send, code: int, body: bytes, *, content_type: bytes = _JSON) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
