"""Resolved settings: everything that a server needs to start, without Hydra."""

from collections.abc import Iterator
from typing import Self

from pydantic import model_validator

from mlops.base.section import Section
from mlops.contracts.domain import Domain
from mlops.serving.policy import BurnRule
from mlops.serving.selected import weights
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

    @model_validator(mode="after")
    def _keeps_its_policy(self) -> Self:
        for rule in self.policy:
            for problem in unkept(rule, self.service, self.serving):
                raise ValueError(f"{rule.name}: {problem}")
        return self


def unkept(rule: BurnRule, service: str, serving: ServingSpec) -> Iterator[str]:
    """Yield why a server cannot do what a rule says, as sentences; nothing if it can.

    Args:
        rule: The rule.
        service: The label `service` of the server's series.
        serving: How it is served.
    """
    for watched in rule.slos:
        try:
            for selection in (watched.numerator, watched.total):
                weights(selection, service)
        except ValueError as error:
            yield f"the server cannot work out how fast {watched.slo} burns: {error}"
        if rule.above * watched.budget >= 1:
            yield (
                f"{watched.slo} never burns that fast: a total failure does at"
                f" {1 / watched.budget:.4g} times the budget, and `above` is {rule.above:g}"
            )
    if rule.falls_back and serving.only_model:
        yield "`serving.fallback` is `error`: there is nothing to fall back to"
    if rule.falls_back and rule.recovery == "person" and serving.admin_port is None:
        yield "its way back is a person at the admin port, and `serving.admin_port` is null"
