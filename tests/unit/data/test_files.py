"""Tests of reading a user's own file into the contract's dtypes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops.base.errors import ContractError, UnavailableError
from mlops.contracts.roles import candidate, context, logged, outcome
from mlops.contracts.schema import DataFrameModel, Field, read_domain, validate
from mlops.data.files import FileSource


class Rows(DataFrameModel):
    name: str = Field(nullable=True, metadata=context())
    item: str = Field(metadata=candidate(identifier=True))
    price: float = Field(ge=0, nullable=True, metadata=candidate(unit="EUR"))
    stock: int = Field(ge=0, metadata=candidate(unit="pieces"))
    sold_out: bool = Field(metadata=candidate())
    clicked: int = Field(isin=[0, 1], metadata=outcome())


COLUMNS = read_domain(Rows).columns
HEAD = "item,name,price,stock,sold_out,clicked,note\n"


def written(folder: Path, text: str) -> FileSource:
    path = folder / "rows.csv"
    path.write_text(HEAD + text)
    return FileSource(path, COLUMNS)


def test_file_is_read_in_the_dtypes_that_its_contract_asks_for(tmp_path: Path) -> None:
    frame = written(tmp_path, "007,NA,,3,true,0,x\n8,,1.5,4,False,1,y\n").read()
    assert validate(Rows, frame).violations == ()
    assert frame["item"].tolist() == ["007", "8"]  # an identifier keeps its zeros
    assert frame["name"].iloc[0] == "NA"  # a text, not a gap
    assert frame.isna().sum().to_dict() == {
        "name": 1, "item": 0, "price": 1, "stock": 0, "sold_out": 0, "clicked": 0,
    }  # fmt: skip
    assert frame["sold_out"].tolist() == [True, False]
    assert "note" not in frame


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    frame = written(tmp_path, "007,NA,,3,true,0,x\n8,,1.5,4,False,1,y\n").read()
    frame.to_parquet(tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(FileSource(tmp_path / "rows.parquet", COLUMNS).read(), frame)


def test_bad_values_of_the_right_dtype_are_left_to_validation(tmp_path: Path) -> None:
    frame = written(tmp_path, "1,a,-2,3,true,0,x\n2,b,inf,4,false,7,y\n3,c,1,1,0,1,z\n").read()
    validated = validate(Rows, frame)
    assert len(validated.bad) == 2
    assert validated.good["item"].tolist() == ["3"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1,a,cheap,3,true,0,x\n", r"'price' is 'cheap', not a number in row 0"),
        ("1,a,1,3,true,0,x\n2,a,1,,true,0,x\n", r"'stock' is missing in row 1"),
        ("1,a,1,3.5,true,0,x\n", r"'stock' is not a whole number in row 0"),
        ("1,a,1,3,maybe,0,x\n", r"'sold_out' is 'maybe', not a boolean in row 0"),
    ],
    ids=["a word for a number", "a missing count", "half a piece", "neither true nor false"],
)
def test_value_of_another_dtype_is_refused_with_its_place(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(ContractError, match=complaint):
        written(tmp_path, text).read()


def test_column_that_the_file_lacks_is_named_by_validation(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("item,price\n1,2\n")
    frame = FileSource(tmp_path / "rows.csv", COLUMNS).read()
    with pytest.raises(ContractError, match="lack columns of contract Rows: name, stock"):
        validate(Rows, frame)


@pytest.mark.parametrize(
    ("name", "content"), [("none.csv", None), ("a.parquet", b"no"), ("empty.csv", b"")]
)
def test_unreadable_file_is_unavailable(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UnavailableError):
        FileSource(tmp_path / name, COLUMNS).read()


class Stored(DataFrameModel):
    item: str = Field(metadata=candidate(identifier=True))
    share: np.float32 = Field(ge=0, metadata=candidate())
    small: np.int8 = Field(metadata=candidate())
    count: pd.Int64Dtype = Field(nullable=True, metadata=candidate())
    seen: pd.BooleanDtype = Field(nullable=True, metadata=candidate())
    at: pd.Timestamp = Field(nullable=True, metadata=logged())


STORED = read_domain(Stored).columns
STORED_HEAD = "item,share,small,count,seen,at\n"


def test_dtypes_of_the_contracts_own_choice_come_back_from_both_formats(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(STORED_HEAD + "i,0.1,3,,true,2020-01-01\nj,0.2,-4,7,,\n")
    frame = FileSource(path, STORED).read()
    assert validate(Stored, frame).violations == ()
    assert [str(dtype) for dtype in frame.dtypes] == [
        "str", "float32", "int8", "Int64", "boolean", "datetime64[ns]",
    ]  # fmt: skip
    frame.to_parquet(tmp_path / "rows.parquet")
    again = FileSource(tmp_path / "rows.parquet", STORED).read()
    pd.testing.assert_frame_equal(again, frame)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("i,0.1,300,,true,", "'small' does not fit int8 in row 0"),
        ("i,0.1,3,,true,yesterday", "'at' is 'yesterday', not a time"),
    ],
)
def test_value_that_its_dtype_cannot_hold_is_refused(
    row: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(STORED_HEAD + row + "\n")
    with pytest.raises(ContractError, match=complaint):
        FileSource(path, STORED).read()
