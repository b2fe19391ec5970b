"""An origin: the YAML line or the override that a configured key comes from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from mlops.base.errors import Place

Key = tuple[str, ...]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is built
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Loaded:
    """One file that took part in a composition.

    Attributes:
        path: The file.
        package: Key under which its content was placed.
    """

    path: Path
    package: Key


@dataclass(frozen=True, slots=True)
class Typed:
    """One override, as the composer reads it.

    Attributes:
        text: What was typed.
        key: The key that it sets or takes away; empty for a group's choice, whose file has lines.
        value: What it sets the key to, as plain values.
    """

    text: str
    key: Key
    value: object = None


class Origins:
    """Tells for each key who set it last.

    Args:
        files: Files in the order in which they were merged; they are read when the first place
            is asked for, which a right configuration never does.
        overrides: Overrides in order; they win over files.
    """

    def __init__(self, files: Iterable[Loaded], overrides: Sequence[Typed]) -> None:
        self._files = files
        self._overrides = overrides
        self._places: dict[Key, Place] = {}
        self._read = False

    def place(self, key: Key) -> Place | None:
        """Return where a key was set: its own place, or that of the nearest key above it."""
        if not self._read:
            self._read = True
            for file in self._files:
                self._add_file(file)
            for override in self._overrides:
                if override.key:
                    place = Place(f"override {override.text}")
                    self._add_value(override.value, override.key, place)
        for length in range(len(key), 0, -1):
            found = self._places.get(key[:length])
            if found is not None:
                return Place(found.origin, found.line, ".".join(key))
        return None

    def _add_file(self, file: Loaded) -> None:
        try:
            root = yaml.compose(file.path.read_text(encoding="utf-8"), _LOADER)
        except (OSError, yaml.YAMLError):  # Hydra has read it before and would have said so
            return
        if isinstance(root, yaml.MappingNode):
            origin = str(short(file.path))
            if file.package:  # what should stand in the file and does not is missing there
                self._places[file.package] = Place(origin, root.start_mark.line + 1)
            self._add_node(root, file.package, origin)

    def _add_node(self, node: yaml.Node, key: Key, origin: str) -> None:
        if isinstance(node, yaml.MappingNode):
            merged = [value for name, value in node.value if name.tag == _MERGE]
            for each in merged:  # `<<` gives what the mapping's own keys do not
                self._add_merged(each, key, origin)
            for name, value in node.value:
                if name.tag == _MERGE:
                    continue
                below = (*key, str(name.value))
                if not isinstance(value, yaml.MappingNode):  # only mappings are merged
                    self._forget_below(below)
                self._places[below] = Place(origin, name.start_mark.line + 1)
                self._add_node(value, below, origin)
        elif isinstance(node, yaml.SequenceNode):
            for at, value in enumerate(node.value):
                below = (*key, str(at))
                self._places[below] = Place(origin, value.start_mark.line + 1)
                self._add_node(value, below, origin)

    def _add_merged(self, node: yaml.Node, key: Key, origin: str) -> None:
        if isinstance(node, yaml.SequenceNode):
            for each in reversed(node.value):  # the first of several wins
                self._add_node(each, key, origin)
        else:
            self._add_node(node, key, origin)

    def _add_value(self, value: object, key: Key, place: Place) -> None:
        """Note an override's value: a mapping is merged into what is there, all else replaces."""
        if not isinstance(value, Mapping):
            self._forget_below(key)
            self._places[key] = place
            return
        for length in range(1, len(key) + 1):
            if not any(known[:length] == key[:length] for known in self._places):
                self._places[key[:length]] = place
        for name, below in value.items():
            self._add_value(below, (*key, str(name)), place)

    def _forget_below(self, key: Key) -> None:
        for known in [known for known in self._places if known[: len(key)] == key]:
            del self._places[known]


def short(path: Path) -> Path:
    """Return a path as a person in the present folder would type it."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def walk(tree: object, location: Sequence[int | str]) -> Key:
    """Return the key in a tree that a validation error's location means.

    Validators put the names of union members into a location; those are no keys and left out.

    Args:
        tree: The configuration as plain values.
        location: As pydantic gives it.
    """
    key: list[str] = []
    at, tagged = tree, None
    for position, part in enumerate(location):
        if isinstance(at, Mapping):
            if at is not tagged and part == at.get("kind") and position + 1 < len(location):
                tagged = at  # a union's member may be named as one of its own keys
                continue
            if part in at:
                at = at[part]
            elif position + 1 < len(location):
                continue
            else:
                at = None
        elif isinstance(at, list) and isinstance(part, int) and part < len(at):
            at = at[part]
        else:
            continue
        key.append(str(part))
    return tuple(key)
