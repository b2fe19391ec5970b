"""A host is timed once, and later checks predict costs with its own figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]


def mlops(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mlops.cli.main", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_host_is_timed_and_its_figures_are_used(tmp_path: Path) -> None:
    store = f"store.root={tmp_path}"
    profile = json.loads(mlops("check", "--calibrate", "--format", "json", store))
    assert Path(profile["profile"]).is_file()
    assert profile["measured"] is True
    assert profile["seconds"]["boosting.bin"] > 0
    checked = mlops("check", "service=search_ranking", "--format", "json", store)
    assert "timed by `mlops check --calibrate`" in checked
    copied = mlops(
        "check", "service=search_ranking", f"cost.host={profile['profile']}", store,
        "--format", "json",
    )  # fmt: skip
    assert f"on {Path(profile['profile']).stem}" in copied
