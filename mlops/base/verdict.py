"""A verdict: the answer to "may this go on?", with the findings it rests on."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from mlops.base.digest import Json
from mlops.base.errors import Place


class Status(StrEnum):
    """How a check ended. `UNKNOWN` means that the data cannot tell, which is never a pass."""

    PASS = "pass"  # noqa: S105 - a status, not a password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


_SEVERITY = {Status.PASS: 0, Status.WARN: 1, Status.UNKNOWN: 2, Status.FAIL: 3}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check saw.

    Attributes:
        check: Name of the check, dotted (`quality.click.auc`).
        status: How it ended.
        message: One sentence for a person.
        value: The measured figure, if there is one.
        limit: The figure it was held against, if there is one.
        unit: Unit of `value` and `limit` (`ms`, `rows`, `ratio`); empty if none.
        place: Where it was seen.
        key: Where in the configuration it comes from, from `Settings` downwards; rooms below
            `config` know no files, and `config` turns it into the place.
        hint: What to do about it; empty if the message says it.
        engines: Which ways to look found it, where there are several.
    """

    check: str
    status: Status
    message: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    place: Place | None = None
    key: tuple[str, ...] = ()
    hint: str = ""
    engines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The findings of one named check and the worst of their states.

    Attributes:
        name: What was judged (`schema`, `parity`, `quality`).
        findings: Everything seen, passes included; empty means nothing was asked, which passes.
    """

    name: str
    findings: tuple[Finding, ...] = ()

    @property
    def status(self) -> Status:
        """Return the worst state among the findings.

        >>> Verdict("empty").status
        <Status.PASS: 'pass'>
        """
        return worst(finding.status for finding in self.findings)


def worst(states: Iterable[Status]) -> Status:
    """Return the worst of some states; no state at all is a pass.

    >>> worst([Status.PASS, Status.UNKNOWN, Status.WARN])
    <Status.UNKNOWN: 'unknown'>
    """
    return max(states, key=_SEVERITY.__getitem__, default=Status.PASS)


def to_json(verdict: Verdict) -> Json:
    """Return a verdict as JSON: name, status, and each finding without its place."""
    findings: Json = [
        {
            "check": finding.check,
            "status": finding.status.value,
            "message": finding.message,
            "value": finding.value,
            "limit": finding.limit,
            "unit": finding.unit,
        }
        for finding in verdict.findings
    ]
    return {
        "name": verdict.name,
        "status": verdict.status.value,
        "findings": findings,
    }


def from_json(document: Json) -> Verdict:
    """Read a verdict back from `to_json`."""
    node = cast("dict[str, Json]", document)
    findings = tuple(
        Finding(
            check=str(each["check"]),
            status=Status(str(each["status"])),
            message=str(each["message"]),
            value=cast("float | None", each["value"]),
            limit=cast("float | None", each["limit"]),
            unit=str(each["unit"]),
        )
        for each in cast("list[dict[str, Json]]", node["findings"])
    )
    return Verdict(str(node["name"]), findings)
