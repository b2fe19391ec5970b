"""The way of an alert through a real Prometheus and Alertmanager to a webhook, and its end."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops.dashboards.stack import alertmanager_config
from mlops.slo import names
from mlops.slo.catalog import read_catalog
from mlops.slo.rules import generate
from mlops.slo.scrape import prometheus_config
from mlops.slo.spec import Receivers, SloSpec, Tier
from tests.components.alertmanager import running_alertmanager, webhook
from tests.components.prometheus import eventually, free_port, running_prometheus, stop

ROOT = Path(__file__).parents[2]
EXPORTER = ROOT / "tests" / "components" / "exporter.py"
PAGE = Tier(factor=14.4, long_s=12, short_s=4, severity="page")
TICKET = Tier(factor=1.0, long_s=24, short_s=8, severity="ticket", keep_firing_for_s=4)
SECONDS = SloSpec(
    scrape_interval_s=1,
    evaluation_interval_s=1,
    step_s=4,
    direct_window_max_s=12,
    period_s=600,
    tiers=(PAGE, TICKET),
)
OBJECTIVES = read_catalog([ROOT / "slo" / "open_bandit.yaml"]).objectives


@contextmanager
def exporter(port: int) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, str(EXPORTER), str(port), "open_bandit"])
    try:
        eventually(lambda: ask(port, "metrics"), within_s=20, what="the exporter")
        yield
    finally:
        stop(process)


def ask(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.mark.slow
def test_each_pair_of_windows_fires_reaches_whom_it_is_for_and_resolves(tmp_path: Path) -> None:
    pages = {(names.alert(PAGE), each.slo) for each in OBJECTIVES}
    tickets = {(names.alert(TICKET), each.slo) for each in OBJECTIVES}
    port = free_port()
    with webhook() as receiver, exporter(port):
        to = Receivers(page=f"{receiver.url}/page", ticket=f"{receiver.url}/ticket")
        routes = alertmanager_config(SECONDS.model_copy(update={"receivers": to}))
        # An end of tickets is told once in twelve steps; the test does not wait for that.
        assert "group_interval: 48s" in routes
        routes = routes.replace("group_interval: 48s", "group_interval: 2s")
        with running_alertmanager(tmp_path, routes) as alertmanager:
            config = prometheus_config(
                [f"127.0.0.1:{port}"], ["slo.yaml"], SECONDS, alertmanagers=[alertmanager.address]
            )
            rules = {"slo.yaml": generate(OBJECTIVES, SECONDS)}
            with running_prometheus(tmp_path, config=config, rules=rules) as server:
                eventually(
                    lambda: len(server.query(names.CURRENT_BURN_RATE)) == len(OBJECTIVES),
                    within_s=20,
                    what="burn rates",
                )
                assert not receiver.notified

                ask(port, "fail/1")
                eventually(
                    lambda: pages <= set(receiver.told("/page", "firing")),
                    within_s=30,
                    what="pages at the webhook",
                )
                eventually(
                    lambda: tickets <= alertmanager.silenced(),
                    within_s=20,
                    what="tickets silenced by the pages",
                )

                ask(port, "fail/0")
                eventually(
                    lambda: tickets <= set(receiver.told("/ticket", "firing")),
                    within_s=30,
                    what="tickets at the webhook once the pages have ended",
                )
                eventually(
                    lambda: pages <= set(receiver.told("/page", "resolved")),
                    within_s=30,
                    what="the end of the pages",
                )
                eventually(
                    lambda: tickets <= set(receiver.told("/ticket", "resolved")),
                    within_s=40,
                    what="the end of the tickets",
                )
            assert "level=error" not in alertmanager.log.read_text()
    assert {each.path for each in receiver.notified} == {"/page", "/ticket"}
    for alert, long, short, path in (
        (names.alert(PAGE), "12s", "4s", "/page"),
        (names.alert(TICKET), "24s", "8s", "/ticket"),
    ):
        told = receiver.told(path, "firing")[(alert, "open-bandit-latency")]
        assert (told.labels["long_window"], told.labels["short_window"]) == (long, short)
        assert f"({long} and {short} windows)" in told.annotations["summary"]
        assert "{{" not in told.annotations["description"]
