"""A frame: the pandas form of a table's features, as scikit-learn is given them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mlops.base.errors import ContractError
from mlops.contracts.domain import Column, Floats, Table, Texts

Vocabulary = Mapping[str, tuple[str, ...]]
"""For each category column the texts that a model knows, in the order of their codes."""


def vocabulary_of(table: Table, columns: Sequence[Column]) -> Vocabulary:
    """Return the vocabulary of a training table.

    Args:
        table: Training rows.
        columns: The features.

    Returns:
        The contract's categories where they are closed, else the sorted texts of the rows.

    Raises:
        ContractError: An open column is missing in every row.
    """
    found: dict[str, tuple[str, ...]] = {}
    for column in columns:
        if column.is_category:
            closed = column.categories
            seen = {str(text) for text in table[column.name] if text is not None}
            found[column.name] = tuple(sorted(seen)) if closed is None else closed
            if not found[column.name]:
                raise ContractError(
                    f"feature {column.name!r} is missing in all training rows",
                    hint="take it out of the contract's features",
                )
    return found


def as_features(table: Table, columns: Sequence[Column], *, vocabulary: Vocabulary) -> pd.DataFrame:
    """Return a table's features as a frame: categories as `category`, all else as float64.

    Texts outside the vocabulary stay in the frame as themselves, so that it is scikit-learn that
    decides what an unseen category means.

    Args:
        table: Rows as columns of length n.
        columns: The features, in the order of the frame's columns.
        vocabulary: From `vocabulary_of` on the training rows.

    Returns:
        A frame of n rows.
    """
    return pd.DataFrame(
        {
            column.name: (
                _categorical(table[column.name], vocabulary[column.name])
                if column.is_category
                else np.asarray(table[column.name], dtype=np.float64)
            )
            for column in columns
        }
    )


def _categorical(texts: Floats | Texts, known: tuple[str, ...]) -> pd.Categorical:
    unseen = sorted({str(text) for text in texts if text is not None} - set(known))
    return pd.Categorical(texts, categories=[*known, *unseen])
