"""A cost section: for which machine a cost is predicted."""

from typing import Annotated

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


class CostSpec(Section):
    """The machine that training and serving are predicted for."""

    host: Annotated[str, Field(min_length=1)] = "this"
    """Machine that the cost is predicted for: `this`, a name from `hosts`, or a copy of the file
    that `mlops check --calibrate` names on another machine, which ends in .json. Relative paths
    start where the command runs."""
    hosts: dict[HostName, DeclaredHost] = Field(default_factory=dict)
    """Machines that are not this one, by name; `this` is taken."""
