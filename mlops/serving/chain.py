"""The fallback chain: model, then heuristics, then the caller's own order.

The heuristic's answer is computed first, on every request, and the model only overrides it, in
time. So the fallback is exercised by all traffic, and nothing is left to do when the model fails.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from mlops.contracts.domain import Floats, Table
from mlops.contracts.row import Request
from mlops.experiments.assignment import Arm, assign
from mlops.hosting.log import ALWAYS
from mlops.models.heuristics import Heuristic
from mlops.serving.breaker import Breaker
from mlops.serving.decision import Decision, Reason, Source
from mlops.serving.guard import Breach, Limits, inspect
from mlops.serving.instruments import Instruments
from mlops.serving.model_client import ModelFailedError, ModelGoneError
from mlops.serving.spec import ServingSpec

_log = logging.getLogger(__name__)


class Model(Protocol):
    """Who is asked for the model's scores; see `mlops.serving.model_client.ModelClient`."""

    @property
    def ready(self) -> bool:
        """Whether it can be asked."""
        ...

    @property
    def owed(self) -> int:
        """Number of questions that it has not answered, abandoned ones included."""
        ...

    async def score(self, table: Table, rows: int, *, deadline: float) -> tuple[Floats, float]:
        """Return one score a candidate, unchecked, and the seconds it took.

        Raises:
            TimeoutError: No answer came in time.
            ModelGoneError: The process is not there or died.
            ModelFailedError: The model raised.
        """
        ...

    def replace(self) -> None:
        """End its process, which can no longer be trusted; a new one reads the bundle afresh."""
        ...


class Chain:
    """Decides requests.

    Args:
        spec: Deadline, holdout and limits.
        heuristics: Those of the bundle, by name.
        model: The model process; None if there is no bundle to serve.
        limits: What is certified of the model's score.
        breaker: The model's breaker.
        instruments: Where guard breaches and model times are counted.
    """

    def __init__(
        self,
        spec: ServingSpec,
        heuristics: Mapping[str, Heuristic],
        *,
        model: Model | None,
        limits: Limits,
        breaker: Breaker,
        instruments: Instruments,
    ) -> None:
        self._spec = spec
        self._rungs = _rungs(spec.rungs, heuristics)
        self._model = model
        self._limits = limits
        self._breaker = breaker
        self._instruments = instruments
        self._model_time_s = (spec.deadline_ms - spec.reserve_ms) / 1000

    @property
    def model_can_answer(self) -> bool:
        """Whether the next request could be answered by the model."""
        return self._model is not None and self._model.ready and not self._breaker.resting

    async def decide(self, request: Request, *, arrived: float) -> Decision:
        """Answer a request, whatever the model does.

        Args:
            request: A valid request with a subject or a request id, by which its arm is drawn.
            arrived: Monotonic seconds of its arrival.
        """
        source, scores = self._fall_back(request)
        holdout = self._spec.holdout
        subject = request.subject or request.request_id
        arm = assign(subject, share=holdout.share, salt=holdout.salt)
        if arm is Arm.HOLDOUT:
            return Decision(source, Reason.HOLDOUT, arm, scores)
        reason, better = await self._ask_model(request, arrived + self._model_time_s)
        if better is not None:
            return Decision(Source.MODEL, Reason.OK, arm, better)
        return Decision(source, reason, arm, scores)

    def _fall_back(self, request: Request) -> tuple[Source, Floats]:
        for name, heuristic in self._rungs:
            try:
                given = heuristic.score(request.table, request.rows)
                scores = np.asarray(given, dtype=np.float64)
            except Exception:
                # A heuristic is the user's code: whatever it does, the next rung answers.
                _log.exception("heuristic %s failed", name)
                continue
            if scores.shape == (request.rows,) and np.isfinite(scores).all():
                return Source.HEURISTIC, scores
            _log.error("heuristic %s gave a wrong shape or a number that is not finite", name)
        return Source.STATIC, -np.arange(request.rows, dtype=np.float64)

    async def _ask_model(self, request: Request, deadline: float) -> tuple[Reason, Floats | None]:
        model = self._model
        if model is None or not model.ready:
            return Reason.MODEL_UNAVAILABLE, None
        if model.owed >= self._spec.limit.most:
            return Reason.OVERLOAD, None
        ticket = self._breaker.allow()
        if ticket is None:
            return Reason.BREAKER_OPEN, None
        reason = Reason.MODEL_ERROR
        try:
            reason, scores = await self._score(model, request, deadline)
        finally:  # a ticket that is never recorded would leave the breaker half open for ever
            self._breaker.record(ticket, ok=reason is Reason.OK)
        return reason, scores

    async def _score(
        self, model: Model, request: Request, deadline: float
    ) -> tuple[Reason, Floats | None]:
        try:
            scores, seconds = await model.score(request.table, request.rows, deadline=deadline)
        except TimeoutError:
            return Reason.DEADLINE, None
        except ModelGoneError:
            return Reason.MODEL_UNAVAILABLE, None
        except ModelFailedError as error:
            _log.warning("the model failed: %s", error)
            return Reason.MODEL_ERROR, None
        except Exception:
            # Ours to fix, and no reason to leave the caller without the answer that is there.
            _log.exception("the model could not be asked")
            return Reason.MODEL_ERROR, None
        self._instruments.observe_model(seconds)
        breach = inspect(scores, rows=request.rows, low=self._limits.low, high=self._limits.high)
        if breach is not None:
            self._instruments.count_guard(breach)
            if self._limits.impossible(breach):
                self._distrust(model, breach, scores)
            return Reason(breach.value), None
        return Reason.OK, scores

    def _distrust(self, model: Model, breach: Breach, scores: Floats) -> None:
        """Leave a model alone that gave what was proved impossible, and replace its process."""
        self._instruments.count_breach()
        if self._breaker.tripped:  # what was still under way tells of the same fault
            return
        limits = self._limits
        _log.critical(
            "the model is corrupted: %s, score %r is outside the certified [%r, %r] of bundle %s;"
            " its process is replaced",
            breach.value, limits.farthest(scores), limits.low, limits.high, limits.bundle,
            extra=ALWAYS,
        )  # fmt: skip
        self._breaker.trip()
        model.replace()


def _rungs(
    names: Sequence[str], heuristics: Mapping[str, Heuristic]
) -> tuple[tuple[str, Heuristic], ...]:
    return tuple((name, heuristics[name]) for name in names if name in heuristics)
