"""Hydra's own node cannot be made to run code, write files or import packages."""

from pathlib import Path

import pytest

from mlops.cli.main import main

ROOT = Path(__file__).resolve().parents[3]

REFUSED = {
    "a launcher of another package": "hydra.launcher._target_=joblib.load",
    "a sweeper of another package": "hydra.sweeper._target_=subprocess.Popen",
    "a callback": "+hydra.callbacks.x._target_=builtins.open",
    "a logging handler that writes a file": (
        "+hydra.job_logging.handlers.x.class=logging.FileHandler"
    ),
    "a logging handler by factory": "+hydra.hydra_logging.handlers.x.()=os.system",
    "Hydra's own logging to a file": "hydra/job_logging=default",
    "an environment variable": "+hydra.job.env_set.LD_PRELOAD=x",
    "a package on the search path": "hydra.searchpath=[pkg://antigravity]",
}


@pytest.mark.parametrize("override", REFUSED.values(), ids=REFUSED.keys())
def test_what_could_run_code_is_refused(
    override: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["check", override]) == 2
    said = capsys.readouterr().out
    assert "hydra" in said
    assert "Traceback" not in said


def test_search_path_in_a_project_s_file_imports_no_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(
        "defaults: [{service: open_bandit}, _self_]\nhydra: {searchpath: ['pkg://antigravity']}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 2
    assert "hydra.searchpath" in capsys.readouterr().out


def test_sweep_settings_stay_free(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["check", "-m", "seed=0,1", f"hydra.sweep.dir={tmp_path}"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out


def test_pipeline_s_cache_of_pickles_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    step = "{_target_: sklearn.impute.SimpleImputer}"
    nested = f"{{_target_: sklearn.pipeline.Pipeline, steps: [[a, {step}]], memory: {tmp_path}}}"
    assert main(["check", "model=logistic", f"model.columns.1.steps=[{nested}]"]) == 2
    assert "memory" in capsys.readouterr().out + capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
