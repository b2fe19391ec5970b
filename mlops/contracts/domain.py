"""A domain: what a contract allows, column by column, as a plain value.

It is read once from the pandera model (`mlops.contracts.schema`); the request decoder, OpenAPI,
the sampler of test rows and the certified bounds are all derived from it. It needs neither pandas
nor pandera, so it travels in the bundle and into the server.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlops.base.errors import ContractError
from mlops.contracts.roles import Scope

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]

# Rows as columns: a number, integer or boolean column is float64 with NaN for missing, a category
# column is an object array of str with None for missing. All have the same length.
Table = Mapping[str, Floats | Texts]


_INTEGER_LIMIT = 2**53


class ColumnKind(StrEnum):
    """What a column's values are."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CATEGORY = "category"


class Column(BaseModel):
    """What one column allows.

    Attributes:
        name: The column's name.
        kind: Number, integer, boolean or category (text).
        scope: Where the value comes from.
        feature: Whether models may read it.
        identifier: Whether it names the candidate in the answer.
        nullable: Whether it may be missing.
        minimum: Least allowed number; None if unbounded.
        maximum: Largest allowed number; None if unbounded.
        minimum_open: Whether `minimum` itself is not allowed.
        maximum_open: Whether `maximum` itself is not allowed.
        categories: The closed set of allowed texts; None if the set is open.
        pattern: Regular expression that a text must match from its start; None if any.
        unit: Unit of a number.
        description: For people.
        opaque: Names of checks that hold in pandera but could not be compiled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    kind: ColumnKind
    scope: Scope
    feature: bool
    identifier: bool = False
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    minimum_open: bool = False
    maximum_open: bool = False
    categories: tuple[str, ...] | None = None
    pattern: str | None = None
    unit: str = ""
    description: str = ""
    opaque: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _allows_something(self) -> "Column":
        low, high = self.minimum, self.maximum
        if low is not None and high is not None:
            single = low == high and not (self.minimum_open or self.maximum_open)
            if not (low < high or single):
                message = f"no number lies between {low:g} and {high:g}"
                raise ValueError(message)
        if self.categories == ():
            message = "no category is allowed"
            raise ValueError(message)
        return self

    @property
    def is_category(self) -> bool:
        """Whether values are texts."""
        return self.kind is ColumnKind.CATEGORY

    @property
    def whole_bounds(self) -> tuple[int, int]:
        """The least and the largest whole number that an integer column allows.

        Where the contract sets no end it is 2**53, beyond which a float64 does not hold them all.
        """
        low, high = -_INTEGER_LIMIT, _INTEGER_LIMIT
        if self.minimum is not None:
            least = math.ceil(self.minimum)
            low = max(low, least + (self.minimum_open and least == self.minimum))
        if self.maximum is not None:
            most = math.floor(self.maximum)
            high = min(high, most - (self.maximum_open and most == self.maximum))
        return low, high


class Domain(BaseModel):
    """What a contract allows, all columns together.

    Attributes:
        version: Format of this value.
        name: Name of the pandera model that it was read from.
        columns: Every column, in the contract's order.
        opaque: Names of frame-wide checks that could not be compiled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1] = 1
    name: str
    columns: tuple[Column, ...] = Field(min_length=1)
    opaque: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_identifier(self) -> "Domain":
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
        return tuple(c for c in self.columns if c.scope in (Scope.CONTEXT, Scope.CANDIDATE))

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
