"""The rules of the fast profile in a real Prometheus: alerts fire, resolve, and budgets show."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from mlops.base.digest import canonical_json
from mlops.base.verdict import Status
from mlops.budgets.prometheus import HttpPrometheus
from mlops.budgets.status import Budget, status
from mlops.slo import names
from mlops.slo.catalog import read_catalog
from mlops.slo.rules import generate
from mlops.slo.scrape import prometheus_config
from mlops.slo.spec import SloSpec
from tests.components.exporter import RATE_PER_S
from tests.components.prometheus import (
    Alert,
    RunningPrometheus,
    eventually,
    free_port,
    running_prometheus,
    stop,
)

ROOT = Path(__file__).parents[2]
EXPORTER = ROOT / "tests" / "components" / "exporter.py"
FAST = SloSpec.model_validate_json(
    canonical_json(yaml.safe_load((ROOT / "conf/slo/fast.yaml").read_text()))
)
PAGE = "SloBudgetBurn20s5s"


@contextmanager
def exporter(port: int) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, str(EXPORTER), str(port), "open_bandit"])
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: _get(f"{url}/metrics"), within_s=20, what="the exporter")
        yield url
    finally:
        stop(process)


def _get(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return str(response.read().decode())
    except OSError:
        return None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_total_failure_pages_within_30_s_and_the_page_resolves_within_60_s(
    tmp_path: Path,
) -> None:
    objectives = read_catalog([ROOT / "slo" / "open_bandit.yaml"]).objectives
    port = free_port()
    config = prometheus_config([f"127.0.0.1:{port}"], ["slo.yaml"], FAST)
    rules = {"slo.yaml": generate(objectives, FAST)}

    def budgets(server: RunningPrometheus) -> dict[str, Budget]:
        client = HttpPrometheus(server.url, timeout_s=10.0)
        found = status(objectives, FAST, client, at=datetime.now(UTC))
        return {budget.slo.removeprefix("open-bandit-"): budget for budget in found}

    with running_prometheus(tmp_path, config=config, rules=rules) as server:
        assert {budget.status for budget in budgets(server).values()} == {Status.UNKNOWN}
        with exporter(port) as service:
            healthy = eventually(
                lambda: _all(budgets(server), Status.PASS), within_s=40, what="healthy budgets"
            )
            assert all(budget.remaining == pytest.approx(1.0) for budget in healthy.values())
            eventually(
                lambda: len(server.query(names.PERIOD_REMAINING)) == 3,
                within_s=20,
                what="the period's budgets recorded",
            )
            assert server.alerts() == ()

            _get(f"{service}/fail/1")
            began = time.monotonic()
            pages = eventually(
                lambda: _three(server.firing(alertname=PAGE)), within_s=30, what="three pages"
            )
            fired_after_s = time.monotonic() - began
            assert {alert.labels["slo"] for alert in pages} == {item.slo for item in objectives}
            _reads_well(pages[0].annotations["description"])
            burning = budgets(server)["model-served"]
            assert PAGE in burning.firing
            assert burning.status in {Status.WARN, Status.FAIL}
            assert burning.burn_rate is not None
            assert burning.burn_rate > 14.4

            _get(f"{service}/fail/0")
            began = time.monotonic()
            eventually(
                lambda: not server.firing(severity="page"), within_s=60, what="pages resolved"
            )
            resolved_after_s = time.monotonic() - began
            eventually(lambda: not server.alerts(), within_s=60, what="tickets resolved")

            spent = budgets(server)["latency"]
            assert spent.status is Status.FAIL
            _agrees(spent, server)
        # The service is gone: its past is known, its present is not.
        gone = eventually(
            lambda: server.value("absent(slo:sli_total:increase5s)"), within_s=30, what="no data"
        )
        assert gone == 1.0
        assert budgets(server)["latency"].burn_rate is None
        assert "err=" not in server.log()
    sys.stderr.write(f"\nfired after {fired_after_s:.1f} s, resolved {resolved_after_s:.1f} s\n")


def _all(budgets: dict[str, Budget], state: Status) -> dict[str, Budget] | None:
    return budgets if {budget.status for budget in budgets.values()} == {state} else None


def _three(alerts: tuple[Alert, ...]) -> tuple[Alert, ...] | None:
    return alerts if len(alerts) == 3 else None


def _agrees(budget: Budget, server: RunningPrometheus) -> None:
    """Hold the recorded sums against the raw counters, within what the method can lose."""
    name = "mlops_decision_duration_seconds"
    total = server.value(f"sum({name}_count)")
    good = server.value(f'sum({name}_bucket{{le="0.05"}})')
    assert total is not None
    assert good is not None
    assert budget.total is not None
    assert budget.bad is not None
    scrape = RATE_PER_S * FAST.scrape_interval_s
    step = RATE_PER_S * FAST.step_s
    # Each edge of the failure falls between two scrapes.
    assert abs(budget.bad - (total - good)) <= 2 * scrape
    # Missing: the step before the first recording, and the one that is not over yet.
    assert -scrape <= total - budget.total <= 2 * step + 3 * scrape


def _reads_well(description: str) -> None:
    assert "{{" not in description
    assert "<error" not in description
    assert "x the rate that uses it up in exactly 10m" in description
    assert "budget is gone in" in description or "already used up" in description
