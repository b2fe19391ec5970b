"""Resolved settings: everything that a server needs to start, without Hydra."""

from mlops.base.section import Section
from mlops.serving.spec import ServingSpec


class ServeSettings(Section):
    """What `mlops serve` resolves and the server starts from."""

    service: str
    """Name of the service, the `service` label of all its metrics."""
    bundle: str
    """Folder of the bundle."""
    packages: tuple[str, ...] = ()
    """Packages that a custom heuristic may be imported from."""
    max_candidates: int
    """Most candidates in a request."""
    faults: str = "none"
    """Fault to start with, for a drill."""
    serving: ServingSpec
    """Deadline, ports and limits."""
