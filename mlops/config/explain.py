"""An explanation: what a composer or a validator complains about, said for a person."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from mlops.base.errors import ConfigError, MlopsError
from mlops.config.origin import Key, Origins, walk
from mlops.config.settings import Settings

_SHOWN = 80


def explain(error: ValidationError, tree: object, origins: Origins) -> ConfigError:
    """Return a validation's complaints with key, value, what is allowed, and where it was set.

    Args:
        error: What pydantic found.
        tree: The configuration as plain values.
        origins: Who set each key.
    """
    schema = Settings.model_json_schema()
    listed = error.errors(include_url=False)
    deeper = [found["loc"] for found in listed]
    problems = tuple(
        _problem(found, tree, origins, schema)
        for found in listed
        # A list whose items are wrong is also "too short": the items say it better.
        if found["type"] != "too_short" or not any(_below(loc, found["loc"]) for loc in deeper)
    )
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return ConfigError(f"the configuration has {count}", problems=problems)


def _below(location: tuple[int | str, ...], above: tuple[int | str, ...]) -> bool:
    return len(location) > len(above) and location[: len(above)] == above


def _problem(found: Any, tree: object, origins: Origins, schema: Mapping[str, Any]) -> MlopsError:
    key = walk(tree, found["loc"])
    name = ".".join(key) or "configuration"
    place = origins.place(key)
    kind = found["type"]
    if kind == "contradiction":
        return _contradiction(found["ctx"], key, origins)
    if kind == "missing":
        return ConfigError(
            f"{name} is missing",
            hint=f"add `{key[-1]}` to `{'.'.join(key[:-1]) or 'the configuration'}`",
            place=place,
        )
    if kind == "extra_forbidden":
        allowed = sorted(_names(schema, schema, key[:-1]))
        close = difflib.get_close_matches(key[-1], allowed, n=1)
        known = f"allowed here: {', '.join(allowed)}"
        hint = f"did you mean `{close[0]}`? {known}" if close else known
        return ConfigError(f"{name} is not a known key", hint=hint, place=place)
    text = found["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    value = repr(found["input"])
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
    if kind == "union_tag_invalid":
        tag, allowed_tags = found["ctx"]["tag"], found["ctx"]["expected_tags"]
        tag_key = (*key, found["ctx"]["discriminator"].strip("'"))
        return ConfigError(
            f"{'.'.join(tag_key)} is {tag!r}",
            hint=f"it should be one of {allowed_tags}",
            place=origins.place(tag_key),
        )
    if kind == "value_error":
        return ConfigError(f"{name}: {text}", place=place)
    return ConfigError(f"{name} is {shown}", hint=f"it should be {text}", place=place)


def _contradiction(context: Mapping[str, Any], key: Key, origins: Origins) -> MlopsError:
    """Name the key that was overridden last, since the person has just typed it."""
    keys = [(*key, *str(name).split(".")) for name in context["keys"]]
    places = [origins.place(each) for each in keys]
    typed = [place for place in places if place is not None and place.line is None]
    known = [place for place in places if place is not None]
    place = next(iter((*typed, *known)), None)
    return ConfigError(f"{'.'.join(keys[0])}: {context['message']}", place=place)


def _names(schema: Mapping[str, Any], node: Mapping[str, Any], key: Key) -> set[str]:
    """Return the names of the properties that a JSON Schema allows below a key."""
    if "$ref" in node:
        return _names(schema, schema["$defs"][node["$ref"].rpartition("/")[2]], key)
    names: set[str] = set()
    for branch in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        names |= _names(schema, branch, key)
    if not key:
        return names | set(node.get("properties", {}))
    below = node.get("properties", {}).get(key[0])
    if below is None:
        below = node.get("items") if key[0].isdigit() else node.get("additionalProperties")
    return names | _names(schema, below, key[1:]) if isinstance(below, dict) else names
