"""`mlops train`: one run, a sweep with its comparison, and a sweep with a member that is wrong."""

import json
from pathlib import Path

import pytest

from mlops.cli.main import main

QUICK = (
    "service=search_ranking", "slo.files=[]", "training.parity_rows=100",
    "quality.bootstrap_replicates=50", "data.source.jobs=300", "data.source.candidates=20",
)  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bundles(folder: Path) -> list[str]:
    found = (folder / ".mlops" / "bundles" / "search_ranking").iterdir()
    return sorted(path.name for path in found if path.is_dir())


def test_sweep_prints_its_comparison(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = "model=logistic,hist_gradient_boosting"
    code = main(["train", "-m", *QUICK, "data.source.searches=250", models])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "model=logistic" in captured.out
    assert "model=hist_gradient_boosting" in captured.out
    assert "search_ranking" not in captured.out  # what all have in common sets none apart
    assert "auc of apply" in captured.out
    trained = bundles(here)
    assert len(trained) == 2
    assert all(name[:12] in captured.out for name in trained)


def test_member_that_is_wrong_costs_the_others_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searches = "data.source.searches=250,-1"
    code = main(["train", "-m", *QUICK, "model=logistic", searches, "--format", "json"])
    captured = capsys.readouterr()
    assert code == 2
    (member,) = json.loads(captured.out)
    assert member["bundle"].removeprefix("sha256:") in bundles(here)
    assert "data.source.searches is -1" in captured.err
    assert "Traceback" not in captured.err


def test_run_that_is_over_budget_fails(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Less than an interpreter with the libraries holds, and not so little that it is beyond doubt.
    arguments = ("model=logistic", "data.source.searches=250", "training.budget_memory_mb=150")
    assert main(["train", *QUICK, *arguments]) == 1
    assert "cost.memory" in capsys.readouterr().out
    assert len(bundles(here)) == 1


def test_run_that_cannot_fit_its_budget_does_not_start(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("model=logistic", "data.source.searches=250", "training.budget_memory_mb=1")
    assert main(["train", *QUICK, *arguments]) == 2
    assert "training.budget_memory_mb" in capsys.readouterr().err
    assert not (here / ".mlops" / "bundles").exists()
