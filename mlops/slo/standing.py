"""A standing alert: what calls a person without asking any budget, for every service alike.

A model that gave what its certificate proves impossible, decisions that are not written down,
workers that keep ending, and a service that tells Prometheus nothing at all, which no burn rate
can see: without series there is no ratio.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlops.base.telemetry import (
    CERTIFICATE_BREACHES,
    FALLBACK_LATCHED,
    LOG_AVAILABLE,
    LOG_ROWS,
    LOG_SPOOL_BYTES,
    WORKER_RESTARTS,
    WORKERS,
)
from mlops.slo import names
from mlops.slo.alerts import AlertRule
from mlops.slo.exported import PREFIX
from mlops.slo.maintenance import outside
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec

_MANY_RESTARTS = 5


@dataclass(frozen=True, slots=True)
class _Standing:
    """An alert before it is some service's: texts name it SERVICE.

    Attributes:
        name: `alert`.
        expr: PromQL of a selector's text, such as `{service="shop"}`.
        severity: Who is called.
        anchor: Heading of its runbook.
        summary: One line.
        description: What it means for a user.
        first_look: What the person looks at first.
        for_s: Seconds that it must hold.
    """

    name: str
    expr: Callable[[str], str]
    severity: str
    anchor: str
    summary: str
    description: str
    first_look: str
    for_s: int = 0


_CORRUPTION = _Standing(
    name=names.CORRUPTION,
    expr=lambda of: f"sum by (service) (increase({CERTIFICATE_BREACHES.name}{of}[15m])) > 0",
    severity="page",
    anchor="certificate-breach",
    summary="SERVICE: the model gave an answer that is proved impossible",
    description=(
        '{{ $value | printf "%.0f" }} answers of SERVICE\'s model in the last 15m '
        "lay outside the range that its certificate proves for every allowed input. That is "
        "corruption, not drift. The model is left alone and its process replaced; users get "
        "the heuristic's answers."
    ),
    first_look=(
        "The service's log: the line `the model is corrupted` has the value, the certified "
        "range and the bundle's digest. Does it come again after the process was replaced "
        '(mlops_model_restarts_total{cause="corrupted"})? Then roll back the bundle or take '
        "the host out."
    ),
)
_UNAVAILABLE = _Standing(
    name=names.LOG_UNAVAILABLE,
    expr=lambda of: f"min by (service) ({LOG_AVAILABLE.name}{of}) == 0",
    severity="ticket",
    anchor="decision-log-unavailable",
    for_s=120,
    summary="SERVICE: the decision database takes no rows",
    description=(
        "SERVICE answers as before, and its decisions wait in files of bounded size. When the "
        "database takes rows again they go there by themselves; when the files are full, "
        "decisions are lost."
    ),
    first_look=(
        "The service's log: the line `the decision log has to wait` says why (locked, disk full, "
        f"connection refused, forbidden). {LOG_SPOOL_BYTES.name} beside "
        "serving.decision_log.spool_bytes says how long there is."
    ),
)
_LOST = _Standing(
    name=names.DECISIONS_LOST,
    expr=lambda of: f"sum by (service) (increase({LOG_ROWS.name}{_lost_of(of)}[15m])) > 0",
    severity="ticket",
    anchor="decisions-lost",
    summary="SERVICE: decisions were not written down",
    description=(
        'About {{ $value | printf "%.0f" }} decisions of SERVICE in the last 15m were answered '
        "and are in no log. Users are not affected; comparisons of arms and audits over this "
        "time lack them."
    ),
    first_look=(
        f"Is {LOG_AVAILABLE.name} 0 or the disk full? If neither, does the writer keep being "
        f'replaced ({WORKER_RESTARTS.name}{{role="decision_log"}})?'
    ),
)
_RESTARTING = _Standing(
    name=names.WORKERS_RESTARTING,
    expr=lambda of: (
        f"sum by (service, role) (increase({WORKER_RESTARTS.name}{of}[10m])) > {_MANY_RESTARTS}"
    ),
    severity="page",
    anchor="workers-restarting",
    summary="SERVICE: processes keep ending ({{ $labels.role }})",
    description=(
        'About {{ $value | printf "%.0f" }} processes of the role {{ $labels.role }} of SERVICE '
        "were replaced in the last 10m. Each worker that dies takes the requests along that it "
        "was answering, and the pauses before a new one grow."
    ),
    first_look=(
        f"The label `cause` of {WORKER_RESTARTS.name}: `died` (out of memory? the kernel's log; a "
        "poison request? mlops_poison_requests_total), `silent` (its loop was blocked or the "
        "host stood still), `not_started` (what was released last?)."
    ),
)
_LATCHED = _Standing(
    name=names.FALLBACK_LATCHED,
    expr=lambda of: f"max by (service) ({FALLBACK_LATCHED.name}{of}) == 1",
    severity="ticket",
    anchor="fallback-latched",
    summary="SERVICE: the model is left alone, since a budget burns or a person said so",
    description=(
        "SERVICE answers from below its model, and no quiet hour changes that. The way back is "
        "what its error budget policy declares: the breaker's probes after a wait, or a person."
    ),
    first_look=(
        "GET /fallback on the service's admin port: the rule, who decides the way back, and when "
        "the next probe is. What burnt is in the log line `fallback`."
    ),
)
_ABSENT = _Standing(
    name=names.SERVICE_ABSENT,
    expr=lambda of: f"absent({WORKERS.name}{of} > 0)",
    severity="page",
    anchor="service-absent",
    for_s=120,
    summary="SERVICE: nothing is heard of it",
    description=(
        "No worker of SERVICE reports to Prometheus. Either it does not run, or it cannot be "
        "scraped; until one is known, no other alert of the service means anything."
    ),
    first_look=(
        "Does `/readyz` answer? Then look at Prometheus' target page. If not, at the process: "
        "its log's last lines, and its exit code."
    ),
)


_EVERY = (_CORRUPTION, _LATCHED, _UNAVAILABLE, _LOST, _RESTARTING)

NAMES = tuple(kind.name for kind in (*_EVERY, _ABSENT))
"""What all standing alerts are called."""


def _lost_of(selector: str) -> str:
    return selector.removesuffix("}") + ',outcome="lost"}'


def standing_alerts(
    service: str, objectives: Sequence[Objective], spec: SloSpec
) -> tuple[AlertRule, ...]:
    """Return the standing alerts of one service.

    Args:
        service: The service as metrics name it.
        objectives: All that are compiled together; those of the service say where its runbook is,
            and whether it is one of ours: a service measured by another program's series exports
            none of ours, and is not absent for it.
        spec: Where runbooks lie.
    """
    own = [objective for objective in objectives if objective.service == service]
    page = next((item.runbook_url for item in own if item.runbook_url), "").partition("#")[0]
    base = "" if "://" in page else spec.runbook_base_url
    runbook = f"{base}{page}" if page else ""
    kinds = [*_EVERY]
    if any(each.metric.startswith(PREFIX) for item in own for each in item.counters):
        kinds.append(_ABSENT)
    return tuple(_rule(kind, service, runbook, spec) for kind in kinds)


def _rule(kind: _Standing, service: str, runbook: str, spec: SloSpec) -> AlertRule:
    annotations = {
        "summary": kind.summary.replace("SERVICE", service),
        "description": kind.description.replace("SERVICE", service),
        "first_look": kind.first_look,
    }
    if runbook:
        annotations["runbook_url"] = f"{runbook}#{kind.anchor}"
    return AlertRule(
        name=kind.name,
        expr=outside(kind.expr(f'{{service="{service}"}}'), service, spec),
        for_s=kind.for_s,
        keep_firing_for_s=0,
        labels={"service": service, "severity": kind.severity},
        annotations=annotations,
    )
