"""A guard of Hydra's own node: what of it could run code or write files is refused.

Hydra builds launchers, sweepers and callbacks from `_target_` nodes below `hydra`, configures
logging by `dictConfig`, sets environment variables, and imports packages on its search path.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mlops.base.errors import ConfigError, Place
from mlops.base.yaml_bounds import MAX_BYTES, bound_yaml
from mlops.config.origin import Key, short

_BUILDERS = ("hydra._internal.core_plugins.", "hydra_plugins.")
_LOGGING = {"version", "root", "disable_existing_loggers"}
_FOLDERS = {
    # Hydra's own value, and the one that means "write nothing, move nowhere".
    ("hydra", "run", "dir"): ("outputs/${now:%Y-%m-%d}/${now:%H-%M-%S}", "."),
    ("hydra", "output_subdir"): (".hydra", None),
    ("hydra", "job", "chdir"): (None, False),
}
_FLAGS = ("--config-dir", "--config-name", "--config-path", "--experimental-rerun")
_SHORT_FLAGS = ("-cd", "-cn", "-cp")
_HARMLESS = ("--cfg", "--c")  # of its own, and one that Hydra's parser calls ambiguous
_PACKAGES = re.compile(r"pkg://(?!hydra\b|hydra_plugins\b|mlops\b)")


def refuse_imports(search_path: Sequence[str]) -> None:
    """Refuse search paths that would import a package.

    Args:
        search_path: Entries, or overrides and texts that may hold them.

    Raises:
        ConfigError: An entry names a package other than Hydra's or ours.
    """
    for entry in search_path:
        if _PACKAGES.search(entry):
            raise ConfigError(
                f"{entry}: hydra.searchpath may not import a package",
                hint="use a file:// path to the folder",
            )


def refuse_flags(arguments: Sequence[str]) -> None:
    """Refuse flags of Hydra that run a pickle, or read configuration past the guards.

    Args:
        arguments: A command's flags and overrides.

    Raises:
        ConfigError: One of them is there, spelt out or shortened as Hydra's parser takes it.
    """
    for argument in arguments:
        name = argument.partition("=")[0]
        long = len(name) > 2 and any(each.startswith(name) for each in _FLAGS if name[:2] == "--")
        if (long and name not in _HARMLESS) or name in _SHORT_FLAGS:
            raise ConfigError(
                f"{name} is not used: it reads past what guards a project's configuration",
                hint="run the command in the project's folder; hydra.searchpath adds folders",
                place=Place(f"argument {argument}"),
            )


def bound_file(path: Path) -> None:
    """Hold a YAML file against the bounds before anything is built from it.

    Args:
        path: The file; if it cannot be read, its reader says so.

    Raises:
        ConfigError: It is too large, too deep, or its aliases stand for too much; or it is reached
            by `..`, which leaves the folders that the search path names.
    """
    if ".." in path.parts:
        raise ConfigError(
            f"{path}: a configuration file may not be named by way of `..`",
            hint="hydra.searchpath adds folders",
        )
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError:
        return
    bound_yaml(content, str(short(path)))


def refuse_folders(node: Mapping[str, object], place: Callable[[Key], Place | None]) -> None:
    """Refuse a composed `hydra` node that writes or moves where Hydra likes.

    Args:
        node: The node as plain values, interpolations unresolved, without our own overrides.
        place: Tells where a key was set.

    Raises:
        ConfigError: A run's folder, its record or a change of folder was configured.
    """
    for key, allowed in _FOLDERS.items():
        value: object = node
        for name in key[1:]:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value not in allowed:
            raise ConfigError(
                f"{'.'.join(key)} is not configurable: files are written below store.root only",
                hint="leave it out; set store.root to write elsewhere",
                place=place(key),
            )


def refuse_code(node: Mapping[str, object]) -> None:
    """Refuse a composed `hydra` node that could run code.

    Args:
        node: The node as plain values, interpolations unresolved.

    Raises:
        ConfigError: It builds another class than Hydra's plugins, or configures logging,
            callbacks or environment variables.
    """
    for key, value in _leaves(node, ("hydra",)):
        if key[-1] == "_target_" and not str(value).startswith(_BUILDERS):
            raise _refused(".".join(key), "may only name one of Hydra's own launchers or sweepers")
    for name in ("job_logging", "hydra_logging"):
        logging = node.get(name)
        if isinstance(logging, Mapping) and (
            not logging.keys() <= _LOGGING or logging.get("root") is not None
        ):
            raise _refused(f"hydra.{name}", "is not configurable: commands log by themselves")
    if node.get("callbacks"):
        raise _refused("hydra.callbacks", "are not used")
    job = node.get("job")
    if isinstance(job, Mapping) and (job.get("env_set") or job.get("env_copy")):
        raise _refused("hydra.job.env_set", "is not used: set the environment where you type")


def _leaves(node: object, key: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from _leaves(value, (*key, str(name)))
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield from _leaves(value, (*key, str(at)))
    else:
        yield key, node


def _refused(key: str, text: str) -> ConfigError:
    return ConfigError(f"{key} {text}", hint="configuration cannot call code; leave it out")
