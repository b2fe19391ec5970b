"""The README's commands and answers, typed as they stand there."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, cast

import pytest

from mlops.cli.demo_processes import running_server
from mlops.data.open_bandit_fetch import fetch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("mlops ")
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment in which the public data are there, fetched if need be."""
    given = os.environ.get("MLOPS_DATA_DIR")
    if given is None:
        folder = tmp_path_factory.mktemp("data")
        fetch(folder, environment=os.environ)
        given = str(folder)
    return {**os.environ, "MLOPS_DATA_DIR": given, "OMP_NUM_THREADS": "1"}


def typed(
    command: str, store: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)[1:]
    return subprocess.run(
        [sys.executable, "-m", "mlops.cli.main", *words, f"store.root={store}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def of_service(service: str) -> list[str]:
    """Return the README's commands that make and judge a bundle of a service."""
    words = ("train", "gate", "certify")
    wanted = [f"mlops {word} service={service}" for word in words]
    return [command for command in wanted if command in COMMANDS]


@pytest.mark.parametrize("service", ["open_bandit", "search_ranking"])
def test_service_trains_passes_its_gate_and_answers_the_curl(
    service: str, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    commands = of_service(service)
    assert len(commands) == (3 if service == "search_ranking" else 2)
    for command in commands:
        done = typed(command, tmp_path, environment)
        assert done.returncode == 0, done.stdout + done.stderr
    example = f"docs/examples/{service}.json"
    assert f"-d @{example}" in README
    monkeypatch.chdir(ROOT)
    overrides = (f"service={service}", f"store.root={tmp_path}")
    with running_server(overrides, tmp_path / "server.log") as server:
        answer = _decided(server.url, (ROOT / example).read_bytes())
    assert answer["source"] == "model"
    assert answer["reason"] == "ok"
    asked = json.loads((ROOT / example).read_text())
    (name,) = {"item_id", "job_id"} & asked["candidates"][0].keys()
    assert {r["id"] for r in answer["ranking"]} == {c[name] for c in asked["candidates"]}
    scores = [r["score"] for r in answer["ranking"]]
    assert scores == sorted(scores, reverse=True)


def test_sweep_compares_its_members(tmp_path: Path, environment: dict[str, str]) -> None:
    (command,) = [c for c in COMMANDS if " -m " in c]
    done = typed(command, tmp_path, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "model=logistic" in done.stdout
    assert "model=hist_gradient_boosting" in done.stdout
    assert "auc" in done.stdout


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("mlops check service=open_bandit", 0),
        ("mlops check service=all", 0),
        ("mlops test-estimator popularity service=search_ranking", 0),
        ("mlops train --cfg job", 0),
        ("mlops check serving.dedline_ms=80", 2),
        ("mlops slo status", 3),
    ],
)
def test_other_commands_end_as_documented(
    command: str, code: int, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert command in COMMANDS
    done = typed(command, tmp_path, environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_help_lists_all_commands_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlops.cli.main", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for command in COMMANDS:
        assert f"  {command.split()[1]} " in done.stdout


def _decided(url: str, body: bytes) -> dict[str, Any]:
    """Return the model's answer, asked for again while its process starts."""
    request = urllib.request.Request(
        f"{url}/v1/decide", data=body, headers={"content-type": "application/json"}
    )
    answer: dict[str, Any] = {}
    for _ in range(50):
        with urllib.request.urlopen(request, timeout=5) as response:
            answer = cast("dict[str, Any]", json.load(response))
        if answer["source"] == "model":
            break
        time.sleep(0.2)
    return answer
