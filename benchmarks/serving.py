"""The serving benchmark: our server beside others and beside the bare limits, in one run.

    python -m benchmarks.serving            # all; takes about ten minutes
    python -m benchmarks.serving ours       # one server, prints only

One machine, one model, one worker each; pages of 1, 50 and 200 candidates over 1, 8 and 32
connections. Ours runs with contract, guard, metrics and decision log on. Prints a table and writes
benchmarks/results/serving.json. Ratios are what counts: load and server share two cores.
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.load import Plan, Step, run
from benchmarks.load_records import lateness_ms, percentiles_ms
from benchmarks.machine import write
from benchmarks.processes import children, tree, usage
from benchmarks.serving_goals import goals
from benchmarks.serving_model import Page, Served, prepare
from benchmarks.serving_servers import (
    Contender,
    Running,
    check,
    contenders,
    make_peers,
    running,
    save_for_mlflow,
)
from mlops.base.digest import Json

SIZES = (1, 50, 200)
CONNECTIONS = (1, 8, 32)
WARM_S, MEASURE_S = 1.0, 4.0
HALF_LOAD_S = 10.0
_SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of one server with one page and number of connections.

    Attributes:
        server: Its name.
        candidates: Candidates in a request.
        connections: Connections.
        per_second: Answers a second.
        p50_ms: Median latency.
        p99_ms: 99 % of answers were faster.
        p99_9_ms: 99.9 % of answers were faster.
        cpu_ms: CPU milliseconds of all the server's processes for a request.
        pss_mb: Memory of all its processes, shared pages counted once.
        rss_mb: Memory of all its processes, shared pages counted in each.
        processes: How many these are.
        failed: Requests without a 200.
    """

    server: str
    candidates: int
    connections: int
    per_second: float
    p50_ms: float
    p99_ms: float
    p99_9_ms: float
    cpu_ms: float
    pss_mb: float
    rss_mb: float
    processes: int
    failed: int


def main(names: Sequence[str]) -> None:
    """Measure, print, write."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="mlops-serving-") as folder:
        served = prepare(Path(folder), SIZES)
        make_peers()
        if not names or "MLflow" in names:
            save_for_mlflow(served)
        chosen = [each for each in contenders(served) if not names or each.name in names]
        figures, starts, extra = _measure_all(chosen, served)
    if not names:
        report: dict[str, Json] = {
            "unit": "answers a second; milliseconds; CPU of all the server's processes; MB",
            "figures": [asdict(figure) for figure in figures],
            "ready_s": dict(starts),
            "ours": extra,
            "goals": goals(figures, extra),
        }
        write("serving", report)


def _measure_all(
    chosen: Sequence[Contender], served: Served
) -> tuple[list[Figure], dict[str, float], dict[str, Json]]:
    figures: list[Figure] = []
    starts: dict[str, float] = {}
    extra: dict[str, Json] = {}
    _head()
    for contender in chosen:
        if contender.scores is None:  # a constant: of the size of our answer, page by page
            for page in served.pages:
                (served.folder / "answer").write_bytes(_answer_like_ours(served, page))
                with running(contender, served) as server:
                    starts[contender.name] = round(server.ready_s, 2)
                    figures += _page(contender, server, page)
            continue
        with running(contender, served) as server:
            starts[contender.name] = round(server.ready_s, 2)
            for page in served.pages:
                answer = check(contender, server.port, page)
                if contender.name == "ours":
                    (served.folder / f"answer-{page.candidates}").write_bytes(answer)
                figures += _page(contender, server, page)
            if contender.name == "ours":
                extra = _ours(contender, server, served, figures)
    return figures, starts, extra


def _answer_like_ours(served: Served, page: Page) -> bytes:
    """Return our server's own answer, or one about as long where it was not measured."""
    path = served.folder / f"answer-{page.candidates}"
    return path.read_bytes() if path.exists() else b" " * (180 + 42 * page.candidates)


def _page(contender: Contender, server: Running, page: Page) -> list[Figure]:
    found = []
    for connections in CONNECTIONS:
        figure = _figure(contender, server, page, connections)
        _row(figure)
        found.append(figure)
    return found


def _figure(contender: Contender, server: Running, page: Page, connections: int) -> Figure:
    plan = _plan(contender, server, page, connections=connections, step=Step(WARM_S))
    run(plan)
    before = usage(tree(server.process.pid))
    ran = run(_plan(contender, server, page, connections=connections, step=Step(MEASURE_S)))
    after = usage(tree(server.process.pid))
    good = [sample for sample in ran.samples if sample.code == 200]
    latencies = percentiles_ms(good)
    spent = after.cpu_s - before.cpu_s
    return Figure(
        server=contender.name,
        candidates=page.candidates,
        connections=connections,
        per_second=round(len(good) / ran.seconds, 1),
        p50_ms=round(latencies.get("p50", 0.0), 3),
        p99_ms=round(latencies.get("p99", 0.0), 3),
        p99_9_ms=round(latencies.get("p99_9", 0.0), 3),
        cpu_ms=round(1000 * spent / max(1, len(good)), 4),
        pss_mb=round(after.pss_mb, 1),
        rss_mb=round(after.rss_mb, 1),
        processes=after.processes,
        failed=len(ran.samples) - len(good),
    )


def _plan(
    contender: Contender, server: Running, page: Page, *, connections: int, step: Step
) -> Plan:
    return Plan(
        port=server.port,
        bodies=contender.bodies(page),
        steps=(step,),
        path=contender.path,
        connections=connections,
        keep="code",
        give_up_s=20.0,
    )


def _ours(
    contender: Contender, server: Running, served: Served, figures: Sequence[Figure]
) -> dict[str, Json]:
    """Measure what is asked of our server alone."""
    page = next(page for page in served.pages if page.candidates == 50)
    capacity = max(f.per_second for f in figures if f.server == "ours" and f.candidates == 50)
    time.sleep(_SETTLE_S)
    step = Step(HALF_LOAD_S, rate=capacity / 2)
    ran = run(_plan(contender, server, page, connections=32, step=step))
    workers = [usage([pid]) for pid in children(server.process.pid)]
    found: dict[str, Json] = {
        "half_load_per_second": round(capacity / 2, 1),
        "half_load_ms": {k: round(v, 3) for k, v in percentiles_ms(ran.samples).items()},
        "half_load_own_lateness_ms": {k: round(v, 3) for k, v in lateness_ms(ran.samples).items()},
        "half_load_failed": sum(sample.code != 200 for sample in ran.samples),
        "ready_s": round(server.ready_s, 3),
        "largest_process_pss_mb": round(max(each.pss_mb for each in workers), 1),
        "largest_process_rss_mb": round(max(each.rss_mb for each in workers), 1),
    }
    print(f"ours, open loop at half of capacity: {found}")
    return found


def _head() -> None:
    print(
        f"{'server':<20} {'cand':>5} {'conn':>5} {'per s':>9} {'p50 ms':>8} {'p99 ms':>8}"
        f" {'p99.9':>8} {'CPU ms':>8} {'PSS MB':>7} {'RSS MB':>7} {'procs':>5} {'failed':>6}"
    )


def _row(f: Figure) -> None:
    print(
        f"{f.server:<20} {f.candidates:>5} {f.connections:>5} {f.per_second:>9.1f}"
        f" {f.p50_ms:>8.2f} {f.p99_ms:>8.2f} {f.p99_9_ms:>8.2f} {f.cpu_ms:>8.3f}"
        f" {f.pss_mb:>7.0f} {f.rss_mb:>7.0f} {f.processes:>5} {f.failed:>6}",
        flush=True,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
