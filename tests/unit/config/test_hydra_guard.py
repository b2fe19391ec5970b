"""Hydra's own node cannot be made to run code, write files or import packages."""

import os
import pickle
import sys
from pathlib import Path

import pytest

from mlops.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
CONFIG = "defaults: [{service: open_bandit}, _self_]\n"

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


@pytest.mark.parametrize(
    "flag",
    [
        "--experimental-rerun=job.pickle", "--exp=job.pickle", "--config-dir=more", "-cd=more",
        "--config-path=more", "--config-p=more", "-cp=more", "--config-name=x", "-cn=x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["check", "train"])
def test_flag_that_runs_a_pickle_or_reads_past_the_guards_is_refused(
    command: str,
    flag: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = type("Runs", (), {"__reduce__": lambda self: (os.mkdir, ("ran",))})()
    (tmp_path / "job.pickle").write_bytes(pickle.dumps(job))
    monkeypatch.chdir(tmp_path)
    for arguments in ([flag], flag.split("=")):
        assert main([command, *arguments]) == 2
        captured = capsys.readouterr()
        assert "is not used" in captured.out + captured.err
    assert [path.name for path in tmp_path.iterdir()] == ["job.pickle"]


def test_file_is_not_reached_by_way_of_the_folder_above(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    (tmp_path / "secret.yaml").write_text("name: hunter2\n")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "model=../../secret"]) == 2
    said = capsys.readouterr().out
    assert "hunter2" not in said
    assert "by way of `..`" in said


def test_completion_imports_no_package_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(
        f"{CONFIG}hydra: {{searchpath: ['pkg://antigravity']}}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMP_LINE", "mlops check model=")
    monkeypatch.setenv("COMP_POINT", "18")
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)
    main(["__complete"])
    assert "antigravity" not in sys.modules


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


WRITES = {
    "a run's folder": ("run: {dir: elsewhere}", "hydra.run.dir=elsewhere"),
    "a run's record": ("output_subdir: record", "hydra.output_subdir=record"),
    "a change of folder": ("job: {chdir: true}", "hydra.job.chdir=true"),
}


@pytest.mark.parametrize("sentence", WRITES)
@pytest.mark.parametrize("command", ["check", "train"])
def test_hydra_writes_and_moves_nowhere(
    sentence: str,
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node, override = WRITES[sentence]
    (tmp_path / "conf").mkdir()
    config = tmp_path / "conf" / "config.yaml"
    monkeypatch.chdir(tmp_path)
    for text, arguments, place in (
        (f"{CONFIG}hydra:\n  {node}\n", [], "conf/config.yaml:3"),
        (CONFIG, [override], f"override {override}"),
        (CONFIG, [override, "-m", "seed=1,2"], f"override {override}"),
    ):
        config.write_text(text)
        assert main([command, *arguments]) == 2
        captured = capsys.readouterr()
        said = " ".join((captured.out + captured.err).split())
        assert f"{place}: error" in said or f"error {place}:" in said
        assert "store.root" in said
        assert [path.name for path in tmp_path.iterdir()] == ["conf"]


BOMBS = {
    "aliases of aliases": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
            for before, name in zip("abcdefg", "bcdefgh", strict=True)
        ),
        5,
    ),
    "nesting": ("a: " + "[" * 5000, 1),
    "size": ("a: " + "x" * (1 << 20), None),
}


@pytest.mark.parametrize("sentence", BOMBS)
@pytest.mark.parametrize("arguments", [["check"], ["check", "service=all"], ["train"]])
def test_yaml_that_stands_for_too_much_is_refused_before_hydra_reads_it(
    sentence: str,
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text, line = BOMBS[sentence]
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "model=mine"]) == 2
    captured = capsys.readouterr()
    place = "conf/model/mine.yaml" + (f":{line}" if line else "")
    assert (captured.out + captured.err).count(f"{place}: ") == 1


def test_folder_on_the_search_path_is_bounded_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "more" / "model").mkdir(parents=True)
    (tmp_path / "more" / "model" / "deep.yaml").write_text("a: " + "[" * 5000)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(
        f"{CONFIG}hydra: {{searchpath: ['file://{tmp_path}/more']}}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["check", "model=deep"]) == 2
    assert "more/model/deep.yaml:1" in capsys.readouterr().out
