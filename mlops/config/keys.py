"""A key: which names the typed configuration knows below which others, from its JSON Schema."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from mlops.config.origin import Key
from mlops.config.settings import Settings

_CODE = "Target"  # a node that names a class: its arguments are whatever the class takes


def allowed_names(key: Key) -> list[str]:
    """Return the names that the configuration allows below a key.

    >>> allowed_names(("store",))
    ['root']
    """
    return sorted({name for node in _nodes(_schema(), key) for name in node.get("properties", {})})


def is_known(key: Key) -> bool:
    """Tell whether the configuration may hold a key, whether or not a file sets it.

    >>> is_known(("quality", "confidence")), is_known(("quality", "confidnce"))
    (True, False)
    """
    return any(True for _ in _nodes(_schema(), key))


def key_hint(name: str, allowed: Sequence[str]) -> str:
    """Return what to do about a key that is not known.

    Args:
        name: The key's last part.
        allowed: Names that may stand there, those of other kinds of a union included.
    """
    if not allowed:
        return "see all keys with `--cfg job`"
    if name in allowed:
        return f"`{name}` belongs to another kind than the one chosen here"
    known = f"allowed here: {', '.join(allowed)}"
    close = difflib.get_close_matches(name, allowed, n=1)
    return f"did you mean `{close[0]}`? {known}" if close else known


@cache
def _schema() -> Mapping[str, Any]:
    return Settings.model_json_schema()


def _nodes(node: Mapping[str, Any], key: Key) -> Iterator[Mapping[str, Any]]:
    """Yield the schema's nodes that a key leads to; a union's kinds give one each."""
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        if name == _CODE:
            yield {}
        else:
            yield from _nodes(_schema()["$defs"][name], key)
        return
    branches = (*node.get("anyOf", ()), *node.get("oneOf", ()))
    for branch in branches:
        yield from _nodes(branch, key)
    if not key:
        if not branches:
            yield node
        return
    below = node.get("properties", {}).get(key[0])
    if below is None:
        below = node.get("items") if key[0].isdigit() else node.get("additionalProperties")
    if isinstance(below, dict):
        yield from _nodes(below, key[1:])
