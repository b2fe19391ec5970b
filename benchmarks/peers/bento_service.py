# mypy: ignore-errors
"""The BentoML peer: a service of one worker with a typed body.

Its types are not checked: it runs where BentoML is installed, which this project does not need.
"""

import bentoml

from benchmarks.peers.pipeline import load, ranked, score
from benchmarks.peers.rows import Candidate


@bentoml.service(workers=1, traffic={"timeout": 30, "concurrency": 64})
class Ranker:
    """Ranks pages."""

    def __init__(self) -> None:
        self._pipeline = load()

    @bentoml.api(route="/v1/decide")
    def decide(self, context: dict, candidates: list[Candidate]) -> dict:
        """Rank a page."""
        del context
        rows = [each.model_dump() for each in candidates]
        return {"ranking": ranked(rows, score(self._pipeline, rows))}
