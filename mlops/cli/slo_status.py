"""`mlops slo status`: the error budgets, read from a running Prometheus."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table as RichTable

from mlops.base.digest import Json
from mlops.base.verdict import Verdict
from mlops.budgets.prometheus import HttpPrometheus
from mlops.budgets.report import budget_document
from mlops.budgets.status import Budget, status, verdict
from mlops.budgets.wording import percent
from mlops.cli.console import STYLES
from mlops.cli.slo_call import SloCall, asked_time
from mlops.slo.catalog import read_catalog

_WELL_RECORDED = 0.95


def read_status(call: SloCall) -> Verdict:
    """Print the budgets of all SLOs."""
    spec = call.spec
    objectives = read_catalog(call.files).objectives
    prometheus = HttpPrometheus(spec.prometheus_url, timeout_s=spec.query_timeout_s)
    budgets = status(objectives, spec, prometheus, at=asked_time(call))
    document: Json = [budget_document(budget) for budget in budgets]
    call.console.result(document, lambda out: show_budgets(out, budgets))
    return verdict(budgets)


def show_budgets(out: RichConsole, budgets: Sequence[Budget]) -> None:
    """Print one row an SLO: what is promised, what was kept, what is left."""
    table = RichTable(title="error budgets", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("SLO", overflow="fold")
    table.add_column("state")
    table.add_column("period")
    for name in ("objective", "kept", "budget left", "burn rate", "events"):
        table.add_column(name, justify="right")
    for budget in budgets:
        style = STYLES[budget.status]
        table.add_row(
            escape(budget.slo),
            f"[{style}]{budget.status.value}[/]",
            budget.period.words,
            percent(budget.target, 3),
            percent(budget.sli),
            percent(budget.remaining),
            "" if budget.burn_rate is None else f"{budget.burn_rate:.3g}",
            "" if budget.total is None else f"{budget.total:,.0f}",
        )
    out.print(table)
    for budget in budgets:
        if budget.reason:
            out.print(f"{escape(budget.slo)}: {escape(budget.reason)}")
        if budget.total is not None and budget.coverage < _WELL_RECORDED:
            out.print(f"{escape(budget.slo)}: recorded for {budget.coverage:.0%} of its period")
