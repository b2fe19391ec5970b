"""`mlops slo report`: the error budgets with how they came about, for machines and for people."""

import json
import sys
from pathlib import Path

from mlops.base.errors import ConfigError
from mlops.base.store import write_file
from mlops.budgets.markdown import as_markdown
from mlops.budgets.prometheus import HttpPrometheus
from mlops.budgets.report import Report, as_document, read_report
from mlops.budgets.wording import stamp
from mlops.cli.arguments import Format
from mlops.cli.slo_call import SloCall, asked_time
from mlops.cli.slo_status import show_budgets
from mlops.slo.catalog import read_catalog

FORMATS: tuple[Format, ...] = ("text", "json", "markdown", "html")
_SUFFIXES: dict[str, Format] = {".json": "json", ".md": "markdown", ".html": "html"}
_NAME = "budgets"


def write_report(call: SloCall) -> None:
    """Print a report or write it to files; whatever it says, it is a report and no verdict."""
    spec = call.spec
    out = call.given.options.get("--out")
    targets = _targets(Path(out), call.given.format) if out is not None else {}
    catalog = read_catalog(call.files)
    prometheus = HttpPrometheus(spec.prometheus_url, timeout_s=spec.query_timeout_s)
    report = read_report(
        catalog.objectives, catalog.policies, spec, prometheus, at=asked_time(call)
    )
    for path, form in targets.items():
        write_file(path, _text(report, form).encode())
        call.console.say(f"wrote {path}")
    if out is not None:
        return
    if call.given.format == "text":
        _show(call, report)
    else:
        sys.stdout.write(_text(report, call.given.format))


def _targets(out: Path, form: Format) -> dict[Path, Format]:
    """Files to write: one by its suffix or `--format`, all in a folder."""
    known = _SUFFIXES.get(out.suffix)
    if known is not None:
        if form not in ("text", known):
            raise ConfigError(f"--out {out} is no file for --format {form}")
        return {out: known}
    if out.suffix and not out.is_dir():
        endings = ", ".join(_SUFFIXES)
        raise ConfigError(f"--out {out} is no format", hint=f"a folder, or a file with {endings}")
    return {
        out / f"{_NAME}{suffix}": each
        for suffix, each in _SUFFIXES.items()
        if form in ("text", each)
    }


def _text(report: Report, form: Format) -> str:
    if form == "html":
        from mlops.budgets.page import as_page  # matplotlib and jinja2

        return as_page(report)
    if form == "markdown":
        return as_markdown(report)
    return json.dumps(as_document(report), indent=2, ensure_ascii=False) + "\n"


def _show(call: SloCall, report: Report) -> None:
    budgets = [row.budget for row in report.rows]
    call.console.result(as_document(report), lambda out: show_budgets(out, budgets))
    for row in report.rows:
        if row.spent_at is not None:
            call.console.say(
                f"{row.budget.slo}: spent on {stamp(row.spent_at)}, if as much fails as in the "
                "last hour"
            )
