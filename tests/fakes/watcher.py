"""A fake watcher: remembers what the parts of a decision told it."""

from collections import Counter

from mlops.serving.breaker import Change, State
from mlops.serving.guard import Breach


class FakeWatcher:
    """Stands in for `mlops.serving.instruments.Instruments`."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.changes: list[tuple[State, State, Change]] = []

    def observe_model(self, seconds: float) -> None:
        assert seconds >= 0
        self.counts["model"] += 1

    def count_guard(self, breach: Breach) -> None:
        self.counts[breach.value] += 1

    def count_breach(self) -> None:
        self.counts["breach"] += 1

    def heuristic_failed(self, cause: str) -> None:
        self.counts[f"heuristic {cause}"] += 1

    def breaker_changed(self, old: State, new: State, reason: Change) -> None:
        self.changes.append((old, new, reason))

    def shed(self, priority: str, cause: str) -> None:
        self.counts[f"shed {priority} {cause}"] += 1
