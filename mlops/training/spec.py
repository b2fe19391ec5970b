"""The training section: what is learned, how it becomes a score, and what a run may cost."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from mlops.base.section import Section, contradiction
from mlops.models.spec import HeuristicSpec, ScoreSpec

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class HeadSpec(Section):
    """One thing that a model predicts."""

    name: Name
    """What the head is called in scores, metrics and the bundle."""
    outcome: Annotated[str, Field(min_length=1)]
    """Training column with what happened, 0 or 1."""
    given: str = ""
    """Outcome that must have happened for a row to count: hires are learned from applications.
    Empty for all rows."""
    given_at: str = ""
    """Column with the time of `given`, in seconds since 1970, from which the label's age counts.
    Empty: it counts from the row's own time."""
    matures_days: Annotated[float, Field(ge=0, le=3650)] = 0.0
    """Days until the outcome is known well enough; younger rows are left out, since an outcome
    that has not happened yet is no outcome."""


class TrainingSpec(Section):
    """How a service's model and heuristics are trained."""

    heads: Annotated[tuple[HeadSpec, ...], Field(min_length=1)]
    """What is predicted; each head is a model of its own in one bundle."""
    score: ScoreSpec
    """How heads become the one number that candidates are ranked by."""
    heuristics: dict[Name, HeuristicSpec]
    """Heuristics by name, fitted by the same run and carried in the same bundle."""
    parity_rows: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Rows drawn from the contract on which the compiled model must equal the fitted one."""
    budget_cpu_s: Annotated[float, Field(gt=0)] = 600.0
    """CPU seconds that fitting may take; a run that took more fails the gate."""
    budget_memory_mb: Annotated[float, Field(gt=0)] = 4096.0
    """Peak memory in MiB that a run may take; a run that took more fails the gate."""

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [head.name for head in self.heads]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = f"heads are named twice: {', '.join(twice)}"
            raise contradiction(message, "heads")
        key = "score.head" if self.score.kind == "head" else "score.heads"
        asked = (self.score.head,) if self.score.kind == "head" else self.score.heads
        unknown = [name for name in asked if name not in names]
        if unknown:
            message = f"score names {', '.join(unknown)}, but the heads are {', '.join(names)}"
            raise contradiction(message, key, "heads")
        return self
