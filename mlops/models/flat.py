"""The flat form's values: the part of a compiled model that is JSON, strict and closed.

Trees are arrays and lie beside it (`mlops.models.trees`). Every index here is checked against its
table by `mlops.models.program`, so a value that could be read can also be run.
"""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlops.models.spec import ScoreSpec


class Value(BaseModel):
    """Base of all values of the flat form."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class NumberInput(Value):
    """A matrix column that holds a table's number as it is."""

    kind: Literal["number"] = "number"
    name: str
    """The table's column."""

    @property
    def size(self) -> int:
        """Number of codes: none."""
        return 0


class TextInput(Value):
    """A matrix column that holds the code of a table's text."""

    kind: Literal["text"] = "text"
    name: str
    """The table's column."""
    known: tuple[str, ...] = Field(min_length=1)
    """The texts in the order of their codes."""

    @property
    def size(self) -> int:
        """Number of codes."""
        return len(self.known)


class CodeInput(Value):
    """A matrix column that holds the code of a table's number, which a model took as category."""

    kind: Literal["code"] = "code"
    name: str
    """The table's column."""
    known: tuple[float, ...] = Field(min_length=1)
    """The numbers in the order of their codes, ascending."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(a >= b for a, b in pairwise(self.known)):
            message = "known numbers must ascend"
            raise ValueError(message)
        return self

    @property
    def size(self) -> int:
        """Number of codes."""
        return len(self.known)


Input = Annotated[NumberInput | TextInput | CodeInput, Field(discriminator="kind")]

_STEEPEST = 1e300  # a slope beyond it could overflow on the way from one point to the next

StepKind = Literal["fill", "subtract", "divide", "multiply", "add", "at_least", "at_most"]


class Step(Value):
    """One operation on each number of a column; all but `fill` keep missing values missing.

    None ever lowers a larger number below a smaller one, which folding into thresholds and bounds
    rest on: hence no factor below zero.
    """

    kind: StepKind
    value: float

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.kind in ("divide", "multiply") and self.value <= 0:
            message = f"cannot {self.kind} by {self.value}: a step never turns the order round"
            raise ValueError(message)
        return self


class NumberTerm(Value):
    """weight times a number that has passed some steps."""

    column: int
    """Matrix column of a `NumberInput`."""
    steps: tuple[Step, ...]
    weight: float


class CategoryTerm(Value):
    """One weight for each code, one for unknown, one for missing: a whole one-hot group."""

    column: int
    """Matrix column of a `TextInput` or `CodeInput`."""
    weights: tuple[float, ...]
    """For each code, then unknown, then missing."""


class LinearRaw(Value):
    """A raw score that is a sum of terms."""

    kind: Literal["linear"] = "linear"
    intercept: float
    numbers: tuple[NumberTerm, ...]
    categories: tuple[CategoryTerm, ...]


class TreesRaw(Value):
    """A raw score that is a sum of trees' leaves, added in order to the baseline, then divided."""

    kind: Literal["trees"] = "trees"
    baseline: float
    first: int
    """First tree in the table of roots."""
    last: int
    """One past the last tree."""
    divisor: int = Field(default=1, ge=1, le=2**31)
    """What the sum is divided by: the number of trees where the score is their mean."""


class IdentityLink(Value):
    """The output is the raw score."""

    kind: Literal["identity"] = "identity"


class LogitLink(Value):
    """The output is 1 / (1 + exp(-raw))."""

    kind: Literal["logit"] = "logit"


class SigmoidLink(Value):
    """The output is 1 / (1 + exp(slope * raw + offset)): Platt's calibration."""

    kind: Literal["sigmoid"] = "sigmoid"
    slope: float
    offset: float


class IsotonicLink(Value):
    """The output lies on a rising line through some points, flat beyond the first and last."""

    kind: Literal["isotonic"] = "isotonic"
    x: tuple[float, ...] = Field(min_length=1)
    """Raw scores, ascending."""
    y: tuple[float, ...]
    """Outputs, not descending."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if len(self.x) != len(self.y):
            message = "x and y differ in length"
            raise ValueError(message)
        if any(a >= b for a, b in pairwise(self.x)):
            message = "x must ascend"
            raise ValueError(message)
        if any(a > b for a, b in pairwise(self.y)):
            message = "y must not descend"
            raise ValueError(message)
        points = list(zip(self.x, self.y, strict=True))
        if any((d - b) / (c - a) > _STEEPEST for (a, b), (c, d) in pairwise(points)):
            message = "the line rises too steeply for a float"
            raise ValueError(message)
        return self


Raw = Annotated[LinearRaw | TreesRaw, Field(discriminator="kind")]
Link = Annotated[IdentityLink | LogitLink | SigmoidLink | IsotonicLink, Field(discriminator="kind")]


class Member(Value):
    """One raw score and the link that makes it an output."""

    raw: Raw
    link: Link


class Head(Value):
    """One output of the model: the mean of its members' outputs."""

    name: str
    members: tuple[Member, ...] = Field(min_length=1)

    @property
    def exact(self) -> bool:
        """Whether it must be bit-equal to scikit-learn: all trees. Linear sums may differ."""
        return all(member.raw.kind == "trees" for member in self.members)


class Outline(Value):
    """A compiled model without its trees: `program.json`."""

    version: Literal[2] = 2
    inputs: tuple[Input, ...] = Field(min_length=1)
    """Columns of the encoded matrix, in order."""
    heads: tuple[Head, ...] = Field(min_length=1)
    score: ScoreSpec

    @model_validator(mode="after")
    def _known_heads(self) -> Self:
        names = [head.name for head in self.heads]
        if len(set(names)) < len(names):
            message = f"heads share a name: {', '.join(names)}"
            raise ValueError(message)
        asked = (self.score.head,) if self.score.kind == "head" else self.score.heads
        for name in asked:
            if name not in names:
                message = f"the score asks for head {name!r}, there are: {', '.join(names)}"
                raise ValueError(message)
        return self
