"""`mlops slo dashboards` and `mlops slo stack`: what they write, and what they leave alone."""

import json
import shutil
from pathlib import Path

import pytest

from mlops.cli.main import main

ROOT = Path(__file__).parents[3]
SLOS = [f"slo/{name}.yaml" for name in ("open_bandit", "search_ranking")]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    shutil.copytree(ROOT / "slo", tmp_path / "slo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_dashboards_are_one_of_all_and_one_a_service(folder: Path) -> None:
    assert main(["slo", "dashboards", *SLOS, "--out", "boards"]) == 0
    assert set(written(folder / "boards")) == {
        "slo-fleet.json", "slo-service-open_bandit.json", "slo-service-search_ranking.json",
    }  # fmt: skip
    for name, text in written(folder / "boards").items():
        assert json.loads(text)["uid"] == name.removesuffix(".json")


@pytest.mark.parametrize(("word", "default"), [("dashboards", "dashboards"), ("stack", "stack")])
def test_a_second_run_touches_nothing(folder: Path, word: str, default: str) -> None:
    assert main(["slo", word, *SLOS]) == 0
    first = written(folder / default)
    times = {path: path.stat().st_mtime_ns for path in (folder / default).rglob("*")}
    assert main(["slo", word, *SLOS]) == 0
    assert written(folder / default) == first
    assert {path: path.stat().st_mtime_ns for path in (folder / default).rglob("*")} == times


@pytest.mark.parametrize("word", ["dashboards", "stack"])
def test_check_writes_nothing_and_fails_where_a_file_would_change(
    folder: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert main(["slo", word, *SLOS, "--check"]) == 1
    assert not (folder / word).exists()
    assert main(["slo", word, *SLOS]) == 0
    assert main(["slo", word, *SLOS, "--check"]) == 0
    (target,) = (folder / word).rglob("slo-fleet.json")
    target.write_text("{}")
    capsys.readouterr()
    assert main(["slo", word, *SLOS, "--check", "--format", "json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    (changed,) = [each for each in findings if each["status"] == "fail"]
    assert changed["message"].endswith("slo-fleet.json would change")
    assert target.read_text() == "{}"


@pytest.mark.parametrize("word", ["dashboards", "stack"])
def test_a_dry_run_names_the_files_and_writes_none(
    folder: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert main(["slo", word, *SLOS, "--dry-run", "--out", "new", "--format", "json"]) == 0
    assert not (folder / "new").exists()
    named = json.loads(capsys.readouterr().out)
    assert any(name.endswith("slo-fleet.json") for name in named)


def test_a_stack_without_receivers_says_that_nobody_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["slo", "stack", *SLOS, 'slo.receivers.page="http://127.0.0.1:5001/"']) == 0
    said = capsys.readouterr().err
    assert "tickets go nowhere: slo.receivers.ticket is empty" in said
    assert "pages go nowhere" not in said


@pytest.mark.parametrize("word", ["dashboards", "stack"])
def test_without_an_slo_there_is_nothing_to_write(
    folder: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    (folder / "only.yaml").write_text(
        "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop}\nspec: {}\n"
    )
    assert main(["slo", word, "only.yaml"]) == 2
    assert "no SLO has rules" in capsys.readouterr().err
    assert not (folder / word).exists()


def test_a_target_is_a_host_and_a_port(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slo", "stack", *SLOS, 'slo.targets=["http://shop/metrics"]']) == 2
    assert "slo.targets" in capsys.readouterr().err
