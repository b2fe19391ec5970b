"""The page check names what rows break, and refuses what is no table."""

from typing import Any

import numpy as np
import pytest

from mlops.base.errors import ContractError
from mlops.contracts import open_bandit, search_ranking
from mlops.contracts.page import PageCheck, PageViolation
from mlops.contracts.roles import candidate
from mlops.contracts.sample import draw
from mlops.contracts.schema import DataFrameModel, Field, Schema, read_domain
from tests.components.requests import known


class Rows(DataFrameModel):
    item: str = Field(str_matches="^i", metadata=candidate(identifier=True))
    price: float = Field(gt=0, le=5, nullable=True, metadata=candidate())
    stock: int = Field(ge=0, ne=3, metadata=candidate())
    new: bool = Field(metadata=candidate())
    area: str = Field(isin=["n", "s"], nullable=True, metadata=candidate())
    rate: float = Field(isin=[0.5, 2.0], metadata=candidate())


CHECK = PageCheck(read_domain(Rows).columns)


def table(**changes: list[Any]) -> dict[str, Any]:
    good: dict[str, list[Any]] = {
        "item": ["i1", "i2"], "price": [1.0, np.nan], "stock": [0, 7], "new": [0, 1],
        "area": ["n", None], "rate": [0.5, 2.0],
    }  # fmt: skip
    texts = ("item", "area")
    return {
        name: np.array(values, dtype=object if name in texts else np.float64)
        for name, values in {**good, **changes}.items()
    }


def test_good_rows_are_kept() -> None:
    assert CHECK.mask(table()).tolist() == [True, True]
    assert CHECK.violations(table()) == ()


BROKEN: dict[str, tuple[dict[str, list[Any]], str, str]] = {
    "at an open end": ({"price": [1.0, 0.0]}, "price", "minimum"),
    "above the end": ({"price": [1.0, 5.1]}, "price", "maximum"),
    "no whole number": ({"stock": [1, 0.5]}, "stock", "type"),
    "forbidden": ({"stock": [1, 3]}, "stock", "forbidden"),
    "missing": ({"stock": [1, np.nan]}, "stock", "null"),
    "neither true nor false": ({"new": [1, 2]}, "new", "maximum"),
    "no number of the set": ({"rate": [0.5, 1.0]}, "rate", "numbers"),
    "another category": ({"area": ["n", "w"]}, "area", "category"),
    "a number as text": ({"area": ["n", 1]}, "area", "type"),
    "a list as text": ({"item": ["i1", ["i"]]}, "item", "type"),
    "a text that is missing": ({"item": ["i1", None]}, "item", "null"),
    "another form": ({"item": ["i1", "x"]}, "item", "pattern"),
    "too long": ({"item": ["i1", "i" * 129]}, "item", "length"),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_broken_rule_is_named_with_its_rows(sentence: str) -> None:
    changes, column, rule = BROKEN[sentence]
    given = table(**{name: values for name, values in changes.items() if name != "item"})
    if "item" in changes:
        texts = np.empty(2, dtype=object)
        texts[:] = changes["item"]
        given["item"] = texts
    assert CHECK.mask(given).tolist() == [True, False]
    assert CHECK.violations(given) == (PageViolation(column, rule, (1,)),)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_no_number(value: float) -> None:
    given = table(price=[1.0, value])
    assert CHECK.mask(given).tolist() == [True, False]
    assert "finite" in {violation.rule for violation in CHECK.violations(given)}


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ContractError, match="lacks column 'price'"):
        CHECK.mask({name: v for name, v in table().items() if name != "price"})
    with pytest.raises(ContractError, match="different lengths"):
        CHECK.mask(table(price=[1.0]))
    with pytest.raises(ContractError, match="'price' of the table has dtype int64"):
        CHECK.mask({**table(), "price": np.array([1, 2])})


@pytest.mark.parametrize("schema", [open_bandit.Request, search_ranking.Request])
@pytest.mark.parametrize("rows", [0, 1, 500])
def test_drawn_rows_are_kept(schema: Schema, rows: int) -> None:
    domain = read_domain(schema)
    drawn = draw(domain, rows, np.random.default_rng(0), known=known(domain))
    assert PageCheck(domain.request).mask(drawn).sum() == rows
