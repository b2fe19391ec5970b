"""A period's proof: a promtool unit test that a budget is summed over exactly its period.

A month of five-minute steps is too long for tests that make up a service's own series. Here the
recorded steps are made up, and the rules are evaluated so rarely that the run is short.
"""

from collections.abc import Iterator, Sequence

from mlops.slo import names
from mlops.slo.load import number
from mlops.slo.objective import Objective
from mlops.slo.period_rules import calendar_of
from mlops.slo.spec import SloSpec
from mlops.slo.windows import prometheus_duration

_EVALUATIONS = 400
_MOST_POINTS = 9_000
"""promtool refuses an expression that holds 10,000 samples at once, a sum of 8,064 steps twice."""

_STALE_S = 300
_LONGER = 1.5
_CLOSE = 0.01
_OLD, _EARLY, _LATE = (1_000, 900), (1_000, 100), (3_000, 1_500)
"""All and bad events in a step: before the period, in its first half, in its second."""


def period_test_of(objective: Objective, spec: SloSpec, *, rules: str) -> str | None:
    """Return a test file for what is left of an objective's budget.

    The period's halves have unlike traffic, so that a mean of ratios is found, and what happened
    before it is worse than what happens in it, so that another length is found.

    Args:
        objective: The SLO.
        spec: Windows and intervals.
        rules: Name of the rule file, from where the test file lies.

    Returns:
        YAML for `promtool test rules`; None for the period of a calendar, and for one of so many
        steps that promtool has no place for them.
    """
    spacing = _spacing(objective.period(spec), spec.step_s)
    if calendar_of(objective, spec) is not None or spacing is None:
        return None
    interval_s = spacing * spec.step_s
    inside = objective.period(spec) // interval_s
    every = max(1, int(_LONGER * inside) // _EVALUATIONS)
    length = int(_LONGER * inside) // every * every
    early = inside // 2
    counts = ((length - inside - 1, _OLD), (early, _EARLY), (inside - early + 1, _LATE))
    bad = early * _EARLY[1] + (inside - early) * _LATE[1]
    total = early * _EARLY[0] + (inside - early) * _LATE[0]
    lines = [
        f"rule_files: ['{rules}']",
        f"evaluation_interval: {prometheus_duration(every * interval_s)}",
        "tests:",
        f"  - name: '{objective.slo}: a whole period'",
        f"    interval: {prometheus_duration(interval_s)}",
        "    input_series:",
        *_inputs(objective, spec, counts),
        "    promql_expr_test:",
        *_questions(objective, spec, ratio=bad / total, at_s=length * interval_s),
    ]
    return "".join(f"{line}\n" for line in lines)


def _inputs(
    objective: Objective, spec: SloSpec, counts: Sequence[tuple[int, tuple[int, int]]]
) -> Iterator[str]:
    """Yield the recorded steps: how many of each kind."""
    for index, series in ((0, names.sli_total(spec)), (1, names.sli_bad(spec))):
        values = " ".join(f"{events[index]}x{count - 1}" for count, events in counts)
        yield f"      - {{series: '{series}{objective.selector}', values: '{values}'}}"


def _questions(objective: Objective, spec: SloSpec, *, ratio: float, at_s: int) -> Iterator[str]:
    spent = ratio / float(objective.error_budget)
    expected = (
        (names.error_ratio(objective.period(spec)), ratio, _CLOSE * ratio),
        (names.PERIOD_REMAINING, 1 - spent, _CLOSE * spent),
    )
    for series, value, within in expected:
        near = f"abs({series}{objective.selector} - {_digits(value)}) < bool {_digits(within)}"
        yield f"      - expr: '{near}'"
        yield f"        eval_time: {at_s}s"
        yield f"        exp_samples: [{{labels: '{objective.selector}', value: 1}}]"


def _digits(value: float) -> str:
    return number(float(f"{value:.10g}"))


def _spacing(period_s: int, step_s: int) -> int | None:
    """Return the steps from one recorded step to the next that a test has; None if none fits.

    All windows weigh the steps alike, so that some of them tell as much as all.
    """
    steps = period_s // step_s
    for spacing in range(1, steps // 40 + 1):
        seen = min(spacing, _STALE_S // step_s + 1)
        if 2 * (steps // spacing) * seen <= _MOST_POINTS:
            return spacing
    return None
