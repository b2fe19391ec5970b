"""Tests of content-addressed snapshots."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.base.digest import Digest
from mlops.base.errors import ContractError, UnavailableError
from mlops.data.snapshot import content_digest, folder, read, take

ROWS = {
    "number": [1.5, float("nan"), -0.0],
    "whole": [1, 2, 3],
    "flag": [True, False, True],
    "text": ["a", None, ""],
}


def frame(**changes: list[object]) -> pd.DataFrame:
    rows = pd.DataFrame({**ROWS, **changes})
    return rows.astype({"text": "str"})


def test_what_is_read_is_what_was_taken(tmp_path: Path) -> None:
    taken = take(frame(), tmp_path)
    back = read(taken.digest, tmp_path)
    pd.testing.assert_frame_equal(back, frame())
    assert (taken.rows, taken.columns) == (3, ("number", "whole", "flag", "text"))


def test_digest_is_a_fixed_value_on_every_machine() -> None:
    assert content_digest(frame()) == (
        "sha256:b78a83887ba531210b1f223cb40404eea1752bac2d00305c166cfc290e516b45"
    )


def test_same_content_is_written_once(tmp_path: Path) -> None:
    first = take(frame(), tmp_path)
    stamp = (first.path / "rows.parquet").stat().st_mtime_ns
    second = take(frame().set_axis([5, 6, 7]), tmp_path)
    assert second == first
    assert (first.path / "rows.parquet").stat().st_mtime_ns == stamp
    assert [path.name for path in tmp_path.iterdir()] == [folder(first.digest, tmp_path).name]


@pytest.mark.parametrize(
    "changed",
    [
        frame(number=[1.5, float("nan"), 0.0]),
        frame(whole=[1, 2, 4]),
        frame(whole=[1.0, 2.0, 3.0]),
        frame(text=["a", "", None]),
        frame(text=["b", None, ""]),
        frame().iloc[::-1],
        frame().iloc[:2],
        frame().rename(columns={"flag": "sign"}),
        frame()[["whole", "number", "flag", "text"]],
    ],
    ids=[
        "minus zero becomes zero",
        "one number differs",
        "same numbers of another dtype",
        "missing and empty text change places",
        "one text differs",
        "rows in another order",
        "fewer rows",
        "a column renamed",
        "columns in another order",
    ],
)
def test_digest_changes_with_content(changed: pd.DataFrame) -> None:
    assert content_digest(changed) != content_digest(frame())


def test_every_missing_number_is_the_same() -> None:
    odd = np.array([1.5, 0.0, -0.0])
    odd.view(np.uint64)[1] = 0x7FF8_0000_0000_0123  # a NaN with another payload
    assert content_digest(frame().assign(number=odd)) == content_digest(frame())


@settings(max_examples=25)
@given(st.lists(st.one_of(st.none(), st.text(max_size=5).filter(str.isprintable)), max_size=8))
def test_texts_survive_the_file(texts: list[str | None]) -> None:
    rows = pd.DataFrame({"text": pd.Series(texts, dtype="str")})
    with tempfile.TemporaryDirectory() as name:
        taken = take(rows, Path(name))
        back = read(taken.digest, Path(name))["text"]
    assert [None if pd.isna(text) else text for text in back] == texts


def test_changed_file_is_found_out(tmp_path: Path) -> None:
    taken = take(frame(), tmp_path)
    frame(whole=[1, 2, 4]).to_parquet(taken.path / "rows.parquet", index=False)
    with pytest.raises(ContractError, match="changed after it was taken"):
        read(taken.digest, tmp_path)


def test_cut_off_file_is_found_out(tmp_path: Path) -> None:
    taken = take(frame(), tmp_path)
    path = taken.path / "rows.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ContractError, match="cannot be read"):
        read(taken.digest, tmp_path)


def test_missing_snapshot_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="there is no snapshot"):
        read(Digest("sha256:" + "0" * 64), tmp_path)


def test_column_without_canonical_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="'things' has dtype object"):
        take(pd.DataFrame({"things": pd.Series([[1], {}], dtype=object)}), tmp_path)
