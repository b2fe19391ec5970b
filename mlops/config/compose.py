"""A composition: Hydra's part of configuration. Only this file and `reading` name Hydra.

Hydra composes groups and overrides, runs sweeps and prints `--cfg`, `--info` and `--help`. What
it composed is validated into `Settings`; it never builds objects.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import hydra
import yaml
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from mlops.base.errors import ConfigError, MlopsError, Place
from mlops.base.target import StoppedError, contained
from mlops.config.explain import explain, require
from mlops.config.hydra_guard import refuse_code, refuse_flags, refuse_folders
from mlops.config.interpolation import bound_interpolations
from mlops.config.origin import Key, Loaded, Origins, Typed, short
from mlops.config.overrides import added, is_override, positionals_first
from mlops.config.reading import BoundedLoader, guard
from mlops.config.settings import Settings
from mlops.config.translate import of_composition, of_value

_INSTALLED, _CHECKOUT = (Path(__file__).resolve().parents[at] for at in (1, 2))
PACKAGED = (
    _INSTALLED / "_conf" if (_INSTALLED / "_conf").is_dir() else _CHECKOUT / "conf"
)  # setuptools puts conf/ inside the package when it builds a wheel
_NAME = "config"
_QUIET = ("hydra.sweep.dir=.mlops/sweeps", "hydra/job_logging=none", "hydra/hydra_logging=none")
_STILL = ("hydra.run.dir=.", "hydra.output_subdir=null")


class _PackagedGroups(SearchPathPlugin):
    """Puts our groups behind a project's own, and leaves `hydra.searchpath` to the project."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the packaged folder as the last place that is looked at."""
        search_path.append("mlops", f"file://{PACKAGED}")


def _prepare() -> None:
    Plugins.instance().register(_PackagedGroups)
    guard()


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
    refuse_flags(arguments)
    primary = _primary(folder)
    roots = (primary, PACKAGED)
    standard = [
        *_STILL,
        *_QUIET,
        f"hydra.help.app_name='mlops {command}'",
        f"hydra.help.header='mlops {command}: {summary}'",
    ]
    failures: list[MlopsError] = []

    @hydra.main(version_base="1.3", config_path=str(primary), config_name=_NAME)
    def application(config: DictConfig) -> None:
        try:
            with _told(arguments, roots):
                composed = _read(config)
            with contained():
                job(composed)
        except MlopsError as error:  # Hydra would print it in its own way
            failures.append(_of_member(error))
        except StoppedError as stop:
            failures.append(_of_member(ConfigError(f"code that a `_target_` names: {stop}")))

    # Without it Hydra prints a traceback of its own and exits with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    ordered = positionals_first([*standard, *map(added, arguments)])
    with _loading(primary, arguments) as loader:
        overrides = filter(is_override, map(added, arguments))
        _guarded(loader, [*_QUIET, *overrides], RunMode.MULTIRUN)
    with _arguments(f"mlops {command}", ordered), _told(arguments, roots):
        application()
    if failures:
        raise _joined(failures)


@contextlib.contextmanager
def _loading(primary: Path, arguments: Sequence[str]) -> Generator[ConfigLoader, None, None]:
    """Give Hydra's loader, which reads and imports through our guards only."""
    _prepare()
    with (
        _told(arguments, (primary, PACKAGED)),
        initialize_config_dir(str(primary), version_base="1.3"),
    ):
        yield BoundedLoader.like(GlobalHydra.instance().config_loader())


def _guarded(loader: ConfigLoader, overrides: Sequence[str], mode: RunMode) -> DictConfig:
    """Compose, and look at Hydra's own node before Hydra acts on it."""
    config = loader.load_configuration(_NAME, list(overrides), mode)
    tree = cast("dict[str, dict[str, object]]", OmegaConf.to_container(config, resolve=False))
    node = tree["hydra"] = tree.pop("hydra")  # last: it repeats the overrides as texts
    refuse_code(node)
    HydraConfig.instance().set_config(config)

    def place(key: Key) -> Place | None:
        typed = [each for each in overrides if each not in _QUIET]
        return Origins(_files(overrides), _typed(typed, loader)).place(key)

    refuse_folders(node, place)
    bound_interpolations(tree, place, os.environ)
    return config


def compose(arguments: Sequence[str], *, folder: Path) -> Composed:
    """Compose one configuration without running an application.

    Args:
        arguments: Overrides.
        folder: As for `run_application`.

    Raises:
        ConfigError: As for `run_application`.
    """
    (found,) = compose_each([arguments], folder=folder)
    if isinstance(found, ConfigError):
        raise found
    return found


def compose_each(
    jobs: Sequence[Sequence[str]], *, folder: Path
) -> tuple[Composed | ConfigError, ...]:
    """Compose several configurations; one that cannot be composed hides nothing of another.

    Args:
        jobs: Overrides of each.
        folder: As for `run_application`.

    Raises:
        ConfigError: What all of them share is wrong.
    """
    primary = _primary(folder)
    found: list[Composed | ConfigError] = []
    with _loading(primary, [each for job in jobs for each in job]) as loader:
        for job in jobs:
            try:
                with _told(job, (primary, PACKAGED)):
                    config = _guarded(loader, [*_QUIET, *map(added, job)], RunMode.RUN)
                    own = [str(key) for key in config if key != "hydra"]
                    found.append(_read(OmegaConf.masked_copy(config, own)))
            except ConfigError as error:
                found.append(error)
    return tuple(found)


def service_names(folder: Path) -> tuple[str, ...]:
    """Return every option of `service`: the project's own, or ours where it has none.

    Args:
        folder: Where the command runs.
    """
    for groups in (folder / "conf" / "service", PACKAGED / "service"):
        names = sorted(
            path.relative_to(groups).with_suffix("").as_posix() for path in groups.rglob("*.yaml")
        )
        if names:
            return tuple(names)
    return ()


def _joined(failures: Sequence[MlopsError]) -> MlopsError:
    """Return the failures of a run or of a sweep's members as one error.

    All unavailable is unavailable, and worth another try; one wrong configuration is not.
    """
    if len(failures) == 1 or all(error.retryable for error in failures):
        return failures[0]
    problems = tuple(
        problem
        for failure in failures
        for problem in (failure.problems if isinstance(failure, ConfigError) else ()) or (failure,)
    )
    return ConfigError(f"{len(failures)} jobs of the sweep failed", problems=problems)


def _of_member(error: MlopsError) -> MlopsError:
    """Return a sweep member's error with the member's overrides in place of a missing place."""
    hydra_config = HydraConfig.get()
    placed = error.place or (isinstance(error, ConfigError) and error.problems)
    if hydra_config.mode is not RunMode.MULTIRUN or placed:
        return error
    typed = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
    plain = (each.removeprefix("++") for each in cast("list[str]", typed))
    error.place = Place(f"override {' '.join(plain)}")
    return error


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
def _told(arguments: Sequence[str], roots: Sequence[Path]) -> Generator[None, None, None]:
    """Turn what Hydra, OmegaConf and the YAML parser raise into a ConfigError."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = None if mark is None else Place(str(short(Path(mark.name))), mark.line + 1)
        raise ConfigError(f"YAML cannot be read: {error.problem}", place=place) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise of_composition(error, arguments, roots) from error
    except RecursionError as error:
        raise ConfigError("an override or an interpolation is nested too deeply") from error


def _read(config: DictConfig) -> Composed:
    hydra_config = HydraConfig.get()
    # Unresolved: an override may hold an interpolation, whose keys are the configuration's.
    plain = OmegaConf.to_container(hydra_config.overrides, resolve=False)
    typed = cast("dict[str, list[str]]", plain)
    overrides = tuple(override.removeprefix("++") for override in typed["task"])
    hydra_object = GlobalHydra.instance().hydra
    assert hydra_object is not None
    read = _typed(typed["task"], hydra_object.config_loader)
    origins = Origins(_files([*typed["hydra"], *typed["task"]]), read)
    tree = OmegaConf.to_container(config, resolve=False)
    bound_interpolations(tree, origins.place, os.environ)
    try:
        tree = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise of_value(error, origins) from error
    require(tree, origins)
    try:
        settings = Settings.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise explain(error, tree, origins) from error
    return Composed(settings, origins, overrides, hydra_config.mode == RunMode.MULTIRUN)


def _typed(overrides: Sequence[str], loader: ConfigLoader) -> list[Typed]:
    """Return overrides as Hydra reads them."""
    found = []
    for each in OverridesParser.create(loader).parse_overrides(list(overrides)):
        name = each.key_or_group
        chosen = "/" in name or each.package is not None or bool(loader.get_group_options(name))
        value = None if each.is_sweep_override() else each.value()
        key: Key = tuple(name.split("."))
        if chosen and not each.is_delete() and not isinstance(value, dict):
            # The file that was chosen has the lines; only where it goes can be wrong here.
            key, value = tuple(filter(None, (each.package or "").split("."))), {}
        found.append(Typed((each.input_line or "").removeprefix("++"), key, value))
    return found


def _files(overrides: Sequence[str]) -> Iterable[Loaded]:
    """Return the files of the defaults list, as merged; one of the overrides is a search path."""
    hydra_object = GlobalHydra.instance().hydra
    assert hydra_object is not None
    plain = OmegaConf.to_container(HydraConfig.get().runtime.config_sources, resolve=False)
    sources = cast("list[dict[str, str]]", plain)
    roots = [Path(source["path"]) for source in sources if source["schema"] == "file"]
    return _listed(hydra_object.config_loader, overrides, roots)


def _listed(
    loader: ConfigLoader, overrides: Sequence[str], roots: Sequence[Path]
) -> Iterator[Loaded]:
    for default in loader.compute_defaults_list(_NAME, list(overrides), RunMode.RUN).defaults:
        path = default.config_path
        found = [root / f"{path}.yaml" for root in roots if (root / f"{path}.yaml").is_file()]
        if found:
            package = tuple(part for part in (default.package or "").split(".") if part)
            yield Loaded(found[0], package)


def complete(*, folder: Path) -> None:
    """Print Hydra's completions for the line in COMP_LINE, one a line.

    Args:
        folder: Where the command runs.
    """
    primary = _primary(folder)
    _prepare()

    @hydra.main(version_base="1.3", config_path=str(primary), config_name=_NAME)
    def application(config: DictConfig) -> None:
        del config

    with _arguments("mlops", ["-sc", "query=bash"]), contextlib.suppress(MlopsError):
        application()


def _primary(folder: Path) -> Path:
    own = folder / "conf"
    return own if (own / f"{_NAME}.yaml").is_file() else PACKAGED
