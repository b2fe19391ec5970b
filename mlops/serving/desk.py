"""A desk: what one worker has at hand to answer with, and how it hears of changes."""

import logging
from collections.abc import Callable, Mapping

from mlops.base.clock import Clock
from mlops.decision_log.client import LogClient
from mlops.decision_log.row import Answerer, Caller, Row, RowBuilder, Shown, Took
from mlops.decision_log.settings import Durability
from mlops.hosting.seat import Seat
from mlops.serving.app import Made
from mlops.serving.breaker import Breaker, Change, State
from mlops.serving.engine import Engine
from mlops.serving.faults import Fault
from mlops.serving.flags import Flag
from mlops.serving.instruments import Instruments
from mlops.serving.latch import LatchState
from mlops.serving.messages import FromWorker, Happened, Misbehaved, encode
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import BreakerMode, Protection

_MODES = tuple(BreakerMode)
_LATCH = tuple(LatchState)
_log = logging.getLogger(__name__)


class Engines:
    """The engines of one worker, of which the shared epoch names the one that serves.

    Args:
        seat: The shared flags.
        instruments: Shows the state of the one that serves.
        by_epoch: Whether the shared epoch decides; a drill takes that away, and then each worker
            changes over on its own.
    """

    def __init__(self, seat: Seat, instruments: Instruments, *, by_epoch: bool) -> None:
        self._flags = seat.shared.flags
        self._instruments = instruments
        self._by_epoch = by_epoch
        self._engines: dict[int, Engine] = {}
        self._serving: Engine | None = None
        self._newest = 0

    @property
    def serving(self) -> Engine | None:
        """The engine that serves; None while there is none."""
        epoch = self._flags[Flag.EPOCH] if self._by_epoch else self._newest
        serving = self._serving
        if serving is None or serving.plan.epoch != epoch:
            found = self._engines.get(epoch)
            if found is not None:
                self._serving = serving = found
                self._show(found)
        return serving

    @property
    def missing(self) -> int:
        """The epoch that serves, if it is not held; 0 if it is, or if none is held at all."""
        epoch = self._flags[Flag.EPOCH]
        return epoch if self._by_epoch and self._engines and epoch not in self._engines else 0

    def add(self, engine: Engine) -> None:
        """Hold an engine ready."""
        self._engines[engine.plan.epoch] = engine
        self._newest = engine.plan.epoch

    def keep(self, epochs: tuple[int, ...]) -> list[Engine]:
        """Let go of every engine but some; returns those that have to be stopped."""
        gone = [epoch for epoch in self._engines if epoch not in epochs]
        return [self._engines.pop(epoch) for epoch in gone]

    def all(self) -> list[Engine]:
        """Return the engines held."""
        return list(self._engines.values())

    def is_serving(self, epoch: int) -> bool:
        """Tell whether an epoch's engine serves, or will be the first to."""
        serving = self.serving
        return serving is None or serving.plan.epoch == epoch

    def _show(self, engine: Engine) -> None:
        plan, instruments = engine.plan, self._instruments
        before = [other for epoch, other in self._engines.items() if epoch < plan.epoch]
        named = None if plan.bundle is None else (plan.digest, plan.model)
        previous = (before[-1].plan.digest, before[-1].plan.model) if before else None
        instruments.bundles(named, previous if previous and previous[0] else None)
        model = engine.model
        instruments.model_ready(ready=model is not None and engine.chain.model_can_answer)
        if model is not None:
            instruments.breaker_is(model.breaker.state)


class Desk:
    """Joins a worker's engines, flags, decision log and supervisor.

    Args:
        seat: Flags, poison list, and the way to the supervisor.
        settings: What is declared.
        instruments: Counts.
        clock: The time.
        prefix: Unique text that this worker's decision ids begin with.
    """

    def __init__(
        self,
        seat: Seat,
        settings: ServeSettings,
        *,
        instruments: Instruments,
        clock: Clock,
        prefix: str,
    ) -> None:
        serving = settings.serving
        self._seat = seat
        self._shared = seat.shared
        self._flags = seat.shared.flags
        self._instruments = instruments
        self._lists_poison = serving.protects(Protection.POISON_LIST)
        self._durable = serving.decision_log.durability is Durability.GROUP_COMMIT
        self._reserve_s = serving.reserve_ms / 2000
        self._rows = RowBuilder(settings.service, serving.decision_log, clock=clock, prefix=prefix)
        self._seen = -1
        self._healing: set[int] = set()
        self._fault = Fault()
        self.engines = Engines(seat, instruments, by_epoch=serving.protects(Protection.EPOCH))
        self.log: LogClient | None = None

    @property
    def engine(self) -> Engine | None:
        """The engine that serves."""
        self.heed()
        return self.engines.serving

    @property
    def fault(self) -> Fault:
        """The fault that is played."""
        self.heed()
        return self._fault

    def play(self, fault: Fault) -> None:
        """Play a fault, or none, in all workers."""
        self._flags[Flag.FAULT_KIND], self._flags[Flag.FAULT_AMOUNT] = fault.to_numbers()
        self._flags[Flag.CHANGES] += 1
        self.happened("fault", {"fault": str(fault)})

    @property
    def breaker_mode(self) -> BreakerMode:
        """The mode of all breakers."""
        return _MODES[self._flags[Flag.BREAKER_MODE]]

    def set_breakers(self, mode: BreakerMode) -> None:
        """Give the breakers of all workers a mode."""
        self._flags[Flag.BREAKER_MODE] = _MODES.index(mode)
        self._flags[Flag.CHANGES] += 1
        self.happened("breaker", {"mode": mode.value})

    def add(self, engine: Engine) -> None:
        """Hold an engine ready, in the mode that all are in."""
        self.engines.add(engine)
        self._heed()

    def heed(self) -> None:
        """Take over what others have changed, if anything."""
        if self._flags[Flag.CHANGES] != self._seen:
            self._heed()

    def begin(self, fingerprint: int) -> bool:
        """Note what is worked on now; False if equal requests have ended workers."""
        shared = self._shared
        if shared.is_poison(fingerprint) and self._lists_poison:
            return False
        shared.begin(self._seat.member, fingerprint)
        return True

    def end(self) -> None:
        """Note that it is over."""
        self._shared.end(self._seat.member)

    def record(self, made: Made, then: Callable[[], None]) -> None:
        """Write a decision down; `then` sends its answer.

        With `group_commit` the answer waits for its row, but not into the last half of the
        reserve.
        """
        log = self.log
        if log is None:
            then()
            return
        if not self._durable:
            then()
        try:
            row = self._row(made)
        except Exception as error:  # the answer is worth more than its row
            _log.error("a decision has no row: %s", type(error).__name__)
            self._instruments.log_rows("lost", 1)
            if self._durable:
                then()
            return
        if self._durable:
            log.write_durably(row, until=made.deadline - self._reserve_s, then=then)
        else:
            log.write(row)

    def exposition(self) -> bytes:
        """Return the metrics of all processes of the service."""
        self.heed()
        return self._instruments.exposition()

    def breaker_changed(self, epoch: int, old: State, new: State, why: Change) -> None:
        """Count a change of a breaker, tell it, and say so if a new bundle misbehaves."""
        if self.engines.is_serving(epoch):
            self._instruments.breaker_changed(old, new, why)
            if new is State.OPEN:
                self.tell(Misbehaved(epoch, why.value))
        fields = {"from": old.value, "to": new.value, "reason": why.value, "epoch": str(epoch)}
        self.happened("breaker", {**fields, "worker": str(self._seat.member)})

    def model_ready(self, epoch: int, *, ready: bool) -> None:
        """Show whether the model that serves can answer."""
        if self.engines.is_serving(epoch):
            self._instruments.model_ready(ready=ready)

    def happened(self, kind: str, fields: Mapping[str, str]) -> None:
        """Tell the supervisor of a change of state."""
        self.tell(Happened(kind, dict(fields)))

    def tell(self, message: FromWorker) -> bool:
        """Send the supervisor a message; one that cannot go out is lost, and logged.

        Returns:
            Whether it went out.
        """
        sent = self._seat.send(encode(message))
        if not sent:
            _log.warning("a message to the supervisor is lost: %s", type(message).__name__)
        return sent

    def _heed(self) -> None:
        self._seen = self._flags[Flag.CHANGES]
        kind, amount = self._flags[Flag.FAULT_KIND], self._flags[Flag.FAULT_AMOUNT]
        self._fault = Fault.from_numbers(kind, amount)
        latch = _LATCH[self._flags[Flag.FALLBACK]]
        if latch is not LatchState.RECOVERING:
            self._healing.clear()
        for engine in self.engines.all():
            engine.chain.latched = latch is LatchState.LATCHED
            if engine.model is not None:
                self._move(engine.plan.epoch, engine.model.breaker, latch)

    def _move(self, epoch: int, breaker: Breaker, latch: LatchState) -> None:
        """Give a breaker its mode: forced open while latched, and from there by probes and ramp."""
        heals = latch is LatchState.RECOVERING and epoch not in self._healing
        if latch is LatchState.LATCHED or heals:
            breaker.set_mode(BreakerMode.FORCED_OPEN)
        if heals:  # a worker or a bundle that came after the latch has to prove itself likewise
            self._healing.add(epoch)
        if latch is not LatchState.LATCHED:
            breaker.set_mode(self.breaker_mode)

    def _row(self, made: Made) -> Row:
        request, decision = made.request, made.decision
        return self._rows.build(
            Caller(request.request_id, request.subject),
            Shown(request.ids, decision.scores, made.order),
            Answerer(
                decision.arm.value, decision.propensity, decision.source.value,
                decision.reason.value, decision.bundle, made.epoch,
            ),
            Took(made.queue_s * 1000, decision.model_s * 1000, made.total_s * 1000),
        )  # fmt: skip
