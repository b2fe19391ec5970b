"""A JSON Schema check: just the words that our OpenAPI documents use; others are an error."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

_IGNORED = {"description", "title", "$schema"}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),  # stricter than JSON Schema, which also calls 1.0 an integer
    "boolean": (bool,),
    "null": (type(None),),
}
_OTHER_MEANING = {rf"\{letter}" for letter in "AZdwsDWS"}


def valid(schema: Mapping[str, Any], value: object) -> bool:
    """Tell whether a value keeps a schema."""
    return all(_keeps(word, schema, value) for word in schema if word not in _IGNORED)


def _keeps(word: str, schema: Mapping[str, Any], value: Any) -> bool:
    argument = schema[word]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match word:
        case "type":
            names = argument if isinstance(argument, list) else [argument]
            return any(_is(name, value) for name in names)
        case "enum":
            return value in argument
        case "minimum":
            return not number or value >= argument
        case "maximum":
            return not number or value <= argument
        case "exclusiveMinimum":
            return not number or value > argument
        case "exclusiveMaximum":
            return not number or value < argument
        case "minLength" | "maxLength" | "pattern":
            return not isinstance(value, str) or _keeps_text(word, argument, value)
        case "allOf":
            return all(valid(below, value) for below in argument)
        case "not":
            return not valid(argument, value)
        case _:
            return _keeps_structure(word, schema, value)


def _keeps_text(word: str, argument: Any, value: str) -> bool:
    match word:
        case "minLength":
            return len(value) >= int(argument)
        case "maxLength":
            return len(value) <= int(argument)
        case _:
            return _ecma(argument).search(value) is not None


@cache
def _ecma(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of ECMA-262, of the words that ours use, for Python's engine.

    Without the flag `m`, `$` is the end there, not also the place before a last newline; `\\b`
    knows ASCII only. Classes are spelled out in our documents.
    """
    at, found, in_class = 0, "", False
    while at < len(pattern):
        letter = pattern[at : at + 2] if pattern[at] == "\\" else pattern[at]
        assert letter not in _OTHER_MEANING, pattern
        in_class = letter == "[" or (in_class and letter != "]")
        plain = not in_class and letter == "$"
        found += r"\Z" if plain else r"(?a:\b)" if letter == r"\b" else letter
        at += len(letter)
    return re.compile(found)


def _keeps_structure(word: str, schema: Mapping[str, Any], value: Any) -> bool:
    argument = schema[word]
    match word:
        case "required":
            return not isinstance(value, dict) or set(argument) <= value.keys()
        case "properties":
            return not isinstance(value, dict) or all(
                valid(below, value[name]) for name, below in argument.items() if name in value
            )
        case "additionalProperties":
            assert argument is False
            return not isinstance(value, dict) or value.keys() <= schema["properties"].keys()
        case "items":
            return not isinstance(value, list) or all(valid(argument, each) for each in value)
        case "minItems":
            return not isinstance(value, list) or len(value) >= argument
        case "maxItems":
            return not isinstance(value, list) or len(value) <= argument
    raise NotImplementedError(word)


def _is(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name])
