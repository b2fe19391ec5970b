"""Bounds: the interval that no output of a program can leave, over all that its contract allows.

Interval arithmetic on the flat form, so it is sound for every row at once and tight for none:
each tree gives the least and the largest leaf that the domain reaches, a one-hot group the least
and the largest of its weights, a link that rises maps ends to ends. Float rounding is paid for by
widening each sum by the worst case of its additions.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2, for the error
of recursive summation; Moore, Kearfott and Cloud, Introduction to Interval Analysis, chapter 2.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mlops.contracts.domain import Column, Domain
from mlops.models.certificate import Certificate, HeadCertificate, Range
from mlops.models.flat import Head, LinearRaw, Link, NumberTerm, Raw, TreesRaw
from mlops.models.linear import apply_steps
from mlops.models.program import Program
from mlops.models.spec import Clip, HeadScore
from mlops.proofs.reach import Box, leaf_range, number_ends, whole_box

_ROUND = 2.0**-53


class Ends(NamedTuple):
    """An interval's ends, both closed; infinite where nothing bounds it."""

    low: float
    high: float

    def wider(self, slack: float) -> "Ends":
        """Return the interval with some slack on both sides, rounded outward."""
        return Ends(
            math.nextafter(self.low - slack, -math.inf), math.nextafter(self.high + slack, math.inf)
        )

    @property
    def reach(self) -> float:
        """The largest size that a value in it can have."""
        return max(abs(self.low), abs(self.high))

    def within(self, low: float, high: float) -> "Ends":
        """Return the part between two ends."""
        return Ends(max(self.low, low), min(self.high, high))


def certify(
    program: Program, domain: Domain, *, tighter: Mapping[str, Sequence[Ends]] | None = None
) -> Certificate:
    """Prove the range of every raw score, output and of the score, and that all are finite.

    Args:
        program: The compiled model.
        domain: The contract that it answers for.
        tighter: For heads by name each member's raw score, as `mlops.proofs.interval` proved it.

    Returns:
        The certificate; `unknown` says what could not be proved, and why.
    """
    box = whole_box(program, domain)
    raws = {
        head.name: [raw_ends(program, member.raw, box) for member in head.members]
        for head in program.outline.heads
    }
    for name, ends in (tighter or {}).items():
        raws[name] = [a.within(b.low, b.high) for a, b in zip(raws[name], ends, strict=True)]
    outputs = {head.name: _output(head, raws[head.name]) for head in program.outline.heads}
    score = _score(program, domain, outputs)
    unbounded = _unbounded(program, domain, score)
    everything = [*(e for ends in raws.values() for e in ends), *outputs.values(), score]
    finite = not unbounded and all(math.isfinite(e.reach) for e in everything)
    unknown = tuple(
        f"column {name!r} has no finite bounds in contract {domain.name}, and a sum or the score "
        "is proportional to it"
        for name in unbounded
    )
    if not finite and not unknown:
        unknown = ("some output is too large for a float",)
    return Certificate(
        score=_range(score),
        heads={
            name: HeadCertificate(
                raw=tuple(_range(ends) for ends in raws[name]), output=_range(outputs[name])
            )
            for name in raws
        },
        finite=finite,
        unknown=unknown,
    )


def _unbounded(program: Program, domain: Domain, ends: Ends) -> list[str]:
    """Return the columns that something linear, or a score of such ends, reads unbounded."""
    names = [
        program.outline.inputs[term.column].name
        for head in program.outline.heads
        for member in head.members
        if isinstance(member.raw, LinearRaw)
        for term in member.raw.numbers
        if not math.isfinite(_after(term, number_ends(_column(program, domain, term))).reach)
    ]
    score = program.outline.score
    if not isinstance(score, HeadScore):
        value = number_ends(domain.column(score.value))
        if not math.isfinite(ends.reach) and not all(map(math.isfinite, value)):
            names.append(score.value)
    return list(dict.fromkeys(names))


def _column(program: Program, domain: Domain, term: NumberTerm) -> Column:
    return domain.column(program.outline.inputs[term.column].name)


def raw_ends(program: Program, raw: Raw, box: Box) -> Ends:
    """Return an interval that a raw score cannot leave for any row of a box."""
    return _trees(program, raw, box) if isinstance(raw, TreesRaw) else _sum(_linear(raw, box))


def linear_reach(raw: LinearRaw, box: Box) -> float:
    """Return the largest sum of terms' sizes in a box, by which rounding is measured."""
    return _exact_sum(ends.reach for ends in _linear(raw, box))


def _linear(raw: LinearRaw, box: Box) -> list[Ends]:
    terms = [Ends(raw.intercept, raw.intercept)]
    for term in raw.numbers:
        low, high, missing = box.numbers[term.column]
        ends = _after(term, (low, high))
        if missing:  # only a fill makes it a number
            fill = float(apply_steps(term.steps, np.array([math.nan]))[0])
            ends = Ends(min(ends.low, fill), max(ends.high, fill))
        terms.append(_times(ends, Ends(term.weight, term.weight)))
    for group in raw.categories:
        allowed = box.codes[group.column]
        weights = [w for code, w in enumerate(group.weights) if allowed >> code & 1]
        terms.append(Ends(min(weights), max(weights)))
    return terms


def _after(term: NumberTerm, ends: tuple[float, float]) -> Ends:
    """Return a term's number after its steps, which never turn the order round."""
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = apply_steps(term.steps, np.array(ends)).tolist()
    return Ends(low, high)


def _trees(program: Program, raw: TreesRaw, box: Box) -> Ends:
    roots = program.trees.roots[raw.first : raw.last].tolist()
    leaves = [leaf_range(program.trees, root, box) for root in roots]
    total = _sum([Ends(raw.baseline, raw.baseline), *(Ends(*ends) for ends in leaves)])
    return divided(raw, total, unit=all(low >= 0.0 and high <= 1.0 for low, high in leaves))


def summed(raw: TreesRaw, leaves: Ends, reach: float) -> Ends:
    """Return the interval of a raw score from that of its leaves' exact sum.

    Args:
        raw: Which raw score.
        leaves: Interval of the sum of leaves.
        reach: Largest size that all leaves together can have.
    """
    additions = raw.last - raw.first + 2
    slack = additions * _ROUND / (1.0 - additions * _ROUND) * (reach + abs(raw.baseline))
    total = Ends(leaves.low + raw.baseline, leaves.high + raw.baseline).wider(2.0 * slack)
    return divided(raw, total)


def divided(raw: TreesRaw, total: Ends, *, unit: bool = False) -> Ends:
    """Return the interval of a raw score from that of its trees' sum, in front of the division.

    Args:
        raw: Whose divisor.
        total: Interval of baseline plus leaves, as floats add them.
        unit: Whether all leaves lie in [0, 1], as a classifier's do: so does their mean then.
    """
    if raw.divisor == 1:
        return total
    mean = Ends(total.low / raw.divisor, total.high / raw.divisor).wider(0.0)
    mean_of_all = unit and raw.baseline == 0.0 and raw.last - raw.first == raw.divisor
    # Sums and quotients round to the nearest float, and whole numbers are floats.
    return mean.within(0.0, 1.0) if mean_of_all else mean


def _sum(terms: Sequence[Ends]) -> Ends:
    """Return the interval of a float sum of terms, added in any order."""
    reach = _exact_sum(term.reach for term in terms)
    if not math.isfinite(reach):
        return Ends(-math.inf, math.inf)
    ends = Ends(_exact_sum(t.low for t in terms), _exact_sum(t.high for t in terms))
    additions = len(terms)
    return ends.wider(additions * _ROUND / (1.0 - additions * _ROUND) * reach)


def _exact_sum(values: Iterable[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # beyond the largest float, or inf - inf
        return math.inf


def _times(one: Ends, other: Ends) -> Ends:
    """Return the interval of a float product.

    Rounding to nearest keeps order, so every rounded product lies between the rounded corners.
    """
    corners = [_product(a, b) for a in one for b in other]
    return Ends(min(corners), max(corners))


def _product(one: float, other: float) -> float:
    return 0.0 if 0.0 in (one, other) else one * other


def _output(head: Head, raws: Sequence[Ends]) -> Ends:
    outputs = [_linked(m.link, ends) for m, ends in zip(head.members, raws, strict=True)]
    if len(outputs) == 1:
        return outputs[0]
    total = _sum(outputs)
    mean = Ends(total.low / len(outputs), total.high / len(outputs)).wider(0.0)
    # Sums and quotients round to the nearest float, and 0 and 1 are floats.
    unit = all(ends.low >= 0.0 and ends.high <= 1.0 for ends in outputs)
    return mean.within(0.0, 1.0) if unit else mean


def _linked(link: Link, raw: Ends) -> Ends:
    match link.kind:
        case "identity":
            return raw
        case "logit":
            return _rising(_logistic, raw)
        case "sigmoid":
            scaled = _times(raw, Ends(-link.slope, -link.slope))
            return _rising(_logistic, _sum([scaled, Ends(-link.offset, -link.offset)]))
        case "isotonic":
            # The line rises, and interpolation errs by a few roundings of the largest output.
            ends = Ends(*np.interp(raw, link.x, link.y).tolist())
            wider = ends.wider(8 * _ROUND * max(abs(link.y[0]), abs(link.y[-1])))
            return wider.within(0.0, 1.0) if link.y[0] >= 0.0 and link.y[-1] <= 1.0 else wider


def _rising(function: Callable[[float], float], ends: Ends) -> Ends:
    """Return what a function that rises makes of an interval, some last bits of it aside."""
    low, high = function(ends.low), function(ends.high)
    return Ends(low * (1 - 16 * _ROUND), high * (1 + 16 * _ROUND)).wider(0.0).within(0.0, 1.0)


def _logistic(raw: float) -> float:
    try:
        return 1.0 / (1.0 + math.exp(-raw))
    except OverflowError:
        return 0.0


def _score(program: Program, domain: Domain, outputs: dict[str, Ends]) -> Ends:
    score = program.outline.score
    if isinstance(score, HeadScore):
        return _clipped(score.clip, outputs[score.head])
    product = outputs[score.heads[0]]
    for name in score.heads[1:]:
        product = _times(product, outputs[name])
    ends = _times(product, Ends(*number_ends(domain.column(score.value))))
    # An infinite product of heads times a value of 0 would be NaN, which no clip touches.
    return _clipped(score.clip, ends) if math.isfinite(product.reach) else ends


def _clipped(clip: Clip | None, ends: Ends) -> Ends:
    if clip is None:
        return ends
    low = -math.inf if clip.low is None else clip.low
    high = math.inf if clip.high is None else clip.high
    return Ends(*(min(max(end, low), high) for end in ends))


def _range(ends: Ends) -> Range:
    low, high = (end if math.isfinite(end) else None for end in ends)
    return Range(low=low, high=high)
