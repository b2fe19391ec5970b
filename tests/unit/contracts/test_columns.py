"""Columns are a table like any other, and share nothing that a reader could spoil."""

import numpy as np
import pytest

from mlops.contracts.columns import Columns, Layout, listed
from mlops.contracts.domain import Floats, Texts

LAYOUT = Layout(numbers=("x", "y"), texts=("c",))


def columns() -> Columns:
    return Columns(LAYOUT, np.array([[1.0, 2.0], [3.0, np.nan]]), (["a", None],))


def test_columns_are_read_by_name() -> None:
    table = columns()
    assert list(table) == ["x", "y", "c"]
    assert len(table) == 3
    assert table["x"].tolist() == [1.0, 3.0]
    assert np.isnan(table["y"][1])
    assert table["c"].dtype == object
    assert table["c"].tolist() == ["a", None]
    assert {name: len(values) for name, values in table.items()} == {"x": 2, "y": 2, "c": 2}


def test_column_that_is_not_there_is_told() -> None:
    table = columns()
    assert table.get("z") is None
    assert "z" not in table
    with pytest.raises(KeyError):
        table["z"]


def test_number_column_lies_in_one_piece_and_apart_from_the_matrix() -> None:
    table = columns()
    values = table["x"]
    assert values.flags.c_contiguous
    values[0] = 99.0
    assert table.numbers[0, 0] == 1.0


@pytest.mark.parametrize("name", ["x", "c", "z"])
def test_list_of_a_column_is_the_same_for_every_kind_of_table(name: str) -> None:
    plain: dict[str, Floats | Texts] = dict(columns().items())
    assert list(listed(columns(), name)) == list(listed(plain, name))
