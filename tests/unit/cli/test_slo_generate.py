"""`mlops slo generate`: what it writes, what it leaves alone, and what it says of both."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from mlops.cli.main import main

ROOT = Path(__file__).parents[3]
ALERTMANAGER = "alertmanager.slo.yml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "slo").mkdir()
    for name in ("open_bandit", "search_ranking"):
        shutil.copy(ROOT / "slo" / f"{name}.yaml", tmp_path / "slo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def generate(*arguments: str) -> int:
    return main(["slo", "generate", *arguments])


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if "rule" in path.name
            or path.name == ALERTMANAGER}  # fmt: skip


def test_a_second_run_changes_nothing_and_check_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate() == 0
    first = files(folder / "slo")
    assert {"open_bandit.rules.yml", "open_bandit.rules.test.yml", ALERTMANAGER} == set(first)
    tests = yaml.safe_load(first["open_bandit.rules.test.yml"])
    assert tests["rule_files"] == ["open_bandit.rules.yml"]
    times = {path: path.stat().st_mtime_ns for path in (folder / "slo").iterdir()}
    assert generate() == 0
    assert files(folder / "slo") == first
    assert {path: path.stat().st_mtime_ns for path in (folder / "slo").iterdir()} == times
    capsys.readouterr()
    assert generate("--check", "--format", "json") == 0
    assert {each["status"] for each in json.loads(capsys.readouterr().out)["findings"]} == {"pass"}


@pytest.mark.parametrize("change", ["edited", "missing", "configured"])
def test_check_fails_where_a_file_would_change_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    assert generate() == 0
    target = folder / "slo" / "open_bandit.rules.yml"
    if change == "edited":
        target.write_text(target.read_text().replace("> 14.4", "> 144"))
    elif change == "missing":
        target.unlink()
    before = files(folder / "slo")
    capsys.readouterr()
    given = ["slo.min_bad_events=4"] if change == "configured" else []
    assert generate("--check", *given) == 1
    assert "open_bandit.rules.yml" in capsys.readouterr().out
    assert files(folder / "slo") == before


def test_unit_tests_can_be_left_out(folder: Path) -> None:
    assert generate("--no-tests") == 0
    assert set(files(folder / "slo")) == {"open_bandit.rules.yml", ALERTMANAGER}


def test_dry_run_prints_the_rules_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["slo/open_bandit.yaml", "slo/search_ranking.yaml"]
    assert generate("--dry-run", *names) == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert len(printed) == 2
    assert all(set(document) == {"groups"} for document in printed)
    assert files(folder / "slo") == {}


def test_resources_for_kubernetes_go_to_a_folder_of_their_own(folder: Path) -> None:
    labels = "slo.kubernetes_labels={release: prometheus}"
    assert generate("--kubernetes", "--out", "k8s/rules", labels) == 0
    assert files(folder / "slo") == {}
    written = files(folder / "k8s" / "rules")
    assert {"open_bandit.prometheusrule.yaml", ALERTMANAGER} == set(written)
    found = yaml.safe_load(written["open_bandit.prometheusrule.yaml"])
    assert found["kind"] == "PrometheusRule"
    assert found["metadata"]["labels"]["release"] == "prometheus"


def test_standing_alerts_of_a_service_are_in_one_of_its_files(folder: Path) -> None:
    source = folder / "slo" / "open_bandit.yaml"
    service, *slos = source.read_text().split("---\n")
    source.write_text("---\n".join([service, *slos[:2]]))
    (folder / "slo" / "second.yaml").write_text("---\n".join(slos[2:]))
    assert generate("slo/open_bandit.yaml", "slo/second.yaml") == 0
    written = files(folder / "slo")
    assert "alert: ServiceAbsent" in written["open_bandit.rules.yml"]
    assert "alert: ServiceAbsent" not in written["second.rules.yml"]
    assert "alert: SloDataAbsent" in written["second.rules.yml"]


def test_two_definitions_of_one_name_cannot_be_written_to_one_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "more").mkdir()
    text = (folder / "slo" / "search_ranking.yaml").read_text()
    (folder / "more" / "open_bandit.yaml").write_text(text)
    assert generate("--out", "rules", "slo/open_bandit.yaml", "more/open_bandit.yaml") == 2
    assert "would both be written to rules/open_bandit.rules.yml" in capsys.readouterr().err


def test_maintenance_is_configured_with_times_that_have_a_zone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    window = "slo.maintenance=[{{start: {}, end: 2026-11-24T03:00:00Z, reason: moving}}]"
    assert generate("--dry-run", window.format("2026-11-24T02:00:00Z")) == 0
    assert "vector(time()) > 1795485600 < 1795489200" in capsys.readouterr().out
    assert generate("--dry-run", window.format("2026-11-24T02:00:00")) == 2
    assert "timezone" in capsys.readouterr().err
    assert generate("--dry-run", window.format("2026-11-24T03:00:00Z")) == 2
    assert "must be after start" in capsys.readouterr().err
