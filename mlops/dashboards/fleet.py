"""A fleet: the dashboard of all SLOs, which says where to look first."""

from collections.abc import Sequence

from mlops.dashboards.panel import (
    WINDOW,
    Annotation,
    Board,
    Draw,
    Limit,
    Panel,
    Query,
    Row,
    Unit,
)
from mlops.dashboards.windows import FLEET_UID, chosen_windows, uid_of
from mlops.slo import names
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec

_OF = "on (service, slo)"


def fleet_board(objectives: Sequence[Objective], spec: SloSpec) -> Board:
    """Return the dashboard of all SLOs.

    Args:
        objectives: At least one.
        spec: Windows and intervals.
    """
    return Board(
        uid=FLEET_UID,
        title="SLOs: all services",
        description="Which error budgets are in danger, and where to look first.",
        rows=(
            Row("Now", (*_counts(spec), _table(objectives))),
            Row("Over time", _courses()),
        ),
        windows=chosen_windows(objectives, spec),
        links=tuple(
            (service, uid_of(service))
            for service in dict.fromkeys(each.service for each in objectives)
        ),
        annotations=(Annotation("pages", 'ALERTS{alertstate="firing",severity="page",slo!=""}'),),
    )


def _counts(spec: SloSpec) -> tuple[Panel, ...]:
    """Return the numbers above the table; each is 0, not nothing, where all is well."""
    bad = (Limit(1, "red"),)
    odd = (Limit(1, "orange"),)
    unheard = f"{names.OBJECTIVE} unless {_OF} {names.sli_total(spec)}"
    return (
        _count("SLOs", "How many SLOs Prometheus has rules for.", f"count({names.OBJECTIVE})"),
        _count(
            "Budgets spent",
            "SLOs that broke their promise in their present period.",
            f"count({names.PERIOD_REMAINING} <= 0) or vector(0)",
            limits=bad,
        ),
        _count(
            "Pages",
            "Alerts that fire and wake a person.",
            'count(ALERTS{alertstate="firing",severity="page"}) or vector(0)',
            limits=bad,
        ),
        _count(
            "Tickets",
            "Alerts that fire and wait for working hours.",
            'count(ALERTS{alertstate="firing",severity="ticket"}) or vector(0)',
            limits=odd,
        ),
        _count(
            "Without data",
            "SLOs of which nothing was counted, not even zeros: not known, which is not green.",
            f"count({unheard}) or vector(0)",
            limits=odd,
        ),
        _count(
            "Burning too fast",
            "SLOs that burn faster than would use up the budget just at the end of its period.",
            f"count({names.CURRENT_BURN_RATE} > 1) or vector(0)",
            limits=odd,
        ),
    )


def _count(title: str, description: str, expr: str, *, limits: tuple[Limit, ...] = ()) -> Panel:
    return Panel(
        title=title,
        description=description,
        queries=(Query(expr, title),),
        draw=Draw.VALUE,
        width=4,
        height=4,
        limits=limits,
        base="green" if limits else "blue",
    )


def _table(objectives: Sequence[Objective]) -> Panel:
    known = f"{names.OBJECTIVE} * {_OF} group_left (title, period) {names.INFO}"
    services = {each.service for each in objectives}
    plain = all(uid_of(service) == f"slo-service-{service}" for service in services)
    return Panel(
        title="All SLOs",
        description=(
            "Every SLO with what is left of its budget. One without data stays in the list, and "
            "its cells say so."
        ),
        queries=(
            Query(f"sum by (service, slo, title, period) ({known})", "objective"),
            Query(f"sum by (service, slo) ({names.PERIOD_REMAINING})", "budget left"),
            Query(f"sum by (service, slo) ({names.CURRENT_BURN_RATE})", "burn rate now"),
            Query(f"sum by (service, slo) ({names.ERROR_RATIO}{WINDOW})", "errors"),
        ),
        draw=Draw.TABLE,
        width=24,
        height=10,
        base="text",
        columns=(Unit.RATIO, Unit.RATIO, Unit.BURN, Unit.RATIO),
        # A service whose name is no address in Grafana is found by the links above.
        link="/d/slo-service-${__data.fields.service}" if plain else "",
    )


def _courses() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Budget left",
            description="1 is untouched; below 0 the promise is broken.",
            queries=(Query(names.PERIOD_REMAINING, "{{slo}}"),),
            unit=Unit.RATIO,
            width=12,
        ),
        Panel(
            title="Burn rate",
            description="1 uses up the budget just at the end of its period.",
            queries=(Query(names.CURRENT_BURN_RATE, "{{slo}}"),),
            unit=Unit.BURN,
            width=12,
            limits=(Limit(1, "orange"),),
        ),
    )
