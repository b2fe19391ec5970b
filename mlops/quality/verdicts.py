"""A quality verdict: whether the measured model may go on, or whether the data cannot tell.

One rule decides floors and comparisons, so that nobody has to learn two. Let the figure be turned
so that more is better, and let the *neutral* value be what a model of no use would show: 0.5 for
an AUC, 0 for a skill, no difference for a comparison.

1. Fewer events than declared, or a measurement that abstains: **unknown**, with the number needed.
2. The whole interval keeps the limit: **pass**.
3. The whole interval breaks it: **fail**.
4. The interval holds both the limit and the neutral value: **unknown**. Such data cannot tell a
   model that is good enough from one of no use, so neither answer would mean anything.
5. Otherwise the interval holds the limit alone, and the point estimate decides: **warn** if it
   keeps the limit (kept, but by less than the noise), **fail** if it breaks it.

The point estimate decides in 5, rather than `unknown`, because with enough events a gate must
answer: a model just above its floor would else be blocked for ever, and one just below it would
never be refused. It does not decide in 4, because there the answer would change from one training
to the next by luck alone, which teaches people to override the gate.

A comparison asks for non-inferiority: the limit is the tolerated loss. With no tolerance the
limit is the neutral value itself, so only a proven gain passes; declare a loss that is tolerable.
"""

from collections.abc import Mapping
from typing import TypeAlias

from mlops.base.errors import ConfigError
from mlops.base.verdict import Finding, Status, Verdict
from mlops.quality.estimate import Estimate, unpaired_difference
from mlops.quality.figure import figure
from mlops.quality.measure import Measurement, SubjectKind
from mlops.quality.needed import auc_events, in_words, scaled_events
from mlops.quality.spec import Floor, QualitySpec, Versus

NAME = "quality"

# What a model of no use shows; a metric that is not listed has no such value.
_NEUTRAL: Mapping[str, float] = {"auc": 0.5, "log_loss_skill": 0.0}

_Key: TypeAlias = tuple[str, str, str, str]  # metric, head, subject ("model" for it), reference


def judge(spec: QualitySpec, measurements: tuple[Measurement, ...]) -> Verdict:
    """Hold measurements against the floors and the heuristics.

    Args:
        spec: Floors and comparisons.
        measurements: What `evaluate` gave, or what a bundle recorded.

    Returns:
        One finding per floor and comparison, in the order of the spec. Status as above.

    Raises:
        ConfigError: A rule asks for a subject that was not measured.
    """
    table = {_key(measurement): measurement for measurement in measurements}
    floors = (_floor(rule, table) for rule in spec.floors)
    versus = (_versus(rule, table) for rule in spec.versus)
    return Verdict(NAME, (*floors, *versus))


def _key(m: Measurement) -> _Key:
    subject = "model" if m.kind is SubjectKind.MODEL else m.subject
    return (m.metric, m.head, subject, m.reference)


def _find(table: Mapping[_Key, Measurement], key: _Key) -> Measurement:
    if key in table:
        return table[key]
    metric, head, subject, _ = key
    there = sorted({k[2] for k in table if k[:2] == (metric, head) and not k[3]})
    raise ConfigError(
        f"{metric} of {subject!r} was not measured",
        hint=f"{metric} was measured for: {', '.join(there) or 'nobody'}; train again if the"
        " configuration of quality or of the heuristics has changed since",
    )


def _floor(rule: Floor, table: Mapping[_Key, Measurement]) -> Finding:
    m = _find(table, (rule.metric, rule.head, rule.subject, ""))
    limit = rule.maximum if rule.minimum is None else rule.minimum
    assert limit is not None
    sign = 1.0 if rule.minimum is not None else -1.0
    subject = "" if rule.subject == "model" else f"{rule.subject}."
    check = f"{NAME}.{_dotted(rule.head)}{subject}{rule.metric}"
    neutral = _NEUTRAL.get(rule.metric)
    word = "at least" if sign > 0 else "at most"
    wanted = f"{word} {figure(limit, unit=m.unit)}"
    estimate = _estimate(m)
    if estimate is None or m.events < rule.min_events:
        text = _too_little(m, _floor_needs(rule, m, limit=limit), least=rule.min_events)
        return Finding(check, Status.UNKNOWN, f"{text}; wanted {wanted}", m.value, limit, m.unit)
    status = _decide(_turned(estimate, sign), limit * sign, _times(neutral, sign))
    text = f"{_shown(estimate, m)}, wanted {wanted}"
    if status is Status.UNKNOWN:
        needs = in_words(m, _floor_needs(rule, m, limit=limit))
        text = f"{text}; the interval also holds {neutral}, which is no skill; {needs}"
    return Finding(check, status, text + _remark(status), m.value, limit, m.unit)


def _floor_needs(rule: Floor, m: Measurement, *, limit: float) -> int | None:
    """Return the events that tell the limit from no skill, at least those that were declared."""
    neutral = _NEUTRAL.get(rule.metric)
    if neutral is None or neutral == limit:
        return rule.min_events
    distance = abs(limit - neutral)
    if rule.metric == "auc" and 0 < limit < 1 and m.events:
        others = max((m.rows - m.events) / m.events, 1e-9)
        needed = auc_events(limit, half_width=distance, level=m.level, others_per_event=others)
        return max(rule.min_events, needed)
    estimate = _estimate(m)
    if estimate is None:
        return rule.min_events
    half = (estimate.high - estimate.low) / 2
    scaled = scaled_events(m.events, half_width=half, target=distance)
    return None if scaled is None else max(rule.min_events, scaled)


def _versus(rule: Versus, table: Mapping[_Key, Measurement]) -> Finding:
    model = _find(table, (rule.metric, rule.head, "model", ""))
    other = _find(table, (rule.metric, rule.head, rule.heuristic, ""))
    gap = table.get((rule.metric, rule.head, "model", rule.heuristic))
    check = f"{NAME}.{_dotted(rule.head)}{rule.metric}.versus.{rule.heuristic}"
    if model.higher_is_better is None:
        raise ConfigError(
            f"quality.versus compares {rule.metric}, for which neither more nor less is better",
            hint="give it a floor with `minimum` and one with `maximum` instead",
        )
    sign = 1.0 if model.higher_is_better else -1.0
    estimate = _gap(model, other, gap)
    events = min(model.events, other.events)
    if estimate is None or other.value is None or events < rule.min_events:
        lacking = next((x for x in (model, other, gap) if x is not None and x.abstained), model)
        text = _too_little(lacking, rule.min_events, least=rule.min_events)
        return Finding(check, Status.UNKNOWN, f"{text}; wanted no loss against {rule.heuristic}")
    loss = _tolerated(rule, other.value)
    status = _decide(_turned(estimate, sign), -loss, 0.0)
    text = (
        f"{_shown(estimate, model, signed=True)} against {rule.heuristic},"
        f" tolerated {figure(-loss * sign, unit=model.unit, signed=True)}"
    )
    if status is Status.UNKNOWN:
        half = (estimate.high - estimate.low) / 2
        needed = scaled_events(events, half_width=half, target=loss or abs(estimate.value))
        text = f"{text}; the interval holds both that loss and no loss; {in_words(model, needed)}"
    return Finding(check, status, text + _remark(status), estimate.value, -loss * sign, model.unit)


def _gap(model: Measurement, other: Measurement, gap: Measurement | None) -> Estimate | None:
    """Return the model's value minus the other's: paired where that was measured."""
    if gap is not None:
        return _estimate(gap)
    left, right = _estimate(model), _estimate(other)
    return None if left is None or right is None else unpaired_difference(left, right)


def _tolerated(rule: Versus, value: float) -> float:
    if rule.max_loss is not None:
        return rule.max_loss
    assert rule.max_loss_ratio is not None
    return rule.max_loss_ratio * abs(value)


def _decide(estimate: Estimate, limit: float, neutral: float | None) -> Status:
    """Return the status by rules 2 to 5, for a figure of which more is better."""
    if estimate.low >= limit:
        return Status.PASS
    if estimate.high < limit:
        return Status.FAIL
    if neutral is not None and estimate.low <= neutral <= estimate.high:
        return Status.UNKNOWN
    return Status.WARN if estimate.value >= limit else Status.FAIL


def _estimate(m: Measurement) -> Estimate | None:
    if m.value is None:
        return None
    low = m.value if m.low is None else m.low
    high = m.value if m.high is None else m.high
    return Estimate(m.value, low, high)


def _turned(estimate: Estimate, sign: float) -> Estimate:
    ends = sorted((estimate.low * sign, estimate.high * sign))
    return Estimate(estimate.value * sign, ends[0], ends[1])


def _times(value: float | None, sign: float) -> float | None:
    return None if value is None else value * sign


def _too_little(m: Measurement, needed: int | None, *, least: int) -> str:
    if m.abstained and m.events >= least:  # not for want of events: the weights, say
        return f"cannot be told: {m.abstained}"
    reason = f"cannot be told: {m.abstained}; " if m.abstained else "too few events: "
    return reason + in_words(m, needed)


def _remark(status: Status) -> str:
    return "; kept, but by less than the noise" if status is Status.WARN else ""


def _shown(estimate: Estimate, m: Measurement, *, signed: bool = False) -> str:
    value = figure(estimate.value, unit=m.unit, signed=signed)
    low, high = figure(estimate.low, signed=signed), figure(estimate.high, signed=signed)
    return f"{value} ({m.level * 100:.3g} % between {low} and {high})"


def _dotted(head: str) -> str:
    return f"{head}." if head else ""
