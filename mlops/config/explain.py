"""An explanation: what a composer or a validator complains about, said for a person."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from mlops.base.errors import ConfigError, MlopsError
from mlops.config.keys import allowed_names, key_hint
from mlops.config.origin import Key, Origins, walk

_SHOWN = 80
_MISSING = "???"


def explain(error: ValidationError, tree: object, origins: Origins) -> ConfigError:
    """Return a validation's complaints with key, value, what is allowed, and where it was set.

    Args:
        error: What pydantic found.
        tree: The configuration as plain values.
        origins: Who set each key.
    """
    listed = error.errors(include_url=False)
    deeper = [found["loc"] for found in listed]
    problems = tuple(
        _problem(found, tree, origins)
        for found in listed
        # A list whose items are wrong is also "too short": the items say it better.
        if found["type"] != "too_short" or not any(_below(loc, found["loc"]) for loc in deeper)
    )
    return ConfigError(_counted(len(problems)), problems=problems)


def require(tree: object, origins: Origins) -> None:
    """Refuse a configuration in which keys that need a value have none (`???`).

    Raises:
        ConfigError: It names each of them.
    """
    problems = tuple(
        ConfigError(
            f"{'.'.join(key)} is missing",
            hint=f"give it a value: {'.'.join(key)}=...",
            place=origins.place(key),
        )
        for key in _open(tree, ())
    )
    if problems:
        raise ConfigError(_counted(len(problems)), problems=problems)


def _open(tree: object, key: Key) -> Iterator[Key]:
    if tree == _MISSING:
        yield key
    items: Iterable[tuple[object, object]] = ()
    if isinstance(tree, Mapping):
        items = tree.items()
    elif isinstance(tree, list):
        items = enumerate(tree)
    for name, value in items:
        yield from _open(value, (*key, str(name)))


def _counted(problems: int) -> str:
    many = "1 problem" if problems == 1 else f"{problems} problems"
    return f"the configuration has {many}"


def _below(location: tuple[int | str, ...], above: tuple[int | str, ...]) -> bool:
    return len(location) > len(above) and location[: len(above)] == above


def _problem(found: Any, tree: object, origins: Origins) -> MlopsError:
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
        allowed = allowed_names(key[:-1])
        return ConfigError(
            f"{name} is not a known key", hint=key_hint(key[-1], allowed), place=place
        )
    text = found["msg"].removeprefix("Value error, ")
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
    hint = "it should " + text.partition(" should ")[2].partition(" after validation")[0]
    return ConfigError(f"{name} is {_shown(found['input'])}", hint=hint, place=place)


def _shown(value: object) -> str:
    """Return a value as YAML would hold it, cut short.

    >>> _shown(None), _shown("fast"), _shown([True])
    ('null', '"fast"', '[true]')
    """
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _contradiction(context: Mapping[str, Any], key: Key, origins: Origins) -> MlopsError:
    """Name the key that was overridden last, since the person has just typed it."""
    keys = [(*key, *str(name).split(".")) for name in context["keys"]]
    places = [origins.place(each) for each in keys]
    typed = [place for place in places if place is not None and place.line is None]
    known = [place for place in places if place is not None]
    place = next(iter((*typed, *known)), None)
    name = ".".join(keys[0])
    message = context["message"]
    text = message if message.startswith(name) else f"{name}: {message}"
    return ConfigError(text, place=place)
