# mypy: ignore-errors
"""The FastAPI peer: a typed body, a DataFrame, the pipeline. Run by uvicorn.

Its types are not checked: it runs where FastAPI is installed, which this project does not need.
"""

from fastapi import FastAPI

from benchmarks.peers.pipeline import load, ranked, score
from benchmarks.peers.rows import Body

app = FastAPI()
_pipeline = load()


@app.post("/v1/decide")
def decide(body: Body) -> dict[str, object]:
    """Rank a page; not a coroutine, so that FastAPI runs it in a thread, as it advises."""
    candidates = [each.model_dump() for each in body.candidates]
    return {"ranking": ranked(candidates, score(_pipeline, candidates))}
