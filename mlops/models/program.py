"""A program: a model compiled to the flat form, which runs on numpy and the kernel alone."""

from collections.abc import Mapping
from typing import Self, cast

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from mlops.base.digest import Json
from mlops.contracts.domain import Floats, Table
from mlops.models.encoder import UNKNOWN as UNKNOWN
from mlops.models.encoder import Encoder, values_of
from mlops.models.flat import Head, Outline, TextInput
from mlops.models.kernels import Kernel, Walker
from mlops.models.linear import LinearSum
from mlops.models.links import prepare_link
from mlops.models.spec import Clip, HeadScore, ScoreSpec
from mlops.models.trees import Array, Trees


class Program:
    """A compiled model: all heads and the score that is made of them.

    Args:
        outline: Inputs, heads and score.
        trees: The trees of all heads.

    Raises:
        ValueError: An index leads outside its table; nothing that was built can crash or hang.
    """

    def __init__(self, outline: Outline, trees: Trees) -> None:
        self.outline = outline
        self.trees = trees
        self.sizes = tuple(column.size for column in outline.inputs)
        self._encoder = Encoder(outline.inputs)
        self._walker = Walker(trees, self.sizes)
        self._sums: dict[tuple[str, int], LinearSum] = {}
        self._links = {
            head.name: [prepare_link(member.link) for member in head.members]
            for head in outline.heads
        }
        for head in outline.heads:
            self._prepare(head)

    def _prepare(self, head: Head) -> None:
        for i, member in enumerate(head.members):
            if member.raw.kind == "linear":
                self._sums[head.name, i] = LinearSum(member.raw, self.sizes)
            elif not 0 <= member.raw.first <= member.raw.last <= len(self.trees.roots):
                message = f"head {head.name!r} asks for trees that are not there"
                raise ValueError(message)

    @property
    def head_names(self) -> tuple[str, ...]:
        """Names of the heads."""
        return tuple(head.name for head in self.outline.heads)

    @property
    def columns(self) -> tuple[str, ...]:
        """Table columns that `score` reads, without repetition."""
        names = [column.name for column in self.outline.inputs]
        score = self.outline.score
        extra = [] if isinstance(score, HeadScore) else [score.value]
        return tuple(dict.fromkeys([*names, *extra]))

    @property
    def known(self) -> dict[str, tuple[str, ...]]:
        """For each text column the texts that the model knows."""
        return {c.name: c.known for c in self.outline.inputs if isinstance(c, TextInput)}

    def encode(self, table: Table) -> Floats:
        """Return a table as the matrix that the heads read.

        Args:
            table: At least the inputs' columns, n rows.

        Returns:
            float64, row-major, shape [n, k]: numbers as they are, categories as codes, unknown
            ones -1; missing is NaN.

        Raises:
            ContractError: A column is missing, or shorter than the others.
        """
        return self._encoder.encode(table)

    def raw(self, matrix: Floats, head: Head, *, kernel: Kernel | None = None) -> list[Floats]:
        """Return the raw scores of a head's members, each of shape [n]."""
        return [self._raw(matrix, head, i, kernel) for i in range(len(head.members))]

    def _raw(self, matrix: Floats, head: Head, i: int, kernel: Kernel | None) -> Floats:
        raw = head.members[i].raw
        if raw.kind == "linear":
            return self._sums[head.name, i].add(matrix, kernel=kernel)
        total = self._walker.add(matrix, raw.first, raw.last, baseline=raw.baseline, kernel=kernel)
        return total if raw.divisor == 1 else total / raw.divisor

    def reach(self, matrix: Floats, head: Head, member: int) -> Floats:
        """Return the sum of the sizes that a linear member of a head adds up, shape [n]."""
        return self._sums[head.name, member].reach(matrix)

    def terms(self, matrix: Floats, head: Head, member: int) -> Floats:
        """Return what a linear member of a head adds up, in order, shape [n, number of terms]."""
        return self._sums[head.name, member].terms(matrix)

    def heads(self, matrix: Floats, *, kernel: Kernel | None = None) -> dict[str, Floats]:
        """Return every head's output for encoded rows.

        Args:
            matrix: From `encode`, shape [n, k].
            kernel: Which kernel; None takes the fastest that is installed.

        Returns:
            For each head shape [n]; a probability in [0, 1] unless the link is the identity.
        """
        return {head.name: self._output(matrix, head, kernel) for head in self.outline.heads}

    def _output(self, matrix: Floats, head: Head, kernel: Kernel | None) -> Floats:
        raws = self.raw(matrix, head, kernel=kernel)
        links = self._links[head.name]
        outputs = [link(raw, kernel) for link, raw in zip(links, raws, strict=True)]
        if len(outputs) == 1:
            return outputs[0]
        total = np.zeros(len(matrix))
        for output in outputs:
            total += output
        return total / len(outputs)

    def score(self, table: Table, *, kernel: Kernel | None = None) -> Floats:
        """Return the score of each row, by which candidates are ranked.

        Args:
            table: At least `columns`, n rows.
            kernel: Which kernel; None takes the fastest that is installed.

        Returns:
            Shape [n]; the head's output, or the product of heads and value in the value's unit.

        Raises:
            ContractError: A column is missing.
        """
        return combine(self.outline.score, self.heads(self.encode(table), kernel=kernel), table)

    def to_json(self) -> Json:
        """Return everything but the trees."""
        return cast("Json", self.outline.model_dump(mode="json"))

    def to_arrays(self) -> dict[str, Array]:
        """Return the trees' arrays by name."""
        return self.trees.to_arrays()

    @classmethod
    def from_parts(cls, text: bytes | str, arrays: Mapping[str, npt.NDArray[np.generic]]) -> Self:
        """Read a program back, trusting nothing.

        Args:
            text: JSON of `to_json`.
            arrays: From `to_arrays`.

        Raises:
            ValueError: They do not describe a program that can run.
        """
        try:
            outline = Outline.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            message = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise ValueError(message) from error
        return cls(outline, Trees.from_arrays(arrays))


def combine(score: ScoreSpec, heads: Mapping[str, Floats], table: Table) -> Floats:
    """Return the score that heads' outputs make, shape [n].

    Args:
        score: How.
        heads: Each head's output, shape [n].
        table: The rows that they belong to, with the value's column.

    Raises:
        ContractError: The value's column is missing.
    """
    if isinstance(score, HeadScore):
        return clipped(score.clip, heads[score.head])
    total = heads[score.heads[0]].copy()
    for name in score.heads[1:]:
        total *= heads[name]
    total *= np.asarray(values_of(table, score.value), dtype=np.float64)
    return clipped(score.clip, total)


def clipped(clip: Clip | None, values: Floats) -> Floats:
    """Return numbers held to a clip's ends, shape as given; NaN stays NaN.

    >>> clipped(Clip(low=0.0, high=1.0), np.array([-1.0, 0.5, np.inf, np.nan])).tolist()
    [0.0, 0.5, 1.0, nan]
    """
    if clip is None:
        return values
    low = -np.inf if clip.low is None else clip.low
    high = np.inf if clip.high is None else clip.high
    return np.minimum(np.maximum(values, low), high)  # both of them hand NaN on
