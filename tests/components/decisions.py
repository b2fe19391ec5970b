"""Rows of a decision log, and a watcher that remembers."""

from collections import Counter

import numpy as np

from mlops.decision_log.row import Row

SERVICE = "shop"


def row(number: int = 0, *, candidates: int = 3, prefix: str = "d", at: float = 1e9) -> Row:
    """Return a row whose id is `prefix` with the number."""
    scores = np.arange(candidates, 0, -1, dtype="<f8")
    return Row(
        decision_id=f"{prefix}{number:08d}",
        at=at + number,
        service=SERVICE,
        request_id=f"r{number}",
        subject_hash="5" * 32,
        arm="model",
        arm_propensity=0.99,
        source="model",
        reason="ok",
        bundle="b" * 64,
        ids=[f"item-{at}" for at in range(candidates)],
        scores=scores.tobytes(),
        rows=candidates,
        queue_ms=0.1,
        model_ms=0.3,
        total_ms=0.6,
        epoch=1,
    )


class Watcher:
    """Stands in for the supervisor's metrics of the writer."""

    def __init__(self) -> None:
        self.beats = 0
        self.rows: Counter[str] = Counter()
        self.states: list[bool] = []
        self.sizes: list[int] = []

    def beat(self) -> None:
        self.beats += 1

    def counted(self, outcome: str, rows: int) -> None:
        self.rows[outcome] += rows

    def available(self, takes_rows: bool) -> None:
        self.states.append(takes_rows)

    def spool(self, size: int) -> None:
        self.sizes.append(size)
