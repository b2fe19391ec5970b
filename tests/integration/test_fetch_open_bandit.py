"""Test of fetching the Open Bandit data with the real pip from the configured index."""

import hashlib
import importlib.util
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from mlops.base.errors import UnavailableError
from mlops.contracts.open_bandit import Training
from mlops.contracts.schema import validate
from mlops.data.open_bandit import OpenBandit
from mlops.data.open_bandit_fetch import OBP, fetch, pip_download
from mlops.data.spec import Campaign


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("data")
    try:
        done = fetch(target, environment=os.environ)
    except UnavailableError as error:
        pytest.skip(f"no package index here: {error}")
    assert len(done.written) == 12
    return target


@pytest.mark.parametrize(("campaign", "items"), [("all", 80), ("men", 34), ("women", 46)])
def test_fetched_log_keeps_its_contract(folder: Path, campaign: Campaign, items: int) -> None:
    log = OpenBandit(folder, campaign, ("random", "bts"))
    frame = log.read()
    assert len(frame) == 20_000
    assert validate(Training, frame).violations == ()
    assert len(log.cross(frame.iloc[:3])) == 3 * items


def test_fetched_files_are_those_that_were_measured(folder: Path) -> None:
    shared = Path(__file__).parents[3] / "shared" / "data" / "open_bandit"
    if not shared.is_dir():
        pytest.skip("the shared data folder is not beside the checkout")
    for path in shared.rglob("*.csv"):
        ours = folder / "open_bandit" / path.relative_to(shared)
        assert ours.read_bytes() == path.read_bytes()


def test_nothing_of_the_package_was_installed_or_imported(folder: Path) -> None:
    assert importlib.util.find_spec("obp") is None
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".csv"}


def test_pip_runs_nothing_of_the_package(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    evil = f"open({str(marker)!r}, 'w').close()\n"
    members = {
        "pyproject.toml": (
            '[build-system]\nrequires = ["poetry-core"]\n'
            'build-backend = "poetry.core.masonry.api"\n'
        ),
        "setup.py": evil,
        "obp/__init__.py": evil,
        "poetry/core/masonry/api.py": evil,
    }
    (tmp_path / "links").mkdir()
    path = tmp_path / "links" / "obp-0.5.7.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(f"obp-0.5.7/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    archive = replace(OBP, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    offline = {
        "PATH": os.environ.get("PATH", ""),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "links"),
        "PIP_CONFIG_FILE": os.devnull,
    }
    (tmp_path / "work").mkdir()
    found = pip_download(archive, tmp_path / "work", offline)
    assert found.read_bytes() == path.read_bytes()
    assert not marker.exists()
    (tmp_path / "again").mkdir()
    with pytest.raises(UnavailableError, match=r"(?i)hash"):
        pip_download(OBP, tmp_path / "again", offline)
