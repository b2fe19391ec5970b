"""The guide to a first project, walked as a reader does: every command and answer in it is true."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.experiments.assignment import Arm, assign

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("first_project"),
]

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guide" / "first-project.md").read_text()
BIN = Path(sys.executable).parent
WRITTEN_ADDRESS = "http://127.0.0.1:8080"
SERVE = "mlops serve"


def _blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def _commands(text: str) -> list[str]:
    """Return the `mlops` commands of a page's shell blocks, without their comments."""
    lines = [line for block in _blocks("sh", text) for line in block.splitlines()]
    return [line.partition("#")[0].strip() for line in lines if line.startswith("mlops ")]


def _curl(text: str) -> str:
    (found,) = [block for block in _blocks("sh", text) if block.startswith("curl ")]
    return found


def _body(curl: str) -> dict[str, Any]:
    found = re.search(r"-d '(.*)'", curl, re.DOTALL)
    assert found is not None
    body: dict[str, Any] = json.loads(found[1])
    return body


def _shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one line as it is typed; the console script does not look into its folder by itself."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**environment, "PATH": f"{BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Walk:
    """What the guide's commands printed.

    Attributes:
        folder: The project.
        done: Each command with what came of it, in order, but for `mlops serve`.
    """

    folder: Path
    done: dict[str, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    folder = tmp_path_factory.mktemp("guide")
    done: dict[str, subprocess.CompletedProcess[str]] = {}
    for command in _commands(GUIDE):
        if command == SERVE:
            continue
        done[command] = _shell(command, folder)
        if command == "mlops init shop_offers":
            folder = folder / "shop_offers"
    return Walk(folder, done)


@pytest.fixture(scope="module")
def address(walk: Walk) -> Iterator[str]:
    with _serving(walk.folder) as url:
        yield url


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Run the guide's `mlops serve`, on a free port; it must end well when it is told to."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with (folder / "serve.log").open("w") as log:
        server = subprocess.Popen(
            [BIN / "mlops", "serve", "serving.port=0"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert server.stdout is not None
    with server, server.stdout:
        try:
            line = server.stdout.readline()
            assert line, (folder / "serve.log").read_text()
            said = json.loads(line)
            assert said["model_ready"]
            yield said["url"]
        finally:
            server.terminate()
        assert server.wait(20) == 0


def _post(address: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"{address}/v1/decide",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_every_command_of_the_guide_ends_well(walk: Walk) -> None:
    assert len(walk.done) >= 7
    for command, done in walk.done.items():
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, command


def test_the_projects_own_readme_has_no_other_commands(walk: Walk) -> None:
    readme = (walk.folder / "README.md").read_text()
    assert set(_commands(readme)) <= {*walk.done, SERVE}
    assert len(_commands(readme)) == 5
    assert _curl(readme) == _curl(GUIDE)


@pytest.mark.parametrize("command", ["mlops train", "mlops evaluate"])
def test_what_the_guide_says_the_model_earns_is_what_is_printed(walk: Walk, command: str) -> None:
    (shown,) = _blocks("text", GUIDE)
    printed = " ".join(walk.done[command].stdout.split())
    for line in shown.splitlines():
        assert line.partition(" (95 %")[0] in printed


def test_the_gate_answers_every_question(walk: Walk) -> None:
    told = walk.done["mlops gate"].stdout
    assert "may be released" in told
    assert "could not be answered" not in told


def test_the_projects_code_keeps_strict_types(walk: Walk, tmp_path: Path) -> None:
    command = f"MYPYPATH={ROOT} mypy --strict --cache-dir={tmp_path} shop_offers tests"
    done = _shell(command, walk.folder)
    assert done.returncode == 0, done.stdout


def test_the_workflow_runs_commands_that_work(walk: Walk) -> None:
    workflow = yaml.safe_load((walk.folder / ".github" / "workflows" / "ci.yml").read_text())
    runs = {step["name"]: step.get("run", "") for step in workflow["jobs"]["gate"]["steps"][2:]}
    for name in ("Check", "Objectives", "Train"):
        assert runs[name] in walk.done, "the guide's walk has not run it"
    for name in ("Test", "Gate"):
        done = _shell(runs[name], walk.folder)
        assert done.returncode == 0, (name, done.stdout, done.stderr)
    summary = walk.folder / "summary.md"
    assert _shell(f"GITHUB_STEP_SUMMARY={summary}; {runs['Summary']}", walk.folder).returncode == 0
    assert "passed the gate" in summary.read_text()
    suites = ElementTree.parse(walk.folder / "reports" / "gate.xml").getroot()
    assert len(list(suites.iter("testcase"))) > 5
    assert list(suites.iter("failure")) == []


def test_the_workflow_says_what_must_be_set(walk: Walk) -> None:
    workflow = yaml.safe_load((walk.folder / ".github" / "workflows" / "ci.yml").read_text())
    install = workflow["jobs"]["gate"]["steps"][2]
    assert install["env"] == {"MLOPS_REQUIREMENT": "${{ vars.MLOPS_REQUIREMENT }}"}
    done = _shell(f"MLOPS_REQUIREMENT=; {install['run']}", walk.folder)
    assert done.returncode == 2
    assert "MLOPS_REQUIREMENT" in done.stdout


def test_rules_are_written_beside_the_objectives(walk: Walk) -> None:
    rules = yaml.safe_load((walk.folder / "slo" / "shop_offers.rules.yml").read_text())
    alerts = [r for group in rules["groups"] for r in group["rules"] if "alert" in r]
    anchors = {alert["annotations"]["runbook_url"] for alert in alerts}
    readme = (walk.folder / "README.md").read_text()
    assert len(anchors) == 10
    for anchor in anchors:
        page, _, title = anchor.partition("#")
        assert page == "README.md"
        assert f"\n### {title}\n" in readme


def test_the_guides_request_gets_the_guides_answer(walk: Walk, address: str) -> None:
    done = _shell(_curl(GUIDE).replace(WRITTEN_ADDRESS, address), walk.folder)
    assert done.returncode == 0, done.stderr
    answer, (shown, _) = json.loads(done.stdout), map(json.loads, _blocks("json", GUIDE))
    for key in ("request_id", "source", "reason", "arm"):
        assert answer[key] == shown[key]
    assert answer.keys() == shown.keys()
    got, wanted = answer["ranking"], shown["ranking"]
    assert [each["id"] for each in got] == [each["id"] for each in wanted]
    # The sweep at the guide's end trained the same model again, so that is what is served.
    assert [each["score"] for each in got] == pytest.approx(
        [each["score"] for each in wanted], abs=0.01
    )


def test_a_broken_request_gets_the_guides_refusal(address: str) -> None:
    body = _body(_curl(GUIDE))
    body["context"]["visits"] = -3
    _, shown = map(json.loads, _blocks("json", GUIDE))
    assert _post(address, body) == (422, shown)


def test_the_projects_own_heuristic_answers_for_the_holdout(address: str) -> None:
    subjects = (f"visitor-{number}" for number in range(10_000))
    held = next(s for s in subjects if assign(s, share=0.01, salt="holdout") is Arm.HOLDOUT)
    body = _body(_curl(GUIDE))
    first, second, third = body["candidates"]
    body["subject"] = held
    body["candidates"] = [{**first, "kind": third["kind"]}, second, third]
    code, answer = _post(address, body)
    assert (code, answer["source"], answer["reason"]) == (200, "heuristic", "holdout")
    scores = {each["id"]: each["score"] for each in answer["ranking"]}
    # It counts by kind and device: two gifts are alike to it, which popularity would tell apart.
    assert scores["ship-free-50"] == scores["gift-candle"] != scores["ten-percent"]
    assert all(0 < score < 1 for score in scores.values())
