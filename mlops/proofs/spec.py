"""A proofs section: what is claimed of a model, and for how long one may look for a proof."""

from typing import Annotated, Literal

from pydantic import Field

from mlops.base.section import Section


class MonotoneSpec(Section):
    """A column that an answer must follow in one direction, for all rows of the contract."""

    direction: Literal["increasing", "decreasing"] = "increasing"
    """`increasing`: a higher value never lowers the answer. `decreasing`: it never raises it."""
    missing: Literal["ignore", "lowest", "highest"] = "ignore"
    """Where a missing value stands: below all numbers, above all, or not compared with them."""
    of: Annotated[str, Field(min_length=1)] = "score"
    """Which answer: `score`, or the name of a head for its predicted rate or number."""
    demand: Literal["proven", "not_refuted", "wish"] = "not_refuted"
    """What the gate asks for. `proven`: nothing less passes. `not_refuted`: an example against it
    fails, a proof that was not found in time is unknown. `wish`: both are told as warnings."""


class IndependentSpec(Section):
    """A column that must never change an answer."""

    of: Annotated[str, Field(min_length=1)] = "score"
    """Which answer: `score`, or the name of a head."""
    demand: Literal["proven", "not_refuted", "wish"] = "not_refuted"
    """What the gate asks for, as in `monotone`."""


class ProofsSpec(Section):
    """What is claimed of a model's answers, and for how long one may look for a proof."""

    bound_s: Annotated[float, Field(gt=0, le=86_400)] = 20.0
    """Seconds of wall time that the search for a tighter range of the raw scores may take, and
    again each declared claim. In `train` and `gate` `bound_nodes` ends it after some two seconds,
    and this is for a busy machine; `mlops certify` is ended by this alone: give it 60 and up."""
    bound_nodes: Annotated[int, Field(ge=0)] | None = 1
    """Boxes that the search in `train` looks into for each end of each raw score. A count keeps
    bundles the same from run to run, unless `bound_s` ends it first; null: time alone."""
    monotone: dict[str, MonotoneSpec] = Field(default_factory=dict)
    """Number columns that an answer follows in one direction, by name."""
    independent: dict[str, IndependentSpec] = Field(default_factory=dict)
    """Columns that never change an answer, by name."""
