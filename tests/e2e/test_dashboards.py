"""The dashboard of a real server under real traffic: what happens is on it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mlops.base.clock import SystemClock
from mlops.cli.demo_traffic import Traffic, bodies
from mlops.dashboards.service import boards
from mlops.models.artifact import load
from mlops.serving.settings import ServeSettings
from mlops.slo.catalog import read_catalog
from mlops.slo.rules import generate
from mlops.slo.scrape import prometheus_config
from mlops.slo.spec import SloSpec, Tier
from tests.components.bundles import write_bundle
from tests.components.prometheus import running_prometheus
from tests.e2e.faults.servers import serving

ROOT = Path(__file__).parents[2]
SERVICE = "search_ranking"
FAST = SloSpec(
    scrape_interval_s=1, evaluation_interval_s=1, step_s=4, direct_window_max_s=12, period_s=600,
    tiers=(Tier(factor=14.4, long_s=12, short_s=4, severity="page"),),
)  # fmt: skip
ROUNDS = 10
# What did not happen has no line: nothing was latched, no breaker changed, no alert fires.
UNEVENTFUL = {"alerts", "pages", "Changes of breakers", "Changes of the latch"}


def settings(folder: Path) -> tuple[ServeSettings, list[bytes]]:
    ref = write_bundle(SERVICE, folder / "bundles", "hist_gradient_boosting")
    parts = load(ref.path).parts
    content: dict[str, Any] = {
        "service": SERVICE, "bundle": str(ref.path), "bundles": str(folder / "bundles"),
        "state": str(folder / "state"), "max_candidates": 50,
        "serving": {
            "port": 0, "admin_port": 0, "workers": 1, "deadline_ms": 50.0,
            "fallback": ["popularity"], "drain_s": 3.0, "lane": "process",
            "holdout": {"share": 0.05},
        },
    }  # fmt: skip
    asked = bodies(parts.domain, dict(parts.program.known), requests=64, candidates=10, seed=3)
    return ServeSettings.model_validate_json(json.dumps(content)), asked


@pytest.mark.slow
def test_all_that_happens_on_a_real_server_is_on_its_dashboard(tmp_path: Path) -> None:
    objectives = read_catalog([ROOT / "slo" / f"{SERVICE}.yaml"]).objectives
    given, content = settings(tmp_path)
    (tmp_path / "prometheus").mkdir()
    with serving(given, tmp_path / "server") as service:
        target = f"127.0.0.1:{service.port}"
        config = prometheus_config([target], ["slo.yaml"], FAST)
        rules = {"slo.yaml": generate(objectives, FAST)}
        with running_prometheus(tmp_path / "prometheus", config=config, rules=rules) as server:
            traffic = Traffic(f"http://{target}", content, per_second=60.0, clock=SystemClock())
            asked = {
                (where.rpartition(": ")[2], query.expanded("4s", rate_interval="4s"))
                for board in boards(objectives, FAST)
                for where, query in board.asked()
            }
            for _ in range(ROUNDS):
                asyncio.run(traffic.run(requests=200))
                asked = {(title, expr) for title, expr in asked if not server.query(expr)}
                if {title for title, _ in asked} <= UNEVENTFUL:
                    break
    assert {title for title, _ in asked} <= UNEVENTFUL
