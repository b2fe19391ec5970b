"""A service's dashboard: its budgets, and below them what its server says of itself."""

from collections.abc import Sequence

from mlops.base.telemetry import exported_series
from mlops.dashboards.budget_row import budget_row
from mlops.dashboards.fleet import fleet_board
from mlops.dashboards.panel import Annotation, Board
from mlops.dashboards.serving_rows import serving_rows
from mlops.dashboards.windows import FLEET_UID, chosen_windows, uid_of
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec


def boards(objectives: Sequence[Objective], spec: SloSpec) -> tuple[Board, ...]:
    """Return all dashboards: that of the fleet, then one a service in the order of its SLOs.

    Args:
        objectives: The SLOs; none makes no dashboard.
        spec: Windows and intervals.
    """
    if not objectives:
        return ()
    services = dict.fromkeys(each.service for each in objectives)
    return (
        fleet_board(objectives, spec),
        *(
            service_board([each for each in objectives if each.service == service], spec)
            for service in services
        ),
    )


def service_board(objectives: Sequence[Objective], spec: SloSpec) -> Board:
    """Return the dashboard of one service.

    Args:
        objectives: Its SLOs, at least one.
        spec: Windows and intervals.
    """
    service = objectives[0].service
    rows = tuple(budget_row(each, spec) for each in objectives)
    if any(map(runs_our_server, objectives)):
        rows += serving_rows(service)
    return Board(
        uid=uid_of(service),
        title=f"SLOs: {service}",
        description=f"The error budgets of {service}, and what may be using them up.",
        rows=rows,
        windows=chosen_windows(objectives, spec),
        links=(("All services", FLEET_UID),),
        annotations=(Annotation("alerts", f'ALERTS{{alertstate="firing",service="{service}"}}'),),
    )


def runs_our_server(objective: Objective) -> bool:
    """Tell whether an SLO asks for what our own server exports of the SLO's service."""
    ours = exported_series()
    return any(
        counter.metric in ours
        and any(
            (each.label, each.operator, each.value) == ("service", "=", objective.service)
            for each in counter.matchers
        )
        for counter in objective.counters
    )
