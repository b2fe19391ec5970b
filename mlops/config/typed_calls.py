"""A typed call: a `_target_` node as the Python expression that it stands for, for mypy to read.

Nothing of it is ever executed. Each argument has a line of its own, and a map leads from a line
back to the configuration's key.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword

from mlops.base.section import Target
from mlops.config.origin import Key
from mlops.config.settings import Settings
from mlops.models.spec import CustomSpec

_PATH = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")
_ANY = "_any"


@dataclass(frozen=True, slots=True)
class Call:
    """One node that names code, as it will be called.

    Attributes:
        target: The class and its arguments.
        key: Where the node stands.
        method: Method that takes the arguments, its first one left to us; empty for the class.
    """

    target: Target
    key: Key
    method: str = ""


def calls(settings: Settings) -> tuple[Call, ...]:
    """Return every call that a configuration stands for; nested ones lie in their arguments.

    Contracts are classes that are not called, and take no arguments.
    """
    model = settings.model
    found = [Call(model.estimator, ("model", "estimator"))]
    for at, step in enumerate(model.columns):
        found += [
            Call(target, ("model", "columns", str(at), "steps", str(place)))
            for place, target in enumerate(step.steps)
        ]
    found += [
        Call(spec.heuristic, ("training", "heuristics", name, "heuristic"), method="fit")
        for name, spec in settings.training.heuristics.items()
        if isinstance(spec, CustomSpec)
    ]
    return tuple(found)


@dataclass(slots=True)
class Script:
    """A module of typed calls that grows line by line.

    Attributes:
        lines: The module's text so far.
        owners: For each line the service and the key that it stands for.
    """

    lines: list[str] = field(default_factory=lambda: ["from typing import Any", f"{_ANY}: Any = 0"])
    owners: list[tuple[int, Key]] = field(default_factory=lambda: [(-1, ()), (-1, ())])
    _modules: set[str] = field(default_factory=set)
    _service: int = -1
    _known: Callable[[str], bool] = lambda _: True

    def add(self, service: int, found: Sequence[Call], known: Callable[[str], bool]) -> None:
        """Add the calls of one service.

        Args:
            service: Number that errors in them come back with.
            found: The calls.
            known: Tells which classes can be loaded; the others are `Any`.
        """
        self._service, self._known = service, known
        for call in found:
            if not self._is_known(call.target.path):
                continue
            self._import(call.target.path)
            name = call.target.path + (f".{call.method}" if call.method else "")
            self._line(f"{name}(", (*call.key, "_target_"))
            if call.method:
                self._line(f"    {_ANY},", call.key)
            self._arguments(call.target.arguments, call.key, 1)
            self._line(")", call.key)

    def text(self) -> str:
        """Return the whole module."""
        return "\n".join(self.lines) + "\n"

    def _is_known(self, path: str) -> bool:
        words = path.split(".")
        return bool(_PATH.match(path)) and not any(map(iskeyword, words)) and self._known(path)

    def _import(self, path: str) -> None:
        """Import a class's module at the top, which keeps lines and their owners in step."""
        module = path.rpartition(".")[0]
        if module not in self._modules:
            self._modules.add(module)
            self.lines.insert(1, f"import {module}")
            self.owners.insert(1, (-1, ()))

    def _line(self, text: str, key: Key) -> None:
        self.lines.append(text)
        self.owners.append((self._service, key))

    def _arguments(self, given: Mapping[str, object], key: Key, depth: int) -> None:
        for name, value in given.items():
            if name.isidentifier() and not iskeyword(name) and not name.startswith("_"):
                self._value(f"{name}=", value, (*key, name), depth)

    def _value(self, before: str, value: object, key: Key, depth: int) -> None:
        """Write a value, each item of it on lines of its own."""
        indent = "    " * depth + before
        if isinstance(value, Mapping):
            if "_target_" in value:
                self._nested(indent, value, key, depth)
                return
            self._line(f"{indent}{{", key)
            for name, below in value.items():
                self._value(f"{name!r}: ", below, (*key, str(name)), depth + 1)
            self._line("    " * depth + "},", key)
        elif isinstance(value, list):
            self._line(f"{indent}[", key)
            for at, item in enumerate(value):
                self._value("", item, (*key, str(at)), depth + 1)
            self._line("    " * depth + "],", key)
        else:
            self._line(f"{indent}{_scalar(value)},", key)

    def _nested(self, indent: str, node: Mapping[str, object], key: Key, depth: int) -> None:
        path, arguments = node["_target_"], {k: v for k, v in node.items() if k != "_target_"}
        if not isinstance(path, str) or not self._is_known(path):
            self._line(f"{indent}{_ANY},", key)
            return
        self._import(path)
        self._line(f"{indent}{path}(", (*key, "_target_"))
        self._arguments(arguments, key, depth + 1)
        self._line("    " * depth + "),", key)


def _scalar(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    return repr(value)
