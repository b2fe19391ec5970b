"""The app: the decision endpoint and its probes, between the HTTP protocol and the chain."""

import asyncio
import logging
import os
import signal
import time
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from mlops.base.clock import Clock
from mlops.contracts.row import FieldError, InvalidRequestError, Request
from mlops.hosting.exchange import Exchange, HttpRequest, Reply
from mlops.serving.admission import Admission, Job, Priority, parse_deadline_ms, parse_priority
from mlops.serving.chain import Asked, NoAnswerError
from mlops.serving.decision import Decision, Source
from mlops.serving.encode import AnswerEncoder
from mlops.serving.engine import Engine
from mlops.serving.faults import Fault, FaultKind
from mlops.serving.instruments import Instruments
from mlops.serving.limiter import Limiter
from mlops.serving.spec import Protection, ServingSpec

DECIDE = "/v1/decide"
_METRICS = b"text/plain; version=0.0.4; charset=utf-8"
_GET = b"GET, HEAD"
_POISON = "poison"
_MODEL = Source.MODEL.value.encode()
_log = logging.getLogger(__name__)


class _Problem(msgspec.Struct, omit_defaults=True):
    error: str
    fields: list[FieldError] = []


_encode = msgspec.json.Encoder().encode


class Desk(Protocol):
    """What a worker knows beside its engines."""

    @property
    def engine(self) -> Engine | None:
        """The engine that serves; None while there is none."""
        ...

    @property
    def fault(self) -> Fault:
        """The fault that is played."""
        ...

    def begin(self, fingerprint: int) -> bool:
        """Note what is worked on now; False if equal requests have ended workers."""
        ...

    def end(self) -> None:
        """Note that it is over."""
        ...

    def record(self, made: "Made", then: Callable[[], None]) -> None:
        """Write a decision down; `then` is called when its answer may go out."""
        ...

    def exposition(self) -> bytes:
        """Return the metrics of all workers."""
        ...


class Made(msgspec.Struct, gc=False):
    """A decision with what the decision log wants to know of it.

    Attributes:
        request: The request.
        decision: The decision.
        order: Candidate positions, best first.
        deadline: Monotonic seconds at which the caller stops waiting.
        queue_s: Seconds that it waited.
        total_s: Seconds from its arrival to its answer.
        epoch: Number of the plan.
    """

    request: Request
    decision: Decision
    order: list[int]
    deadline: float
    queue_s: float
    total_s: float
    epoch: int


class App:
    """One service's HTTP face in one worker.

    Args:
        desk: What the worker knows.
        spec: How much work is let in.
        instruments: Counts.
        clock: Monotonic time.
        new_id: Names a request whose caller did not, so that its decision can be referred to.
        call_soon: Runs a function in the event loop's next iteration.
    """

    def __init__(
        self,
        desk: Desk,
        spec: ServingSpec,
        *,
        instruments: Instruments,
        clock: Clock,
        new_id: Callable[[], str],
        call_soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self._desk = desk
        self.limiter = Limiter.of(spec, clock)
        """What bounds the pages that wait, and so the work of a model that runs inline."""
        self._admission = Admission(
            spec.limit,
            self,
            limiter=self.limiter,
            clock=clock,
            call_soon=call_soon,
            watcher=instruments,
        )
        self._instruments = instruments
        self._monotonic = clock.monotonic
        self._new_id = new_id
        self._closed_labels = spec.protects(Protection.LABEL_SETS)
        self._encoder = AnswerEncoder()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, exchange: Exchange) -> None:
        """Answer one request, now or later."""
        request = exchange.request
        if request.path == DECIDE:
            self._offer(exchange, request)
        else:
            exchange.reply(self._probe(request))

    def _offer(self, exchange: Exchange, request: HttpRequest) -> None:
        engine = self._desk.engine
        refusal = _refusal(request)
        if refusal is not None:
            self._reply(exchange, refusal)
        elif engine is None:
            self._reply(exchange, _problem(503, "the service is starting", retry_after_s=1))
        else:
            spec = engine.plan.settings.serving
            headers = request.headers
            budget_ms, priority = spec.deadline_ms, Priority.NORMAL
            try:
                if b"x-deadline-ms" in headers:
                    budget_ms = min(budget_ms, parse_deadline_ms(headers[b"x-deadline-ms"]))
                if b"x-priority" in headers:
                    allowed = spec.limit.critical_callers
                    priority = parse_priority(headers[b"x-priority"], allowed=allowed)
            except ValueError as error:
                self._reply(exchange, _problem(400, str(error)))
                return
            arrived = request.arrived
            self._admission.offer(Job(exchange, arrived, arrived + budget_ms / 1000, priority))

    def work(self, job: Job, use_model: bool) -> None:
        """Do the work of one request whose turn it is.

        Args:
            job: The request.
            use_model: Whether there is room for the model.
        """
        exchange = job.exchange
        queue_s = self._monotonic() - job.arrived
        self._instruments.queued(queue_s)
        if not self._desk.begin(hash(exchange.request.body)):
            self._instruments.poison_refused()
            text = "requests equal to this one ended the processes that worked on them"
            self._reply(exchange, _problem(503, text, retry_after_s=600))
            return
        try:
            self._decide(job, use_model, queue_s)
        finally:
            self._desk.end()

    def shed(self, job: Job) -> None:
        """Refuse a request for which there is no room or no time."""
        text = "there is no capacity for this request in its time"
        self._reply(job.exchange, _problem(503, text, retry_after_s=1))

    def _decide(self, job: Job, use_model: bool, queue_s: float) -> None:
        engine = self._desk.engine
        assert engine is not None  # there was one when the job was offered, and none goes away
        self._instruments.in_flight.inc()
        try:
            request = engine.decoder.decode(job.exchange.request.body)
            if not request.request_id:
                request = replace(request, request_id=self._new_id())
            self._play(request)
            decision = engine.chain.decide(Asked(request, job.arrived, job.deadline, use_model))
            if not isinstance(decision, Decision):
                later = self._finish_later(job, engine, request, decision, queue_s)
                task = asyncio.get_running_loop().create_task(later)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return
            self._finish(job, engine, request, decision, queue_s)
        except Exception as error:
            self._reply(job.exchange, self._failure(error))
        self._instruments.in_flight.dec()

    async def _finish_later(
        self,
        job: Job,
        engine: Engine,
        request: Request,
        waiting: Coroutine[Any, Any, Decision],
        queue_s: float,
    ) -> None:
        try:
            self._finish(job, engine, request, await waiting, queue_s)
        except Exception as error:
            self._reply(job.exchange, self._failure(error))
        finally:
            self._instruments.in_flight.dec()

    def _finish(
        self, job: Job, engine: Engine, request: Request, decision: Decision, queue_s: float
    ) -> None:
        order = decision.order()
        body = self._encoder.encode(
            request_id=request.request_id,
            source=decision.source.value,
            reason=decision.reason.value,
            arm=decision.arm.value,
            model=decision.bundle,
            ids=request.ids,
            scores=decision.scores,
            order=order,
        )
        total_s = self._monotonic() - job.arrived
        self._instruments.count_decision(decision, total_s)
        made = Made(request, decision, order, job.deadline, queue_s, total_s, engine.plan.epoch)

        def answer() -> None:
            self._reply(job.exchange, Reply(200, body))

        self._desk.record(made, answer)

    def _failure(self, error: Exception) -> Reply:
        match error:
            case InvalidRequestError():
                self._instruments.count_violation(error.errors[0].rule)
                return Reply(
                    422, _encode(_Problem("the request breaks the contract", list(error.errors)))
                )
            case NoAnswerError():
                return _problem(503, f"the model cannot answer: {error.reason}", retry_after_s=1)
            case _:
                # Where it happened, but not what it says: that may quote the request.
                where = "; ".join(
                    f"{at.filename}:{at.lineno}" for at in traceback.extract_tb(error.__traceback__)
                )
                _log.error("a request ended in %s: %s", type(error).__name__, where)
                return _problem(500, "internal error")

    def _play(self, request: Request) -> None:
        """Play a drill's fault that happens in the worker itself."""
        match self._desk.fault.kind:
            case FaultKind.POISON if request.subject == _POISON:
                os.kill(os.getpid(), signal.SIGSEGV)
            case FaultKind.WORKER_HANG:
                while True:
                    time.sleep(0.01)
            case _:
                pass

    def _reply(self, exchange: Exchange, reply: Reply) -> None:
        self._instruments.count_request(reply.code)
        exchange.reply(reply)

    def _probe(self, request: HttpRequest) -> Reply:
        path = request.path
        if path not in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
            if not self._closed_labels:
                self._instruments.count_path(path)
            return _problem(404, f"no such path; decisions are at POST {DECIDE}")
        if request.method not in ("GET", "HEAD"):
            return _problem(405, "only GET", allow=_GET)
        match path:
            case "/healthz":
                return Reply(200, b'{"status":"alive"}')
            case "/metrics":
                return Reply(200, self._desk.exposition(), kind=_METRICS)
            case "/readyz":
                return self._readyz(request.query)
            case _:
                engine = self._desk.engine
                if engine is None:
                    return _problem(503, "the contract is not known yet", retry_after_s=1)
                return Reply(200, engine.openapi)

    def _readyz(self, query: bytes) -> Reply:
        engine = self._desk.engine
        if engine is None:
            return _problem(503, "the service is starting", retry_after_s=1)
        required = [
            each.partition(b"=")[2] for each in query.split(b"&") if each[:8] == b"require="
        ]
        if any(each != _MODEL for each in required):
            return _problem(400, "only the model may be required: /readyz?require=model")
        answers = engine.answers
        if answers is None:
            return _problem(503, "the model cannot answer, and nothing else may")
        if required and answers is not Source.MODEL:
            return _problem(503, f"the model cannot answer; the {answers.value} source does")
        return Reply(200, _encode({"status": "ready", "answers": answers.value}))


def _refusal(request: HttpRequest) -> Reply | None:
    if request.method != "POST":
        return _problem(405, "only POST", allow=b"POST")
    headers = request.headers
    # A browser asks nobody before it sends what has no type; what is JSON it does ask for.
    untyped = b"" if b"origin" in headers else b"application/json"
    kind = headers.get(b"content-type", untyped)
    if kind.split(b";")[0].strip().lower() != b"application/json":
        return _problem(415, "the body must be application/json")
    return None


def _problem(code: int, text: str, *, retry_after_s: int = 0, allow: bytes = b"") -> Reply:
    return Reply(code, _encode(_Problem(text)), retry_after_s=retry_after_s, allow=allow)
