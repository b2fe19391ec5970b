"""A wording: the phrases and the order that all of a gate's reports share."""

import re
from dataclasses import replace

from mlops.base.verdict import Finding, Status, Verdict
from mlops.release.gates import Decision

_RANK = {Status.FAIL: 0, Status.UNKNOWN: 1, Status.WARN: 2, Status.PASS: 3}

# What XML 1.0 cannot hold even escaped (sec. 2.2), and what would steer a terminal: controls of
# both sets, lone surrogates, non-characters, and the marks that turn the reading direction.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)


def clean(text: str) -> str:
    r"""Return a text on one line, without characters that would break a report or a terminal.

    >>> clean("a\x1b[31m\nb")
    'a?[31m b'
    """
    return " ".join(_UNPRINTABLE.sub("?", text).split())


def headline(decision: Decision) -> str:
    """Return the decision in a sentence.

    >>> from mlops.release.gates import decide
    >>> headline(decide("shop", [Verdict("schema")], unknown_blocks=False))
    'shop passed the gate'
    """
    service = clean(decision.service)
    if decision.passed:
        return f"{service} passed the gate"
    count = len(decision.blocking)
    subject = "1 finding blocks" if count == 1 else f"{count} findings block"
    return f"{service} did not pass the gate: {subject} it"


def counted(decision: Decision) -> str:
    """Return how many findings ended how, worst first."""
    states = [finding.status for verdict in decision.verdicts for finding in verdict.findings]
    parts = [f"{states.count(s)} {s.value}" for s in _RANK if s in states]
    rule = "block" if decision.unknown_blocks else "do not block"
    tail = f"; unknown findings {rule}" if Status.UNKNOWN in states else ""
    return (", ".join(parts) or "nothing was found") + tail


def ordered(decision: Decision) -> tuple[Verdict, ...]:
    """Return the verdicts with the worst first, and so their findings; else in their order."""
    verdicts = sorted(decision.verdicts, key=lambda verdict: _RANK[verdict.status])
    return tuple(
        replace(verdict, findings=tuple(sorted(verdict.findings, key=lambda f: _RANK[f.status])))
        for verdict in verdicts
    )


def number(value: float) -> str:
    """Return a number with four digits, and an amount with all before its point.

    >>> number(149_712.3), number(0.48181)
    ('149,712', '0.4818')
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def figures(finding: Finding) -> str:
    """Return what was measured and what it was held against; empty if neither is there.

    >>> figures(Finding("latency", Status.PASS, "fast", value=0.31, limit=10, unit="ms"))
    '0.31 ms, limit 10 ms'
    """
    unit = f" {clean(finding.unit)}" if finding.unit else ""
    parts = []
    if finding.value is not None:
        parts.append(number(finding.value) + unit)
    if finding.limit is not None:
        parts.append(f"limit {number(finding.limit)}{unit}")
    return ", ".join(parts)
