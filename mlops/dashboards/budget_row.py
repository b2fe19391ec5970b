"""A budget's row: one SLO on the dashboard of its service."""

from collections.abc import Iterator

from mlops.dashboards.panel import Draw, Limit, Panel, Query, Row, Unit
from mlops.slo import names
from mlops.slo.alerts import alerting, percent, tiers_of
from mlops.slo.indicator import Indicator
from mlops.slo.objective import Objective
from mlops.slo.period_rules import period_words, unrecorded
from mlops.slo.sampled import RawRatio, Sampled
from mlops.slo.sliced import Sliced
from mlops.slo.spec import SloSpec
from mlops.slo.windows import prometheus_duration, recorded_windows

_LOW = 0.25
_SPENT = 1e-9
"""Just above 0, since a colour begins at its value."""


def budget_row(objective: Objective, spec: SloSpec) -> Row:
    """Return what is to be seen of an SLO.

    Args:
        objective: The SLO.
        spec: Windows and intervals.
    """
    promise = f"{percent(objective.target)} over {period_words(objective, spec)}"
    return Row(f"{objective.title}: {promise}", tuple(_panels(objective, spec)))


def _panels(objective: Objective, spec: SloSpec) -> Iterator[Panel]:
    selector = objective.selector
    why = unrecorded(objective, spec)
    if not why:
        yield Panel(
            title="Budget left",
            description=f"{objective.description} Below 0 the promise is broken.",
            queries=(Query(f"{names.PERIOD_REMAINING}{selector}", "left"),),
            draw=Draw.VALUE,
            unit=Unit.RATIO,
            width=4,
            limits=(Limit(_SPENT, "orange"), Limit(_LOW, "green")),
            base="red",
        )
    yield Panel(
        title="Burn rate now",
        description="1 uses up the budget just at the end of its period.",
        queries=(Query(f"{names.CURRENT_BURN_RATE}{selector}", "now"),),
        draw=Draw.VALUE,
        unit=Unit.BURN,
        width=4,
        limits=(Limit(1, "orange"), Limit(max(_factors(objective, spec)), "red")),
    )
    yield _burn(objective, spec, width=8 if not why else 12)
    if why:
        yield _events(objective, spec, note=f" No rule can record what is left: {why}.")
    else:
        yield Panel(
            title="Budget over time",
            description="What is left of the budget of the period.",
            queries=(Query(f"{names.PERIOD_REMAINING}{selector}", "left"),),
            unit=Unit.RATIO,
        )
    measured = tuple(dict.fromkeys(gauges(objective.indicator)))
    if measured:
        yield Panel(
            title="What is measured",
            description="The values that are held against the limit, one look at each scrape.",
            queries=tuple(map(Query, measured)),
            width=24,
        )


def _factors(objective: Objective, spec: SloSpec) -> list[float]:
    return [1.0, *(tier.factor for tier in alerting(objective, spec))]


def _burn(objective: Objective, spec: SloSpec, *, width: int) -> Panel:
    windows = recorded_windows(tiers_of(objective, spec), spec)
    factors = sorted({tier.factor for tier in alerting(objective, spec)})
    told = "; ".join(
        f"{names.alert(tier)} fires where {prometheus_duration(tier.long_s)} and"
        f" {prometheus_duration(tier.short_s)} are both above {tier.factor:g}x"
        for tier in alerting(objective, spec)
    )
    return Panel(
        title="Burn rate by window",
        description=f"{told}." if told else "It has no burn alerts.",
        queries=tuple(
            Query(
                f"{names.error_ratio(window)}{objective.selector} / {objective.error_budget}",
                prometheus_duration(window),
            )
            for window in windows
        ),
        unit=Unit.BURN,
        width=width,
        limits=tuple(
            Limit(factor, "orange" if factor < factors[-1] else "red") for factor in factors
        ),
    )


def _events(objective: Objective, spec: SloSpec, *, note: str) -> Panel:
    return Panel(
        title="Events",
        description=f"Bad and all events of each step.{note}",
        queries=(
            Query(f"{names.sli_bad(spec)}{objective.selector}", "bad"),
            Query(f"{names.sli_total(spec)}{objective.selector}", "all"),
        ),
    )


def gauges(indicator: Indicator) -> Iterator[str]:
    """Yield PromQL for the values that an indicator looks at; none of one that counts."""
    match indicator:
        case Sampled() | RawRatio():
            yield indicator.query
        case Sliced():
            for each in indicator.parts:
                yield from gauges(each.inner)
        case _:
            return
