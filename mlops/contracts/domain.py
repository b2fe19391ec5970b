"""A domain: what a contract allows, column by column, as a plain value with a version.

It is read once from the pandera model (`mlops.contracts.schema`); the request decoder, the page
check, OpenAPI, the data contract's YAML, the sampler of test rows and the certified bounds are all
derived from it. It needs neither pandas nor pandera, so it travels in the bundle and into the
server.
"""

import math
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mlops.base.errors import ContractError
from mlops.contracts.pattern import Pattern, literal, translate
from mlops.contracts.roles import Scope

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]

# Rows as columns: a number, integer or boolean column is float64 with NaN for missing, a category
# column is an object array of str with None for missing. All have the same length.
Table = Mapping[str, Floats | Texts]

VERSION = 2
LONGEST_TEXT = 128
"""Letters of a request's text whose column declares no limit."""

_INTEGER_LIMIT = 2**53 - 1  # what JSON is sure to carry, RFC 8259, section 6
_INTEGER_DTYPE = re.compile(r"(u?)int(8|16|32|64)", re.IGNORECASE)
_LARGEST_SINGLE = float(np.finfo(np.float32).max)
_REQUESTED = (Scope.CONTEXT, Scope.CANDIDATE)


class ColumnKind(StrEnum):
    """What a column's values are."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CATEGORY = "category"


USUAL_DTYPES = {
    ColumnKind.NUMBER: "float64",
    ColumnKind.INTEGER: "int64",
    ColumnKind.BOOLEAN: "bool",
    ColumnKind.CATEGORY: "str",
}


class Column(BaseModel):
    """What one column allows.

    Attributes:
        name: The column's name.
        kind: Number, integer, boolean or category (text).
        scope: Where the value comes from.
        feature: Whether models may read it.
        identifier: Whether it names the candidate in the answer.
        dtype: How frames store it (`float32`, `int8`, `datetime64[ns]`); empty is the kind's usual.
        nullable: Whether it may be missing.
        unique: Whether no value may occur twice in a frame.
        minimum: Least allowed number; None if unbounded. A time is in seconds since 1970.
        maximum: Largest allowed number; None if unbounded.
        minimum_open: Whether `minimum` itself is not allowed.
        maximum_open: Whether `maximum` itself is not allowed.
        numbers: The closed set of allowed numbers where it is no interval; None if there is none.
        categories: The closed set of allowed texts; None if the set is open.
        forbidden: Texts or numbers that are not allowed although all else allows them.
        pattern: Regular expression that a text must match from its start; None if any.
        contains: Regular expression that must be found somewhere in a text; None if any.
        prefix: What a text must start with.
        suffix: What a text must end with.
        min_length: Least number of letters.
        max_length: Largest number of letters; None if undeclared, see `length_bounds`.
        unit: Unit of a number.
        description: For people.
        opaque: Names of checks that hold in pandera but could not be compiled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: str
    kind: ColumnKind
    scope: Scope
    feature: bool
    identifier: bool = False
    dtype: str = ""
    nullable: bool = False
    unique: bool = False
    minimum: float | None = None
    maximum: float | None = None
    minimum_open: bool = False
    maximum_open: bool = False
    numbers: tuple[float, ...] | None = None
    categories: tuple[str, ...] | None = None
    forbidden: tuple[str, ...] | tuple[float, ...] = ()
    pattern: str | None = None
    contains: str | None = None
    prefix: str = ""
    suffix: str = ""
    min_length: int = Field(default=0, ge=0)
    max_length: int | None = Field(default=None, ge=0)
    unit: str = ""
    description: str = ""
    opaque: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_a_role_it_can_have(self) -> Self:
        if self.feature and self.scope not in _REQUESTED:
            when = "only known afterwards" if self.scope is Scope.OUTCOME else "in no request"
            message = f"{self.name!r} is {self.scope.value}, {when}: it can be no feature"
            raise ValueError(message)
        if self.identifier and (not self.is_category or self.nullable):
            message = "the identifier must be a text that is never missing"
            raise ValueError(message)
        if self.identifier and self.scope is not Scope.CANDIDATE:
            message = f"the identifier must be a candidate's column, not {self.scope.value}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _allows_something(self) -> Self:
        low, high = self.minimum, self.maximum
        if low is not None and high is not None:
            single = low == high and not (self.minimum_open or self.maximum_open)
            if not (low < high or single):
                message = f"no number lies between {low:g} and {high:g}"
                raise ValueError(message)
        if self.categories == () or self.numbers == ():
            message = "no value is allowed"
            raise ValueError(message)
        least, most = self.length_bounds
        if most is not None and least > most:
            message = f"no text has {least} to {most} letters"
            raise ValueError(message)
        low, high = self.interval
        if low > high:
            message = f"no {self.kind.value} that {self.dtype or 'a float64'} holds is allowed"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _has_rules_of_its_kind(self) -> Self:
        for text in (self.pattern, self.contains):
            if text is not None:
                translate(text)
        open_rules = (self.pattern, self.contains, self.max_length)
        textual_open = any(rule is not None for rule in open_rules) or bool(
            self.prefix or self.suffix or self.min_length
        )
        textual = textual_open or self.categories is not None
        numeric = any(rule is not None for rule in (self.minimum, self.maximum, self.numbers))
        number = self.kind in (ColumnKind.NUMBER, ColumnKind.INTEGER)
        strange = any(isinstance(each, str) != self.is_category for each in self.forbidden)
        if self.categories is not None and (textual_open or self.forbidden):
            message = "a closed set of texts has no other rules: leave out what they exclude"
            raise ValueError(message)
        if (textual and not self.is_category) or (numeric and not number) or strange:
            message = f"a column of kind {self.kind.value} has rules of another kind"
            raise ValueError(message)
        return self

    @property
    def is_category(self) -> bool:
        """Whether values are texts."""
        return self.kind is ColumnKind.CATEGORY

    @property
    def is_requested(self) -> bool:
        """Whether a request gives it."""
        return self.scope in _REQUESTED

    @property
    def stored(self) -> str:
        """How frames store it."""
        return self.dtype or USUAL_DTYPES[self.kind]

    @property
    def is_single(self) -> bool:
        """Whether frames store it as float32, so that a request's number is rounded to that."""
        return self.dtype.lower() == "float32"

    @property
    def whole_bounds(self) -> tuple[int, int]:
        """The least and the largest whole number that an integer column allows.

        Where neither the contract nor the dtype sets an end, a request's is 2**53 - 1, beyond
        which a float64 stands for more than one of them.
        """
        low, high = self._stored_bounds()
        if self.minimum is not None:
            least = math.ceil(self.minimum)
            low = max(low, least + (self.minimum_open and least == self.minimum))
        if self.maximum is not None:
            most = math.floor(self.maximum)
            high = min(high, most - (self.maximum_open and most == self.maximum))
        return low, high

    def _stored_bounds(self) -> tuple[int, int]:
        stored = _INTEGER_DTYPE.fullmatch(self.stored)
        bits = int(stored[2]) if stored else 64
        low, high = (0, 2**bits) if stored and stored[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        limit = _INTEGER_LIMIT if self.is_requested else 2**64
        return max(low, -limit), min(high - 1, limit)

    @property
    def interval(self) -> tuple[float, float]:
        """The least and the largest number that a column allows, both finite and both allowed.

        An open end is replaced by the next number that the column's dtype holds.
        """
        if self.kind is ColumnKind.BOOLEAN:
            return 0.0, 1.0
        if self.kind is ColumnKind.INTEGER:
            least, most = self.whole_bounds
            return float(least), float(most)
        limit = _LARGEST_SINGLE if self.is_single else sys.float_info.max
        low = -limit if self.minimum is None else max(-limit, self.minimum)
        high = limit if self.maximum is None else min(limit, self.maximum)
        if self.minimum_open:
            low = self._next(low, math.inf)
        if self.maximum_open:
            high = self._next(high, -math.inf)
        return low, high

    def _next(self, number: float, towards: float) -> float:
        if self.is_single:
            return float(np.nextafter(np.float32(number), np.float32(towards)))
        return math.nextafter(number, towards)

    @property
    def length_bounds(self) -> tuple[int, int | None]:
        """The least and the largest number of letters; a request's text always has an end."""
        if self.max_length is not None or not self.is_requested:
            return self.min_length, self.max_length
        return self.min_length, max(LONGEST_TEXT, self.min_length)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """What a text must match, each found anywhere in it: the anchors are part of it."""
        found: list[Pattern] = []
        if self.pattern is not None:
            inner = translate(self.pattern)
            found.append(Pattern(rf"\A(?:{inner.python})", f"^(?:{inner.ecma})"))
        if self.contains is not None:
            found.append(translate(self.contains))
        if self.prefix:
            start = literal(self.prefix)
            found.append(Pattern(rf"\A{start.python}", f"^{start.ecma}"))
        if self.suffix:
            end = literal(self.suffix)
            found.append(Pattern(rf"{end.python}\Z", f"{end.ecma}$"))
        return tuple(found)

    @property
    def joined_pattern(self) -> str | None:
        """All of `patterns`, and no forbidden text, as one for `re.search`; None if all may be."""
        found = self.patterns
        forbidden = "|".join(
            literal(each).python for each in self.forbidden if isinstance(each, str)
        )
        if len(found) < 2 and not forbidden:
            return found[0].python if found else None
        start = rf"\A(?!(?:{forbidden})\Z)" if forbidden else r"\A"
        return start + "".join(f"(?=(?s:.*?)(?:{each.python}))" for each in found)

    @property
    def ecma_pattern(self) -> str | None:
        """All of `patterns` as one of ECMA-262; None if there is none."""
        found = self.patterns
        if len(found) < 2:
            return found[0].ecma if found else None
        return "^" + "".join(rf"(?=[\s\S]*?(?:{each.ecma}))" for each in found)


class Domain(BaseModel):
    """What a contract allows, all columns together.

    Attributes:
        version: Format of this value.
        name: Name of the pandera model that it was read from.
        columns: Every column, in the contract's order.
        unique: Columns whose values together may not occur twice in a frame; empty if none.
        opaque: Names of frame-wide checks that could not be compiled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: int = VERSION
    name: str
    columns: tuple[Column, ...] = Field(min_length=1)
    unique: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()

    @field_validator("version")
    @classmethod
    def _is_of_this_version(cls, version: int) -> int:
        if version != VERSION:
            message = f"the contract has format {version}, not {VERSION}: train again"
            raise ValueError(message)
        return version

    @model_validator(mode="after")
    def _names_each_column_once(self) -> Self:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = f"columns occur twice: {', '.join(twice)}"
            raise ValueError(message)
        unknown = [name for name in self.unique if name not in names]
        if unknown:
            message = f"columns that are unique together do not exist: {', '.join(unknown)}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _one_identifier(self) -> Self:
        named = [column.name for column in self.columns if column.identifier]
        if len(named) != 1:
            message = f"exactly one candidate column must be the identifier, found {named}"
            raise ValueError(message)
        return self

    @property
    def identifier(self) -> Column:
        """The column that names a candidate."""
        return next(column for column in self.columns if column.identifier)

    @property
    def context(self) -> tuple[Column, ...]:
        """Columns that a request gives once."""
        return tuple(c for c in self.columns if c.scope is Scope.CONTEXT)

    @property
    def candidate(self) -> tuple[Column, ...]:
        """Columns that a request gives for each candidate."""
        return tuple(c for c in self.columns if c.scope is Scope.CANDIDATE)

    @property
    def request(self) -> tuple[Column, ...]:
        """Columns of the request, in the contract's order."""
        return tuple(column for column in self.columns if column.is_requested)

    @property
    def features(self) -> tuple[Column, ...]:
        """Columns that models may read, in the contract's order."""
        return tuple(column for column in self.columns if column.feature)

    def column(self, name: str) -> Column:
        """Return a column by name.

        Raises:
            ContractError: There is no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        known = ", ".join(c.name for c in self.columns)
        raise ContractError(f"contract {self.name} has no column {name!r}", hint=f"it has: {known}")
