"""A declaration: a claim or a range that a configuration states, held to what it speaks of."""

from collections.abc import Iterator, Sequence

from mlops.base.verdict import Finding, Status
from mlops.contracts.domain import Column, Domain
from mlops.models.certificate import Certificate, Range
from mlops.models.program import Program
from mlops.proofs.spec import ProofsSpec

_SLACK = 1e-9
_KNOBS = {
    "boosting": (
        "fewer leaves (max_leaf_nodes), less depth (max_depth), larger leaves (min_samples_leaf), "
        "more l2_regularization or a smaller learning_rate"
    ),
    "mean": "less depth (max_depth) or larger leaves (min_samples_leaf)",
    "linear": "more regularisation (a smaller C, a larger alpha) or tighter bounds of its columns",
}


def claim_problems(spec: ProofsSpec, request: Domain, heads: Sequence[str]) -> Iterator[Finding]:
    """Yield what cannot be claimed of any model of a service.

    Args:
        spec: The claims.
        request: The request's contract.
        heads: Names of the service's heads.
    """
    columns = {column.name: column for column in request.columns}
    answers = ("score", *heads)
    for kind, claims in (("monotone", spec.monotone), ("independent", spec.independent)):
        for name, claim in claims.items():
            key = ("proofs", kind, name)
            if name not in columns:
                known = ", ".join(columns)
                text = f"contract {request.name} has no column {name!r}"
                yield _wrong(f"check.claims.{kind}", text, key, f"it has: {known}")
            elif kind == "monotone" and columns[name].is_category:
                text = f"{name!r} holds texts, which have no order that an answer could follow"
                hint = "claim it of a number, or that the answer is independent of it"
                yield _wrong("check.claims.monotone", text, key, hint)
            if claim.of not in answers:
                text = f"there is no answer {claim.of!r}"
                yield _wrong(
                    f"check.claims.{kind}", text, (*key, "of"), f"one of: {_join(answers)}"
                )


def _join(names: Sequence[str]) -> str:
    return ", ".join(names)


def _wrong(check: str, message: str, key: tuple[str, ...], hint: str) -> Finding:
    return Finding(check, Status.FAIL, message, key=key, hint=hint)


def judge_range(certificate: Certificate, program: Program, score: Column) -> Finding:
    """Hold the certified range of a score against the output contract's.

    Args:
        certificate: What is proved.
        program: The model, whose knobs are named where it cannot keep the range.
        score: The contract's column of the score.
    """
    proved, wanted = certificate.score, Range(low=score.minimum, high=score.maximum)
    allowed = f"the output contract allows [{score.minimum}, {score.maximum}]"
    if proved.low is None or proved.high is None:
        text = f"the score's range could not be proved, {allowed}"
        if wanted == Range(low=None, high=None):
            return Finding("schema.output", Status.UNKNOWN, text)
        return Finding("schema.output", Status.UNKNOWN, f"{text}; {_knobs(program)}")
    told = f"the score is proved to lie in [{proved.low:.6g}, {proved.high:.6g}], {allowed}"
    # The certificate's ends carry slack for float sums; a bound of 0 is met from 5e-324 below.
    slack = _SLACK * max(abs(proved.low), abs(proved.high))
    if wanted.covers(Range(low=proved.low + slack, high=proved.high - slack)):
        return Finding("schema.output", Status.PASS, told)
    found = [
        each.value for p in certificate.properties if p.kind == "interval" for each in p.examples
    ]
    outside = [value for value in found if not wanted.holds(value)]
    if outside:
        seen = f"an allowed row scores {outside[0]:.6g}"
    else:
        seen = "no row was found outside, nor could it be excluded"
    return Finding("schema.output", Status.FAIL, f"{told}; {seen}; {_knobs(program)}")


def _knobs(program: Program) -> str:
    """Return what would make the range smaller, and what makes it a certainty."""
    kinds = []
    for head in program.outline.heads:
        for member in head.members:
            if member.raw.kind == "linear":
                kinds.append("linear")
            else:
                kinds.append("boosting" if member.raw.divisor == 1 else "mean")
    knobs = "; ".join(_KNOBS[kind] for kind in dict.fromkeys(kinds))
    return f"what would shrink it: {knobs}; training.score.clip makes it a certainty"
