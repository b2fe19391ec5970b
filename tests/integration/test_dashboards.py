"""Dashboards against a real Prometheus: every question on them is answered by a server's series."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from mlops.base.digest import canonical_json
from mlops.dashboards.service import boards
from mlops.slo.catalog import read_catalog
from mlops.slo.rules import generate
from mlops.slo.scrape import prometheus_config
from mlops.slo.spec import SloSpec
from tests.components.prometheus import eventually, free_port, running_prometheus, stop

ROOT = Path(__file__).parents[2]
FAST = SloSpec.model_validate_json(
    canonical_json(yaml.safe_load((ROOT / "conf/slo/fast.yaml").read_text()))
)


@contextmanager
def everything_exported(port: int, service: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.components.whole_exporter", str(port), service]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        eventually(lambda: answers(port), within_s=20, what="the exporter")
        yield
    finally:
        stop(process)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.mark.slow
def test_every_question_on_every_dashboard_is_answered(tmp_path: Path) -> None:
    objectives = read_catalog([ROOT / "slo" / "open_bandit.yaml"]).objectives
    asked = {
        (board.uid, where, query.expanded(window, rate_interval="5s"))
        for board in boards(objectives, FAST)
        for where, query in board.asked()
        for window in board.windows
    }
    port = free_port()
    config = prometheus_config([f"127.0.0.1:{port}"], ["slo.yaml"], FAST)
    rules = {"slo.yaml": generate(objectives, FAST)}
    with (
        everything_exported(port, "open_bandit"),
        running_prometheus(tmp_path, config=config, rules=rules) as server,
    ):

        def all_answered() -> bool:
            asked.difference_update([one for one in asked if server.query(one[2])])
            return not asked

        try:
            eventually(all_answered, within_s=45, what="all answered")
        except pytest.fail.Exception:
            pytest.fail(f"never answered: {sorted(asked)}")
        assert "err=" not in server.log()
