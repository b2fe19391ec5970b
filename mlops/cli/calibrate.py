"""A calibration: `mlops check --calibrate`, once for each machine and version of its libraries."""

from collections.abc import Sequence
from pathlib import Path

from mlops.cli.arguments import Format
from mlops.cli.console import Console
from mlops.config.compose import Composed, run_application


def run(hydra: Sequence[str], output: Format, folder: Path) -> int:
    """Time this host and keep the figures, which later checks predict costs with.

    Args:
        hydra: Overrides and Hydra's flags, which name the store.
        output: How the result is printed.
        folder: Where the command runs.

    Raises:
        UnavailableError: The host could not be timed, or the store cannot be written.
    """
    console = Console(output)
    found: list[Composed] = []
    summary = "time this host, so that costs are predicted for it"
    one = [each for each in hydra if each != "service=all"]  # a host is timed once for all
    run_application("check", one, found.append, folder=folder, summary=summary)
    if not found:
        return 0
    from mlops.config.settings import folders
    from mlops.cost import host
    from mlops.cost.calibration import calibrate

    console.say("timing this host by small fits, some ten seconds")
    profile = calibrate()
    path = host.place(folders(found[0].settings, folder).root, host.machine())
    host.save(profile, path)
    document = {"profile": str(path), **profile.model_dump(mode="json")}
    console.result(
        document,
        lambda out: out.print(
            f"{profile.processor}, {profile.cores} cores, timed: costs are predicted to a factor"
            f" {profile.uncertainty:g}\n{path}\nCopy that file to another machine and name it in"
            " cost.host to predict for this one there.",
            soft_wrap=True,
        ),
    )
    return 0
