"""An explanation: every field of a refused request that breaks the contract, each in words.

It is the slow second look: the decoder stops at the first field, a caller wants to hear of all.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.judgement import (
    CATEGORY,
    CONTAINS,
    FORBIDDEN,
    LENGTH,
    PATTERN,
    PREFIX,
    SUFFIX,
    TextRules,
    keeps_number,
)

MAX_NAME = 128
"""Letters of `request_id` and `subject`."""

_MAX_REPORTED = 20
_ABSENT = object()

Problem = tuple[str, str]
"""The rule that is broken, and what is allowed."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request that breaks the contract.

    Attributes:
        field: Path in the body, such as `candidates[3].salary`.
        rule: Short name from a closed set: `json`, `type`, `missing`, `unknown_field`, `null`,
            `minimum`, `maximum`, `category`, `pattern`, `count`, `duplicate`.
        message: What is allowed. It never repeats the value that was sent.
    """

    field: str
    rule: str
    message: str


class Explainer:
    """Names what is wrong in the bodies of one contract.

    Args:
        domain: What is allowed.
        max_candidates: Most candidates that a request may hold.
    """

    def __init__(self, domain: Domain, *, max_candidates: int) -> None:
        self._domain = domain
        self._max_candidates = max_candidates
        self._texts = {c.name: TextRules(c) for c in domain.request if c.is_category}

    def explain(self, value: object) -> list[FieldError]:
        """Return what is wrong, more than twenty fields at most by those of one object.

        Args:
            value: The body as JSON values.
        """
        if not isinstance(value, dict):
            return [FieldError("body", "type", "must be an object")]
        errors = _unknown("", value, ("context", "candidates", "request_id", "subject"))
        for key in ("request_id", "subject"):
            given = value.get(key, "")
            if not isinstance(given, str) or len(given) > MAX_NAME:
                message = f"must be a text of up to {MAX_NAME} letters"
                errors.append(FieldError(key, "type", message))
        errors += self._object("context", self._domain.context, value.get("context", _ABSENT))
        return errors + self._candidates(value.get("candidates", _ABSENT), len(errors))

    def _candidates(self, candidates: object, found: int) -> list[FieldError]:
        if not isinstance(candidates, list):
            return [FieldError("candidates", _absence(candidates), "must be a list")]
        errors: list[FieldError] = []
        if not 1 <= len(candidates) <= self._max_candidates:
            message = f"must hold 1 to {self._max_candidates} candidates"
            errors.append(FieldError("candidates", "count", message))
        for at, each in enumerate(candidates[: self._max_candidates]):
            if found + len(errors) >= _MAX_REPORTED:
                break
            errors += self._object(f"candidates[{at}]", self._domain.candidate, each)
        return errors

    def _object(self, path: str, columns: tuple[Column, ...], value: object) -> list[FieldError]:
        if not isinstance(value, dict):
            return [FieldError(path, _absence(value), "must be an object")]
        errors = _unknown(f"{path}.", value, {column.name for column in columns})
        for column in columns:
            problem = (
                self._value(column, value[column.name])
                if column.name in value
                else (None if column.nullable else ("missing", "is required"))
            )
            if problem is not None:
                errors.append(FieldError(f"{path}.{column.name}", *problem))
        return errors

    def _value(self, column: Column, value: object) -> Problem | None:
        if value is None:
            return None if column.nullable else ("null", "must not be null")
        match column.kind:
            case ColumnKind.CATEGORY:
                return self._text(column, value)
            case ColumnKind.BOOLEAN:
                return None if isinstance(value, bool) else ("type", "must be true or false")
            case ColumnKind.INTEGER:
                return _whole(column, value)
            case ColumnKind.NUMBER:
                return _number(column, value)

    def _text(self, column: Column, value: object) -> Problem | None:
        if not isinstance(value, str):
            return "type", "must be a text"
        broken = self._texts[column.name].broken(value)
        return _text_told(column, broken[0]) if broken else None


def _absence(value: object) -> str:
    """Return the rule that a value breaks which is not the list or object that it must be."""
    return "missing" if value is _ABSENT else "null" if value is None else "type"


def _unknown(prefix: str, value: dict[object, object], known: Collection[str]) -> list[FieldError]:
    """Return the first unknown keys: a body of a megabyte can hold a hundred thousand."""
    unknown = (str(key)[:MAX_NAME] for key in value if key not in known)
    return [
        FieldError(f"{prefix}{key}", "unknown_field", "is not part of the contract")
        for key in islice(unknown, _MAX_REPORTED)
    ]


def _whole(column: Column, value: object) -> Problem | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return "type", "must be a whole number, written without a decimal point"
    low, high = column.whole_bounds
    if value < low:
        return "minimum", f"must be at least {low}"
    if value > high:
        return "maximum", f"must be at most {high}"
    return _in_sets(column, value)


def _number(column: Column, value: object) -> Problem | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "type", "must be a number"
    low, high = column.interval
    held = f"must be a number that a {column.stored} can hold"
    if value < low:
        word = "more than" if column.minimum_open else "at least"
        return "minimum", held if column.minimum is None else f"must be {word} {column.minimum:g}"
    if value > high:
        word = "less than" if column.maximum_open else "at most"
        return "maximum", held if column.maximum is None else f"must be {word} {column.maximum:g}"
    return _in_sets(column, value)


def _in_sets(column: Column, value: float) -> Problem | None:
    if keeps_number(column, value):
        return None
    single, word = (
        (column.forbidden, "not be any of")
        if column.numbers is None
        else (column.numbers, "be one of")
    )
    shown = ", ".join(f"{float(number):g}" for number in single[:_MAX_REPORTED])
    return "category", f"must {word}: {shown}"


def _text_told(column: Column, rule: str) -> Problem:
    least, most = column.length_bounds
    length = f"{least} to {most}" if least else f"at most {most}"
    words = {
        CATEGORY: f"must be one of: {', '.join((column.categories or ())[:_MAX_REPORTED])}",
        FORBIDDEN: "is one of the texts that are not allowed",
        LENGTH: f"must have {length} letters",
        PATTERN: f"must match {column.pattern}",
        CONTAINS: f"must contain a match of {column.contains}",
        PREFIX: f"must start with {column.prefix}",
        SUFFIX: f"must end with {column.suffix}",
    }
    return "category" if rule in (CATEGORY, FORBIDDEN) else "pattern", words[rule]
