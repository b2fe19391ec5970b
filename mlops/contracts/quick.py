"""A quick decoder: the usual request taken straight into columns, by an optional part in C.

It knows less than the decoder behind it (`mlops.contracts.row`), and never another thing: what it
does not take (escapes, a name twice, an error) it leaves to that one.
"""

import importlib
import re
import sys
from typing import Protocol, assert_never, cast

import numpy as np

from mlops.contracts.columns import Columns, Layout
from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.explanation import MAX_NAME

_NUMBER, _SINGLE, _INTEGER, _BOOLEAN, _TEXT = range(5)  # as _rows.c has them

_Field = tuple[bytes, int, bool, int, float, float, dict[str, str] | None]
_Found = tuple[
    str, str, bytearray, int, tuple[str | None, ...], tuple[list[str | None], ...]
]  # fmt: skip


class _Compiled(Protocol):
    """The functions of the C extension."""

    def compile(
        self,
        context: list[_Field],
        candidate: list[_Field],
        columns: int,
        most_candidates: int,
        most_letters: int,
        /,
    ) -> object: ...

    def decode(self, contract: object, body: bytes, /) -> _Found | None: ...


def _load_compiled() -> _Compiled | None:
    try:
        return cast("_Compiled", importlib.import_module("mlops.contracts._rows"))
    except ImportError:
        return None


_COMPILED = _load_compiled()


class QuickDecoder:
    """Decodes usual requests.

    Args:
        domain: What is allowed.
        layout: How the columns of a request are laid out.
        max_candidates: Most candidates that a request may hold.
    """

    def __init__(self, domain: Domain, layout: Layout, *, max_candidates: int) -> None:
        self._layout = layout
        self._width = len(layout.numbers)
        texts = [column.name for column in domain.context if column.is_category]
        own = [column.name for column in domain.candidate if column.is_category]
        # Where each text of the layout is found: the context's come first.
        self._places = [[*texts, *own].index(name) for name in layout.texts]
        self._patterns = [
            (at, re.compile(pattern).search)
            for at, name in enumerate(layout.texts)
            if (pattern := domain.column(name).joined_pattern) is not None
        ]
        self._contract: object = None
        if _COMPILED is not None:
            self._decode = _COMPILED.decode
            self._contract = _COMPILED.compile(
                [_field(column, layout) for column in domain.context],
                [_field(column, layout) for column in domain.candidate],
                self._width,
                max_candidates,
                MAX_NAME,
            )

    def decode(self, body: bytes) -> tuple[str, str, Columns] | None:
        """Return the request's name, the subject and the columns; None if it is not a usual one.

        Args:
            body: JSON text, UTF-8.
        """
        if self._contract is None or type(body) is not bytes:
            return None
        found = self._decode(self._contract, body)
        if found is None:
            return None
        request_id, subject, numbers, rows, context, texts = found
        matrix = np.frombuffer(numbers).reshape(rows, self._width)
        lists = (*([text] * rows for text in context), *texts) if context else texts
        table = Columns(self._layout, matrix, tuple([lists[at] for at in self._places]))
        for at, search in self._patterns:
            if not all(map(search, [text for text in table.texts[at] if text is not None])):
                return None
        return request_id, subject, table


def _field(column: Column, layout: Layout) -> _Field:
    place = 0 if column.is_category else layout.number_place[column.name]
    low: float
    high: float
    match column.kind:
        case ColumnKind.CATEGORY:
            kind, (low, most) = _TEXT, column.length_bounds
            high = sys.maxsize // 2 if most is None else most
        case ColumnKind.NUMBER:
            kind, (low, high) = _SINGLE if column.is_single else _NUMBER, column.interval
        case ColumnKind.INTEGER:
            kind, (low, high) = _INTEGER, column.interval
        case ColumnKind.BOOLEAN:
            kind, low, high = _BOOLEAN, 0.0, 1.0
        case _:
            assert_never(column.kind)
    allowed = None if column.categories is None else {text: text for text in column.categories}
    if allowed is not None:
        low, high = 0.0, sys.maxsize // 2
    key = f'"{column.name}"'.encode(errors="surrogatepass")
    return key, kind, column.nullable, place, low, high, allowed
