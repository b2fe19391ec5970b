"""A back-filled Prometheus: days of counters and of what rules record of them, in seconds."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from mlops.budgets.prometheus import HttpPrometheus
from mlops.slo import names
from mlops.slo.objective import Objective
from mlops.slo.rules import generate
from mlops.slo.spec import SloSpec
from tests.components.prometheus import RunningPrometheus, binary, running_prometheus

Numbers = npt.NDArray[np.int64]

CONFIG = "global: {scrape_interval: 15s}\n"
FLAGS = ("--storage.tsdb.retention.time=90d",)
ONE_BLOCK = "--max-block-duration=768h"


def openmetrics(name: str, samples: Mapping[str, Numbers], times: Numbers) -> list[str]:
    """Return counters as lines that promtool loads.

    Args:
        name: Of the metric, without `_total`.
        samples: By the value of the label `code`, its count at each time.
        times: Unix seconds, ascending.
    """
    lines = [f"# TYPE {name} counter"]
    for code, counts in samples.items():
        lines += [
            f'{name}_total{{code="{code}"}} {count} {time}'
            for count, time in zip(counts.tolist(), times.tolist(), strict=True)
        ]
    return lines


@contextmanager
def backfilled(
    folder: Path,
    counters: Sequence[str],
    objectives: Sequence[Objective],
    spec: SloSpec,
    *,
    first: int,
    last: int,
) -> Iterator[RunningPrometheus]:
    """Start a Prometheus that holds counters and the steps that an SLO's rules record of them.

    Args:
        folder: An empty folder.
        counters: Lines of OpenMetrics.
        objectives: The SLOs; their generated rules for steps are evaluated at each step's end.
        spec: Gives the step.
        first: Unix seconds of the first evaluation, the end of a step.
        last: Unix seconds of the last evaluation.
    """
    _load(folder, counters)
    recorded: list[str] = []
    with running_prometheus(folder, config=CONFIG, rules={}, flags=FLAGS) as server:
        client = HttpPrometheus(server.url, timeout_s=60)
        for name in (names.sli_total(spec), names.sli_bad(spec)):
            recorded.append(f"# TYPE {name} gauge")
            for objective in objectives:
                expr = _recorded(objective, spec)[name]
                (series,) = client.query_range(expr, first=first, last=last, step_s=spec.step_s)
                recorded += [
                    f"{name}{objective.selector} {value!r} {time}"
                    for time, value in series.points.items()
                ]
    _load(folder, recorded)
    # Blocks that are added are seen at once only by a new process.
    with running_prometheus(folder, config=CONFIG, rules={}, flags=FLAGS) as server:
        yield server


def _load(folder: Path, lines: Sequence[str]) -> None:
    path = folder / "samples.txt"
    path.write_text("\n".join([*lines, "# EOF\n"]))
    words = ("create-blocks-from", ONE_BLOCK, "openmetrics", path, folder / "data")
    subprocess.run([binary("promtool"), "tsdb", *words], check=True, capture_output=True)


def _recorded(objective: Objective, spec: SloSpec) -> dict[str, str]:
    """Return the generated expressions; promtool's own back-filling of rules takes minutes."""
    group = yaml.safe_load(generate([objective], spec))["groups"][0]
    return {rule["record"]: rule["expr"] for rule in group["rules"] if "record" in rule}
