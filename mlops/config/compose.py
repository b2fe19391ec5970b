"""A composition: Hydra's part of configuration. The only file that names Hydra and OmegaConf.

Hydra composes groups and overrides, runs sweeps and prints `--cfg`, `--info` and `--help`. What
it composed is validated into `Settings`; it never builds objects.
"""

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from mlops.base.errors import ConfigError, MlopsError, Place
from mlops.config.explain import explain
from mlops.config.origin import Loaded, Origins
from mlops.config.settings import Settings

PACKAGED = Path(__file__).resolve().parents[2] / "conf"
_NAME = "config"
_NOISE = ("Set the environment variable", "See https://", "full_key:", "object_type=")


@dataclass(frozen=True, slots=True)
class Composed:
    """One job's configuration.

    Attributes:
        settings: The typed tree.
        origins: Who set each key.
        overrides: The overrides of this job, as typed.
        sweep: Whether the job is one of a sweep.
    """

    settings: Settings
    origins: Origins
    overrides: tuple[str, ...]
    sweep: bool


def run_application(
    command: str,
    arguments: Sequence[str],
    job: Callable[[Composed], None],
    *,
    folder: Path,
    summary: str = "",
) -> None:
    """Run a command as a Hydra application: once, or once for each member of a sweep.

    Args:
        command: Name of the command, for `--help`.
        arguments: Hydra's flags and overrides.
        job: Called with each job's configuration.
        folder: Where the command runs; its `conf/config.yaml` is used if there is one, with the
            packaged groups behind it.
        summary: What the command does, for `--help`.

    Raises:
        ConfigError: The configuration cannot be composed or is not valid.
    """
    primary = _primary(folder)
    standard = [
        "hydra.run.dir=.",
        "hydra.output_subdir=null",
        "hydra.sweep.dir=.mlops/sweeps",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
        f"hydra.help.app_name='mlops {command}'",
        f"hydra.help.header='mlops {command}: {summary}'",
    ]
    if primary != PACKAGED:
        standard.append(f"hydra.searchpath=['file://{PACKAGED}']")

    failures: list[MlopsError] = []

    @hydra.main(version_base="1.3", config_path=str(primary), config_name=_NAME)
    def application(config: DictConfig) -> None:
        try:
            with _told(arguments):
                composed = _read(config)
            job(composed)
        except MlopsError as error:  # Hydra would print it in its own way
            failures.append(error)

    # Without it Hydra prints a traceback of its own and exits with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    with _arguments(f"mlops {command}", [*standard, *arguments]), _told(arguments):
        application()
    if failures:
        raise failures[0]


def compose(arguments: Sequence[str], *, folder: Path) -> Composed:
    """Compose one configuration without running an application, for tests and the demo.

    Raises:
        ConfigError: As for `run_application`.
    """
    found: list[Composed] = []
    run_application("compose", arguments, found.append, folder=folder)
    return found[0]


@contextlib.contextmanager
def _arguments(program: str, arguments: Sequence[str]) -> Generator[None, None, None]:
    """Hydra reads its arguments from `sys.argv` only."""
    before = sys.argv
    sys.argv = [program, *arguments]
    try:
        yield
    finally:
        sys.argv = before
        GlobalHydra.instance().clear()


@contextlib.contextmanager
def _told(arguments: Sequence[str]) -> Generator[None, None, None]:
    """Turn what Hydra, OmegaConf and the YAML parser raise into a ConfigError."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = None if mark is None else Place(str(mark.name), mark.line + 1)
        raise ConfigError(f"YAML cannot be read: {error.problem}", place=place) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise _translated(error, arguments) from error


def _translated(error: Exception, arguments: Sequence[str]) -> ConfigError:
    text = str(error).partition("Config search path:")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    message, rest = lines[0], [line for line in lines[1:] if not line.startswith(_NOISE)]
    full_key = getattr(error, "full_key", None)
    place = _culprit(message, full_key, arguments)
    if message.startswith("Could not override") and place is not None:
        message = f"{place.key} is not a known key"
        rest = ["see all keys with `--cfg job`; `model` and the other groups take a name"]
    elif full_key:
        message = f"{full_key}: {message}"
    return ConfigError(message, hint=" ".join(rest), place=place)


def _culprit(message: str, full_key: object, arguments: Sequence[str]) -> Place | None:
    """Return the override that a message is about: it quotes it, its key, or its choice."""
    quoted = re.findall(r"'([^']+)'", message)
    for argument in arguments:
        key, _, value = argument.partition("=")
        bare = key.lstrip("+~")
        if any(text in (argument, key, bare, f"{bare}/{value}", value) for text in quoted):
            return Place(f"override {argument}", key=bare)
        if full_key == bare or any(text and value.startswith(text) for text in quoted[:1]):
            return Place(f"override {argument}", key=bare)
    return None


def _read(config: DictConfig) -> Composed:
    hydra_config = HydraConfig.get()
    overrides = tuple(hydra_config.overrides.task)
    origins = Origins(_files(overrides), overrides)
    tree = cast(
        "dict[str, object]", OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    )
    try:
        settings = Settings.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise explain(error, tree, origins) from error
    return Composed(settings, origins, overrides, hydra_config.mode == RunMode.MULTIRUN)


def _files(overrides: Sequence[str]) -> list[Loaded]:
    """Return the files of the defaults list in the order in which they were merged."""
    hydra_object = GlobalHydra.instance().hydra
    assert hydra_object is not None
    loader = hydra_object.config_loader
    listed = loader.compute_defaults_list(_NAME, list(overrides), RunMode.RUN)
    roots = [
        Path(element.path.removeprefix("file://"))
        for element in loader.get_search_path().get_path()
        if "://" not in element.path.removeprefix("file://")
    ]
    files = []
    for default in listed.defaults:
        path = default.config_path
        found = [root / f"{path}.yaml" for root in roots if (root / f"{path}.yaml").is_file()]
        if found:
            package = tuple(part for part in (default.package or "").split(".") if part)
            files.append(Loaded(found[0], package))
    return files


def complete(*, folder: Path) -> None:
    """Print Hydra's completions for the line in COMP_LINE, one a line.

    Args:
        folder: Where the command runs.
    """
    primary = _primary(folder)

    @hydra.main(version_base="1.3", config_path=str(primary), config_name=_NAME)
    def application(config: DictConfig) -> None:
        del config

    with _arguments("mlops", ["-sc", "query=bash"]):
        application()


def _primary(folder: Path) -> Path:
    own = folder / "conf"
    return own if (own / f"{_NAME}.yaml").is_file() else PACKAGED
