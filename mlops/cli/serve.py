"""`mlops serve`: resolves settings and becomes the server, which imports no training library."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from mlops.base.digest import of_bytes
from mlops.base.errors import BundleError, ConfigError
from mlops.base.store import write_file
from mlops.cli.arguments import parse
from mlops.config.compose import Composed, run_application
from mlops.config.policy import burn_rules
from mlops.config.settings import allowed_packages, folders
from mlops.contracts.domain import Domain
from mlops.decision_log.target import parse_url
from mlops.models.artifact import FILES, resolve
from mlops.models.manifest import read_folder
from mlops.models.signature import Trust
from mlops.serving.loading import trust_of
from mlops.serving.settings import ONE_THREAD, ServeSettings
from mlops.serving.spec import ServingSpec

_SUMMARY = """\
serve decisions over HTTP, with a fallback behind the model

  mlops serve                   compose the settings, then serve until SIGTERM or Ctrl-C
  bundle=REFERENCE              latest, a digest or its first six digits, or a folder with a slash
  --dry-run                     print the settings, resolved, and start nothing
  --settings FILE               start from such settings; nothing is composed
Exit code 0: drained. 1: a process had to be killed. 2: configured wrongly. 3: a port is taken."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; `--settings FILE` starts from resolved settings, `--dry-run` prints them."""
    given = parse(arguments, flags=("--dry-run",))
    if given.hydra and given.hydra[0].partition("=")[0] == "--settings":
        return _from_file(given.hydra, dry="--dry-run" in given.flags)
    found: list[Composed] = []
    run_application("serve", given.hydra, found.append, folder=Path.cwd(), summary=_SUMMARY)
    if not found:  # --help, --cfg and the like
        return 0
    if len(found) > 1:
        raise ConfigError("serve runs one service at a time", hint="leave out --multirun")
    settings = resolved(found[0], Path.cwd(), _warn)
    content = settings.model_dump_json(indent=2).encode()
    if "--dry-run" in given.flags:
        sys.stdout.write(content.decode() + "\n")
        return 0
    name = f"{settings.service}-{of_bytes(content).removeprefix('sha256:')[:12]}.json"
    path = folders(found[0].settings, Path.cwd()).root / "serving" / name
    write_file(path, content, mode=0o600)  # it holds the key by which subjects are hashed
    _become_server(path)
    return 0


def _from_file(arguments: Sequence[str], *, dry: bool) -> int:
    """Serve what a file of resolved settings says, or print it as it was understood."""
    words = [word for each in arguments for word in each.split("=", 1)]
    if len(words) != 2 or not words[1]:
        raise ConfigError(
            "--settings takes one file and no overrides", hint="mlops serve --settings FILE"
        )
    path = Path(words[1])
    if dry:
        from mlops.serving.loading import read_settings  # the server imports it for itself

        sys.stdout.write(read_settings(path).model_dump_json(indent=2) + "\n")
        return 0
    _become_server(path)
    return 0


def resolved(composed: Composed, folder: Path, warn: Callable[[str], None]) -> ServeSettings:
    """Return the settings that a server starts from.

    A bundle that is not there stops nothing: the server comes up in heuristic mode, and a reload
    brings the bundle in.

    Args:
        composed: The configuration.
        folder: Where the command runs.
        warn: Told in words that there is no bundle.

    Raises:
        ConfigError: There is no bundle, and the contract's classes cannot be loaded either; the
            decision log's address is none; or an error budget policy asks what cannot be done.
    """
    settings = composed.settings
    there = folders(settings, folder)
    state = there.root.absolute() / "serving" / settings.name
    parse_url(settings.serving.decision_log.url, state)
    serving = _anchored(settings.serving, folder)
    path = ""
    try:
        path = str(resolve(settings.bundle, there.bundles, settings.name).absolute())
        domain = _domain(Path(path), trust_of(serving))
    except BundleError as error:  # the server refuses it again, and tells so by its metrics
        from mlops.config.resolve import contracts  # it brings pandera in

        warn(f"{error.message}; serving starts with the last good bundle, or without a model")
        domain = contracts(composed).request
    return ServeSettings(
        service=settings.name,
        bundle=path,
        bundles=str(there.bundles.absolute()),
        reference=settings.bundle,
        state=str(state),
        packages=allowed_packages(settings),
        max_candidates=settings.contracts.max_candidates,
        domain=domain,
        faults=settings.faults,
        policy=burn_rules(settings, folder),
        serving=serving,
    )


def _anchored(given: ServingSpec, folder: Path) -> ServingSpec:
    """Return the section with its paths absolute: the server may run elsewhere."""
    keys = tuple(str(folder.absolute() / key) for key in given.trust.keys)
    token = given.admin_token_file
    changes = {
        "trust": given.trust.model_copy(update={"keys": keys}),
        "admin_token_file": None if token is None else str(folder.absolute() / token),
    }
    return given.model_copy(update=changes)


def _domain(path: Path, trust: Trust | None) -> Domain:
    """Return the contract of a bundle that is believed: nobody else says what is served."""
    content = read_folder(path, FILES, trust=trust).files["domain.json"]
    try:
        return Domain.model_validate_json(content)
    except ValidationError as error:
        raise BundleError(f"{path} holds no contract that this version knows") from error


def _warn(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")


def _become_server(path: Path) -> None:
    """Replace this process: the server keeps the pid and none of what was imported here."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.environ.update(ONE_THREAD)
    command = [sys.executable, "-m", "mlops.serving.server", str(path)]
    os.execv(sys.executable, command)  # noqa: S606 - no shell, fixed program
