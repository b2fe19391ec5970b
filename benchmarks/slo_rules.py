"""The rules' benchmark: how long 1,000 SLOs take to compile, and 100 to be evaluated.

Compiling: the definitions are read, resolved, compiled, and every expression parsed again, as
`mlops slo generate` does. Evaluating: a real Prometheus is given 30 days of recorded steps for 100
SLOs, at the interval at which the rules record them, and two hours of their counters; then it
evaluates the rules of all of them. A cycle is what all groups together took, one after the other;
the median of five. Beside it stands the processor time that Prometheus took for all it did in the
meantime, which other programs on the machine do not lengthen. Prints both and writes
benchmarks/results/slo_rules.json. Takes some six minutes and 3 GB of disk.

    OMP_NUM_THREADS=1 python -m benchmarks.slo_rules [--generate-only]
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.machine import write
from mlops.base.digest import Json
from mlops.budgets.prometheus import Sample
from mlops.slo import names
from mlops.slo.catalog import read_catalog
from mlops.slo.objective import Objective
from mlops.slo.proof import tests_of
from mlops.slo.rules import generate
from mlops.slo.spec import SloSpec
from tests.components.prometheus import RunningPrometheus, eventually, running_prometheus

SLOS, EVALUATED = 1_000, 100
PER_FILE = 10
DAYS = 30
PERIODS_S, CYCLES = 120, 5
"""Pause between two evaluations of a period, and how many cycles are looked at."""
_CPU = 'process_cpu_seconds_total{job="self"}'
COUNTERS_S = 7_200
"""How much of the counters there is; no window longer than an hour reads them."""
DEFINITION = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: shop-{at}
  displayName: availability
  annotations: {{runbook_url: "docs/runbooks.md#availability", first_look: "The log."}}
spec:
  description: A request to shop {at} gets an answer that is not a server error.
  service: shop-{at}
  indicator:
    metadata: {{name: shop-{at}-errors}}
    spec:
      ratioMetric:
        counter: true
        bad:
          metricSource:
            type: Prometheus
            spec: {{query: 'requests_total{{shop="{at}",code=~"5.."}}'}}
        total:
          metricSource:
            type: Prometheus
            spec: {{query: 'requests_total{{shop="{at}"}}'}}
  timeWindow: [{{duration: 30d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{displayName: answered, targetPercent: 99.9}}]
"""


def main() -> None:
    """Measure, print, write."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--generate-only", action="store_true")
    options = asked.parse_args()
    spec = SloSpec()
    folder = Path(tempfile.mkdtemp(prefix="slo-rules-"))
    try:
        report: dict[str, Json] = {"generate": _generated(folder / "slo", spec)}
        print(json.dumps(report["generate"]))
        if not options.generate_only:
            report["evaluate"] = _evaluated(folder, spec)
            print(json.dumps(report["evaluate"]))
            write("slo_rules", report)
    finally:
        shutil.rmtree(folder)


def _generated(folder: Path, spec: SloSpec) -> dict[str, Json]:
    """Compile all definitions and return how long each part took."""
    folder.mkdir()
    for first in range(0, SLOS, PER_FILE):
        documents = [DEFINITION.format(at=at) for at in range(first, first + PER_FILE)]
        (folder / f"shop_{first:04}.yaml").write_text("---\n".join(documents))
    paths = sorted(folder.glob("*.yaml"))
    began = time.monotonic()
    catalog = read_catalog(paths)
    read = time.monotonic()
    texts = [generate(catalog.of_file(str(path)), spec) for path in paths]
    compiled = time.monotonic()
    tests = tests_of(catalog.objectives[:PER_FILE], spec, rules="slo.yaml")
    proved = time.monotonic()
    return {
        "slos": SLOS, "files": len(paths), "rules": sum(text.count("expr: ") for text in texts),
        "bytes": sum(map(len, texts)), "read_s": round(read - began, 2),
        "compile_s": round(compiled - read, 2), "total_s": round(compiled - began, 2),
        "goal_s": 5.0, "unit_tests_ms_a_slo": round((proved - compiled) / PER_FILE * 1000, 1),
        "unit_tests_bytes_a_slo": len(tests) // PER_FILE,
    }  # fmt: skip


def _evaluated(folder: Path, spec: SloSpec) -> dict[str, Json]:
    """Let a real Prometheus evaluate the rules of some, and return how long its groups took."""
    objectives = read_catalog(sorted((folder / "slo").glob("*.yaml"))).objectives[:EVALUATED]
    data = folder / "prometheus"
    data.mkdir()
    _backfill(data, objectives, spec)
    config = (
        "global: {evaluation_interval: 30s}\n"
        "rule_files: [slo.yaml]\n"
        "scrape_configs:\n"
        "  - {job_name: self, scrape_interval: 5s, static_configs: [{targets: ['ADDRESS']}]}\n"
    )
    with running_prometheus(
        data, config=config, rules={"slo.yaml": generate(objectives, spec)}
    ) as server:
        _scrape_itself(server)
        time.sleep(PERIODS_S + spec.evaluation_interval_s)  # each group was evaluated at least once
        cycles, cpu_s = [], server.value(_CPU)
        for _ in range(CYCLES):
            time.sleep(spec.evaluation_interval_s)
            cycles.append(server.query("prometheus_rule_group_last_duration_seconds"))
        cpu_s = (server.value(_CPU) or 0.0) - (cpu_s or 0.0)
        version = server.query("prometheus_build_info")[0].labels["version"]
        failures = server.value("sum(prometheus_rule_evaluation_failures_total)")
    cycles.sort(key=_seconds)
    typical = cycles[CYCLES // 2]
    periods = [each for each in typical if each.labels["rule_group"].endswith("-period")]
    return {
        "slos": EVALUATED, "period_days": DAYS, "prometheus": version, "groups": len(typical),
        "samples": EVALUATED * 2 * DAYS * 86_400 // spec.evaluation_interval_s,
        "failures": failures, "cycle_s": round(_seconds(typical), 3),
        "of_it_periods_s": round(_seconds(periods), 3),
        "cycles_s": [round(_seconds(each), 3) for each in cycles],
        "cpu_s_a_cycle": round(cpu_s / CYCLES, 3),
        "slowest_group_s": round(max(each.value for each in typical), 4), "goal_s": 2.0,
    }  # fmt: skip


def _seconds(cycle: Sequence[Sample]) -> float:
    return sum(each.value for each in cycle)


def _scrape_itself(server: RunningPrometheus) -> None:
    path = server.folder / "prometheus.yml"
    path.write_text(path.read_text().replace("ADDRESS", server.url.removeprefix("http://")))
    server.reload()
    eventually(
        lambda: server.query("prometheus_rule_group_last_duration_seconds"),
        within_s=60,
        what="its own metrics",
    )


def _backfill(folder: Path, objectives: tuple[Objective, ...], spec: SloSpec) -> None:
    """Write the recorded steps and the counters as blocks that Prometheus finds when it starts."""
    text = folder / "openmetrics.txt"
    now = int(time.time())
    with text.open("w") as file:
        file.writelines(_exposition(objectives, spec, now))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet",
               "--max-block-duration=768h", str(text), str(folder / "data")]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    text.unlink()


def _exposition(objectives: tuple[Objective, ...], spec: SloSpec, now: int) -> Iterator[str]:
    """Yield OpenMetrics, a family after the other, as the format asks."""
    every = spec.evaluation_interval_s
    for series, level in ((names.sli_total(spec), 30_000), (names.sli_bad(spec), 20)):
        yield f"# TYPE {series} gauge\n"
        for number, objective in enumerate(objectives):
            name = f"{series}{objective.selector}"
            for at in range(now - DAYS * 86_400, now, every):
                yield f"{name} {level + (at // every + number) % 97} {at}\n"
    yield "# TYPE requests counter\n"
    for number in range(len(objectives)):
        for code, rate in (("200", 100), ("500", 0.05)):
            for at in range(now - COUNTERS_S, now + 1, spec.scrape_interval_s):
                value = rate * (at - now + COUNTERS_S)
                yield f'requests_total{{shop="{number}",code="{code}"}} {value:g} {at}\n'
    yield "# EOF\n"


if __name__ == "__main__":
    main()
