"""A Markdown report: budgets as a table for a ticket, a review or a pull request, worst first."""

import re

from mlops.base.verdict import Status
from mlops.budgets.report import WORDS, Report, Row
from mlops.budgets.wording import percent, stamp

_MARKS = {Status.FAIL: "❌", Status.UNKNOWN: "❔", Status.WARN: "⚠️", Status.PASS: "✅"}

# What has a meaning in GitHub's Markdown inside a table cell.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$])")
# Mentions and issue numbers are linked after escapes are gone; a space of no width stops that.
_LINKED = re.compile(r"([@#])(?=\w)")


def as_markdown(report: Report) -> str:
    """Return a report as a heading, a table and a line for each budget that is not well."""
    rows = sorted(report.rows, key=lambda row: list(_MARKS).index(row.budget.status))
    counted = ", ".join(f"{number} {WORDS[state]}" for state, number in report.counts)
    lines = [
        f"### {_MARKS[report.status]} Error budgets",
        "",
        f"{stamp(report.at)} · {counted or 'no SLO'}",
    ]
    if rows:
        lines += [
            "",
            "| | SLO | objective | kept | budget left | burn rate | events | period |",
            "|---|---|---:|---:|---:|---:|---:|---|",
            *(_line(row) for row in rows),
        ]
    told = [
        f"- {_escaped(row.budget.slo)}: {_escaped(text)}" for row in rows for text in _told(row)
    ]
    return "\n".join([*lines, *([""] if told else []), *told]) + "\n"


def _line(row: Row) -> str:
    budget = row.budget
    cells = (
        f"{_MARKS[budget.status]} {WORDS[budget.status]}",
        _escaped(budget.slo),
        percent(budget.target, 3),
        percent(budget.sli, 3),
        percent(budget.remaining),
        "" if budget.burn_rate is None else f"{budget.burn_rate:.3g}",
        "" if budget.total is None else f"{budget.total:,.0f}",
        budget.period.words,
    )
    return f"| {' | '.join(cells)} |"


def _told(row: Row) -> list[str]:
    told = [row.budget.reason] if row.budget.reason else []
    if row.spent_at is not None:
        told.append(f"at the last hour's rate its budget is spent on {stamp(row.spent_at)}")
    return told + [
        f"without maintenance, {stamp(window.start)} to {stamp(window.end)}: {window.reason}"
        for window in row.maintenance
    ]


def _escaped(text: str) -> str:
    return _LINKED.sub("\\1\u200b", _SPECIAL.sub(r"\\\1", " ".join(text.split())))
