"""`mlops init`: a project of one's own that checks, trains, passes its gate and serves as it is."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console as RichConsole
from rich.markup import escape

from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.cli.arguments import parse
from mlops.cli.console import Console
from mlops.cli.scaffold import project_files, refuse_folder, refuse_name, write_project

_USAGE = "mlops init NAME [FOLDER] [--dry-run] [--format text|json]"
_HELP = f"""\
usage: {_USAGE}

Starts a project of your own in ./NAME, or in FOLDER: contract, heuristic, configuration, example
data, objectives, tests and a CI workflow. It checks, trains, passes its gate and serves as it is.

NAME is the Python package, the service and the name in metrics: small letters, digits and inner
underscores. FOLDER must be new or empty. --dry-run lists the files and writes nothing.
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    given = parse(arguments, flags=("--dry-run", "--help", "-h"), words=2)
    if given.flags & {"--help", "-h"}:
        sys.stdout.write(_HELP)
        return 0
    if given.hydra:
        raise ConfigError(f"init does not take {given.hydra[0]!r}", hint=_USAGE)
    if not given.words:
        raise ConfigError("init needs the new project's name", hint=_USAGE)
    name = given.words[0]
    folder = Path(given.words[-1])
    refuse_name(name)
    refuse_folder(folder)
    files = project_files(name)
    dry = "--dry-run" in given.flags
    if not dry:
        write_project(folder, files)
    paths: list[Json] = [str(folder / path) for path in files]
    Console(given.format).result(paths, lambda out: _show(out, folder, paths, dry=dry))
    return 0


def _show(out: RichConsole, folder: Path, paths: Sequence[Json], *, dry: bool) -> None:
    for path in paths:
        out.print(escape(str(path)), soft_wrap=True)
    where = escape(str(folder))
    if dry:
        out.print(f"{len(paths)} files would be written to {where}", soft_wrap=True)
        return
    out.print(f"\nwrote {len(paths)} files. Next:\n", soft_wrap=True)
    for line in (f"cd {where}", "mlops check", "mlops train", "mlops gate", "mlops serve"):
        out.print(f"  {line}", soft_wrap=True)
    out.print(f"\n{where}/README.md has a request to send, and says what is where", soft_wrap=True)
