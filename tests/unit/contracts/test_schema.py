"""Tests of reading pandera models and of splitting frames by them."""

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.base.errors import ContractError
from mlops.contracts.domain import ColumnKind
from mlops.contracts.roles import Scope, candidate, context, logged, outcome
from mlops.contracts.schema import (
    DataFrameModel,
    Field,
    as_frame,
    as_table,
    is_schema,
    read_domain,
    validate,
)


class Rows(DataFrameModel):
    area: str = Field(isin=["north", "south"], metadata=context())
    person: str = Field(str_matches="^[a-z]+$", nullable=True, metadata=context())
    item: str = Field(metadata=candidate(identifier=True, feature=False))
    price: float = Field(gt=0, le=100, nullable=True, metadata=candidate(unit="EUR"))
    stock: int = Field(ge=0, metadata=candidate())
    new: bool = Field(metadata=candidate())
    at_s: float = Field(metadata=logged(unit="s"))
    clicked: int = Field(isin=[0, 1], metadata=outcome())


def rows(count: int = 4, **changes: object) -> pd.DataFrame:
    good: dict[str, Any] = {
        "area": pd.Series(["north"] * count, dtype="str"),
        "person": pd.Series(["ann"] * count, dtype="str"),
        "item": pd.Series([f"i{n}" for n in range(count)], dtype="str"),
        "price": np.full(count, 5.0),
        "stock": np.full(count, 3),
        "new": np.full(count, True),
        "at_s": np.arange(count, dtype=np.float64),
        "clicked": np.zeros(count, dtype=np.int64),
    }
    return pd.DataFrame({**good, **changes})


def text(*values: str | None) -> pd.Series:
    return pd.Series(list(values), dtype="str")


def test_domain_says_what_the_model_says() -> None:
    domain = read_domain(Rows)
    price, clicked = domain.column("price"), domain.column("clicked")
    assert (price.minimum, price.minimum_open, price.maximum, price.maximum_open) == (
        0.0, True, 100.0, False,
    )  # fmt: skip
    assert (price.nullable, price.unit, price.kind) == (True, "EUR", ColumnKind.NUMBER)
    assert (clicked.scope, clicked.feature, clicked.minimum, clicked.maximum) == (
        Scope.OUTCOME, False, 0.0, 1.0,
    )  # fmt: skip
    assert domain.column("area").categories == ("north", "south")
    assert domain.column("person").pattern == "^[a-z]+$"
    assert [column.name for column in domain.features] == [
        "area",
        "person",
        "price",
        "stock",
        "new",
    ]


def test_model_without_a_role_or_an_identifier_is_refused() -> None:
    class NoRole(DataFrameModel):
        x: float

    class NoIdentifier(DataFrameModel):
        x: float = Field(metadata=candidate())

    with pytest.raises(ContractError, match="column 'x' has no role"):
        read_domain(NoRole)
    with pytest.raises(ContractError, match="exactly one candidate column"):
        read_domain(NoIdentifier)
    assert is_schema(NoRole)
    assert not is_schema(int)


def test_good_frame_is_all_good() -> None:
    validated = validate(Rows, rows())
    assert (len(validated.good), len(validated.bad), validated.checked) == (4, 0, 4)
    assert validated.violations == ()


@pytest.mark.parametrize(
    ("changes", "column", "rule", "at"),
    [
        ({"price": [5.0, 101.0, 5.0, 0.0]}, "price", "less_than_or_equal_to(100)", (1,)),
        ({"price": [5.0, 5.0, 0.0, 5.0]}, "price", "greater_than(0)", (2,)),
        ({"price": [5.0, np.inf, 5.0, 5.0]}, "price", "finite", (1,)),
        ({"at_s": [0.0, 1.0, -np.inf, np.inf]}, "at_s", "finite", (2, 3)),
        ({"at_s": [0.0, np.nan, 1.0, 2.0]}, "at_s", "not_nullable", (1,)),
        ({"area": text("north", "east", "south", "east")}, "area", "isin", (1, 3)),
        ({"area": text("north", None, "south", "north")}, "area", "not_nullable", (1,)),
        ({"person": text("ann", None, "Bob", "cy")}, "person", "str_matches", (2,)),
        ({"stock": [1, -1, 0, 2]}, "stock", "greater_than_or_equal_to(0)", (1,)),
        ({"clicked": [0, 1, 2, 0]}, "clicked", "isin", (2,)),
    ],
    ids=[
        "above the maximum",
        "at an open minimum",
        "infinite where a maximum is declared",
        "infinite where nothing is declared",
        "a missing number",
        "an unknown category",
        "a missing category",
        "a text of another form, while missing is allowed",
        "a negative count",
        "an outcome that is neither",
    ],
)
def test_bad_row_is_reported_by_row_column_and_rule(
    changes: dict[str, Any], column: str, rule: str, at: tuple[int, ...]
) -> None:
    validated = validate(Rows, rows(**changes))
    found = {(v.column, v.rule.split("([")[0].split("('")[0]): v for v in validated.violations}
    assert found[column, rule].rows == at
    assert set(at) <= {row for v in validated.violations for row in v.rows}
    assert len(validated.good) + len(validated.bad) == 4


def test_bad_rows_carry_all_rules_that_they_break() -> None:
    frame = rows(price=[5.0, np.inf, -1.0, 5.0], stock=[0, -1, 0, 0])
    validated = validate(Rows, frame.set_index(pd.Index([7, 7, 8, 9])))
    assert validated.bad.index.tolist() == [1, 2]
    assert validated.bad["item"].tolist() == ["i1", "i2"]
    assert validated.bad["violations"].tolist() == [
        "price: finite; price: less_than_or_equal_to(100); stock: greater_than_or_equal_to(0)",
        "price: greater_than(0)",
    ]
    assert validated.good["item"].tolist() == ["i0", "i3"]
    assert validated.good.index.tolist() == [0, 1]
    assert "violations" not in validated.good


def test_frame_that_is_all_bad_leaves_an_empty_good_one() -> None:
    validated = validate(Rows, rows(price=[-1.0] * 4))
    assert (len(validated.good), len(validated.bad)) == (0, 4)
    assert validate(Rows, validated.good).checked == 0


def test_only_the_contract_s_columns_are_kept() -> None:
    validated = validate(Rows, rows(note=["x"] * 4, price=[5.0, -1.0, 5.0, 5.0]))
    assert "note" not in validated.good
    assert "note" not in validated.bad


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (rows().drop(columns=["price", "new"]), "lack columns of contract Rows: price, new"),
        (rows(stock=[1.0, 2.0, 3.0, 4.0]), "stock: dtype"),
        (rows(price=text("1", "2", "3", "4")), "price: dtype"),
    ],
    ids=["columns are missing", "whole numbers as floats", "numbers as texts"],
)
def test_frame_of_another_form_is_refused_as_a_whole(frame: pd.DataFrame, complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        validate(Rows, frame)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=30))
def test_split_loses_no_row_and_good_rows_are_really_good(prices: list[float]) -> None:
    validated = validate(Rows, rows(len(prices), price=prices))
    allowed = [not (p <= 0 or p > 100) for p in prices]  # missing is allowed
    assert validated.good["item"].tolist() == [f"i{n}" for n, ok in enumerate(allowed) if ok]
    assert validated.bad.index.tolist() == [n for n, ok in enumerate(allowed) if not ok]


def test_a_million_rows_with_one_in_a_hundred_bad_take_seconds() -> None:
    count = 1_000_000
    rng = np.random.default_rng(0)
    bad = rng.random(count) < 0.01
    frame = rows(
        count,
        price=np.where(bad, -1.0, 5.0),
        person=pd.Series(np.where(bad, "Ann", "ann"), dtype="str"),
    )
    start = time.process_time()
    validated = validate(Rows, frame)
    assert time.process_time() - start < 15  # 2 s on the machine that this was written on
    assert len(validated.bad) == int(bad.sum())


def test_table_and_frame_are_each_other_s_way_back() -> None:
    frame = rows(person=text("ann", None, "cy", "di"), price=[1.0, np.nan, 3.0, 4.0])
    columns = read_domain(Rows).columns
    table = as_table(columns, frame)
    assert table["person"].tolist() == ["ann", None, "cy", "di"]
    assert table["new"].dtype == np.float64
    pd.testing.assert_frame_equal(as_frame(table, columns), frame)


def identified(**columns: tuple[Any, Any]) -> Any:
    """Return a contract with an identifier and some columns, each an annotation and a field."""
    item = (str, Field(metadata=candidate(identifier=True)))
    every = {"item": item, **columns}
    return type(
        "Wrong",
        (DataFrameModel,),
        {
            "__annotations__": {name: annotation for name, (annotation, _) in every.items()},
            **{name: field for name, (_, field) in every.items()},
        },
    )


ROLE: dict[str, Any] = {"metadata": candidate()}
SENSELESS: dict[str, tuple[tuple[Any, Any], str]] = {
    "no number is allowed": ((float, Field(ge=5, le=1, **ROLE)), "'x'.*between 5 and 1"),
    "an open end meets a closed one": ((float, Field(gt=1, le=1, **ROLE)), "'x'.*between 1 and 1"),
    "no value is allowed": ((float, Field(isin=[], **ROLE)), "'x'.*no value"),
    "texts and numbers are mixed": ((float, Field(isin=["a", 1], **ROLE)), "'x'.*convert"),
    "a bound is a text": ((float, Field(ge="a", **ROLE)), "'x'.*convert"),
    "a scope is unknown": ((float, Field(metadata={"mlops": {"scope": "no"}})), "'x'.*'no'"),
    "a role is not ours": ((float, Field(metadata={"other": 1})), "'x' has no role"),
    "a column may be left out": ((float | None, Field(**ROLE)), "'x' may be left out"),
    "a name stands for several": ((float, Field(alias="y_.*", regex=True, **ROLE)), "several"),
    "a dtype is not supported": ((list[int], Field(**ROLE)), "'x' has dtype"),
    "a second identifier": ((str, Field(metadata=candidate(identifier=True))), "exactly one"),
}


@pytest.mark.parametrize("sentence", SENSELESS)
def test_senseless_contract_is_refused_with_its_column(sentence: str) -> None:
    column, message = SENSELESS[sentence]
    with pytest.raises(ContractError, match=message):
        read_domain(identified(x=column))


@pytest.mark.parametrize(
    "item",
    [
        (float, Field(metadata=candidate(identifier=True))),
        (str, Field(nullable=True, metadata=candidate(identifier=True))),
    ],
)
def test_identifier_is_a_text_that_is_never_missing(item: tuple[Any, Any]) -> None:
    with pytest.raises(ContractError, match=r"'item'.*never missing"):
        read_domain(identified(item=item))


def test_class_that_pandera_refuses_is_told() -> None:
    class Wrong(DataFrameModel):
        item: str = Field(metadata=candidate(identifier=True))
        x = Field(metadata=candidate())

    with pytest.raises(ContractError, match=r"contract Wrong cannot be read: .*x"):
        read_domain(Wrong)
