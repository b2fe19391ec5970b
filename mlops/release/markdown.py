"""A Markdown report: a decision as the summary of a pull request, worst first."""

import re

from mlops.base.verdict import Finding, Status
from mlops.release.gates import Decision
from mlops.release.wording import clean, counted, headline, number, ordered

_MARK = {Status.FAIL: "❌", Status.UNKNOWN: "❔", Status.WARN: "⚠️", Status.PASS: "✅"}

# What has a meaning in GitHub's Markdown inside a table cell.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$])")
# Mentions and issue numbers are linked after escapes are gone; a space of no width stops that.
_LINKED = re.compile(r"([@#])(?=\w)")


def as_markdown(decision: Decision, bundle: str) -> str:
    """Return the decision as a heading, a count and a table; passes are folded away.

    Args:
        decision: What was decided.
        bundle: Digest of the bundle.
    """
    mark = _MARK[Status.PASS] if decision.passed else _MARK[Status.FAIL]
    lines = [
        f"### {mark} {_escaped(headline(decision))}",
        "",
        f"`{clean(bundle).replace('`', '')}` · {counted(decision)}",
    ]
    findings = [finding for verdict in ordered(decision) for finding in verdict.findings]
    findings.sort(key=lambda finding: list(_MARK).index(finding.status))
    open_ones = [finding for finding in findings if finding.status is not Status.PASS]
    passes = [finding for finding in findings if finding.status is Status.PASS]
    if open_ones:
        lines += ["", *_table(decision, open_ones)]
    if passes:
        title = f"{len(passes)} passed"
        folded = ["<details>", f"<summary>{title}</summary>", "", *_table(decision, passes)]
        lines += ["", *folded, "", "</details>"]
    return "\n".join(lines) + "\n"


def _table(decision: Decision, findings: list[Finding]) -> list[str]:
    lines = ["| | check | found | value | limit |", "|---|---|---|---:|---:|"]
    for finding in findings:
        mark = _MARK[finding.status] + (" blocks" if decision.blocks(finding) else "")
        place = f" ({clean(str(finding.place))})" if finding.place is not None else ""
        cells = (
            mark,
            _escaped(finding.check),
            _escaped(finding.message + place),
            _figure(finding.value, finding.unit),
            _figure(finding.limit, finding.unit),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return _escaped(f"{number(value)} {unit}".rstrip())


def _escaped(text: str) -> str:
    return _LINKED.sub("\\1\u200b", _SPECIAL.sub(r"\\\1", clean(text)))
