"""A burning budget moves a real server to its fallback without Prometheus, and back as declared."""

import asyncio
import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlops.base.clock import SystemClock
from mlops.cli.demo_traffic import Answer, Traffic, bodies
from mlops.config.policy import demands
from mlops.models.artifact import load
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import ServingSpec
from mlops.slo.catalog import Catalog, read_catalog
from mlops.slo.rules import generate
from mlops.slo.scrape import prometheus_config
from mlops.slo.spec import SloSpec, Tier
from tests.components.bundles import write_bundle
from tests.components.prometheus import RunningPrometheus, eventually, running_prometheus
from tests.e2e.faults.servers import Server, serving

ROOT = Path(__file__).parents[2]
SERVICE = "search_ranking"
SERVED = "search-ranking-model-served"
LATENCY = "search-ranking-latency"
PER_SECOND = 60.0
RULE = "{above: 14.4, longWindow: 1h, shortWindow: 5m, minBadEvents: 50}"
FAST = "{above: 14.4, longWindow: 12s, shortWindow: 3s, minBadEvents: 20}"
PROBE = "{by: probe, after: 5m}"
ACTS_WITHIN_S = 20.0

pytestmark = pytest.mark.timeout(180)


class Stage:
    """A bundle, the definitions with fast windows, and what a server is started with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ref = write_bundle(SERVICE, folder / "bundles", "hist_gradient_boosting")
        parts = load(self.ref.path).parts
        self.bodies = bodies(
            parts.domain, dict(parts.program.known), requests=64, candidates=10, seed=3
        )

    def catalog(self, rule: str = FAST, recovery: str = PROBE) -> Catalog:
        text = (ROOT / "slo" / f"{SERVICE}.yaml").read_text()
        for old, new in ((RULE, rule), (PROBE, recovery)):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = self.folder / "slo.yaml"
        path.write_text(text)
        return read_catalog([path])

    def settings(self, catalog: Catalog, state: Path) -> ServeSettings:
        section: dict[str, Any] = {
            "port": 0, "admin_port": 0, "workers": 2, "deadline_ms": 50.0,
            "fallback": ["popularity"], "faults_allowed": True, "drain_s": 3.0,
            "breaker": {"open_s": 0.5, "ramp_s": 0.3, "probes": 3},
            "cache": {"entries": 0}, "holdout": {"share": 0.02},
            "decision_log": {"url": "none"},
        }  # fmt: skip
        found = demands(catalog, SERVICE, ServingSpec.model_validate_json(json.dumps(section)))
        content = {
            "service": SERVICE, "bundle": str(self.ref.path),
            "bundles": str(self.folder / "bundles"), "state": str(state),
            "max_candidates": 50, "serving": section,
            "policy": [json.loads(_burn(each).model_dump_json()) for each in found],
        }  # fmt: skip
        return ServeSettings.model_validate_json(json.dumps(content))

    @contextmanager
    def served(self, catalog: Catalog, folder: Path, *, ready: bool = True) -> Iterator["Served"]:
        settings = self.settings(catalog, folder / "state")
        with serving(settings, folder, wait_for_model=ready) as server:
            yield Served(server, self.bodies)


def _burn(demand: Any) -> Any:
    assert demand.problems == ()
    return demand.burn


class Served:
    """A running server, and its traffic in a thread."""

    def __init__(self, server: Server, content: list[bytes]) -> None:
        self.server = server
        self._content = content

    @contextmanager
    def traffic(self) -> Iterator[list[Answer]]:
        """Send requests meanwhile; yields the answers so far."""
        url = f"http://127.0.0.1:{self.server.port}"
        traffic = Traffic(url, self._content, per_second=PER_SECOND, clock=SystemClock())
        stopped = asyncio.Event()
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            thread = threading.Thread(target=runner.run, args=(_until(stopped, traffic),))
            thread.start()
            try:
                yield traffic.answers
            finally:
                loop.call_soon_threadsafe(stopped.set)
                thread.join()

    def policy(self) -> Mapping[str, Any]:
        code, told = self.server.admin("GET", "/fallback")
        assert code == 200
        return dict(told)

    def state(self) -> str:
        return str(self.policy()["fallback"])

    def becomes(self, state: str, *, within_s: float = ACTS_WITHIN_S) -> None:
        eventually(lambda: self.state() == state, within_s=within_s, what=f"the latch is {state}")

    def changes(self) -> list[tuple[str, str]]:
        """Return the latch's states and causes so far."""
        return [
            (each.fields["to"], each.fields["cause"])
            for each in self.server.events()
            if each.kind == "fallback"
        ]

    def answered(self, seconds: float = 1.5) -> Counter[tuple[str, str]]:
        """Return sources and reasons of what is answered from now on, without the holdout's."""
        with self.traffic() as answers:
            time.sleep(seconds)
        assert answers
        assert {each.code for each in answers} == {200}
        found = Counter((each.source, each.reason) for each in answers)
        del found["heuristic", "holdout"]
        return found


async def _until(stopped: asyncio.Event, traffic: Traffic) -> None:
    sending = asyncio.ensure_future(traffic.run())
    await stopped.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    traffic.close()
    await asyncio.sleep(0.05)  # connections are closed in the loop's next turn


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("action"))


BY_FALLBACK = {("heuristic", "burn")}
BY_MODEL = {("model", "ok")}


def test_burn_falls_back_and_probes_bring_the_model_back_but_no_lull_does(
    stage: Stage, tmp_path: Path
) -> None:
    catalog = stage.catalog(recovery="{by: probe, after: 4s}")
    with stage.served(catalog, tmp_path) as it:
        assert set(it.answered()) >= BY_MODEL
        assert it.state() == "off"
        it.server.fault("model_error")
        with it.traffic():
            it.becomes("latched")
        assert set(it.answered(0.5)) == BY_FALLBACK
        assert it.server.metrics()[f'mlops_fallback_latched{{service="{SERVICE}"}}'] == 1.0
        assert re.search(r'"event": "fallback: .*rule burn-falls-back.*slo ', _log(it))

        # The model still fails, so the first way back does not hold, and the next waits longer.
        with it.traffic():
            eventually(lambda: ("latched", "failed") in it.changes(), within_s=ACTS_WITHIN_S,
                       what="the way back fails")  # fmt: skip
        assert it.policy()["probes_in_s"] > 4.0

        # It is well again, and nobody asks: nothing proves that, so nothing comes back.
        it.server.fault("none")
        it.becomes("recovering")
        time.sleep(3.0)
        assert it.state() == "recovering"
        assert it.server.metrics()[f'mlops_fallback_latched{{service="{SERVICE}"}}'] == 0.0

        with it.traffic() as answers:
            it.becomes("off")
        ramp = Counter(each.source for each in answers)
        assert ramp["model"] < ramp["heuristic"], "it came back by a ramp, not at once"
        assert set(it.answered()) >= BY_MODEL
        assert it.changes() == [
            ("latched", "burn"), ("recovering", "waited"), ("latched", "failed"),
            ("recovering", "waited"), ("off", "healed"),
        ]  # fmt: skip


def test_person_decides_the_way_back_and_neither_time_nor_a_restart_does(
    stage: Stage, tmp_path: Path
) -> None:
    catalog = stage.catalog(recovery="{by: person}")
    with stage.served(catalog, tmp_path) as it:
        it.server.fault("model_error")
        with it.traffic():
            it.becomes("latched")
        it.server.fault("none")
        worker = it.server.workers()[0]
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: _two_workers(it.server, worker), within_s=20, what="a new worker")
        assert set(it.answered(2.5)) == BY_FALLBACK, "a worker that is new falls back as well"
    with stage.served(catalog, tmp_path, ready=False) as it:
        assert it.changes() == [("latched", "restored")]
        assert set(it.answered()) == BY_FALLBACK
        assert it.server.admin("DELETE", "/fallback")[1]["fallback"] == "recovering"
        with it.traffic():
            it.becomes("off")
        assert set(it.answered()) >= BY_MODEL
        assert it.server.admin("PUT", "/fallback")[1]["fallback"] == "latched"
        assert set(it.answered(0.5)) == BY_FALLBACK


def _two_workers(server: Server, gone: int) -> bool:
    workers = server.workers()
    return len(workers) == 2 and gone not in workers


def _log(it: Served) -> str:
    return it.server.log.read_text()


FAST_RULES = SloSpec(
    scrape_interval_s=1, evaluation_interval_s=1, step_s=5, direct_window_max_s=20, period_s=600,
    min_bad_events=1,
    tiers=(Tier(factor=14.4, long_s=20, short_s=5, severity="page"),),
)  # fmt: skip


def test_server_and_prometheus_work_out_the_same_burn_rates(stage: Stage, tmp_path: Path) -> None:
    rule = "{above: 99, longWindow: 20s, shortWindow: 5s, minBadEvents: 1000000}"
    catalog = stage.catalog(rule)
    with stage.served(catalog, tmp_path / "server") as it:
        config = prometheus_config([f"127.0.0.1:{it.server.port}"], ["slo.yaml"], FAST_RULES)
        folder = tmp_path / "prometheus"
        folder.mkdir()
        rules = {"slo.yaml": generate(catalog.objectives, FAST_RULES)}
        with running_prometheus(folder, config=config, rules=rules) as server, it.traffic():
            time.sleep(8.0)
            began = time.monotonic()
            it.server.fault("model_error")
            burning = _rates(it, server, began + 6.2)
            time.sleep(1.0)
            it.server.fault("none")
            over = [_rates(it, server, began + 14.0 + at * 0.6) for at in range(7)]
    assert burning[SERVED, "5s"] == pytest.approx((100.0, 100.0), rel=0.03)
    for rates in over:
        assert min(rates[SERVED, "20s"]) > 25.0, "the burn is in the long window still"
    # The long window's rate is the same all the while; a scrape that a busy machine delays is not.
    assert min(_apart(rates[SERVED, "20s"]) for rates in over) < 0.1, over
    assert min(max(rates[SERVED, "5s"]) for rates in over) < 14.4, over
    assert min(max(rates[LATENCY, "20s"]) for rates in over) < 14.4, over


def _apart(rates: tuple[float, float]) -> float:
    return abs(rates[0] - rates[1]) / max(rates)


Rates = dict[tuple[str, str], tuple[float, float]]


def _rates(it: Served, server: RunningPrometheus, at: float) -> Rates:
    """Return the burn rates that the server and Prometheus tell at a time, by SLO and window."""
    time.sleep(max(0.0, at - time.monotonic()))
    own = {each["slo"]: each for each in it.policy()["burn"]}
    found: Rates = {}
    for slo in (SERVED, LATENCY):
        for window, name in (("20s", "long"), ("5s", "short")):
            ratio = server.value(f'slo:sli_error:ratio_rate{window}{{slo="{slo}"}}')
            assert ratio is not None
            found[slo, window] = (own[slo][name], ratio / 0.01)
    return found
