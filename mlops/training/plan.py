"""A plan: what a training run is told to do, every class loaded and every section typed."""

from dataclasses import dataclass

from mlops.base.digest import Json
from mlops.contracts.domain import Domain
from mlops.contracts.schema import Schema
from mlops.data.sources import Source
from mlops.data.spec import SplitSpec
from mlops.models.spec import ModelSpec
from mlops.proofs.spec import ProofsSpec
from mlops.quality.spec import QualitySpec
from mlops.training.folders import Folders
from mlops.training.spec import TrainingSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """One training run before it starts.

    Attributes:
        service: Name of the service.
        seed: Seed of everything random.
        packages: Packages that configured classes may come from.
        source: Where rows come from.
        schema: Contract of the training frame.
        domain: The same, read.
        request: What of it stands in a request; what models and heuristics may read.
        max_bad_share: Share of rows that may break it, 0 to 1.
        split: How rows are divided.
        model: The pipeline.
        training: Heads, score, heuristics and budgets.
        quality: What is measured.
        proofs: What is claimed of the model, and how long a proof may take.
        folders: Where files are kept.
        config: The composed configuration, for the record.
    """

    service: str
    seed: int
    packages: tuple[str, ...]
    source: Source
    schema: Schema
    domain: Domain
    request: Domain
    max_bad_share: float
    split: SplitSpec
    model: ModelSpec
    training: TrainingSpec
    quality: QualitySpec
    proofs: ProofsSpec
    folders: Folders
    config: Json
