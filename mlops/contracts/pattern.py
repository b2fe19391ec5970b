r"""A pattern: a contract's regular expression, translated so that every engine reads it alike.

Engines differ in what they call the same thing. pandas hands texts that Arrow stores to RE2, where
`$` is the very end and `\d` is 0 to 9; texts that lie as Python objects go to `re`, where `$` also
matches before a last newline and `\d` is any digit of Unicode; JSON Schema means ECMA-262, where
`\s` holds other spaces and `.` stops at more line ends. A pattern is therefore taken apart and
written again with RE2's meaning: ends that are ends, classes that name their letters. What has no
such form (look-around, back references, flags, `\p{..}`) is not portable and is not compiled.
"""

import re
import warnings
from dataclasses import dataclass

_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": "\\t\\n\\f\\r "}
_CONTROLS = {"n": "\\n", "t": "\\t", "r": "\\r", "f": "\\f", "v": "\\v"}
_WRITTEN = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\f": "\\f", "\v": "\\v"}
_BRACES = re.compile(r"\{(\d{1,4})(?:(,)(\d{1,4})?)?\}")
_NAMED = re.compile(r"\(\?P<[A-Za-z_]\w*>")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})")
_MOST_REPEATS = 1000  # RE2 refuses more


class UnportableError(ValueError):
    """A pattern means something else in each engine, or has no form in one of them."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern in two dialects that mean the same.

    Attributes:
        python: For `re`.
        ecma: For JSON Schema, with ECMA-262's `u` flag.
    """

    python: str
    ecma: str


def translate(text: str) -> Pattern:
    r"""Translate a pattern as a person wrote it for pandas.

    Args:
        text: A regular expression that `re` takes.

    Raises:
        UnportableError: It has no form that means the same everywhere.
        ValueError: It is no regular expression.

    >>> translate(r"^\d{2}$")
    Pattern(python='\\A[0-9]{2}\\Z', ecma='^[0-9]{2}$')
    """
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # `[[`, `--`
            re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        message = f"{text!r} is no regular expression: {error}"
        raise ValueError(message) from error
    reader = _Reader(text)
    reader.read()
    return Pattern("".join(reader.python), "".join(reader.ecma))


def literal(text: str) -> Pattern:
    """Return the pattern that matches a text itself."""
    written = "".join(_letter(letter) for letter in text)
    return Pattern(written, written)


def _letter(letter: str) -> str:
    if letter in _SYNTAX:
        return f"\\{letter}"
    return _WRITTEN.get(letter, letter)


class _Reader:
    """Reads a pattern once from left to right and writes both dialects.

    Args:
        text: The pattern.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.python: list[str] = []
        self.ecma: list[str] = []

    def read(self) -> None:
        """Read the whole pattern."""
        while self._at < len(self._text):
            letter = self._text[self._at]
            match letter:
                case "\\":
                    self._escape()
                case "[":
                    self._class()
                case "(":
                    self._group()
                case "*" | "+" | "?" | "{":
                    self._repeat()
                case "^":
                    self._write("\\A", "^")
                case "$":
                    self._write("\\Z", "$")
                case ".":
                    self._write("[^\\n]")
                case ")" | "|":
                    self._write(letter)
                case _:
                    self._write(_letter(letter))

    def _write(self, python: str, ecma: str | None = None, *, length: int = 1) -> None:
        self.python.append(python)
        self.ecma.append(python if ecma is None else ecma)
        self._at += length

    def _unportable(self, what: str) -> UnportableError:
        return UnportableError(f"{self._text!r} {what}")

    def _escape(self) -> None:
        letter = self._text[self._at + 1]
        if letter in _CLASSES:
            self._write(f"[{_CLASSES[letter]}]", length=2)
        elif letter.lower() in _CLASSES:
            self._write(f"[^{_CLASSES[letter.lower()]}]", length=2)
        elif letter == "A":
            self._write("\\A", "^", length=2)
        elif letter == "Z":
            self._write("\\Z", "$", length=2)
        elif letter in "bB":
            self._write(f"(?a:\\{letter})", f"\\{letter}", length=2)
        else:
            written, length = self._plain_escape()
            self._write(written, length=length)

    def _plain_escape(self) -> tuple[str, int]:
        """Return an escaped letter as it is written everywhere, and how long it was."""
        letter = self._text[self._at + 1]
        if letter in _CONTROLS:
            return _CONTROLS[letter], 2
        code = _HEX.match(self._text, self._at + 1)
        if code is not None:
            return _letter(chr(int(code[1], 16))), 4
        if letter.isalnum():
            raise self._unportable(f"has \\{letter}, which engines read differently")
        return _letter(letter), 2

    def _group(self) -> None:
        named = _NAMED.match(self._text, self._at)
        if named is not None:
            self._write("(?:", length=len(named[0]))
        elif self._text.startswith("(?:", self._at):
            self._write("(?:", length=3)
        elif self._text.startswith("(?", self._at):
            raise self._unportable("looks around or sets flags")
        else:
            self._write("(?:")

    def _repeat(self) -> None:
        if self._text[self._at] == "{":
            braces = _BRACES.match(self._text, self._at)
            if braces is None:
                if self._text.startswith("{,", self._at):
                    raise self._unportable("leaves out the least number of repeats")
                self._write("\\{")
                return
            if max(int(braces[1]), int(braces[3] or 0)) > _MOST_REPEATS:
                raise self._unportable(f"repeats more than {_MOST_REPEATS} times")
            self._write(braces[0], length=len(braces[0]))
        else:
            self._write(self._text[self._at])
        follower = self._text[self._at : self._at + 1]
        if follower == "?":
            self._write("?")
        elif follower == "+":
            raise self._unportable("has a possessive repeat")

    def _class(self) -> None:
        self._at += 1
        written = ["["]
        if self._text.startswith("^", self._at):
            written.append("^")
            self._at += 1
        first = True
        while first or self._text[self._at] != "]":
            written.append(self._range())
            first = False
        self._at += 1
        text = "".join([*written, "]"])
        self.python.append(text)
        self.ecma.append(text)

    def _range(self) -> str:
        """Return one letter, class or range of letters inside brackets."""
        low, single = self._member()
        follows = self._text[self._at : self._at + 2]
        if not single or len(follows) < 2 or follows[0] != "-" or follows[1] == "]":
            return low
        self._at += 1
        high, _ = self._member()
        return f"{low}-{high}"

    def _member(self) -> tuple[str, bool]:
        """Return a letter or class inside brackets, and whether it is one letter."""
        letter = self._text[self._at]
        if letter != "\\":
            if self._text.startswith("[:", self._at):
                raise self._unportable("has `[:`, which RE2 reads as a class's name")
            self._at += 1
            return (f"\\{letter}" if letter == "-" else _letter(letter)), True
        letter = self._text[self._at + 1]
        if letter in _CLASSES:
            self._at += 2
            return _CLASSES[letter], False
        if letter.lower() in _CLASSES:
            raise self._unportable(f"has \\{letter} inside brackets")
        written, length = self._plain_escape()
        self._at += length
        return ("\\-" if written == "-" else written), True
