"""`mlops test-estimator`: exit codes, what it says, and what it refuses."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlops.cli.main import main

LOGISTIC = "sklearn.linear_model.LogisticRegression"
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(["test-estimator", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_kept_promises_are_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    asked = [LOGISTIC, "--property", "batch", "--examples=3", "--no-conventions"]
    code, out, _ = told([*asked, "--format", "json"], capsys)
    document = json.loads(out)
    assert code == 0
    assert [f["check"] for v in document["verdicts"] for f in v["findings"]] == ["algorithm.batch"]


def test_a_regularised_intercept_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    asked = [LOGISTIC, "--argument", "solver=liblinear", "--property=feature_shift"]
    code, out, _ = told([*asked, "--no-conventions"], capsys)
    assert code == 1
    assert "smallest example" in out


def test_a_declared_heuristic_is_tried_on_its_contract(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["popularity", "--examples", "3", "service=search_ranking"]
    code, out, _ = told(asked, capsys)
    assert code == 0
    assert "algorithm.future" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "needs a target"),
        (["popularty"], "has no 'popularty'"),
        (["sklearn.linear_model.LogisticRegresion"], "LogisticRegresion"),
        (["nowhere.Model"], "nowhere"),
        ([LOGISTIC, "--property", "futre"], "'futre'"),
        ([LOGISTIC, "--property", "future"], "cannot be tried here"),
        ([LOGISTIC, "--examples", "many"], "--examples must be a number"),
        ([LOGISTIC, "--argument", "C"], "has no value"),
        ([LOGISTIC, "--argument", "D=1"], "cannot be built"),
        ([LOGISTIC, "--seed"], "--seed needs a value"),
        (["mlops.models.heuristics.Popularity"], "is a heuristic"),
        (["sklearn.svm.LinearSVC"], "gives no probabilities"),
        (["sklearn.preprocessing.StandardScaler"], "no fit and predict"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_exit_code_2_with_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(arguments, capsys)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_help_lists_every_property(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(["--help"], capsys)
    assert code == 0
    assert "monotone_transform" in out
