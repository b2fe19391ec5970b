"""A row decoder: the contract compiled to a typed decoder of request bodies.

The whole request is decoded and checked in one pass by msgspec. Only when that refuses is the
body looked at a second time, slowly, to name every field that is wrong.
"""

import math
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal, NoReturn, Protocol, cast

import msgspec
import numpy as np

from mlops.base.errors import ContractError
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table, Texts

_MAX_REPORTED = 20
_MAX_NAME = 128
_NO_JSON = "is not JSON, or it nests too deeply or holds a number beyond float64"
_AT = re.compile(r" - at `\$\.([^`]*)`$")  # where msgspec saw it
_ABSENT = object()

Value = float | int | bool | str | None


class _Body(Protocol):
    """What the struct that is built at run time looks like."""

    context: object
    candidates: list[object]
    request_id: str
    subject: str


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


class InvalidRequestError(ContractError):
    """A request breaks its contract.

    Args:
        errors: The fields, at least one, at most twenty.
    """

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(f"{errors[0].field}: {errors[0].message}")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Request:
    """A decoded request.

    Attributes:
        request_id: The caller's name for it; empty if none.
        subject: The user's or session's key, by which arms are sticky; empty if none.
        ids: The candidates' identifiers, in the order given, all different.
        table: The request's columns, context values repeated for each candidate.
    """

    request_id: str
    subject: str
    ids: tuple[str, ...]
    table: Table

    @property
    def rows(self) -> int:
        """Number of candidates."""
        return len(self.ids)


class RowDecoder:
    """Decodes and checks request bodies against one domain.

    Args:
        domain: What is allowed.
        max_candidates: Most candidates that a request may hold.
    """

    def __init__(self, domain: Domain, *, max_candidates: int) -> None:
        self._domain = domain
        self._max_candidates = max_candidates
        self._identifier = _attribute(domain.candidate.index(domain.identifier))
        context = _struct("Context", domain.context)
        candidate = _struct("Candidate", domain.candidate)
        body = msgspec.defstruct(
            "Body",
            [
                ("context", context),
                (
                    "candidates",
                    Annotated[
                        list[candidate],  # type: ignore[valid-type]  # built at run time
                        msgspec.Meta(min_length=1, max_length=max_candidates),
                    ],
                ),
                ("request_id", Annotated[str, msgspec.Meta(max_length=_MAX_NAME)], ""),
                ("subject", Annotated[str, msgspec.Meta(max_length=_MAX_NAME)], ""),
            ],
            forbid_unknown_fields=True,
            frozen=True,
            gc=False,
        )
        self._decoder = msgspec.json.Decoder(body)

    def decode(self, body: bytes) -> Request:
        """Decode a request body.

        Args:
            body: JSON text, UTF-8.

        Raises:
            InvalidRequestError: It is no JSON or breaks the contract; every field is named.
        """
        try:
            decoded = cast("_Body", self._decoder.decode(body))
        except (ValueError, RecursionError) as error:
            self._explain(body, error)
        ids = tuple(getattr(each, self._identifier) for each in decoded.candidates)
        if len(set(ids)) != len(ids):
            repeated = next(i for i, name in enumerate(ids) if name in ids[:i])
            place = f"candidates[{repeated}].{self._domain.identifier.name}"
            raise InvalidRequestError((FieldError(place, "duplicate", "occurs twice"),))
        return Request(
            request_id=decoded.request_id,
            subject=decoded.subject,
            ids=ids,
            table=self._table(decoded.context, decoded.candidates),
        )

    def _table(self, context: object, candidates: list[object]) -> Table:
        rows = len(candidates)
        table: dict[str, Floats | Texts] = {}
        for at, column in enumerate(self._domain.context):
            value = cast("Value", getattr(context, _attribute(at)))
            table[column.name] = _full(column, value, rows)
        for at, column in enumerate(self._domain.candidate):
            name = _attribute(at)
            table[column.name] = _array(column, [getattr(each, name) for each in candidates])
        return table

    def _explain(self, body: bytes, cause: Exception) -> NoReturn:
        try:
            value: object = msgspec.json.decode(body)
        except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
            raise InvalidRequestError((FieldError("body", "json", _NO_JSON),)) from cause
        errors = list(_explain_body(self._domain, value, self._max_candidates))
        if not errors:  # a name that occurs twice in an object: the last one is read here
            field = _AT.search(str(cause))
            errors = [FieldError(field[1] if field else "body", "type", "breaks the contract")]
        raise InvalidRequestError(tuple(errors[:_MAX_REPORTED])) from cause


def _full(column: Column, value: Value, rows: int) -> Floats | Texts:
    if column.is_category:
        texts = np.empty(rows, dtype=object)
        texts[:] = value
        return texts
    return np.full(rows, np.nan if value is None else float(value))


def _array(column: Column, values: list[Value]) -> Floats | Texts:
    if column.is_category:
        texts = np.empty(len(values), dtype=object)
        texts[:] = values
        return texts
    if column.nullable:
        values = [math.nan if value is None else value for value in values]
    return np.array(values, dtype=np.float64)


def _struct(name: str, columns: tuple[Column, ...]) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for at, column in enumerate(columns):
        annotation = _annotation(column)
        if column.nullable:
            fields.append((_attribute(at), annotation | None, None))
        else:
            fields.append((_attribute(at), annotation))
    fields.sort(key=len)  # required fields come first
    names = {_attribute(at): column.name for at, column in enumerate(columns)}
    return msgspec.defstruct(
        name, fields, rename=names, forbid_unknown_fields=True, frozen=True, gc=False
    )


def _attribute(at: int) -> str:
    return f"c{at}"  # a column's name need not be a Python name


def _annotation(column: Column) -> Any:
    match column.kind:
        case ColumnKind.BOOLEAN:
            return bool
        case ColumnKind.CATEGORY if column.categories is not None:
            return Literal[column.categories]
        case ColumnKind.CATEGORY:
            return Annotated[
                str, msgspec.Meta(pattern=_anchored(column.pattern), max_length=_MAX_NAME)
            ]
        case ColumnKind.INTEGER:
            return Annotated[int, _limits(column)]
        case ColumnKind.NUMBER:
            return Annotated[float, _limits(column)]


def _limits(column: Column) -> msgspec.Meta:
    if column.kind is ColumnKind.INTEGER:
        low, high = column.whole_bounds
        return msgspec.Meta(ge=low, le=high)
    limits: dict[str, Any] = {}
    if column.minimum is not None:
        limits["gt" if column.minimum_open else "ge"] = column.minimum
    if column.maximum is not None:
        limits["lt" if column.maximum_open else "le"] = column.maximum
    return msgspec.Meta(**limits)


def _anchored(pattern: str | None) -> str | None:
    # pandera matches from the start, msgspec searches.
    return None if pattern is None else rf"\A(?:{pattern})"


def _explain_body(domain: Domain, value: object, max_candidates: int) -> list[FieldError]:
    if not isinstance(value, dict):
        return [FieldError("body", "type", "must be an object")]
    errors = _unknown("", value, ("context", "candidates", "request_id", "subject"))
    for key in ("request_id", "subject"):
        given = value.get(key, "")
        if not isinstance(given, str) or len(given) > _MAX_NAME:
            errors.append(FieldError(key, "type", f"must be a text of up to {_MAX_NAME} letters"))
    errors += _explain_object("context", domain.context, value.get("context", _ABSENT))
    candidates = value.get("candidates", _ABSENT)
    if not isinstance(candidates, list):
        errors.append(FieldError("candidates", _absence(candidates), "must be a list"))
        return errors
    if not 1 <= len(candidates) <= max_candidates:
        message = f"must hold 1 to {max_candidates} candidates"
        errors.append(FieldError("candidates", "count", message))
    for at, each in enumerate(candidates[:max_candidates]):
        if len(errors) >= _MAX_REPORTED:
            break
        errors += _explain_object(f"candidates[{at}]", domain.candidate, each)
    return errors


def _absence(value: object) -> str:
    """Return the rule that a value breaks which is not the list or object that it must be."""
    return "missing" if value is _ABSENT else "null" if value is None else "type"


def _unknown(prefix: str, value: dict[object, object], known: Collection[str]) -> list[FieldError]:
    """Return the first unknown keys: a body of a megabyte can hold a hundred thousand."""
    unknown = (str(key)[:_MAX_NAME] for key in value if key not in known)
    return [
        FieldError(f"{prefix}{key}", "unknown_field", "is not part of the contract")
        for key in islice(unknown, _MAX_REPORTED)
    ]


def _explain_object(path: str, columns: tuple[Column, ...], value: object) -> list[FieldError]:
    if not isinstance(value, dict):
        return [FieldError(path, _absence(value), "must be an object")]
    errors = _unknown(f"{path}.", value, {column.name for column in columns})
    for column in columns:
        problem = (
            _explain_value(column, value[column.name])
            if column.name in value
            else (None if column.nullable else ("missing", "is required"))
        )
        if problem is not None:
            errors.append(FieldError(f"{path}.{column.name}", *problem))
    return errors


def _explain_value(column: Column, value: object) -> tuple[str, str] | None:
    """Return the broken rule and what is allowed, or None."""
    if value is None:
        return None if column.nullable else ("null", "must not be null")
    if column.is_category:
        return _explain_text(column, value)
    if column.kind is ColumnKind.BOOLEAN:
        return None if isinstance(value, bool) else ("type", "must be true or false")
    if column.kind is ColumnKind.INTEGER:
        return _explain_whole(column, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "type", "must be a number"
    low, high = column.minimum, column.maximum
    if low is not None and (value < low or (column.minimum_open and value == low)):
        return "minimum", f"must be {'more than' if column.minimum_open else 'at least'} {low:g}"
    if high is not None and (value > high or (column.maximum_open and value == high)):
        return "maximum", f"must be {'less than' if column.maximum_open else 'at most'} {high:g}"
    if abs(value) > sys.float_info.max:
        return ("minimum" if value < 0 else "maximum"), "must be a number that a float64 can hold"
    return None


def _explain_whole(column: Column, value: object) -> tuple[str, str] | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return "type", "must be a whole number, written without a decimal point"
    low, high = column.whole_bounds
    if value < low:
        return "minimum", f"must be at least {low}"
    return ("maximum", f"must be at most {high}") if value > high else None


def _explain_text(column: Column, value: object) -> tuple[str, str] | None:
    if not isinstance(value, str):
        return "type", "must be a text"
    if column.categories is not None and value not in column.categories:
        shown = ", ".join(column.categories[:_MAX_REPORTED])
        return "category", f"must be one of: {shown}"
    if len(value) > _MAX_NAME:
        return "pattern", f"must have at most {_MAX_NAME} letters"
    if column.pattern is not None and re.match(column.pattern, value) is None:
        return "pattern", f"must match {column.pattern}"
    return None
