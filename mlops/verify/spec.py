"""A verify section: what is checked before anything runs, and what is proved about a model."""

from typing import Annotated, Literal

from pydantic import Field

from mlops.base.section import Section

HostName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]


class DeclaredHost(Section):
    """A machine that is not this one, described in three figures."""

    speed: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """How fast a core of it is, relative to a core of this machine: 0.5 takes twice as long."""
    cores: Annotated[int, Field(ge=1, le=4096)]
    """Cores that a run may use there."""
    memory_mb: Annotated[float, Field(gt=0)]
    """MiB of memory that a run may use there."""


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


class VerifySpec(Section):
    """What is checked and proved, and for how long one may look for a proof."""

    probe: bool = True
    """Whether `check` fits and asks the pipeline once on some 200 rows drawn from the contract.
    It runs none of your data, and finds what no signature tells; switch it off for estimators
    that are slow or heavy to build."""
    host: Annotated[str, Field(min_length=1)] = "this"
    """Machine that the cost is predicted for: `this`, a name from `hosts`, or a copy of the file
    that `mlops check --calibrate` names on another machine, which ends in .json. Relative paths
    start where the command runs."""
    hosts: dict[HostName, DeclaredHost] = Field(default_factory=dict)
    """Machines that are not this one, by name; `this` is taken."""
    bound_s: Annotated[float, Field(gt=0, le=86_400)] = 20.0
    """Seconds of wall time that the search for a tighter range of the raw scores may take, and
    again each declared claim. In `train` and `gate` `bound_nodes` ends it after some two seconds,
    and this is for a busy machine; `mlops certify` is ended by this alone: give it 60 and up."""
    bound_nodes: Annotated[int, Field(ge=0)] | None = 1
    """Boxes that the search in `train` looks into for each end of each raw score. A count keeps
    bundles the same from run to run, which time does not; null: time alone."""
    monotone: dict[str, MonotoneSpec] = Field(default_factory=dict)
    """Number columns that an answer follows in one direction, by name."""
    independent: dict[str, IndependentSpec] = Field(default_factory=dict)
    """Columns that never change an answer, by name."""
