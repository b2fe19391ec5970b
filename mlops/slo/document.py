"""A document: one YAML mapping of a file, with the line of every key in it.

Files come from people and pull requests, so they are read by a safe loader with limits on size,
depth and aliases, no tag that builds anything but plain values, and no key given twice.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from mlops.base.digest import Json
from mlops.base.errors import ConfigError, Place
from mlops.base.yaml_bounds import MAX_BYTES, bound_yaml

KeyPath: TypeAlias = tuple[str | int, ...]

# libyaml's, where PyYAML was built with it, is ten times as fast and gives the same nodes; what is
# wrong with a text, PyYAML's own tells better, and with the line where it begins.
_FAST: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + name for name in ("null", "bool", "int", "float"))
# A date is kept as the text that was written: OpenSLO's `startTime` has no time zone.
_TEXTS = frozenset(_TAG + name for name in ("str", "timestamp"))


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a YAML file.

    Attributes:
        origin: Path of the file, as it was given.
        value: What stands there, as plain JSON values.
        lines: One-based line of each key and list item, by its path in `value`.
    """

    origin: str
    value: dict[str, Json]
    lines: Mapping[KeyPath, int]

    def place(self, path: Iterable[str | int] = ()) -> Place:
        """Return where a key stands, or the nearest part above it that stands in the file.

        Args:
            path: Path in `value`; parts that are no key there, such as the union members in a
                pydantic location, are passed over.
        """
        found: KeyPath = ()
        key: list[str] = []
        parts = list(path)
        for index, part in enumerate(parts):
            if (*found, part) in self.lines:
                found = (*found, part)
                key.append(str(part))
            elif index == len(parts) - 1 and isinstance(part, str):
                key.append(part)  # a key that should be there and is not
        return Place(self.origin, self.lines[found], ".".join(key))


def read_documents(path: Path) -> tuple[Document, ...]:
    """Read all documents of a YAML file.

    Raises:
        ConfigError: The file cannot be read, is no YAML, breaks a limit, or holds something else
            than mappings of plain values.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror or error}", place=Place(str(path))
        ) from error
    return parse_documents(content, str(path))


def parse_documents(content: bytes, origin: str) -> tuple[Document, ...]:
    """Parse all documents of a YAML text; empty ones are left out.

    Args:
        content: UTF-8 text.
        origin: What messages call it.

    Raises:
        ConfigError: As for `read_documents`.
    """
    bound_yaml(content, origin)
    try:
        return tuple(_documents(content, origin, _FAST))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        return _explained(content, origin)


def _explained(content: bytes, origin: str) -> tuple[Document, ...]:
    try:
        return tuple(_documents(content, origin, yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise ConfigError(
            f"not readable as YAML: {error.problem or error.context}", place=Place(origin, line)
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        # ValueError: PyYAML lets int() and float() of a scalar fail as they are.
        raise ConfigError(f"not readable as YAML: {error}", place=Place(origin)) from error


def joined(problems: Sequence[ConfigError], within: str) -> ConfigError:
    """Return the only problem, or one error that holds all of them.

    Args:
        problems: What was found, in order; at least one.
        within: Where, for the message over several.
    """
    if len(problems) == 1:
        return problems[0]
    text = f"{len(problems)} problems in {within}"
    return ConfigError(text, place=problems[0].place, problems=tuple(problems))


def closest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the most similar known name, or all of them.

    >>> closest("avalability", ["availability", "latency"])
    'did you mean `availability`?'
    """
    names = sorted(known)
    similar = difflib.get_close_matches(name, names, n=1)
    if similar:
        return f"did you mean `{similar[0]}`?"
    return f"there are: {', '.join(names)}" if names else "there are none"


def _documents(content: bytes, origin: str, kind: type[yaml.SafeLoader]) -> Iterator[Document]:
    loader = kind(content.decode())
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None or node.tag == _TAG + "null":
                continue
            plain = _Plain(loader)
            value = plain.of(node, ())
            if not isinstance(value, dict):
                raise _refuse("a document must be a mapping", node)
            yield Document(origin, value, plain.lines)
    finally:
        loader.dispose()


class _Plain:
    """Turns nodes into JSON values and notes the lines of their keys."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader = loader
        self.lines: dict[KeyPath, int] = {}

    def of(self, node: yaml.Node, path: KeyPath) -> Json:
        self.lines.setdefault(path, node.start_mark.line + 1)
        match node:
            case yaml.MappingNode(tag="tag:yaml.org,2002:map"):
                return self._mapping(node, path)
            case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
                return [self.of(item, (*path, index)) for index, item in enumerate(node.value)]
            case yaml.ScalarNode():
                return self._scalar(node)
            case _:
                raise _refuse(f"the tag {node.tag} is not allowed", node)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Json]:
        result: dict[str, Json] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _TEXTS:
                raise _refuse("a key must be a text", key_node)
            key = str(key_node.value)
            if key in result:
                raise _refuse(f"the key `{key}` is given twice", key_node)
            self.lines[*path, key] = key_node.start_mark.line + 1
            result[key] = self.of(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.ScalarNode) -> Json:
        if node.tag in _TEXTS:
            return str(node.value)
        if node.tag not in _SCALARS:
            raise _refuse(f"the tag {node.tag} is not allowed", node)
        try:
            value = self._loader.construct_object(node)
        except (ValueError, KeyError) as error:
            raise _refuse(f"`{node.value}` is not what its tag says", node) from error
        assert value is None or isinstance(value, bool | int | float)
        return value


def _refuse(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, problem, node.start_mark)
