"""The check's benchmark: what it finds of the corpus, where, and how fast; beside a plain run.

    OMP_NUM_THREADS=1 python -m benchmarks.checks [WORDS]

Prints a table and writes benchmarks/results/checks.json. With words only the cases whose name or
kind holds one of them are run, and nothing is written. Takes about four minutes.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import plain
from benchmarks.machine import write
from mlops.base.digest import Json
from mlops.cli.scaffold import project_files
from tests.corpus.case import PACKAGE, Case, cases, examine, faults

FOUND_LIMIT, EXACT_LIMIT = 57, 54
SERVICES = 10
WARM_LIMIT_S, COLD_LIMIT_S = 5.0, 20.0
_WARM_RUNS = 3
_NAME = 62


@dataclass(frozen=True)
class Row:
    """One fault.

    Attributes:
        case: The fault.
        engines: What found it: the second part of the findings' names.
        exact: Whether one of them is where it stems from.
        seconds: What `mlops check` took in a warm process, composition included.
        said: What a plain run said.
    """

    case: Case
    engines: tuple[str, ...]
    exact: bool
    seconds: float
    said: plain.Said


def main() -> None:
    """Measure, print, write."""
    words = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        store = Path(name).resolve()
        _warm_up(store)
        chosen = (case for case in (*faults(), *cases("more")) if _wanted(case, words))
        rows = [_row(case, store) for case in chosen]
        right = (case for case in cases("right") if _wanted(case, words))
        false = [(case, *_complaints(case, store)) for case in right]
    _print_right(false)
    counted = [row for row in rows if row.case.kind != "more"]
    _print_totals(counted, [row for row in rows if row.case.kind == "more"])
    if words:
        return
    write(
        "checks",
        {
            "faults": _totals(counted),
            "by_kind": {k: _totals([r for r in rows if r.case.kind == k]) for k in _KINDS},
            "limits": {"found": FOUND_LIMIT, "exact": EXACT_LIMIT, "false_reports": 0},
            "right": {
                "checked": len(false),
                "false_reports": sum(bool(found) for _, found, _ in false),
                "plain_refuses": sum(said.stage != "never" for _, _, said in false),
            },
            "time": _timed(),
            "cases": [_json(row) for row in rows],
        },
    )


_KINDS = ("config", "flow", "cost", "more")


def _wanted(case: Case, words: Sequence[str]) -> bool:
    return not words or any(word == case.kind or word in case.name for word in words)


def _warm_up(store: Path) -> None:
    """Load the libraries and fill the caches: a person checks more than once."""
    with tempfile.TemporaryDirectory() as name:
        examine(cases("right")[2], Path(name).resolve(), store=store)


def _row(case: Case, store: Path) -> Row:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        started = time.perf_counter()
        found = case.found(examine(case, folder, store=store).findings)
        seconds = time.perf_counter() - started
        said = plain.run(folder, case.arguments)
    engines = tuple(dict.fromkeys(finding.check.split(".")[1] for finding in found))
    row = Row(case, engines, any(map(case.exact, found)), seconds, said)
    where = "exact" if row.exact else "found" if found else "-"
    print(
        f"{case.kind:<7}{case.name[:_NAME]:<{_NAME + 2}}{where:<6}{seconds:>6.2f} s  "
        f"{','.join(engines) or '-':<28} plain: {said.stage}",
        flush=True,
    )
    return row


def _complaints(case: Case, store: Path) -> tuple[list[str], plain.Said]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        found = [f"{f.check}: {f.message}" for f in examine(case, folder, store=store).findings]
        sweep = "-m" in case.arguments
        said = plain.Said("never") if sweep else plain.run(folder, case.arguments)
    return found, said


def _print_right(false: Sequence[tuple[Case, list[str], plain.Said]]) -> None:
    print()
    for case, found, said in false:
        word = "false report" if found else "silent"
        print(f"right  {case.name[:_NAME]:<{_NAME + 2}}{word:<15} plain: {said.stage}")
        for each in found:
            print(f"         {each}")


def _print_totals(counted: Sequence[Row], more: Sequence[Row]) -> None:
    print()
    for title, rows in (("counted", counted), ("further", more)):
        if rows:
            total = _totals(rows)
            print(
                f"{title}: {total['faults']} faults, {total['found']} found, {total['exact']} at "
                f"the exact place, {total['median_s']} s each; plain: {total['plain']}"
            )


def _totals(rows: Sequence[Row]) -> dict[str, Json]:
    stages = Counter(row.said.stage for row in rows)
    by = Counter(engine for row in rows for engine in row.engines)
    return {
        "faults": len(rows),
        "found": sum(bool(row.engines) for row in rows),
        "exact": sum(row.exact for row in rows),
        "median_s": round(median(row.seconds for row in rows), 2) if rows else 0.0,
        "by_engine": dict(by.most_common()),
        "plain": {stage: stages[stage] for stage in _STAGES},
    }


_STAGES = ("compose", "instantiate", "fit", "predict", "never")


def _json(row: Row) -> Json:
    return {
        "kind": row.case.kind,
        "fault": row.case.name,
        "engines": list(row.engines),
        "exact": row.exact,
        "seconds": round(row.seconds, 2),
        "plain_stage": row.said.stage,
        "plain_says": row.said.text.replace(f"{sys.prefix}/", ""),
    }


def _timed() -> Json:
    """Time the command for one service and for ten, without its caches and with them."""
    result: dict[str, Json] = {}
    for services in (1, SERVICES):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            _write(folder, services)
            cold, cold_cpu = _seconds(folder)
            again = [_seconds(folder) for _ in range(_WARM_RUNS)]
        warm, warm_cpu = (median(column) for column in zip(*again, strict=True))
        print(
            f"{services} services: cold {cold:.1f} s ({cold_cpu:.1f} s of CPU), "
            f"warm {warm:.1f} s ({warm_cpu:.1f} s of CPU)"
        )
        result[f"services_{services}"] = {
            "cold_s": round(cold, 2),
            "cold_cpu_s": round(cold_cpu, 2),
            "warm_s": round(warm, 2),
            "warm_cpu_s": round(warm_cpu, 2),
        }
    limits: dict[str, Json] = {"cold_s": COLD_LIMIT_S, "warm_s": WARM_LIMIT_S}
    return {**result, f"limits_{SERVICES}": limits}


_MODELS = ("hist_gradient_boosting", "logistic", "calibrated_logistic")


def _write(folder: Path, services: int) -> None:
    """Write a project of some services: the scaffold's, again under other names."""
    files: dict[str, str] = dict(project_files(PACKAGE))
    service = f"conf/service/{PACKAGE}.yaml"
    objectives = f"slo/{PACKAGE}.yaml"
    for at in range(1, services):
        name = f"{PACKAGE}_{at}"
        text = files[service].replace(f"\nname: {PACKAGE}\n", f"\nname: {name}\n")
        text = text.replace(objectives, f"slo/{name}.yaml")
        model = _MODELS[at % len(_MODELS)]
        files[f"conf/service/{name}.yaml"] = text.replace(_MODELS[0], model, 1)
        promised = files[objectives].replace(PACKAGE, name)
        files[f"slo/{name}.yaml"] = promised.replace("shop-offers", f"shop-offers-{at}")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def _seconds(folder: Path) -> tuple[float, float]:
    """Return the seconds, and those of CPU, of `mlops check` over all of a project's services."""
    own: Mapping[str, str] = {"XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", "mlops.cli.main", "check", "service=all"]
    path = str(Path(__file__).parents[1])
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **own, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = spent.ru_utime + spent.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu


if __name__ == "__main__":
    main()
