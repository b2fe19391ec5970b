"""A certificate: what was proved about a program over its whole domain, before it ran."""

from typing import Literal

from pydantic import Field

from mlops.base.verdict import Finding, Status, Verdict
from mlops.models.flat import Value


class Range(Value):
    """A closed interval that no output can leave; an end that is None was not proved."""

    low: float | None
    high: float | None

    def holds(self, value: float) -> bool:
        """Tell whether a value lies inside; NaN and infinities never do.

        >>> Range(low=0.0, high=1.0).holds(float("nan"))
        False
        """
        if not float("-inf") < value < float("inf"):
            return False
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)


class HeadCertificate(Value):
    """What was proved about one head."""

    raw: tuple[Range, ...]
    """For each member the interval of its raw score, before the link."""
    output: Range
    """Interval of the head's output."""


class Certificate(Value):
    """What was proved about a program: sound for every row that its contract allows."""

    version: Literal[1] = 1
    score: Range
    """Interval of the score, in the score's unit."""
    heads: dict[str, HeadCertificate]
    finite: bool
    """Whether no raw score, output or score can be NaN or infinite."""
    unknown: tuple[str, ...] = Field(default=())
    """Why something could not be proved, one sentence each, the column named."""

    def verdict(self) -> Verdict:
        """Return the certificate as a check named `certificate`."""
        if self.unknown:
            findings = tuple(
                Finding("certificate.bounds", Status.UNKNOWN, reason) for reason in self.unknown
            )
            return Verdict("certificate", findings)
        message = f"the score lies in [{self.score.low:.6g}, {self.score.high:.6g}] and is finite"
        return Verdict("certificate", (Finding("certificate.bounds", Status.PASS, message),))
