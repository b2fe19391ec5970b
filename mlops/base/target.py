"""A target: loading a class that configuration names, and nothing else.

Importing is limited to allow-listed packages and the result to a class of the expected type, so
that configuration cannot call arbitrary code: no function, no other class, no other module.
"""

import importlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from mlops.base.errors import ConfigError

T = TypeVar("T")


class StoppedError(Exception):
    """Code of a project's own asked to end the whole program."""


@contextmanager
def contained() -> Generator[None, None, None]:
    """Let code of a project's own end nothing but itself.

    `sys.exit(0)` in it would else end a check or a gate with exit code 0 and without a word.

    Raises:
        StoppedError: It raised SystemExit, or another exception that is no `Exception`; a person's
            Ctrl-C goes through.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        message = f"it ended the program: {type(error).__name__}: {error}"
        raise StoppedError(message) from error


def load_class(path: str, expected: type[T], *, packages: Sequence[str]) -> type[T]:
    """Import a class by its dotted path.

    Args:
        path: `package.module.Class`.
        expected: The class must be a subclass of this.
        packages: Allow-list: the path must lie inside one of these packages or modules.

    Raises:
        ConfigError: The path is outside the list, does not exist, or is no such class.
    """
    if not any(path.startswith(f"{package}.") for package in packages):
        raise ConfigError(
            f"`_target_: {path}` lies outside the allowed packages",
            hint=f"allowed: {', '.join(packages)}; a project's own package is named in `packages`",
        )
    module_name, _, name = path.rpartition(".")
    try:
        with contained():
            found: object = getattr(importlib.import_module(module_name), name)
    except Exception as error:  # a project's own module may do anything
        own = isinstance(error, ImportError | AttributeError)
        cause = str(error) if own else f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"`_target_: {path}` cannot be imported: {cause}",
            hint="check the spelling, and that the package is installed or on PYTHONPATH",
        ) from error
    if not (isinstance(found, type) and issubclass(found, expected)):
        raise ConfigError(
            f"`_target_: {path}` is not a {expected.__name__} class",
            hint=f"name a subclass of {expected.__module__}.{expected.__qualname__}",
        )
    return found
