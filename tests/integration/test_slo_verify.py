"""`mlops slo verify` as it is typed: proves the definitions of this repository, with promtool."""

import json
import shutil
from pathlib import Path

import pytest

from mlops.cli.main import main
from tests.components.prometheus import binary

ROOT = Path(__file__).parents[2]


@pytest.fixture
def definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a definition in a folder with the repository's configuration."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    shutil.copy(ROOT / "slo" / "search_ranking.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return "search_ranking.yaml"


def test_what_is_committed_is_proved(definition: str, capsys: pytest.CaptureFixture[str]) -> None:
    binary("promtool")
    code = main(["slo", "verify", definition, "--format=json", "slo=fast"])
    verdict = json.loads(capsys.readouterr().out)
    assert (code, verdict["name"], verdict["status"]) == (0, "slo.proof", "pass")
    assert "fires above 14.4x and is silent below" in verdict["findings"][0]["message"]


def test_an_objective_out_of_reach_is_told(
    definition: str, capsys: pytest.CaptureFixture[str]
) -> None:
    binary("promtool")
    path = Path(definition)
    path.write_text(path.read_text().replace("targetPercent: 99\n", "targetPercent: 93.05\n"))
    assert main(["slo", "verify", definition, "--format=json", "slo=fast"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    warned = [each["message"] for each in findings if each["status"] == "warn"]
    assert len(warned) == 2
    assert all("SloBudgetBurn20s5s is left out" in message for message in warned)


def test_without_promtool_nothing_is_proved(
    definition: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["slo", "verify", definition]) == 3
    assert "promtool is not installed" in capsys.readouterr().err
