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

_SUMMARY = """\
measure a bundle beside its heuristics, on the rows held out

The rows are those of the run that made the bundle, divided as now configured; its record is needed.
bundle=REFERENCE says which bundle: latest (the default), a digest or its start, or a folder.
What the model is worth is estimated from logged rows (policy values), each with its interval; where
0 lies in it, it cannot be told yet. Outcomes of decisions that were served are not joined.
  --format text|json    for people or programs
Exit code 0: measured. 2: used or configured wrongly, or the bundle or its record is not there."""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    given = parse(arguments)
    console = Console(given.format)

    def job(composed: Composed) -> None:
        with console.steps() as announce:
            announce("measuring")
            measurements = _evaluate(composed, Path.cwd())
        console.result(to_json(measurements), lambda out: show_measurements(out, measurements))

    run_application("evaluate", given.hydra, job, folder=Path.cwd(), summary=_SUMMARY)
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
    parts = bundle.parts
    return measure(run_plan, split, parts.program, parts.heuristics, model=parts.model)
