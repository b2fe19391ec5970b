"""A translation: what Hydra and OmegaConf complain about, said for a person, with its place."""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from mlops.base.errors import ConfigError, Place
from mlops.config.keys import allowed_names, key_hint
from mlops.config.origin import Key, Origins, short

_NOISE = ("Set the environment variable", "See https://", "full_key:", "object_type=")
_OPTION = re.compile(r"In '([^']+)': Could not find '([^']+)'")
_NO_VALUE = "missing EQUAL at"
_SUMMARY = re.compile(r"^\w+ raised while resolving interpolation: (.*)$")


def of_composition(
    error: Exception, arguments: Sequence[str], roots: Sequence[Path]
) -> ConfigError:
    """Return what keeps a configuration from being composed.

    Args:
        error: What Hydra or OmegaConf raised.
        arguments: The overrides and flags that were typed.
        roots: Folders of configuration groups, the first one wins.
    """
    message, rest = _lines(error)
    place = _culprit(message, getattr(error, "full_key", None), arguments)
    if place is None:
        place = _default(message, roots)
    if message.startswith("Could not override") and place is not None:
        return _unknown_key(place)
    if place is not None and any(line.startswith(_NO_VALUE) for line in rest):
        return _no_value(place, roots)
    return ConfigError(message, hint=" ".join(rest), place=place)


def of_value(error: Exception, origins: Origins) -> ConfigError:
    """Return why a value cannot be resolved: an interpolation, an environment variable.

    Args:
        error: What OmegaConf raised.
        origins: Who set each key.
    """
    message, rest = _lines(error)
    found = _SUMMARY.match(message)
    text = found[1].strip('"') if found else message
    key: Key = tuple(str(getattr(error, "full_key", "") or "").split("."))
    return ConfigError(f"{'.'.join(key)}: {text}", hint=" ".join(rest), place=origins.place(key))


def _lines(error: Exception) -> tuple[str, list[str]]:
    text = str(error).partition("Config search path:")[0].replace("'++", "'")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0], [line for line in lines[1:] if not line.startswith(_NOISE)]


def _unknown_key(place: Place) -> ConfigError:
    key: Key = tuple(place.key.partition("@")[0].split("."))
    allowed = allowed_names(key[:-1])
    return ConfigError(
        f"{place.key} is not a known key", hint=key_hint(key[-1], allowed), place=place
    )


def _no_value(place: Place, roots: Sequence[Path]) -> ConfigError:
    """Say that a word is no setting, and of which group it is an option."""
    word = place.key
    hint = "a setting is KEY=VALUE; a service is chosen by service=NAME"
    if re.fullmatch(r"\w+", word):
        groups = {path.parent.name for root in roots for path in root.glob(f"*/{word}.yaml")}
        # Most words that stand alone are the name of a service.
        group = next(iter(sorted(groups, key=lambda name: (name != "service", name))), None)
        hint = f"did you mean {group}={word}?" if group else hint
    return ConfigError(f"{word!r} is no KEY=VALUE", hint=hint, place=place)


def _culprit(message: str, full_key: object, arguments: Sequence[str]) -> Place | None:
    """Return the override that a message is about: it quotes it, its key, or its choice."""
    quoted = re.findall(r"'([^']+)'", message)
    for argument in arguments:
        plain = argument.lstrip("+~")
        bare, _, value = plain.partition("=")
        if any(text in (plain, argument, bare, f"{bare}/{value}", value) for text in quoted):
            return Place(f"override {argument}", key=bare)
        if full_key == bare or any(text and value.startswith(text) for text in quoted[:1]):
            return Place(f"override {argument}", key=bare)
    return None


def _default(message: str, roots: Sequence[Path]) -> Place | None:
    """Return the line of the defaults list that names an option which is not there."""
    found = _OPTION.match(message)
    if found is None:
        return None
    file, (group, _, option) = found[1], found[2].rpartition("/")
    for root in roots:
        path = root / f"{file}.yaml"
        if path.is_file():
            return _line(path, group, option)
    return None


def _line(path: Path, group: str, option: str) -> Place:
    tree = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    items = [
        item
        for name, value in getattr(tree, "value", ())
        if name.value == "defaults"
        for item in value.value
    ]
    for item in items:
        chosen = item.value[0] if isinstance(item, yaml.MappingNode) and item.value else (item,)
        if chosen[-1].value in (option, f"{group}/{option}"):
            return Place(str(short(path)), item.start_mark.line + 1, key=group)
    return Place(str(short(path)), key=group)
