"""A model client: the former face of `mlops.serving.process`, for the server of one process."""

import json
from collections.abc import Sequence
from pathlib import Path

from mlops.base.clock import Clock
from mlops.serving.faults import Fault
from mlops.serving.lane import ModelFailedError as ModelFailedError
from mlops.serving.lane import ModelGoneError as ModelGoneError
from mlops.serving.model_worker import WorkerSettings
from mlops.serving.process import ModelProcess, Watcher


class ModelClient(ModelProcess):
    """Keeps one model process running and asks it.

    Args:
        bundle: Folder of the bundle.
        packages: Packages that custom code may come from.
        hang_s: Seconds without any answer after which it is killed.
        clock: Monotonic time.
        watcher: Is told of changes.
    """

    def __init__(
        self,
        bundle: Path,
        packages: Sequence[str],
        *,
        hang_s: float,
        clock: Clock,
        watcher: Watcher,
    ) -> None:
        digest = json.loads((bundle / "manifest.json").read_text())["digest"]
        settings = WorkerSettings(bundle=str(bundle), digest=digest, packages=tuple(packages))
        super().__init__(
            settings, hang_s=hang_s, clock=clock, watcher=watcher, faults=lambda: self.fault
        )
        self.fault = Fault()
