"""Resolved settings: everything that a server needs to start, without Hydra."""

from mlops.base.section import Section
from mlops.contracts.domain import Domain
from mlops.serving.policy import BurnRule
from mlops.serving.spec import ServingSpec

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment in which numpy starts no threads of its own, which would be lost in every fork."""


class ServeSettings(Section):
    """What `mlops serve` resolves and the server starts from."""

    service: str
    """Name of the service, the `service` label of all its metrics."""
    bundle: str
    """Folder of the bundle; empty if there is none yet."""
    bundles: str
    """Folder of all bundles, out of which no reload leads."""
    reference: str = "latest"
    """What a reload that names no bundle means: a pointer's name or a digest."""
    state: str
    """Folder of the decision log, its spool and the name of the last good bundle."""
    packages: tuple[str, ...] = ()
    """Packages that a custom heuristic may be imported from."""
    max_candidates: int
    """Most candidates in a request."""
    domain: Domain | None = None
    """The contract, by which requests are checked also while there is no bundle; null takes the
    bundle's."""
    faults: str = "none"
    """Fault to start with, for a drill."""
    policy: tuple[BurnRule, ...] = ()
    """What the server does when a budget burns too fast, by its own counters."""
    serving: ServingSpec
    """Deadline, ports and limits."""
