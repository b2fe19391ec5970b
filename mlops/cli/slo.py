"""`mlops slo`: validate definitions, generate Prometheus rules, read budgets."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table as RichTable

from mlops.base.clock import SystemClock
from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.base.store import write_file
from mlops.base.verdict import Status, Verdict, to_json
from mlops.budgets.prometheus import HttpPrometheus
from mlops.budgets.status import Budget, status, verdict
from mlops.cli.arguments import Arguments, parse
from mlops.cli.console import STYLES, Console, verdict_table
from mlops.config.compose import Composed, run_application
from mlops.slo.catalog import read_catalog
from mlops.slo.check import validate
from mlops.slo.rules import generate
from mlops.slo.spec import SloSpec

_MOST_FILES = 1000
_USAGE = "mlops slo validate [FILE...] | generate [--dry-run] | status"


def run(arguments: Sequence[str]) -> int:
    """Run the command; a definition that is wrong or a budget that is used up is exit code 1."""
    given = parse(arguments, flags=("--dry-run",), words=_MOST_FILES)
    console = Console(given.format)
    verdicts: list[Verdict] = []

    def job(composed: Composed) -> None:
        spec = composed.settings.slo
        files = [Path(name) for name in given.words[1:] or spec.files]
        match given.words[:1]:
            case ("validate",):
                verdicts.append(_validate(console, files, spec))
            case ("generate",):
                _generate(console, files, spec, given)
            case ("status",):
                verdicts.append(_status(console, files, spec))
            case _:
                raise ConfigError("slo needs a word that says what to do", hint=_USAGE)

    summary = "validate, generate or status"
    run_application("slo", given.hydra, job, folder=Path.cwd(), summary=summary)
    return 1 if any(v.status in (Status.FAIL, Status.UNKNOWN) for v in verdicts) else 0


def _validate(console: Console, files: Sequence[Path], spec: SloSpec) -> Verdict:
    found = validate(files, spec)
    console.result(to_json(found), lambda out: out.print(verdict_table("SLOs", (found,))))
    return found


def _generate(console: Console, files: Sequence[Path], spec: SloSpec, given: Arguments) -> None:
    written: list[Json] = []
    for path in files:
        text = generate(read_catalog([path]).objectives, spec)
        target = path.with_suffix(".rules.yml")
        if "--dry-run" in given.flags:
            sys.stdout.write(text)  # rich would wrap its lines
        else:
            write_file(target, text.encode())
            written.append(str(target))
    if written:
        console.result(written, lambda out: out.print("wrote " + ", ".join(map(str, written))))


def _status(console: Console, files: Sequence[Path], spec: SloSpec) -> Verdict:
    objectives = read_catalog(files).objectives
    prometheus = HttpPrometheus(spec.prometheus_url, timeout_s=spec.query_timeout_s)
    budgets = status(objectives, spec, prometheus, at=SystemClock().now())
    document = cast("Json", msgspec.to_builtins(budgets))
    console.result(document, lambda out: show_budgets(out, budgets))
    return verdict(budgets)


def show_budgets(out: RichConsole, budgets: Sequence[Budget]) -> None:
    """Print one row an SLO: what is promised, what was kept, what is left."""
    table = RichTable(title="error budgets", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("SLO", overflow="fold")
    table.add_column("state")
    for name in ("objective", "kept", "budget left", "burn rate", "events"):
        table.add_column(name, justify="right")
    for budget in budgets:
        style = STYLES[budget.status]
        table.add_row(
            escape(budget.slo),
            f"[{style}]{budget.status.value}[/]",
            f"{budget.target:.3%}",
            _percent(budget.sli),
            _percent(budget.remaining),
            "" if budget.burn_rate is None else f"{budget.burn_rate:.3g}",
            "" if budget.total is None else f"{budget.total:,.0f}",
        )
    out.print(table)
    for budget in budgets:
        if budget.reason:
            out.print(f"{escape(budget.slo)}: {escape(budget.reason)}")


def _percent(share: float | None) -> str:
    return "no data" if share is None else f"{share:.2%}"
