"""The serving benchmark's goals: what is asked for beside what was reached."""

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from mlops.base.digest import Json


class Measured(Protocol):
    """A figure as far as goals look at it."""

    @property
    def server(self) -> str:
        """Whose."""
        ...

    @property
    def candidates(self) -> int:
        """Candidates in a request."""
        ...

    @property
    def connections(self) -> int:
        """Connections."""
        ...

    @property
    def per_second(self) -> float:
        """Answers a second."""
        ...


def goals(figures: Sequence[Measured], ours: Mapping[str, Json]) -> list[Json]:
    """Return each goal with what was reached, and print them.

    Args:
        figures: Of all servers.
        ours: What was measured of our server alone.
    """
    half = cast("Mapping[str, float]", ours["half_load_ms"])
    bare = "our HTTP, constant"
    rows = [
        _at_least("times MLflow, 50 candidates", 80, _ratio(figures, "MLflow", 50)),
        _at_least("times BentoML, 50 candidates", 40, _ratio(figures, "BentoML", 50)),
        _at_least("of the bare server, 1 candidate", 0.6, _ratio(figures, bare, 1)),
        _below("p99 at half of capacity, ms", 5.0, half["p99"]),
        _below("ready after a cold start, s", 1.5, cast("float", ours["ready_s"])),
        _below("largest process, MB", 150.0, cast("float", ours["largest_process_rss_mb"])),
    ]
    for row in rows:
        print(f"{row['goal']:<40} {row['wanted']:>9} {row['reached']:>9} {row['met']}")
    return [dict(row) for row in rows]


def _best(figures: Sequence[Measured], server: str, candidates: int) -> float:
    """Return a server's throughput at the number of connections that suits it best."""
    found = [
        each.per_second
        for each in figures
        if each.server == server and each.candidates == candidates
    ]
    return max(found, default=float("nan"))


def _ratio(figures: Sequence[Measured], other: str, candidates: int) -> float:
    return _best(figures, "ours", candidates) / _best(figures, other, candidates)


def _at_least(goal: str, wanted: float, reached: float) -> dict[str, Json]:
    met = "yes" if reached >= wanted else "no"
    return {"goal": goal, "wanted": f">= {wanted:g}", "reached": round(reached, 3), "met": met}


def _below(goal: str, wanted: float, reached: float) -> dict[str, Json]:
    met = "yes" if reached < wanted else "no"
    return {"goal": goal, "wanted": f"< {wanted:g}", "reached": round(reached, 3), "met": met}
