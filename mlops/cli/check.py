"""`mlops check`: what is wrong in a configuration, before anything runs."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlops.base.digest import Json
from mlops.base.errors import ConfigError, MlopsError
from mlops.base.verdict import Finding, Status, Verdict
from mlops.cli.arguments import parse
from mlops.cli.check_report import Checked, as_json, show
from mlops.cli.console import Console
from mlops.config.compose import Composed, compose_each, run_application, service_names

_EVERY = "service=all"
_SUMMARY = """\
find what is wrong in a configuration, before anything runs

No data are read and nothing of yours is run; your own classes are imported.
  mlops check                   the service that conf/config.yaml names
  mlops check service=all       every option of conf/service, overrides apply to each
  --format text|json|sarif      for people, programs, or annotations of a change
  --schema                      the JSON Schema of the configuration
  --calibrate                   time this host, so that costs are predicted for it
Exit code 0: nothing is wrong; warnings may be. 2: something is wrong."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; `--schema` prints the JSON Schema, `--calibrate` times the host."""
    given = parse(arguments, flags=("--schema", "--calibrate"), formats=("text", "json", "sarif"))
    if "--schema" in given.flags:
        return _schema()
    folder = Path.cwd()
    if "--calibrate" in given.flags:
        from mlops.cli.calibrate import run as calibrate

        return calibrate(given.hydra, given.format, folder)
    if _EVERY in given.hydra and "all" not in service_names(folder):
        names, found = _every(given.hydra, folder)
    else:
        names, found = _chosen(given.hydra, folder)
    checked = _check(names, found, folder)
    if not checked:  # Hydra has printed what it was asked for: its help, or the configuration
        return 0
    if given.format == "sarif":
        sys.stdout.write(json.dumps(_sarif(checked), indent=2, ensure_ascii=False) + "\n")
    else:
        Console(given.format).result(as_json(checked), lambda out: show(out, checked))
    return 2 if any(each.verdict.status is Status.FAIL for each in checked) else 0


def _every(arguments: Sequence[str], folder: Path) -> tuple[list[str], list[Composed | MlopsError]]:
    """Compose every service, each with the overrides that were given."""
    flags = [each for each in arguments if each.startswith("-")]
    if flags:
        raise ConfigError(f"{_EVERY} takes no {flags[0]}", hint="name one service for that")
    names = list(service_names(folder))
    jobs = [[f"service={name}" if each == _EVERY else each for each in arguments] for name in names]
    try:
        return names, list(compose_each(jobs, folder=folder))
    except ConfigError as error:  # of what they share
        return ["all"], [error]


def _chosen(
    arguments: Sequence[str], folder: Path
) -> tuple[list[str], list[Composed | MlopsError]]:
    """Compose the service that was named, or the members of a sweep."""
    found: list[Composed | MlopsError] = []
    try:
        run_application("check", arguments, found.append, folder=folder, summary=_SUMMARY)
    except MlopsError as error:
        found.append(error)
    named = [each.partition("=")[2] for each in arguments if each.startswith("service=")]
    fallback = named[-1] if named else "configuration"
    return [each.settings.name if isinstance(each, Composed) else fallback for each in found], found


def _check(
    names: Sequence[str], found: Sequence[Composed | MlopsError], folder: Path
) -> list[Checked]:
    """Check what could be composed, and put what could not beside it."""
    composed = [each for each in found if isinstance(each, Composed)]
    verdicts: Iterator[Verdict] = iter(())
    if composed:
        # The probe fits 200 rows: threads would only wait for one another, half a second each time.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        # Two seconds of scikit-learn, which `--help` and `--cfg` can do without.
        from mlops.config.check import check_all

        # What a class of the user's own prints when it is imported is not part of the document.
        with contextlib.redirect_stdout(sys.stderr):
            verdicts = iter(check_all(composed, folder))
    return [
        Checked(name, next(verdicts) if isinstance(each, Composed) else _refused(each))
        for name, each in zip(names, found, strict=True)
    ]


def _refused(error: MlopsError) -> Verdict:
    from mlops.config.findings import failures

    return Verdict("check", tuple(failures("check.config", error)))


def _sarif(checked: Sequence[Checked]) -> Json:
    from importlib.metadata import version

    from mlops.cli.check_report import together
    from mlops.config.rules import meaning
    from mlops.release.sarif import as_sarif

    found: list[tuple[Finding, list[str]]] = together(checked)
    return as_sarif(found, meaning=meaning, version=version("mlops"))


def _schema() -> int:
    from mlops.config.settings import Settings

    sys.stdout.write(json.dumps(Settings.model_json_schema(), indent=2) + "\n")
    return 0
