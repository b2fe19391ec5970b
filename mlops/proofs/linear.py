"""A linear raw score's extremes: the corner rows, since each column pulls one way."""

import numpy as np

from mlops.models.flat import LinearRaw
from mlops.models.linear import apply_steps
from mlops.models.program import Program
from mlops.proofs.cells import Row, Variable


def linear_extremes(
    program: Program, raw: LinearRaw, variables: tuple[Variable, ...]
) -> tuple[Row, Row]:
    """Return the rows with the least and the largest score.

    Args:
        program: The compiled model.
        raw: One of its raw scores.
        variables: The columns in cells, a number's ends among them.
    """
    low: dict[str, float | str | None] = {}
    high: dict[str, float | str | None] = {}
    for variable in variables:
        pulls = np.zeros(len(variable.shown))
        for reader, at in enumerate(variable.inputs):
            values = variable.matrix[:, reader]
            for term in raw.numbers:
                if term.column == at:
                    with np.errstate(over="ignore", invalid="ignore"):
                        pulls = pulls + apply_steps(term.steps, values) * term.weight
            for group in raw.categories:
                if group.column == at:
                    size = len(group.weights) - 2
                    code = np.where(np.isnan(values), size + 1, np.where(values < 0, size, values))
                    pulls = pulls + np.array(group.weights)[code.astype(np.intp)]
        pulls[~variable.known] = np.nan
        low[variable.name] = variable.shown[int(np.nanargmin(pulls))]
        high[variable.name] = variable.shown[int(np.nanargmax(pulls))]
    return low, high
