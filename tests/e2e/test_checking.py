"""The guide to checking, walked as a reader does: its files, its commands and their answers."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guide" / "checking.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.DOTALL)
BIN = Path(sys.executable).parent
WORKFLOW = "# .github/"


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the guide with its answer.

    Attributes:
        command: As typed.
        shown: The answer that stands behind it; empty if none does.
        done: What came of it.
    """

    command: str
    shown: str
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    folder = tmp_path_factory.mktemp("guide")
    steps: list[Step] = []
    for language, text in BLOCKS:
        if language == "sh":
            for line in text.splitlines():
                if line.startswith("cd "):
                    folder = folder / line.removeprefix("cd ")
                else:
                    steps.append(Step(line, "", _shell(line, folder)))
        elif language == "text":
            steps[-1] = Step(steps[-1].command, text, steps[-1].done)
        elif not text.startswith(WORKFLOW):
            path = folder / text.splitlines()[0].removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return steps


def _shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**environment, "PATH": f"{BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _without_figures(text: str) -> list[str]:
    """Return lines in which figures are one, since those of a prediction depend on the host."""
    lines = (re.sub(r"[0-9][0-9,.]*", "0", line).rstrip() for line in text.splitlines())
    return [line for line in lines if line and "pass  cost" not in line]


def test_every_answer_is_what_the_command_says(walk: list[Step]) -> None:
    answered = [step for step in walk if step.shown]
    assert len(answered) >= 13
    for step in answered:
        said = _without_figures(step.done.stdout + step.done.stderr)
        for line in _without_figures(step.shown):
            assert line in said, f"{step.command}\n{step.done.stdout}{step.done.stderr}"


def test_exit_codes_are_as_documented(walk: list[Step]) -> None:
    for step in walk:
        wrong = bool(re.search(r"^\d+ errors?", step.shown, re.MULTILINE))
        assert step.done.returncode == (2 if wrong else 0), (step.command, step.done.stdout)
        assert "Traceback" not in step.done.stdout + step.done.stderr


def test_the_workflow_is_yaml_and_runs_the_command() -> None:
    (text,) = (text for language, text in BLOCKS if text.startswith(WORKFLOW))
    steps = yaml.safe_load(text)["jobs"]["check"]["steps"]
    runs = [step["run"] for step in steps if "run" in step]
    assert "mlops check service=all --format sarif > check.sarif" in runs
