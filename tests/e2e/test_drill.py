"""The model hangs under load: every answer comes from the heuristic in time, and a page fires."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops.base.clock import SystemClock
from mlops.budgets.prometheus import HttpPrometheus
from mlops.cli.demo_drill import Phase
from mlops.cli.demo_processes import Server, running_prometheus, running_server
from mlops.cli.demo_traffic import Traffic, bodies
from mlops.config.compose import compose
from mlops.models.artifact import Bundle, load, resolve
from tests.components.prometheus import binary, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
REQUESTS = 1000
PER_SECOND = 50.0
ROUNDS = 3
SMALL = ("data.source.searches=1500", "data.source.candidates=20")


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained bundle in a store of its own."""

    folder: Path
    bundle: Bundle


def mlops(*arguments: str) -> str:
    """Run a command as a user types it, from the repository's root."""
    done = subprocess.run(
        [sys.executable, "-m", "mlops.cli.main", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    store = tmp_path_factory.mktemp("store")
    mlops("train", "service=search_ranking", f"store.root={store}", *SMALL)
    path = resolve("latest", store / "bundles", "search_ranking")
    return Trained(store, load(path))


@contextmanager
def serving(trained: Trained) -> Iterator[Server]:
    overrides = (
        "service=search_ranking",
        f"store.root={trained.folder}",
        "serving.deadline_ms=50",
        "serving.breaker.trip_s=1",
        "serving.breaker.open_s=0.5",
        "serving.breaker.ramp_s=0.2",
        "serving.cache.entries=0",  # the load repeats itself, and here heuristics shall answer
    )
    with chdir(ROOT), running_server(overrides, trained.folder / "server.log") as running:
        yield running


@pytest.fixture(scope="module")
def shared_server(trained: Trained) -> Iterator[Server]:
    with serving(trained) as running:
        yield running


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    yield shared_server
    shared_server.fault("none")


@pytest.fixture
def own_server(trained: Trained) -> Iterator[Server]:
    with serving(trained) as running:
        yield running


def traffic(server: Server, bundle: Bundle) -> Traffic:
    content = bodies(
        bundle.parts.domain, bundle.parts.program.known, requests=200, candidates=50, seed=1
    )
    return Traffic(server.url, content, per_second=PER_SECOND, clock=SystemClock())


def test_hung_model_costs_no_answer_and_pages_and_resolves(
    trained: Trained, server: Server
) -> None:
    binary("prometheus")
    spec = compose(["service=search_ranking", "slo=fast"], folder=ROOT).settings.slo
    target = server.url.removeprefix("http://")
    folder = trained.folder / "prometheus"
    with running_prometheus(target, [ROOT / spec.files[0]], spec, folder) as url:
        assert url is not None
        prometheus = HttpPrometheus(url, timeout_s=5)

        def firing() -> bool:
            query = 'ALERTS{alertstate="firing",severity="page",slo=~".*model-served"}'
            return bool(prometheus.query(query, at=datetime.now(UTC)))

        eventually(lambda: _model_answers(server, trained), within_s=60, what="the model")
        healthy = traffic(server, trained.bundle)
        asyncio.run(healthy.run(requests=300))
        sources = Phase("healthy", healthy.answers).sources()
        assert sources["model"] >= 280, sources

        server.fault("model_hang")
        late: list[int] = []
        for _ in range(ROUNDS):
            hung = traffic(server, trained.bundle)
            asyncio.run(hung.run(requests=REQUESTS))
            phase = Phase("hangs", hung.answers)
            assert len(phase.answers) == REQUESTS
            assert phase.answered() == REQUESTS
            assert phase.sources() == {"heuristic": REQUESTS}
            # Lateness that the code causes is in every round; a busy machine's is not.
            late.append(REQUESTS - phase.in_time(deadline_ms=50))
            if late[-1] == 0:
                break
        assert late[-1] == 0, f"late answers in each round: {late}"
        eventually(firing, within_s=30, what="the page")

        server.fault("none")
        lifted = traffic(server, trained.bundle)
        asyncio.run(lifted.run(requests=1000))
        last = Phase("lifted", lifted.answers[-200:])
        assert last.sources()["model"] >= 180, last.sources()
        eventually(lambda: not firing(), within_s=60, what="the page's end")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("model_error", "model_error"),
        ("model_nan", "guard_not_finite"),
        ("model_out_of_range", "guard_out_of_range"),
        ("slow_ms:200", "deadline"),
    ],
)
def test_broken_model_is_answered_for_by_the_heuristic(
    trained: Trained, server: Server, fault: str, reason: str
) -> None:
    eventually(lambda: _model_answers(server, trained), within_s=60, what="the model")
    server.fault(fault)
    broken = traffic(server, trained.bundle)
    asyncio.run(broken.run(requests=100))
    assert {(a.code, a.source) for a in broken.answers} == {(200, "heuristic")}
    assert reason in {a.reason for a in broken.answers}


def test_terminated_server_answers_what_is_in_flight_and_leaves_no_process(
    trained: Trained, own_server: Server
) -> None:
    server = own_server
    server.fault("slow_ms:30")
    children = _children(server.process.pid)
    assert len(children) >= 5, "two workers, their models, and the decision log's writer"

    async def stop_under_load() -> Traffic:
        load_ = traffic(server, trained.bundle)
        run = asyncio.create_task(load_.run(requests=5))
        await asyncio.sleep(0.09)
        server.process.terminate()
        await run
        return load_

    answered = asyncio.run(stop_under_load())
    assert server.process.wait(15) == 0
    assert [a.code for a in answered.answers[:4]] == [200] * 4
    eventually(lambda: not any(_alive(pid) for pid in children), within_s=5, what="the model's end")


def _model_answers(server: Server, trained: Trained) -> bool:
    """Tell whether the model answers again after an earlier test's fault."""
    probe = traffic(server, trained.bundle)
    asyncio.run(probe.run(requests=20))
    return Phase("probe", probe.answers).sources()["model"] >= 18


def _children(pid: int) -> list[int]:
    """Return the processes below a process: the workers, the log's writer and the models."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    own = [int(each) for each in listed.split()]
    return [*own, *(below for each in own for below in _children(each))]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
