"""A row decoder: the contract compiled to a typed decoder of request bodies.

The whole request is decoded and checked in one pass by msgspec. Only when that refuses, and only
if it is small, is the body looked at a second time, slowly, to name every field that is wrong.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn, Protocol, cast

import msgspec
import numpy as np

from mlops.base.errors import ContractError
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table, Texts
from mlops.contracts.explanation import MAX_NAME, Explainer
from mlops.contracts.explanation import FieldError as FieldError
from mlops.contracts.judgement import has_sets, keeps_number

_MAX_REPORTED = 20
_MAX_EXPLAINED_BYTES = 1 << 16
"""Of a mebibyte of nested lists the second look takes 120 ms, in which no one else is answered."""
_TOO_LARGE = f"breaks the contract; bodies over {_MAX_EXPLAINED_BYTES >> 10} KiB are not explained"
_NO_JSON = "is not JSON, or it nests too deeply or holds a number beyond float64"
_AT = re.compile(r" - at `\$\.([^`]*)`$")  # where msgspec saw it


class _Body(Protocol):
    """What the struct that is built at run time looks like."""

    context: msgspec.Struct
    candidates: list[msgspec.Struct]
    request_id: str
    subject: str


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
        self._explainer = Explainer(domain, max_candidates=max_candidates)
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
                ("request_id", Annotated[str, msgspec.Meta(max_length=MAX_NAME)], ""),
                ("subject", Annotated[str, msgspec.Meta(max_length=MAX_NAME)], ""),
            ],
            forbid_unknown_fields=True,
            frozen=True,
            gc=False,
        )
        self._decoder = msgspec.json.Decoder(body)
        self._context = _Arrays(domain.context, context)
        self._candidate = _Arrays(domain.candidate, candidate)
        # What msgspec has no word for is looked at behind it.
        self._sets = tuple(column for column in domain.request if has_sets(column))

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
        table = self._context.read([decoded.context], repeats=len(ids))
        table |= self._candidate.read(decoded.candidates, repeats=1)
        for column in self._sets:
            if not all(keeps_number(column, value) for value in table[column.name]):
                self._explain(body, ValueError(f"a number of {column.name} is not allowed"))
        return Request(decoded.request_id, decoded.subject, ids, table)

    def _explain(self, body: bytes, cause: Exception) -> NoReturn:
        seen = _AT.search(str(cause))
        field = seen[1] if seen else "body"
        # A DecodeError that is no ValidationError is about the JSON.
        broken_json = isinstance(cause, msgspec.DecodeError | UnicodeError | RecursionError)
        is_json = isinstance(cause, msgspec.ValidationError) or not broken_json
        if len(body) > _MAX_EXPLAINED_BYTES:
            large = (field, "type", _TOO_LARGE) if is_json else ("body", "json", _NO_JSON)
            raise InvalidRequestError((FieldError(*large),)) from cause
        try:
            value: object = msgspec.json.decode(body)
        except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
            raise InvalidRequestError((FieldError("body", "json", _NO_JSON),)) from cause
        errors = self._explainer.explain(value)
        if not errors:  # a name that occurs twice in an object: the last one is read here
            errors = [FieldError(field, "type", "breaks the contract")]
        raise InvalidRequestError(tuple(errors[:_MAX_REPORTED])) from cause


class _Arrays:
    """Turns decoded structs of one kind into a table's arrays.

    All numbers are converted at once: a call of numpy for each column took longer than to decode.

    Args:
        columns: What the structs hold.
        struct: Their class.
    """

    def __init__(self, columns: tuple[Column, ...], struct: type[msgspec.Struct]) -> None:
        by_field = {_attribute(at): column for at, column in enumerate(columns)}
        fields = [by_field[field] for field in struct.__struct_fields__]
        self._texts = [(at, column.name) for at, column in enumerate(fields) if column.is_category]
        numbers = [(at, column) for at, column in enumerate(fields) if not column.is_category]
        self._at = [at for at, _ in numbers]
        self._names = [column.name for _, column in numbers]
        self._single = [row for row, (_, column) in enumerate(numbers) if column.is_single]

    def read(self, structs: list[msgspec.Struct], *, repeats: int) -> dict[str, Floats | Texts]:
        """Return the columns, each of as many rows as structs and repeats."""
        given = list(zip(*map(msgspec.structs.astuple, structs), strict=True))
        table: dict[str, Floats | Texts] = {}
        if self._at:
            matrix = np.array([given[at] for at in self._at], np.float64)  # None becomes NaN
            if self._single:
                # What training read from float32 must be the same number here.
                matrix[self._single] = matrix[self._single].astype(np.float32)
            rows = np.repeat(matrix, repeats, axis=1) if repeats > 1 else matrix
            table.update(zip(self._names, rows, strict=True))
        for at, name in self._texts:
            texts = np.empty(len(structs) * repeats, dtype=object)
            texts[:] = given[at] if repeats == 1 else given[at][0]
            table[name] = texts
        return table


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
            least, most = column.length_bounds
            return Annotated[
                str,
                msgspec.Meta(
                    pattern=column.joined_pattern, min_length=least or None, max_length=most
                ),
            ]
        case ColumnKind.INTEGER:
            return Annotated[int, _limits(column)]
        case ColumnKind.NUMBER:
            return Annotated[float, _limits(column)]


def _limits(column: Column) -> msgspec.Meta:
    if column.kind is ColumnKind.INTEGER:
        low, high = column.whole_bounds
        return msgspec.Meta(ge=low, le=high)
    low_end, high_end = column.interval
    return msgspec.Meta(
        ge=None if column.minimum is None and not column.is_single else low_end,
        le=None if column.maximum is None and not column.is_single else high_end,
    )
