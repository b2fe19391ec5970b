"""Settings: the whole configuration of one service as one typed, frozen tree."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from mlops.base.errors import ConfigError
from mlops.base.section import Section, contradiction
from mlops.contracts.spec import ContractsSpec
from mlops.cost.spec import CostSpec
from mlops.data.spec import DataSpec
from mlops.models.spec import ModelSpec
from mlops.proofs.spec import ProofsSpec
from mlops.quality.spec import QualitySpec
from mlops.release.spec import ReleaseSpec
from mlops.serving.faults import FaultKind, parse
from mlops.serving.spec import ServingSpec
from mlops.slo.spec import SloSpec
from mlops.training.folders import Folders
from mlops.training.spec import TrainingSpec
from mlops.verify.spec import VerifySpec

Package = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]


class StoreSpec(Section):
    """Where files are kept."""

    root: Annotated[str, Field(min_length=1)] = ".mlops"
    """Folder of snapshots, bundles and run records; relative to where the command runs."""


class Settings(Section):
    """One service, all rooms."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    """The service's name: the `service` label of its metrics and the folder of its bundles."""
    owner: Annotated[str, Field(min_length=1)]
    """Team that is paged for it and decides about it."""
    packages: tuple[Package, ...] = ()
    """Packages of your own that `_target_` may name, besides `sklearn` and `mlops`."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of everything random in a run."""
    bundle: str = "latest"
    """Bundle to evaluate, gate or serve: `latest`, a digest (or its start), or a folder."""
    faults: str = "none"
    """Fault to play while serving, for a drill; needs `serving.faults_allowed`."""
    store: StoreSpec = StoreSpec()
    """Where files are kept."""
    contracts: ContractsSpec
    """What the service is fed and what it answers."""
    data: DataSpec
    """Where training rows come from."""
    model: ModelSpec
    """The scikit-learn pipeline."""
    training: TrainingSpec
    """What is learned."""
    quality: QualitySpec
    """What is measured, and what must be reached."""
    release: ReleaseSpec
    """What the gate demands."""
    serving: ServingSpec
    """Where and how it is served."""
    slo: SloSpec
    """Objectives and alerts."""
    verify: VerifySpec = VerifySpec()
    """What is tried before anything runs."""
    cost: CostSpec = CostSpec()
    """The machine that a cost is predicted for."""
    proofs: ProofsSpec = ProofsSpec()
    """What is proved about a model, and for how long."""

    @model_validator(mode="after")
    def _fallback_is_declared(self) -> Self:
        declared = self.training.heuristics
        unknown = [name for name in self.serving.rungs if name not in declared]
        if unknown:
            message = (
                f"serving.fallback names {', '.join(unknown)}, but training.heuristics declares"
                f" {', '.join(declared) or 'none'}"
            )
            raise contradiction(message, "serving.fallback", "training.heuristics")
        return self

    @model_validator(mode="after")
    def _fault_may_be_played(self) -> Self:
        try:
            fault = parse(self.faults)
        except ConfigError as error:
            raise contradiction(f"{error.message}; {error.hint}", "faults") from error
        if fault.kind is not FaultKind.NONE and not self.serving.faults_allowed:
            message = f"faults={self.faults} needs serving.faults_allowed=true"
            raise contradiction(message, "faults", "serving.faults_allowed")
        return self


def allowed_packages(settings: Settings) -> tuple[str, ...]:
    """Return the packages that a `_target_` of these settings may come from."""
    return ("sklearn", "mlops", *settings.packages)


def folders(settings: Settings, folder: Path) -> Folders:
    """Return where a service's files are kept.

    Args:
        settings: Name the store's root.
        folder: Where the command runs.
    """
    return Folders(folder / settings.store.root)
