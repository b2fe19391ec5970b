"""Tests of reading and crossing the Open Bandit log, on a small log of the same form."""

from pathlib import Path

import pandas as pd
import pytest

from mlops.base.errors import ContractError, UnavailableError
from mlops.contracts.open_bandit import Request, Training
from mlops.contracts.schema import validate
from mlops.data.open_bandit import OpenBandit

ITEMS = 3
REPO = Path(__file__).parents[3]
REAL = REPO.parent / "shared" / "data"


def digest(letter: str) -> str:
    return letter * 32


def write_policy(folder: Path, policy: str, salt: str, shown: list[int]) -> None:
    place = folder / "open_bandit" / policy / "men"
    place.mkdir(parents=True)
    pd.DataFrame(
        {
            "item_id": range(ITEMS),
            "item_feature_0": [-0.5, 0.25, 1.5],
            "item_feature_1": [digest(salt)] * ITEMS,
            "item_feature_2": [digest(salt)] * ITEMS,
            "item_feature_3": [digest(salt)] * ITEMS,
        }
    ).to_csv(place / "item_context.csv")
    rows = range(len(shown))
    pd.DataFrame(
        {
            "timestamp": [f"2019-11-24 00:00:0{n}.500000+00:00" for n in rows],
            "item_id": shown,
            "position": [1 + n % 3 for n in rows],
            "click": [n % 2 for n in rows],
            "propensity_score": [0.25 for _ in rows],
            **{f"user_feature_{k}": [digest("abcdef"[n]) for n in rows] for k in range(4)},
            **{f"user-item_affinity_{i}": [10.0 * n + i for n in rows] for i in range(ITEMS)},
        }
    ).to_csv(place / "men.csv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_policy(tmp_path, "random", "1", [2, 0, 1])
    write_policy(tmp_path, "bts", "2", [1, 1])
    return tmp_path


def source(folder: Path) -> OpenBandit:
    return OpenBandit(folder, "men", ("random", "bts"))


def test_rows_keep_the_training_contract(folder: Path) -> None:
    frame = source(folder).read()
    assert validate(Training, frame).violations == ()
    assert frame["impression_id"].tolist() == [
        "random-men-0", "random-men-1", "random-men-2", "bts-men-0", "bts-men-1",
    ]  # fmt: skip
    assert frame["policy"].tolist() == ["random"] * 3 + ["bts"] * 2
    assert frame["at_s"].iloc[0] == 1574553600.5


def test_affinity_is_that_of_the_shown_item(folder: Path) -> None:
    assert source(folder).read()["affinity"].tolist() == [2.0, 10.0, 21.0, 1.0, 11.0]


def test_item_features_do_not_tell_the_policy(folder: Path) -> None:
    assert set(source(folder).read()["item_feature_1"]) == {digest("1")}


def test_crossing_gives_every_item_for_every_impression(folder: Path) -> None:
    log = source(folder)
    rows = log.read().iloc[[4, 1]]
    crossed = log.cross(rows)
    assert crossed["impression"].tolist() == [0, 0, 0, 1, 1, 1]
    assert crossed["item_id"].tolist() == ["0", "1", "2"] * 2
    assert crossed["affinity"].tolist() == [10.0, 11.0, 12.0, 10.0, 11.0, 12.0]
    assert list(crossed.columns[1:]) == list(Request.to_schema().columns)
    assert validate(Request, crossed).violations == ()


def test_crossed_row_of_the_shown_item_is_the_logged_row(folder: Path) -> None:
    log = source(folder)
    rows = log.read()
    crossed = log.cross(rows)
    shown = crossed["item_id"] == rows["item_id"].loc[crossed["impression"]].to_numpy()
    names = list(Request.to_schema().columns)
    pd.testing.assert_frame_equal(crossed[shown][names].reset_index(drop=True), rows[names])


def test_crossing_of_nothing_is_empty(folder: Path) -> None:
    log = source(folder)
    assert len(log.cross(log.read().iloc[:0])) == 0


def test_row_of_another_log_cannot_be_crossed(folder: Path) -> None:
    rows = source(folder).read()
    with pytest.raises(ContractError, match="'bts-men-0' is not in"):
        OpenBandit(folder, "men", ("random",)).cross(rows)


def test_missing_data_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        source(tmp_path).read()
    assert "mlops data fetch open_bandit" in caught.value.hint
    assert "MLOPS_DATA_DIR" in caught.value.hint


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("random/men/men.csv", ",item_id\n0,1\n"),
        ("random/men/item_context.csv", ",item_id,item_feature_0\n0,0,1.0\n"),
    ],
    ids=["another log", "another item file"],
)
def test_foreign_files_are_refused(folder: Path, file: str, content: str) -> None:
    (folder / "open_bandit" / file).write_text(content)
    with pytest.raises(ContractError):
        source(folder).read()


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data folder is not beside the checkout")
@pytest.mark.parametrize(("campaign", "items"), [("all", 80), ("men", 34)])
def test_real_log_keeps_its_contract(campaign: str, items: int) -> None:
    log = OpenBandit(REAL, campaign, ("random", "bts"))  # type: ignore[arg-type] # a text
    frame = log.read()
    assert len(frame) == 20_000
    assert validate(Training, frame).violations == ()
    assert len(log.cross(frame.iloc[:50])) == 50 * items
