"""A policy's consistency: what shall happen when a budget burns, against what serving can do."""

from collections.abc import Iterator
from pathlib import Path

from mlops.base.errors import MlopsError
from mlops.base.verdict import Finding, Status
from mlops.config.policy import HINT, Demand, demands
from mlops.config.settings import Settings
from mlops.serving.spec import BreakerMode
from mlops.slo.catalog import read_catalog


def policies_of(settings: Settings, folder: Path) -> Iterator[Finding]:
    """Hold the error budget policies of a service against how it is served.

    Files that cannot be read are another rule's to tell.

    Args:
        settings: The configuration.
        folder: Where the command runs.
    """
    try:
        catalog = read_catalog([folder / name for name in settings.slo.files])
    except (MlopsError, OSError):
        return
    for demand in demands(catalog, settings.name, settings.serving):
        for problem in demand.problems:
            yield Finding(
                "check.consistency.policy",
                Status.FAIL,
                f"the rule {demand.rule.name} cannot be kept: {problem}",
                place=demand.rule.place,
                hint=HINT,
            )
        yield from _way_back(settings, demand)


def _way_back(settings: Settings, demand: Demand) -> Iterator[Finding]:
    mode = settings.serving.breaker.mode
    if demand.burn is None or not demand.burn.falls_back or mode is BreakerMode.AUTO:
        return
    told = {
        BreakerMode.METRICS_ONLY: "then the model gets all traffic back at once, unproved",
        BreakerMode.FORCED_OPEN: "then the model never gets traffic back",
    }
    yield Finding(
        "check.consistency.policy-way-back",
        Status.WARN,
        f"the way back of {demand.rule.name} goes by the breaker's probes and ramp, and"
        f" serving.breaker.mode={mode.value}: {told[mode]}",
        key=("serving", "breaker", "mode"),
        place=demand.rule.place,
    )
