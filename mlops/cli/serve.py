"""`mlops serve`: resolves settings and becomes the server, which imports no training library."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mlops.base.digest import of_bytes
from mlops.base.errors import ConfigError
from mlops.base.store import write_file
from mlops.cli.arguments import parse
from mlops.config.compose import Composed, run_application
from mlops.config.settings import allowed_packages, folders
from mlops.models.artifact import resolve
from mlops.serving.settings import ServeSettings


def run(arguments: Sequence[str]) -> int:
    """Run the command; `--settings FILE` starts from resolved settings, `--dry-run` prints them."""
    given = parse(arguments, flags=("--dry-run",))
    if given.hydra[:1] == ("--settings",):
        if len(given.hydra) != 2:
            raise ConfigError("--settings takes one file", hint="mlops serve --settings FILE")
        _become_server(Path(given.hydra[1]))
    found: list[Composed] = []
    summary = "serve decisions over HTTP"
    run_application("serve", given.hydra, found.append, folder=Path.cwd(), summary=summary)
    if not found:  # --help, --cfg and the like
        return 0
    if len(found) > 1:
        raise ConfigError("serve runs one service at a time", hint="leave out --multirun")
    settings = resolved(found[0], Path.cwd())
    content = settings.model_dump_json(indent=2).encode()
    if "--dry-run" in given.flags:
        sys.stdout.write(content.decode() + "\n")
        return 0
    name = f"{settings.service}-{of_bytes(content).removeprefix('sha256:')[:12]}.json"
    path = folders(found[0].settings, Path.cwd()).root / "serving" / name
    write_file(path, content)
    _become_server(path)
    return 0


def resolved(composed: Composed, folder: Path) -> ServeSettings:
    """Return the settings that a server starts from.

    Args:
        composed: The configuration.
        folder: Where the command runs.

    Raises:
        BundleError: There is no such bundle.
    """
    settings = composed.settings
    path = resolve(settings.bundle, folders(settings, folder).bundles, settings.name)
    return ServeSettings(
        service=settings.name,
        bundle=str(path),
        packages=allowed_packages(settings),
        max_candidates=settings.contracts.max_candidates,
        faults=settings.faults,
        serving=settings.serving,
    )


def _become_server(path: Path) -> None:
    """Replace this process: the server keeps the pid and none of what was imported here."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.environ["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, "-m", "mlops.serving.server", str(path)]
    os.execv(sys.executable, command)  # noqa: S606 - no shell, fixed program
