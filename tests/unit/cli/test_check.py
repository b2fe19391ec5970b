"""`mlops check` over a project's services: what is printed, in which format, with which code."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops.base.errors import ConfigError
from mlops.cli.main import main
from mlops.cli.scaffold import project_files
from mlops.config.compose import Composed, run_application

SHOP = "check_shop"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a project of three services: a right one, a wrong model, a key that is unknown."""
    for name, text in project_files(SHOP).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    service = (tmp_path / "conf" / "service" / f"{SHOP}.yaml").read_text()
    wrong = service.replace("/model: hist_gradient_boosting", "/model: mine")
    (tmp_path / "conf" / "service" / "wrong.yaml").write_text(wrong)
    unknown = service.replace("  deadline_ms: 50", "  deadline_ms: 50\n  timeout_ms: 1")
    (tmp_path / "conf" / "service" / "unknown.yaml").write_text(unknown)
    (tmp_path / "conf" / "model").mkdir()
    (tmp_path / "conf" / "model" / "mine.yaml").write_text(
        "name: mine\n"
        "estimator:\n"
        "  _target_: sklearn.ensemble.HistGradientBoostingClassifier\n"
        "  learning_rate: -1.0\n"
        "  max_iter: many\n"
        "  max_itr: 3\n"
        "  _partial_: true\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == SHOP]:
        del sys.modules[name]


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def test_all_services_as_sarif(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "service=all", "--format", "sarif"]) == 2
    (run,) = printed(capsys)["runs"]
    seen = {
        (
            result["ruleId"],
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            result["locations"][0]["physicalLocation"]["region"]["startLine"],
            *result["properties"]["services"],
        )
        for result in run["results"]
    }
    service = (project / "conf" / "service" / "unknown.yaml").read_text().splitlines()
    line = 1 + next(at for at, text in enumerate(service) if "timeout_ms" in text)
    model = "conf/model/mine.yaml"
    assert seen == {
        ("check.config", "conf/service/unknown.yaml", line, "unknown"),
        ("check.constraints", model, 4, "wrong"),
        ("check.constraints", model, 5, "wrong"),
        ("check.arguments.unknown", model, 6, "wrong"),
        ("check.target.keyword", model, 7, "wrong"),
    }


def test_all_services_as_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del project
    assert main(["check", "service=all", "--format=json", "verify.probe=false"]) == 2
    document = printed(capsys)
    assert document["status"] == "fail"
    assert [each["status"] for each in document["services"]] == ["pass", "fail", "fail"]
    typed = [f for f in document["findings"] if f["key"] == "model.estimator.max_iter"]
    assert [each["engines"] for each in typed] == [["values", "types"]]
    passed = {f["check"] for f in document["findings"] if f["status"] == "pass"}
    assert {"check.config", "check.model", "check.flow", "check.contracts"} <= passed
    assert "check.probe" not in passed


def test_overrides_reach_every_service(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("wrong", "unknown"):
        (project / "conf" / "service" / f"{name}.yaml").unlink()
    assert main(["check", "service=all"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    assert main(["check", "service=all", "data.split.column=nosuch"]) == 2
    told = capsys.readouterr().out
    assert "override data.split.column=nosuch: error" in told
    assert "[check.reference.column]" in told


def test_text_is_grouped_by_file_and_counts(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del project
    assert main(["check", "service=all"]) == 2
    told = capsys.readouterr().out
    places = [line.partition(": ")[0] for line in told.splitlines() if ": error" in line]
    assert places[1:] == [f"conf/model/mine.yaml:{line}" for line in (4, 5, 6, 7)]
    assert "5 errors" in told
    assert f"pass  {SHOP}: config, contracts" in told


def test_two_places_that_contradict_each_other_are_both_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del project
    override = "model.estimator._target_=sklearn.linear_model.LogisticRegression"
    assert main(["check", override]) == 2
    told = capsys.readouterr().out
    assert "hist_gradient_boosting.yaml:8: error model.estimator.learning_rate" in told
    assert f"the class comes from override {override}" in told


@pytest.mark.parametrize("flag", ["-m", "--cfg=job"])
def test_all_services_take_no_flag_of_hydra(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "service=all", flag]) == 2
    assert "takes no" in capsys.readouterr().err


def test_help_tells_formats_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--help"]) == 0
    told = capsys.readouterr().out
    for part in ("service=all", "text|json|sarif", "Exit code 0"):
        assert part in told


def test_sarif_is_a_format_of_check_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "--format", "sarif"]) == 2
    assert "is no format here" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "gate", "train"])
def test_code_that_ends_the_program_is_no_pass(
    project: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project / SHOP / "heuristic.py"
    text = path.read_text()
    start = text.index("        taken = np.asarray")
    path.write_text(f"{text[:start]}        raise SystemExit(0)\n{text[start:]}")
    assert main([command, "service=check_shop"]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    assert captured.out + captured.err


def test_job_that_ends_the_program_is_a_wrong_configuration(project: Path) -> None:
    def ends(composed: Composed) -> None:
        raise SystemExit(0)

    with pytest.raises(ConfigError, match="it ended the program: SystemExit: 0"):
        run_application("train", ["service=check_shop"], ends, folder=project)
