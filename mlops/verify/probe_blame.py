"""A blame: which part of a pipeline, and which of its arguments, an error is about."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pandas as pd

from mlops.base.target import contained
from mlops.contracts.domain import Floats
from mlops.models.spec import ModelSpec
from mlops.verify.dataflow_columns import Key
from mlops.verify.dataflow_parts import Part

_SAME = {"n_splits": "cv"}
"""Words of scikit-learn's messages, and the argument that they mean."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """A built pipeline, taken apart along its model's spec.

    Attributes:
        columns: For each column step what it selects and its parts, first to last.
        estimator: The estimator.
    """

    columns: tuple[tuple[tuple[str, ...], tuple[Part, ...]], ...]
    estimator: Part


def pieces_of(model: ModelSpec, built: Any) -> Pieces:
    """Take a pipeline apart.

    Args:
        model: Its spec.
        built: What `build_estimator` made of it.
    """
    if not model.columns:
        return Pieces((), Part(built, ("estimator",), model.estimator.arguments))
    (_, columns), (_, last) = built.steps
    found = []
    for at, (step, (_, made, selected)) in enumerate(
        zip(model.columns, columns.transformers, strict=True)
    ):
        values = [made] if len(step.steps) < 2 else [each for _, each in made.steps]
        parts = tuple(
            Part(value, ("columns", str(at), "steps", str(place)), target.arguments)
            for place, (target, value) in enumerate(zip(step.steps, values, strict=False))
        )
        found.append((tuple(selected), parts))
    return Pieces(tuple(found), Part(last, ("estimator",), model.estimator.arguments))


def failing(
    pieces: Pieces, fitted: pd.DataFrame, asked: Sequence[pd.DataFrame], outcome: Floats
) -> tuple[Part, Exception] | None:
    """Run the column steps part by part; return the first that raises, if one does.

    Args:
        pieces: What to run; it is fitted by this.
        fitted: Rows to fit.
        asked: Rows that are then transformed.
        outcome: What followed the fitted rows.
    """
    for selected, parts in pieces.columns:
        values: Any = fitted[list(selected)]
        later: list[Any] = [rows[list(selected)] for rows in asked]
        for part in parts:
            step: Any = part.value
            try:
                with contained():
                    values = step.fit_transform(values, outcome)
                    later = [step.transform(rows) for rows in later]
            except Exception as error:  # whatever it raises is what is looked for
                return part, error
    return None


def raised_in(part: Part, trace: TracebackType | None) -> Part:
    """Return the innermost part, of one and those nested in it, whose code raised an error."""
    nested = list(all_parts(part))
    found = part
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        found = next((each for each in nested if type(each.value) is type(owner)), found)
        trace = trace.tb_next
    return found


def all_parts(part: Part) -> Iterator[Part]:
    """Yield a part and all that are nested in its arguments."""
    yield part
    for name in part.node:
        value = part.argument(name)
        if isinstance(value, list | tuple):
            for at, entry in enumerate(value):
                path = (name, str(at), "1") if isinstance(entry, list | tuple) else (name, str(at))
                yield from _nested(part, path)
        else:
            yield from _nested(part, (name,))


def _nested(part: Part, path: tuple[str, ...]) -> Iterator[Part]:
    below = part.below(*path)
    if below is not None and hasattr(below.value, "get_params"):
        yield from all_parts(below)


def argument_in(part: Part, message: str) -> str | None:
    """Return the configured argument that a message is about; None if it names none.

    Its name counts most, then its value, then a part of its name: `got l1 penalty` is about
    `l1_ratio` if no `penalty` is configured.

    Args:
        part: The part that raised it.
        message: What it said.
    """
    words = re.findall(r"\w+", message)
    named = [_SAME.get(word, word) for word in words]
    loose = message.lower().replace("_", " ")
    by_name = [n for n in part.node if n in named or (len(n) > 1 and n.replace("_", " ") in loose)]
    by_value = [n for n, value in part.node.items() if isinstance(value, str) and value in message]
    by_bit = [n for n in part.node if any(len(bit) > 1 and bit in words for bit in n.split("_"))]
    found = by_name or by_value or by_bit
    return min(found, key=lambda name: _position(named, name), default=None)


def _position(words: list[str], name: str) -> int:
    return words.index(name) if name in words else len(words)


def key_of(part: Part, message: str) -> Key:
    """Return the key of what a message is about."""
    argument = argument_in(part, message)
    return part.at(argument) if argument else part.at()
