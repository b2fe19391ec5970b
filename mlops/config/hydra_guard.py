"""A guard of Hydra's own node: what of it could run code or write files is refused.

Hydra builds launchers, sweepers and callbacks from `_target_` nodes below `hydra`, configures
logging by `dictConfig`, sets environment variables, and imports packages on its search path.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from mlops.base.errors import ConfigError

_BUILDERS = ("hydra._internal.core_plugins.", "hydra_plugins.")
_LOGGING = {"version", "root", "disable_existing_loggers"}
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
