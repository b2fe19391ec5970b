"""A stub: the signatures of scikit-learn's estimators as typed Python, from what they declare.

scikit-learn ships no types, and published stubs lag behind or leave estimators out. These are
generated from its own constraints for the version that is installed. What is not generated is
`Any`, so that a stub never refuses what scikit-learn takes.
"""

import inspect
import sys
import warnings
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from keyword import iskeyword
from pathlib import Path
from typing import Any

from mlops.models.constraints import annotation, methods, protocol

_FORMAT = 1
_BASE = "sklearn.base"
_PROTOCOLS = "sklearn._protocols"
_HEADER = """\
from collections.abc import Callable
from typing import Any, Literal
from sklearn._protocols import *
"""
_REST = "def __getattr__(name: str) -> Any: ...\n"
_SPLIT = ("split", "get_n_splits")


def stubs_name() -> str:
    """Return the name of the folder that the stubs of the installed version belong in."""
    return f"stubs-{_FORMAT}-{version('scikit-learn')}"


def write_stubs(folder: Path) -> None:
    """Write stubs for every estimator of the installed scikit-learn.

    Args:
        folder: An empty folder; it can stand on mypy's search path afterwards.
    """
    for module, text in _stubs(_estimators()).items():
        path = folder.joinpath(*module.split("."))
        is_package = hasattr(sys.modules.get(module), "__path__")
        path = path / "__init__.pyi" if is_package else path.with_suffix(".pyi")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _estimators() -> list[type[Any]]:
    from sklearn import base
    from sklearn.utils import all_estimators

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports modules that are deprecated, too
        found = [each for _, each in all_estimators()]
    mixins = [
        each
        for name, each in vars(base).items()
        if isinstance(each, type) and each.__module__ == _BASE and not name.startswith("_")
    ]
    return [*mixins, *found]


def _stubs(estimators: Iterable[type[Any]]) -> Mapping[str, str]:
    """Return the text of each module: classes where they are defined, and where they are shown."""
    bodies: dict[str, list[str]] = {"sklearn": []}
    wanted: set[tuple[str, ...]] = {_SPLIT}
    for each in estimators:
        wanted |= methods(each)
        home = each.__module__
        bodies.setdefault(home, []).append(_class(each))
        for package in _packages(home):
            bodies.setdefault(package, [])
            if _shows(package, each):
                line = f"from {home} import {each.__name__} as {each.__name__}\n"
                bodies[package].append(line)
    texts = {
        module: _HEADER + _base(module) + "".join(parts) + _REST for module, parts in bodies.items()
    }
    return {**texts, _PROTOCOLS: _protocols(wanted)}


def _packages(module: str) -> list[str]:
    """Return the packages around a module, outermost first.

    >>> _packages("sklearn.linear_model._ridge")
    ['sklearn', 'sklearn.linear_model']
    """
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _shows(package: str, found: type[Any]) -> bool:
    # Not getattr: a package may answer for an experimental name by raising.
    return vars(sys.modules[package]).get(found.__name__) is found


def _base(module: str) -> str:
    return "" if module == _BASE else f"from {_BASE} import BaseEstimator\n"


def _class(found: type[Any]) -> str:
    lines = [
        f"    def {name}(self, *args: Any, **kwargs: Any) -> Any: ..."
        for name in sorted(dir(found))
        if not name.startswith("_") and callable(getattr(found, name, None))
    ]
    if found.__module__ == _BASE:
        head = f"class {found.__name__}:"
    else:
        head = f"class {found.__name__}(BaseEstimator):"
        lines.insert(0, f"    def __init__(self{_parameters(found)}) -> None: ...")
    return "\n".join([head, *(lines or ["    ..."])]) + "\n"


def _parameters(found: type[Any]) -> str:
    parts = []
    for name, parameter in inspect.signature(found).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            parts.append(f"*{name}: Any")
        elif parameter.kind is parameter.VAR_KEYWORD:
            parts.append(f"**{name}: Any")
        elif not iskeyword(name):
            default = "" if parameter.default is parameter.empty else " = ..."
            parts.append(f"{name}: {annotation(found, name)}{default}")
    # YAML gives every argument by name, so that the order of defaults does not matter.
    starred = any(part.startswith("*") for part in parts)
    return "".join(f", {part}" for part in (parts if starred else ["*", *parts] if parts else []))


def _protocols(groups: Iterable[tuple[str, ...]]) -> str:
    lines = ["from typing import Any, Protocol\n"]
    for names in sorted(groups):
        lines.append(f"class {protocol(names)}(Protocol):")
        lines += [f"    def {name}(self, *args: Any, **kwargs: Any) -> Any: ..." for name in names]
    return "\n".join(lines) + "\n"
