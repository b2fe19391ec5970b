"""A report: a gate's decision as a document, and as the texts that people and CI servers read.

The JSON document is `GateReport`; its schema is kept in `tests/golden/release`, and a change to it
that a reader could notice raises `version`.
"""

from typing import Literal, TypeAlias, assert_never

from mlops.base.section import Section
from mlops.base.verdict import Finding, Status, Verdict
from mlops.release.gates import Decision
from mlops.release.junit import as_junit
from mlops.release.markdown import as_markdown
from mlops.release.wording import clean, counted, figures, headline, ordered

ReportFormat: TypeAlias = Literal["document", "junit", "markdown", "text"]


class ReportedPlace(Section):
    """Where something was seen."""

    origin: str
    """A path, or the override that a person typed."""
    line: int | None
    """One-based line; null for a whole file."""
    key: str
    """Config key, column or field; empty if none."""
    row: int | None
    """Zero-based row of a data set; null if none."""


class ReportedFinding(Section):
    """One thing that a check saw."""

    check: str
    """Name of the check, dotted."""
    status: Status
    """How it ended."""
    blocking: bool
    """Whether it stops the release."""
    message: str
    """One sentence for a person."""
    value: float | None
    """The measured figure; null if none."""
    limit: float | None
    """The figure that it was held against; null if none."""
    unit: str
    """Unit of both; empty if none."""
    place: ReportedPlace | None
    """Where it was seen; null if nowhere in particular."""


class ReportedVerdict(Section):
    """What one named check found."""

    name: str
    """What was judged."""
    status: Status
    """The worst state among its findings."""
    findings: tuple[ReportedFinding, ...]
    """Everything seen, in the check's order."""


class GateReport(Section):
    """A gate's decision on a bundle."""

    version: Literal[1] = 1
    """Format of this document."""
    service: str
    """Whose bundle."""
    bundle: str
    """Digest of the bundle."""
    passed: bool
    """Whether it may be released."""
    status: Status
    """The worst state among the verdicts."""
    unknown_blocks: bool
    """Whether unknown findings stop a release here."""
    verdicts: tuple[ReportedVerdict, ...]
    """What the decision rests on."""


def render(decision: Decision, bundle: str, kind: ReportFormat) -> str:
    """Return the decision in one format, as text that ends in a newline.

    Args:
        decision: What was decided.
        bundle: Digest of the bundle.
        kind: `document` is JSON, `junit` XML, `markdown` a pull request's summary.
    """
    match kind:
        case "document":
            return as_document(decision, bundle).model_dump_json(indent=2) + "\n"
        case "junit":
            return as_junit(decision, bundle)
        case "markdown":
            return as_markdown(decision, bundle)
        case "text":
            return as_text(decision, bundle)
        case _:
            assert_never(kind)


def as_document(decision: Decision, bundle: str) -> GateReport:
    """Return the decision as the document that machines read."""
    return GateReport(
        service=decision.service,
        bundle=bundle,
        passed=decision.passed,
        status=decision.status,
        unknown_blocks=decision.unknown_blocks,
        verdicts=tuple(_reported_verdict(decision, verdict) for verdict in decision.verdicts),
    )


def _reported_verdict(decision: Decision, verdict: Verdict) -> ReportedVerdict:
    findings = tuple(_reported(decision, finding) for finding in verdict.findings)
    return ReportedVerdict(name=verdict.name, status=verdict.status, findings=findings)


def _reported(decision: Decision, finding: Finding) -> ReportedFinding:
    place = finding.place
    return ReportedFinding(
        check=finding.check,
        status=finding.status,
        blocking=decision.blocks(finding),
        message=finding.message,
        value=finding.value,
        limit=finding.limit,
        unit=finding.unit,
        place=None
        if place is None
        else ReportedPlace(origin=place.origin, line=place.line, key=place.key, row=place.row),
    )


def as_text(decision: Decision, bundle: str) -> str:
    """Return the decision as plain lines, worst first."""
    lines = [f"{headline(decision)} ({clean(bundle)})", counted(decision)]
    for verdict in ordered(decision):
        lines.append(f"{verdict.status.upper():8}{clean(verdict.name)}")
        for finding in verdict.findings:
            mark = " (blocks)" if decision.blocks(finding) else ""
            told = f"{finding.status.upper():8}{clean(finding.check)}{mark}"
            held = figures(finding)
            lines.append(f"  {told}: {clean(finding.message)}" + (f" [{held}]" if held else ""))
            if finding.place is not None:
                lines.append(f"          at {clean(str(finding.place))}")
    return "\n".join(lines) + "\n"
