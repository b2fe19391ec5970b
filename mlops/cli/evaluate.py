"""`mlops evaluate`: a bundle measured again beside its heuristics, on the rows held out."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from mlops.base.digest import Digest
from mlops.cli.arguments import parse
from mlops.cli.console import Console
from mlops.cli.figures import show_measurements
from mlops.config.compose import Composed, run_application
from mlops.config.resolve import contracts, plan
from mlops.config.settings import allowed_packages, folders
from mlops.data.snapshot import read
from mlops.data.split import by_time
from mlops.models.artifact import load, resolve
from mlops.quality.measure import Measurement, to_json
from mlops.training import record
from mlops.training.run import measure


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    given = parse(arguments)
    console = Console(given.format)

    def job(composed: Composed) -> None:
        with console.steps() as announce:
            announce("measuring")
            measurements = _evaluate(composed, Path.cwd())
        console.result(to_json(measurements), lambda out: show_measurements(out, measurements))

    summary = "measure a bundle beside its heuristics"
    run_application("evaluate", given.hydra, job, folder=Path.cwd(), summary=summary)
    return 0


def _evaluate(composed: Composed, folder: Path) -> tuple[Measurement, ...]:
    settings = composed.settings
    places = folders(settings, folder)
    path = resolve(settings.bundle, places.bundles, settings.name)
    bundle = load(path, packages=allowed_packages(settings))
    made_by = record.of_bundle(bundle.ref.digest, places.runs)
    frame = read(cast("Digest", made_by.data.snapshot), places.snapshots)
    run_plan = plan(composed, contracts(composed), folder)
    split = by_time(frame, run_plan.split)
    return measure(run_plan, split, bundle.parts.program, bundle.parts.heuristics)
