"""A row decoder: the contract compiled to a typed decoder of request bodies.

A usual request goes straight into columns (`mlops.contracts.quick`). Any other is decoded and
checked in one pass by msgspec. Only when that refuses, and only if it is small, is the body looked
at once more, slowly, to name every field that is wrong.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn, Protocol, cast

import msgspec
import numpy as np

from mlops.base.errors import ContractError
from mlops.contracts.columns import Columns, Layout
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table
from mlops.contracts.explanation import MAX_NAME, Explainer
from mlops.contracts.explanation import FieldError as FieldError
from mlops.contracts.judgement import has_sets, keeps_number
from mlops.contracts.quick import QuickDecoder

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
        quick: Whether usual requests may take the way through C, which gives the same.
    """

    def __init__(self, domain: Domain, *, max_candidates: int, quick: bool = True) -> None:
        self._domain = domain
        self._layout = Layout.of(domain.request)
        self._quick = (
            QuickDecoder(domain, self._layout, max_candidates=max_candidates) if quick else None
        )
        self._named = self._layout.text_place[domain.identifier.name]
        self._explainer = Explainer(domain, max_candidates=max_candidates)
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
        self._context = _Filler(domain.context, context, self._layout)
        self._candidate = _Filler(domain.candidate, candidate, self._layout)
        self._single = [at for at, name in enumerate(self._layout.numbers)
                        if domain.column(name).is_single]  # fmt: skip
        # What msgspec has no word for is looked at behind it.
        self._sets = tuple(
            (self._layout.number_place[column.name], column)
            for column in domain.request
            if has_sets(column)
        )

    def decode(self, body: bytes) -> Request:
        """Decode a request body.

        Args:
            body: JSON text, UTF-8.

        Raises:
            InvalidRequestError: It is no JSON or breaks the contract; every field is named.
        """
        found = None if self._quick is None else self._quick.decode(body)
        request_id, subject, table = self._decode_any(body) if found is None else found
        ids = table.texts[self._named]
        if len(set(ids)) != len(ids):
            repeated = next(i for i, name in enumerate(ids) if name in ids[:i])
            place = f"candidates[{repeated}].{self._domain.identifier.name}"
            raise InvalidRequestError((FieldError(place, "duplicate", "occurs twice"),))
        for at, column in self._sets:
            if not all(keeps_number(column, value) for value in table.numbers[:, at].tolist()):
                self._explain(body, ValueError(f"a number of {column.name} is not allowed"))
        return Request(request_id, subject, cast("tuple[str, ...]", tuple(ids)), table)

    def _decode_any(self, body: bytes) -> tuple[str, str, Columns]:
        try:
            decoded = cast("_Body", self._decoder.decode(body))
        except (ValueError, RecursionError) as error:
            self._explain(body, error)
        rows = len(decoded.candidates)
        numbers = np.empty((rows, len(self._layout.numbers)))
        texts: dict[int, list[str | None]] = {}
        self._context.fill([decoded.context], numbers, texts)
        self._candidate.fill(decoded.candidates, numbers, texts)
        if self._single:
            # What training read from float32 must be the same number here.
            numbers[:, self._single] = numbers[:, self._single].astype(np.float32)
        table = Columns(self._layout, numbers, tuple(texts[at] for at in sorted(texts)))
        return decoded.request_id, decoded.subject, table

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


class _Filler:
    """Writes decoded structs of one kind into columns.

    All numbers are converted at once: a call of numpy for each column took longer than to decode.

    Args:
        columns: What the structs hold.
        struct: Their class.
        layout: Where the columns go.
    """

    def __init__(
        self, columns: tuple[Column, ...], struct: type[msgspec.Struct], layout: Layout
    ) -> None:
        by_field = {_attribute(at): column for at, column in enumerate(columns)}
        fields = [by_field[field] for field in struct.__struct_fields__]
        self._texts = [
            (at, layout.text_place[column.name])
            for at, column in enumerate(fields)
            if column.is_category
        ]
        numbers = [(at, column) for at, column in enumerate(fields) if not column.is_category]
        self._numbers = [at for at, _ in numbers]
        self._places = [layout.number_place[column.name] for _, column in numbers]

    def fill(
        self, structs: list[msgspec.Struct], numbers: Floats, texts: dict[int, list[str | None]]
    ) -> None:
        """Fill this kind's columns; what a single struct holds is repeated for each row."""
        given = list(zip(*map(msgspec.structs.astuple, structs), strict=True))
        if self._numbers:
            matrix = np.array([given[at] for at in self._numbers], np.float64)  # None becomes NaN
            numbers[:, self._places] = matrix.T
        for at, place in self._texts:
            texts[place] = list(given[at]) * (len(numbers) // len(structs))


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
