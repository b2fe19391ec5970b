"""An output: a tree of texts and numbers written as YAML that a person can read.

PyYAML's own writer is slow (SLOW) and folds PromQL like prose. This one
knows less: no anchors, no tags, keys in the order given, expressions as blocks, prose folded at 100
columns, and everything that is not plainly a text in quotes.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

Yaml: TypeAlias = "str | int | bool | list[Yaml] | dict[str, Yaml]"

_WIDTH = 100
_LONGEST_LINE = 80
_DEEPER = 2
# What no reader of YAML 1.1 or 1.2 takes for anything but a text: names, paths and durations.
_PLAIN = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_./:-]*[A-Za-z0-9_./-])?|[0-9]+(?:ms|[smhdwy])")
# An expression that is no number or time, holds nothing that ends it, and starts no other kind.
_PLAIN_PROMQL = re.compile(r"[A-Za-z_(][^\n]*|[0-9][^\n]*[{(][^\n]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPES = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r"}


class Expression(str):
    """PromQL, which is written as it is: a folded expression cannot be read or copied."""

    __slots__ = ()


def yaml_text(value: Yaml) -> str:
    """Return a tree as YAML; the same tree always gives the same text.

    >>> print(yaml_text({"groups": [{"name": "a", "expr": Expression("x > 1")}]}), end="")
    groups:
      - name: a
        expr: x > 1
    """
    return "".join(f"{line}\n" for line in _lines(value, 0))


def _lines(value: Yaml, indent: int) -> Iterator[str]:
    pad = " " * indent
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(f"{pad}{_scalar(key)}:", item, indent + _DEEPER)
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _lines(item, indent + _DEEPER)
            yield f"{pad}- {first.lstrip()}"
            yield from rest
    else:
        first, *rest = _leaf(value, indent)
        yield f"{pad}{first}"
        yield from rest


def _entry(head: str, item: Yaml, indent: int) -> Iterator[str]:
    if isinstance(item, dict | list) and item:
        yield head
        yield from _lines(item, indent)
    else:
        first, *rest = _leaf(item, indent)
        yield f"{head} {first}"
        yield from rest


def _leaf(value: Yaml, indent: int) -> Sequence[str]:
    """Return the lines of what holds nothing more; all but the first with their indent."""
    if isinstance(value, bool):
        return (str(value).lower(),)
    if isinstance(value, str):
        return _text(value, indent)
    if isinstance(value, int):
        return (str(value),)
    return ("{}" if isinstance(value, dict) else "[]",)


def _text(text: str, indent: int) -> Sequence[str]:
    pad = " " * indent
    if isinstance(text, Expression):
        if len(text) <= _LONGEST_LINE and _stands_plainly(text):
            return (str(text),)
        if _stands_as_block(text.split("\n")):
            return ("|-", *(f"{pad}{line}" for line in text.split("\n")))
    elif len(text) > _LONGEST_LINE and text.isprintable() and " ".join(text.split()) == text:
        return (">-", *(f"{pad}{line}" for line in _folded(text, _WIDTH - indent)))
    return (_scalar(text),)


def _stands_plainly(expr: str) -> bool:
    """Tell whether PromQL needs no quotes: it is one line, no comment and no key."""
    ends = ": " in expr or " #" in expr or expr.endswith((":", " "))
    known = _PLAIN_PROMQL.fullmatch(expr) is not None and expr.lower() not in _WORDS
    return known and not ends and expr.isprintable()


def _stands_as_block(lines: Sequence[str]) -> bool:
    """Tell whether a block keeps lines as they are: its first decides how far it is indented."""
    filled = all(line.strip(" ") and line.isprintable() for line in lines)
    return filled and not lines[0].startswith(" ")


def _folded(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and len(line) + len(word) >= width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return str(text)
    if '"' in text and text.isprintable():
        quoted = text.replace("'", "''")
        return f"'{quoted}'"
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else f"\\U{ord(character):08x}"
