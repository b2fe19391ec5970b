"""A check report: the findings of all services, by file for people, in full for machines."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console as RichConsole
from rich.markup import escape

from mlops.base.digest import Json
from mlops.base.errors import Place
from mlops.base.verdict import Finding, Status, Verdict, worst
from mlops.cli.console import STYLES

_WORDS = {Status.FAIL: "error", Status.WARN: "warning", Status.UNKNOWN: "unknown"}


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one service.

    Attributes:
        service: Its name.
        verdict: The findings.
    """

    service: str
    verdict: Verdict


def together(checked: Sequence[Checked]) -> list[tuple[Finding, list[str]]]:
    """Return each finding once, with the services that it concerns; passes are left out.

    Args:
        checked: Services that may share files, and so faults.
    """
    found: dict[tuple[str, Status, str, Place | None], tuple[Finding, list[str]]] = {}
    for each in checked:
        for finding in each.verdict.findings:
            if finding.status is not Status.PASS:
                same = (finding.check, finding.status, finding.message, finding.place)
                names = found.setdefault(same, (finding, []))[1]
                if each.service not in names:
                    names.append(each.service)
    return list(found.values())


def as_json(checked: Sequence[Checked]) -> Json:
    """Return everything that was found, passes included."""
    return {
        "name": "check",
        "status": worst(each.verdict.status for each in checked).value,
        "services": [
            {"service": each.service, "status": each.verdict.status.value} for each in checked
        ],
        "findings": [
            _finding(each.service, finding) for each in checked for finding in each.verdict.findings
        ],
    }


def _finding(service: str, finding: Finding) -> Json:
    place: Json = None
    if finding.place is not None:
        place = {
            "origin": finding.place.origin,
            "line": finding.place.line,
            "key": finding.place.key,
        }
    return {
        "service": service,
        "check": finding.check,
        "status": finding.status.value,
        "message": finding.message,
        "hint": finding.hint,
        "value": finding.value,
        "limit": finding.limit,
        "unit": finding.unit,
        "key": ".".join(finding.key),
        "place": place,
        "engines": list(finding.engines),
    }


def show(out: RichConsole, checked: Sequence[Checked]) -> None:
    """Print what is wrong by file and line, then what passed, a line a service or group."""
    out.print(f"[bold]check of {escape(', '.join(each.service for each in checked))}[/]")
    found = together(checked)
    for origin in dict.fromkeys(_origin(finding) for finding, _ in found):
        out.print()
        here = [(f, names) for f, names in found if _origin(f) == origin]
        here.sort(key=lambda each: (each[0].place.line or 0) if each[0].place else 0)
        for finding, names in here:
            _show_finding(out, finding, names if len(checked) > 1 else [])
    out.print()
    for each in checked:
        _show_passes(out, each, alone=len(checked) == 1)
    _show_sum(out, found)


def _origin(finding: Finding) -> str:
    return finding.place.origin if finding.place is not None else ""


def _show_finding(out: RichConsole, finding: Finding, services: Sequence[str]) -> None:
    """Print a finding, its place first, as editors and terminals make links of it."""
    style = STYLES[finding.status]
    where = f"[bold]{escape(str(finding.place))}[/]: " if finding.place else ""
    of = f" (in {', '.join(services)})" if services else ""
    out.print(
        f"{where}[{style}]{_WORDS[finding.status]}[/] {escape(finding.message)}{escape(of)}"
        f" [dim]{escape(f'[{finding.check}]')}[/]",
        soft_wrap=True,
    )
    if finding.hint:
        out.print(f"    {escape(finding.hint)}", soft_wrap=True)


def _show_passes(out: RichConsole, checked: Checked, *, alone: bool) -> None:
    groups: dict[str, list[str]] = {}
    for finding in checked.verdict.findings:
        if finding.status is Status.PASS:
            group = finding.check.split(".")[1]
            groups.setdefault(group, []).append(finding.message)
    lines = [f"{name:12}  {'; '.join(messages)}" for name, messages in groups.items()]
    if not alone:
        lines = [f"{checked.service}: {', '.join(groups)}"] if groups else []
    for line in lines:
        out.print(f"[green]pass[/]  {escape(line)}", overflow="ellipsis", no_wrap=True)


def _show_sum(out: RichConsole, found: Sequence[tuple[Finding, Sequence[str]]]) -> None:
    counts = {status: sum(finding.status is status for finding, _ in found) for status in _WORDS}
    told = [
        f"[{STYLES[status]}]{count} {_WORDS[status]}{'s' if count > 1 else ''}[/]"
        for status, count in counts.items()
        if count
    ]
    out.print(", ".join(told) if told else "[green]nothing is wrong[/]")
