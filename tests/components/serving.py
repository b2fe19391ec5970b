"""Serving parts: a chain and its fakes, joined as a worker joins the real ones."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from mlops.contracts import open_bandit
from mlops.contracts.domain import Floats, Table
from mlops.contracts.row import Request
from mlops.contracts.schema import read_domain
from mlops.hosting.settings import HttpSettings
from mlops.serving.breaker import Breaker
from mlops.serving.cache import Cache
from mlops.serving.chain import Asked, Chain
from mlops.serving.decision import Decision
from mlops.serving.guard import Limits
from mlops.serving.guarded import GuardedModel
from mlops.serving.lane import Lane
from mlops.serving.limiter import Limiter
from mlops.serving.rungs import Rung
from mlops.serving.spec import BreakerSpec, CacheSpec, HoldoutSpec, LimitSpec, ServingSpec
from tests.components.requests import drawn
from tests.fakes.clock import ManualClock
from tests.fakes.heuristic import FakeHeuristic
from tests.fakes.watcher import FakeWatcher

SERVICE = "open_bandit"
DOMAIN = read_domain(open_bandit.Request)
ROWS = 3
GOOD = np.array([0.1, 0.9, 0.5])


def rising(rows: int) -> Floats:
    return np.arange(rows, dtype=np.float64)


def falling(rows: int) -> Floats:
    return -np.arange(rows, dtype=np.float64)


def two_rungs() -> list[tuple[str, Rung]]:
    return [("first", FakeHeuristic(rising)), ("second", FakeHeuristic(falling))]


def spec(**changes: Any) -> ServingSpec:
    values: dict[str, Any] = {
        "deadline_ms": 50.0,
        "reserve_ms": 10.0,
        "fallback": ("first", "second"),
        "http": HttpSettings(max_body_bytes=20_000),
        "limit": LimitSpec(start=2, most=2),
        "breaker": BreakerSpec(
            min_calls=4, window_s=10.0, open_s=2.0, trip_s=8.0, probes=2, ramp=()
        ),
        "cache": CacheSpec(entries=0),
        "holdout": HoldoutSpec(share=0.0),
    }
    return ServingSpec(**{**values, **changes})


@dataclass
class Joined:
    """A chain over fakes.

    Attributes:
        lane: Who is asked; None where there is no model.
        previous_lane: The model before it; None where there is none.
        rungs: The heuristics; the spec's fallback names `first` and `second`.
        spec: As the worker gets it.
        limits: What is certified.
        check: The worker's own copy of the program.
        draws: Random numbers, given again from the first when they are used up.
    """

    lane: Lane | None = None
    previous_lane: Lane | None = None
    rungs: Sequence[tuple[str, Rung]] = field(default_factory=two_rungs)
    spec: ServingSpec = field(default_factory=spec)
    limits: Limits = field(default_factory=lambda: Limits(0.0, 1.0))
    check: Callable[[Table], float] | None = None
    draws: Sequence[float] = (0.5,)
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.watcher = FakeWatcher()
        self.current = self._guarded(self.lane, "sha256:new", self.check)
        self.previous = self._guarded(self.previous_lane, "sha256:old", None)
        self.cache = Cache(self.spec.cache, self.clock)
        self._drawn = 0
        self.chain = Chain(
            self.spec,
            self.rungs,
            current=self.current,
            previous=self.previous,
            cache=self.cache,
            watcher=self.watcher,
            clock=self.clock,
            random=self._draw,
        )

    @property
    def breaker(self) -> Breaker:
        assert self.current is not None
        return self.current.breaker

    def decide(self, subject: str = "user-1", **changes: Any) -> Decision:
        """Decide a request that has just arrived, in a loop of its own."""

        async def decide() -> Decision:
            return await self.decided(subject, **changes)

        return asyncio.run(decide())

    async def decided(self, subject: str = "user-1", **changes: Any) -> Decision:
        """Decide a request that has just arrived."""
        decision = self.chain.decide(self.asked(subject, **changes))
        return decision if isinstance(decision, Decision) else await decision

    def asked(
        self, subject: str = "user-1", *, deadline_s: float = 0.05, waited_s: float = 0.0,
        use_model: bool = True,
    ) -> Asked:  # fmt: skip
        arrived = self.clock.monotonic() - waited_s
        return Asked(a_request(subject), arrived, arrived + deadline_s, use_model)

    def _guarded(
        self, lane: Lane | None, digest: str, check: Callable[[Table], float] | None
    ) -> GuardedModel | None:
        if lane is None:
            return None
        breaker = Breaker.of(self.spec, self.clock, self.watcher.breaker_changed)
        limiter = Limiter.of(self.spec, self.clock)
        return GuardedModel(lane, self.limits, breaker, limiter, digest, check)

    def _draw(self) -> float:
        self._drawn += 1
        return self.draws[(self._drawn - 1) % len(self.draws)]


@cache
def _drawn() -> tuple[Table, dict[str, Any]]:
    return drawn(SERVICE, ROWS, 5)


def a_request(subject: str = "user-1") -> Request:
    table, _ = _drawn()
    ids = tuple(str(each) for each in table[DOMAIN.identifier.name])
    return Request(request_id="", subject=subject, ids=ids, table=table)


def a_body(**members: Any) -> bytes:
    _, body = _drawn()
    return json.dumps({**body, **members}).encode()
