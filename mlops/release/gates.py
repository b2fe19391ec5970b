"""A gate: a set of verdicts that becomes one decision, by rules that are the same for all."""

from collections.abc import Iterable
from dataclasses import dataclass

from mlops.base.errors import ConfigError
from mlops.base.verdict import Finding, Status, Verdict, worst


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a bundle may be released.

    Attributes:
        service: Whose bundle.
        verdicts: What it rests on, in the order in which they were given.
        unknown_blocks: Whether unknown findings stop it.
        passed: Whether it may.
        status: The worst state among the verdicts.
        blocking: The findings that stop it: failures first, then unknowns if those block.
    """

    service: str
    verdicts: tuple[Verdict, ...]
    unknown_blocks: bool
    passed: bool
    status: Status
    blocking: tuple[Finding, ...]

    def blocks(self, finding: Finding) -> bool:
        """Tell whether a finding stops the release."""
        return _blocks(finding, unknown_blocks=self.unknown_blocks)


def decide(service: str, verdicts: Iterable[Verdict], *, unknown_blocks: bool) -> Decision:
    """Decide by the verdicts.

    A failure always blocks, a warning never does, and an unknown does if the configuration says
    so. An unknown is never a pass: it stays in the status.

    Args:
        service: Whose bundle.
        verdicts: What was judged.
        unknown_blocks: Whether unknown findings stop the release.

    Raises:
        ConfigError: There is no verdict: a gate that asks nothing would let everything through.

    >>> decide("shop", [Verdict("schema")], unknown_blocks=True).passed
    True
    """
    given = tuple(verdicts)
    if not given:
        raise ConfigError(
            f"the gate of {service} was given nothing to decide by",
            hint="run at least one check of `mlops gate`",
        )
    findings = [finding for verdict in given for finding in verdict.findings]
    blocking = [f for f in findings if _blocks(f, unknown_blocks=unknown_blocks)]
    blocking.sort(key=lambda finding: finding.status is not Status.FAIL)
    return Decision(
        service=service,
        verdicts=given,
        unknown_blocks=unknown_blocks,
        passed=not blocking,
        status=worst(verdict.status for verdict in given),
        blocking=tuple(blocking),
    )


def _blocks(finding: Finding, *, unknown_blocks: bool) -> bool:
    match finding.status:
        case Status.FAIL:
            return True
        case Status.UNKNOWN:
            return unknown_blocks
        case Status.PASS | Status.WARN:
            return False
