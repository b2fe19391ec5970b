"""`mlops serve`: what it tells, and what it starts from, without starting anything."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from mlops.cli import serve
from mlops.cli.main import main

ROOT = Path(__file__).parents[3]
SERVICE = "search_ranking"


class BecameError(Exception):
    """The command is about to become the server."""


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Return the settings files from which a server would have been started."""
    paths: list[Path] = []

    def become(path: Path) -> NoReturn:
        paths.append(path)
        raise BecameError

    monkeypatch.setattr(serve, "_become_server", become)
    monkeypatch.chdir(ROOT)
    before = dict(os.environ)
    yield paths
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return a file of resolved settings."""
    call = ["serve", "--dry-run", f"service={SERVICE}", f"store.root={tmp_path / 'store'}"]
    assert main(call) == 0
    path = tmp_path / "settings.json"
    path.write_text(capsys.readouterr().out)
    return path


@pytest.mark.parametrize("joined", [False, True])
def test_file_of_settings_is_what_the_server_starts_from(
    settings: Path, started: list[Path], *, joined: bool
) -> None:
    given = [f"--settings={settings}"] if joined else ["--settings", str(settings)]
    with pytest.raises(BecameError):
        serve.run(given)
    assert started == [settings]


def test_dry_run_of_a_file_prints_it_and_starts_nothing(
    settings: Path, started: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--settings", str(settings), "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(settings.read_text())
    settings.write_text("{}")
    assert main(["serve", "--settings", str(settings), "--dry-run"]) == 2
    assert "service: Field" in capsys.readouterr().err
    assert started == []


@pytest.mark.parametrize("given", [(), ("",), ("a.json", "seed=1")])
def test_one_file_is_named_and_nothing_else(
    given: tuple[str, ...], started: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--settings", *given]) == 2
    assert "--settings takes one file" in capsys.readouterr().err
    assert started == []


def test_help_tells_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    told = capsys.readouterr().out
    for part in ("--dry-run", "--settings FILE", "bundle=REFERENCE", "Exit code 0"):
        assert part in told
