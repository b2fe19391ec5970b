"""A recheck: a stored certificate proved again, for a gate that believes nothing it can prove."""

from dataclasses import dataclass, replace

import numpy as np

from mlops.base.verdict import Finding, Status, Verdict
from mlops.contracts.page import PageCheck
from mlops.models.certificate import Certificate, Property, Range
from mlops.proofs.claims import Subject
from mlops.proofs.interval import Clock
from mlops.proofs.proof import Task, prove_all, subject_of
from mlops.proofs.shift import table_for

_SHARE = 0.02
"""Share of the range by which a stored one may be tighter than the one proved again: searches end
by time, and another machine is slower."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """What came out.

    Attributes:
        certificate: The one proved now.
        verdict: Named `certificate`: the claims as proved now, and whether the stored one stands.
    """

    certificate: Certificate
    verdict: Verdict


def recheck(stored: Certificate, task: Task, *, clock: Clock) -> Recheck:
    """Prove a certificate again with the budget that it was given, and hold the stored one to it.

    Args:
        stored: As it lies in the bundle.
        task: The bundle's program and contract, and today's claims.
        clock: Seconds, for the budgets.
    """
    spec = task.spec
    if stored.bound_s:  # else it was made without a search, and today's budget is as good
        budget = {"bound_s": stored.bound_s, "bound_nodes": stored.bound_nodes}
        spec = spec.model_copy(update=budget)
    proved = prove_all(replace(task, spec=spec), clock=clock)
    subject = subject_of(task.program, task.domain, spec, clock=clock, bounds=proved)
    findings = (*proved.verdict().findings, _stands(stored, proved), _examples(stored, subject))
    return Recheck(proved, Verdict("certificate", findings))


def _stands(stored: Certificate, proved: Certificate) -> Finding:
    """Hold the stored range, which the server's guard trusts, to the one proved now."""
    check = "certificate.range"
    found = [e.value for p in proved.properties if p.kind == "interval" for e in p.examples]
    outside = [value for value in found if not stored.score.holds(value)]
    told = (
        f"the bundle's certificate states {_told(stored.score)}, proved again {_told(proved.score)}"
    )
    if outside:
        text = f"{told}; an allowed row scores {outside[0]:.9g}: the certificate is wrong"
        return Finding(check, Status.FAIL, text)
    if stored.finite and not proved.finite:
        return Finding(check, Status.FAIL, "finiteness is stated and could not be proved again")
    if _wider(stored.score).covers(proved.score):
        return Finding(check, Status.PASS, told)
    return Finding(check, Status.UNKNOWN, f"{told} in {stored.bound_s:g} s: not as tight")


def _wider(stated: Range) -> Range:
    if stated.low is None or stated.high is None:
        return stated
    slack = _SHARE * (stated.high - stated.low)
    return Range(low=stated.low - slack, high=stated.high + slack)


def _told(proved: Range) -> str:
    low, high = ("?" if end is None else f"{end:.6g}" for end in (proved.low, proved.high))
    return f"[{low}, {high}]"


def _examples(stored: Certificate, subject: Subject) -> Finding:
    """Run the stored examples: each must be allowed, and give what is stated."""
    check = "certificate.examples"
    held = [(p, at) for p in stored.properties for at in range(len(p.examples))]
    for claim, at in held:
        wrong = _wrong(claim, at, subject)
        if wrong:
            named = f"example {at + 1} of {claim.name}"
            return Finding(
                check, Status.FAIL, f"{named} {wrong}: the certificate is not this model's"
            )
    return Finding(check, Status.PASS, f"{len(held)} stored examples were run and hold")


def _wrong(claim: Property, at: int, subject: Subject) -> str:
    example = claim.examples[at]
    names = {column.name for column in subject.domain.columns}
    if not set(example.row) <= names or claim.of not in ("score", *subject.program.head_names):
        return "speaks of what is not there"
    if not set(subject.program.columns) <= set(example.row):
        return "lacks a column"
    table = table_for(subject.domain, [example.row])
    if not PageCheck([subject.domain.column(name) for name in example.row]).mask(table)[0]:
        return "is not allowed by the contract"
    value = float(subject.quantity(claim.of)(table)[0])
    same = value == example.value or bool(np.isclose(value, example.value, rtol=1e-9, atol=0.0))
    return "" if same else f"gives {value:.9g}, not {example.value:.9g}"
