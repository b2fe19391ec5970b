"""A drill: steady traffic while the model hangs and comes back, told second by second."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlops.base.clock import Clock
from mlops.base.errors import UnavailableError
from mlops.budgets.prometheus import Prometheus
from mlops.cli.demo_processes import Server
from mlops.cli.demo_traffic import Answer, Traffic

_HEALTHY_S = 8
_HANG_LEAST_S = 12
_HANG_MOST_S = 60
_RECOVER_MOST_S = 90
_BACK = 0.9  # share of a second's answers that come from the model again, holdout aside
_GRACE_MS = 20.0


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of the drill.

    Attributes:
        name: What it is called.
        answers: Requests that were due in it.
    """

    name: str
    answers: Sequence[Answer]

    def answered(self) -> int:
        """Return how many got a 200."""
        return sum(answer.code == 200 for answer in self.answers)

    def in_time(self, deadline_ms: float) -> int:
        """Return how many got a 200 within the deadline and 20 ms for the way."""
        limit = deadline_ms + _GRACE_MS
        return sum(a.code == 200 and a.latency_ms <= limit for a in self.answers)

    def sources(self) -> Counter[str]:
        """Return how many were answered by each source."""
        return Counter(answer.source for answer in self.answers if answer.source)

    def percentile_ms(self, share: float) -> float:
        """Return a percentile of the latencies; NaN for an empty phase."""
        if not self.answers:
            return float("nan")
        return float(np.quantile([answer.latency_ms for answer in self.answers], share))


@dataclass(frozen=True, slots=True)
class Drilled:
    """What the drill showed.

    Attributes:
        phases: Healthy, hanging, recovered.
        fired_after_s: Seconds from the fault to the page; None if none fired or none could.
        resolved_after_s: Seconds from the fault's end to the alert's; None likewise.
        recovered_after_s: Seconds from the fault's end until the model answers again; None if
            it did not in time.
        alert: Name of the alert that fired; empty if none.
    """

    phases: tuple[Phase, Phase, Phase]
    fired_after_s: float | None
    resolved_after_s: float | None
    recovered_after_s: float | None
    alert: str


class Drill:
    """Runs the three phases.

    Args:
        server: The running server.
        traffic: What is sent to it.
        prometheus: The running Prometheus; None if there is none.
        service: Value of the `service` label.
        clock: Time.
        tell: Told one line a second.
    """

    def __init__(
        self,
        server: Server,
        traffic: Traffic,
        *,
        prometheus: Prometheus | None,
        service: str,
        clock: Clock,
        tell: Callable[[str], None],
    ) -> None:
        self._server = server
        self._traffic = traffic
        self._prometheus = prometheus
        self._service = service
        self._clock = clock
        self._tell = tell
        self._alert = ""

    async def run(self) -> Drilled:
        """Run the drill.

        Raises:
            UnavailableError: The server cannot be reached.
        """
        load = asyncio.create_task(self._traffic.run())
        try:
            return await self._phases()
        finally:
            load.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await load
            self._traffic.close()

    async def _phases(self) -> Drilled:
        await self._wait(_HEALTHY_S, _HEALTHY_S, lambda: True)
        began = self._clock.monotonic()
        await asyncio.to_thread(self._server.fault, "model_hang")
        self._tell("fault  model_hang is switched on: the model process never returns")
        least = _HANG_LEAST_S
        fired = await self._wait(least, _HANG_MOST_S, lambda: bool(self._alert))
        alert = self._alert
        lifted = self._clock.monotonic()
        await asyncio.to_thread(self._server.fault, "none")
        self._tell("fault  lifted")
        recovered = await self._wait(1, _RECOVER_MOST_S, self._model_is_back)
        resolved = None
        if alert:
            resolved = await self._wait(1, _RECOVER_MOST_S, lambda: not self._alert)
        ended = self._clock.monotonic()
        return Drilled(
            phases=(
                self._phase("healthy", 0.0, began),
                self._phase("model hangs", began, lifted),
                self._phase("lifted", lifted, ended - 1.0),
            ),
            fired_after_s=None if not alert or fired is None else fired - began,
            resolved_after_s=None if resolved is None else resolved - lifted,
            recovered_after_s=None if recovered is None else recovered - lifted,
            alert=alert,
        )

    def _phase(self, name: str, start: float, end: float) -> Phase:
        return Phase(name, [a for a in self._traffic.answers if start <= a.at_s < end])

    async def _wait(self, least_s: int, most_s: int, done: Callable[[], bool]) -> float | None:
        """Tell each second until something is so; returns when it was first seen, or None."""
        seen: float | None = None
        for second in range(1, most_s + 1):
            await asyncio.sleep(1.0)
            await self._look()
            if seen is None and done():
                seen = self._clock.monotonic()
            if second >= least_s and (seen is not None or self._hopeless(done)):
                break
        return seen

    def _hopeless(self, done: Callable[[], bool]) -> bool:
        """Without Prometheus no alert can be waited for."""
        return self._prometheus is None and done != self._model_is_back

    def _recent(self) -> list[Answer]:
        since = self._clock.monotonic() - 1.0
        recent: list[Answer] = []
        for answer in reversed(self._traffic.answers):
            if answer.at_s < since:
                break
            recent.append(answer)
        return recent

    def _model_is_back(self) -> bool:
        meant = [a for a in self._recent() if a.reason != "holdout"]
        by_model = sum(a.source == "model" for a in meant)
        return len(meant) > 0 and by_model >= _BACK * len(meant)

    async def _look(self) -> None:
        self._alert = await asyncio.to_thread(self._firing)
        recent = self._recent()
        if not recent:
            return
        slowest = max(answer.latency_ms for answer in recent)
        page = "PAGE" if self._alert else "    "
        self._tell(f"{len(recent):3} answers  slowest {slowest:3.0f} ms  {page}  {_shares(recent)}")

    def _firing(self) -> str:
        if self._prometheus is None:
            return ""
        query = (
            f'ALERTS{{alertstate="firing",service="{self._service}",severity="page",'
            'slo=~".*model-served"}'
        )
        try:
            found = self._prometheus.query(query, at=self._clock.now())
        except UnavailableError:
            return self._alert  # a busy Prometheus: what was seen last still holds
        return str(found[0].labels["alertname"]) if found else ""


def _shares(answers: Sequence[Answer]) -> str:
    """Return who answered what share, and for what reasons where it was not the model."""
    by_source = Counter(answer.source or "nobody" for answer in answers)
    parts = []
    for source, count in by_source.most_common():
        reasons = Counter(
            a.reason or str(a.code) for a in answers if (a.source or "nobody") == source
        )
        told = ", ".join(reason for reason, _ in reasons.most_common())
        why = "" if source == "model" else f" ({told})"
        parts.append(f"{source} {count / len(answers):.0%}{why}")
    return "  ".join(parts)
