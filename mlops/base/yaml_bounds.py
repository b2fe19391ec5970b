"""YAML bounds: size, depth and aliases of a YAML text, counted before anything is built from it.

Files come from people and pull requests. A few hundred bytes of aliases can stand for billions of
values, and deep nesting exhausts the interpreter's stack. The parser's events tell both cheaply.
"""

from typing import Any

import yaml

from mlops.base.errors import ConfigError, Place

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_ALIASES = 100
MAX_NODES = 50_000  # aliases counted as often as they are used: a "billion laughs" ends here


def bound_yaml(content: bytes, origin: str) -> None:
    """Hold a YAML text against the bounds; what else is wrong with it is left to its reader.

    Args:
        content: The text, UTF-8.
        origin: What messages call it.

    Raises:
        ConfigError: It is too large, too deep, or its aliases stand for too much.
    """
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{origin} is larger than {MAX_BYTES} bytes", place=Place(origin))
    count = _Count(origin)
    try:
        for event in yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            count.see(event)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        return


class _Count:
    """Counts while events go by.

    Args:
        origin: What messages call the text.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._aliases = 0
        # Nodes seen within each open collection, and the anchor it bears.
        self._open: list[tuple[str | None, int]] = []
        self._sizes: dict[str, int] = {}
        self._nodes = 0

    def see(self, event: Any) -> None:
        """Count one event.

        Raises:
            ConfigError: A bound is broken here.
        """
        match event:
            case yaml.AliasEvent(anchor=anchor):
                self._aliases += 1
                self._require(
                    self._aliases <= MAX_ALIASES, f"more than {MAX_ALIASES} aliases", event
                )
                itself = any(anchor == each for each, _ in self._open)
                deep = f"nested deeper than {MAX_DEPTH}: an anchor that holds itself"
                self._require(not itself, deep, event)
                self._add(self._sizes.get(str(anchor), 1), event)
            case yaml.ScalarEvent(anchor=anchor):
                self._add(1, event)
                if anchor:
                    self._sizes[anchor] = 1
            case yaml.CollectionStartEvent(anchor=anchor):
                self._add(1, event)
                self._open.append((anchor, self._nodes - 1))
                flat = len(self._open) <= MAX_DEPTH
                self._require(flat, f"nested deeper than {MAX_DEPTH}", event)
            case yaml.CollectionEndEvent():
                anchor, before = self._open.pop()
                if anchor:
                    self._sizes[anchor] = self._nodes - before

    def _add(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        few = self._nodes <= MAX_NODES
        self._require(few, f"more than {MAX_NODES} values, aliases counted as often as used", event)

    def _require(self, kept: bool, problem: str, event: Any) -> None:
        if not kept:
            place = Place(self._origin, event.start_mark.line + 1)
            raise ConfigError(f"not readable as YAML: {problem}", place=place)
