"""Tests of choosing a source by its kind, and of the section that does."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from pydantic import ValidationError

from mlops.contracts.open_bandit import Training
from mlops.contracts.schema import read_domain
from mlops.data.files import FileSource
from mlops.data.jobboard import JobBoard
from mlops.data.open_bandit import OpenBandit
from mlops.data.sources import CrossingSource, data_folder, source
from mlops.data.spec import DataSpec, OpenBanditSource

COLUMNS = read_domain(Training).columns
CONF = Path(__file__).parents[3] / "conf" / "data"


def spec(text: str) -> DataSpec:
    return DataSpec.model_validate_json(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"source": {"kind": "open_bandit"}}', OpenBandit),
        ('{"source": {"kind": "jobboard"}}', JobBoard),
        ('{"source": {"kind": "csv", "path": "rows.csv"}}', FileSource),
    ],
    ids=["the public log", "the simulator", "a file of one's own"],
)
def test_kind_chooses_the_source(text: str, expected: type) -> None:
    made = source(spec(text).source, columns=COLUMNS, folder=Path("data"))
    assert isinstance(made, expected)


def test_only_the_public_log_can_be_crossed() -> None:
    crossing = source(
        spec('{"source": {"kind": "open_bandit"}}').source, columns=COLUMNS, folder=Path("data")
    )
    board = source(
        spec('{"source": {"kind": "jobboard"}}').source, columns=COLUMNS, folder=Path("data")
    )
    assert isinstance(crossing, CrossingSource)
    assert not isinstance(board, CrossingSource)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"source": {"kind": "warehouse"}}', "kind"),
        ('{"source": {"kind": "jobboard", "serches": 10}}', "serches"),
        ('{"source": {"kind": "jobboard", "searches": "10"}}', "searches"),
        ('{"source": {"kind": "jobboard", "candidates": 201}}', "candidates"),
        ('{"source": {"kind": "open_bandit", "policies": []}}', "policies"),
        ('{"source": {"kind": "open_bandit"}, "split": {"test_share": 1.0}}', "test_share"),
        (
            (
                '{"source": {"kind": "jobboard", "days": 10, "drift": '
                '[{"column": "job_age", "from_day": 10, "distance": 1}]}}'
            ),
            "the log ends on day 10",
        ),
    ],
    ids=[
        "unknown kind",
        "misspelt key",
        "text for a number",
        "more candidates than a request may have",
        "no policy at all",
        "nothing left to train on",
        "drift after the log's end",
    ],
)
def test_wrong_section_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        spec(text)


def composed(name: str) -> str:
    node = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"), resolve=True)
    return json.dumps(node)


@pytest.mark.parametrize("name", ["open_bandit", "jobboard"])
def test_shipped_config_says_every_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLOPS_DATA_DIR", raising=False)
    text = composed(name)
    node = json.loads(text)
    shipped = spec(text)
    assert set(node["source"]) == set(type(shipped.source).model_fields)
    assert set(node["split"]) == set(type(shipped.split).model_fields)
    default = spec(json.dumps({"source": {"kind": node["source"]["kind"]}}))
    assert shipped.source == default.source


def test_shipped_config_takes_the_folder_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLOPS_DATA_DIR", "/srv/data")
    shipped = spec(composed("open_bandit")).source
    assert isinstance(shipped, OpenBanditSource)
    assert shipped.folder == "/srv/data"


def test_data_folder_is_the_named_one_or_below_the_store() -> None:
    assert data_folder(Path("store"), "/srv/data") == Path("/srv/data")
    assert data_folder(Path("store"), "") == Path("store/data")
