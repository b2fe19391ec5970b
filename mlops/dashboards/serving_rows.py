"""A service's rows: what one of our own servers exports, from its traffic to its decision log.

Drawn for services of which an SLO asks for series of `mlops.base.telemetry`; of another program's
we know no more than its SLOs.
"""

from mlops.base import telemetry
from mlops.base.telemetry import Metric
from mlops.dashboards.panel import WINDOW, Draw, Limit, Panel, Query, Row, Unit

_QUANTILES = ("0.5", "0.9", "0.99")


def serving_rows(service: str) -> tuple[Row, ...]:
    """Return the rows of a service that our server runs.

    Args:
        service: As metrics name it.
    """
    return (
        Row("Traffic", _traffic(service)),
        Row("Decisions", _decisions(service)),
        Row("Model", _model(service)),
        Row("Breaker and fallback", _protection(service)),
        Row("Processes", _processes(service)),
        Row("Decision log", _decision_log(service)),
    )


def _of(metric: Metric, service: str, part: str = "") -> str:
    return f'{metric.name}{part}{{service="{service}"}}'


def _rate(metric: Metric, service: str, *by: str, part: str = "") -> str:
    summed = f"sum by ({', '.join(by)}) " if by else "sum"
    return f"{summed}(rate({_of(metric, service, part)}[{WINDOW}]))"


def _rates(
    metric: Metric, service: str, *by: str, title: str, only: str = "", width: int = 8
) -> Panel:
    """Return the events of a counter per second, by labels.

    Args:
        metric: The counter.
        service: Whose.
        by: Labels that make its lines.
        title: The panel's.
        only: A comparison that hides lines, such as `> 0`.
        width: Of the 24 columns.
    """
    legend = " ".join(f"{{{{{label}}}}}" for label in by)
    expr = _rate(metric, service, *by)
    return Panel(
        title=title,
        description=metric.help,
        queries=(Query(f"{expr} {only}".strip(), legend or title),),
        unit=Unit.PER_SECOND,
        width=width,
        no_value="none",
    )


def _gauge(
    metric: Metric, service: str, *by: str, title: str, unit: Unit = Unit.COUNT, width: int = 8
) -> Panel:
    of = _of(metric, service)
    legend = " ".join(f"{{{{{label}}}}}" for label in by)
    expr = f"sum by ({', '.join(by)}) ({of})" if by else f"sum({of})"
    return Panel(title, metric.help, (Query(expr, legend or title),), unit=unit, width=width)


def _quantiles(metric: Metric, service: str, *, title: str) -> Panel:
    rate = _rate(metric, service, "le", part="_bucket")
    return Panel(
        title=title,
        description=f"{metric.help} Interpolated between buckets.",
        queries=tuple(
            Query(f"histogram_quantile({each}, {rate})", f"{float(each):.0%}")
            for each in _QUANTILES
        ),
        unit=Unit.SECONDS,
    )


def _heat(metric: Metric, service: str, *, title: str, width: int) -> Panel:
    bucket = _of(metric, service, "_bucket")
    return Panel(
        title=title,
        description=f"{metric.help} The darker, the more.",
        queries=(Query(f"sum by (le) (increase({bucket}[$__rate_interval]))", "{{le}}"),),
        draw=Draw.HEAT,
        unit=Unit.SECONDS,
        width=width,
    )


def _traffic(service: str) -> tuple[Panel, ...]:
    return (
        _heat(telemetry.DECISION_SECONDS, service, title="Latency", width=16),
        _quantiles(telemetry.DECISION_SECONDS, service, title="Latency, quantiles"),
        _rates(telemetry.HTTP_REQUESTS, service, "code", title="Requests", only="> 0"),
        _rates(telemetry.SHED, service, "priority", "cause", title="Refused under load"),
        _rates(telemetry.CONTRACT_VIOLATIONS, service, "rule", title="Refused by the contract"),
        _quantiles(telemetry.QUEUE_SECONDS, service, title="Waited in the queue"),
        _gauge(telemetry.IN_FLIGHT, service, title="In flight"),
        _gauge(telemetry.HTTP_CONNECTIONS, service, title="Connections"),
    )


def _decisions(service: str) -> tuple[Panel, ...]:
    # More than one second is no whole: a service without traffic has no shares.
    whole = f"scalar({_rate(telemetry.DECISIONS, service)} > 0)"
    return (
        Panel(
            title="Share by source and reason",
            description="Who answered, and why it was them: the model, its cache, or a fallback.",
            queries=(
                Query(
                    f"{_rate(telemetry.DECISIONS, service, 'source', 'reason')} / {whole} > 0",
                    "{{source}}: {{reason}}",
                ),
            ),
            draw=Draw.SHARES,
            unit=Unit.RATIO,
            width=12,
            no_value="no traffic",
        ),
        _rates(telemetry.DECISIONS, service, "arm", title="Decisions by arm", width=6),
        Panel(
            title="Share of the holdout",
            description="Decisions that the heuristic took on purpose, against which the model's "
            "gain is measured. What decisions earned is in no series: `mlops evaluate` tells.",
            queries=(
                Query(
                    f"{_rate(telemetry.DECISIONS, service, 'arm')} / {whole}"
                    ' and on (arm) label_replace(vector(1), "arm", "holdout", "", "")',
                    "{{arm}}",
                ),
            ),
            unit=Unit.RATIO,
            width=6,
            no_value="no traffic",
        ),
    )


def _model(service: str) -> tuple[Panel, ...]:
    return (
        *_present(service),
        _quantiles(telemetry.MODEL_SECONDS, service, title="Time of the model"),
        _rates(telemetry.GUARD_VIOLATIONS, service, "rule", title="Refused by the guard"),
        _gauge(telemetry.MODEL_LIMIT, service, title="Pages that it may owe"),
        _rates(telemetry.MODEL_RESTARTS, service, "cause", title="Model processes replaced"),
        _rates(telemetry.HEURISTIC_FAILURES, service, "cause", title="Heuristics that failed"),
        _rates(telemetry.BUNDLE_SWAPS, service, "outcome", title="Swaps"),
    )


def _present(service: str) -> tuple[Panel, ...]:
    bundles = f"sum by (role, model, digest) ({_of(telemetry.BUNDLE_INFO, service)})"
    age = f"time() - max({_of(telemetry.MODEL_TRAINED, service)} > 0)"
    ready = f"sum({_of(telemetry.MODEL_READY, service)})"
    impossible = f"sum({_of(telemetry.CERTIFICATE_BREACHES, service)})"
    red, good = Limit(1, "red"), Limit(1, "green")
    return (
        Panel(
            title="Bundles",
            description=telemetry.BUNDLE_INFO.help,
            queries=(Query(bundles, "known"),),
            draw=Draw.TABLE,
            width=12,
            base="text",
            columns=(Unit.COUNT,),
        ),
        _number(telemetry.MODEL_TRAINED, age, "Since the training", unit=Unit.SECONDS, base="blue"),
        _number(telemetry.MODEL_READY, ready, "Workers with a model", base="red", limit=good),
        _number(telemetry.CERTIFICATE_BREACHES, impossible, "Impossible answers", limit=red),
    )


def _number(
    metric: Metric,
    expr: str,
    title: str,
    *,
    unit: Unit = Unit.COUNT,
    base: str = "green",
    limit: Limit | None = None,
) -> Panel:
    return Panel(
        title=title,
        description=metric.help,
        queries=(Query(expr, title),),
        draw=Draw.VALUE,
        unit=unit,
        width=4,
        limits=() if limit is None else (limit,),
        base=base,
    )


def _protection(service: str) -> tuple[Panel, ...]:
    latched = f"max({_of(telemetry.FALLBACK_LATCHED, service)})"
    return (
        _gauge(telemetry.BREAKER_STATE, service, "state", title="Breakers by state"),
        _rates(
            telemetry.BREAKER_TRANSITIONS, service, "from_state", "to_state", "reason",
            title="Changes of breakers", only="> 0",
        ),
        _number(
            telemetry.FALLBACK_LATCHED, latched, "Latched to the fallback", limit=Limit(1, "red")
        ),
        _rates(
            telemetry.FALLBACK_TRANSITIONS, service, "from_state", "to_state", "cause",
            title="Changes of the latch", only="> 0", width=4,
        ),
    )  # fmt: skip


def _processes(service: str) -> tuple[Panel, ...]:
    return (
        _gauge(telemetry.WORKERS, service, title="Workers", width=6),
        _rates(
            telemetry.WORKER_RESTARTS, service, "role", "cause", title="Processes replaced", width=6
        ),
        _rates(telemetry.HTTP_CLOSED, service, "cause", title="Connections closed", width=6),
        _rates(telemetry.POISON_REQUESTS, service, title="Poison refused", width=6),
    )


def _decision_log(service: str) -> tuple[Panel, ...]:
    available = f"min({_of(telemetry.LOG_AVAILABLE, service)})"
    return (
        _rates(telemetry.LOG_ROWS, service, "outcome", title="Rows"),
        _gauge(telemetry.LOG_SPOOL_BYTES, service, title="Waiting in files", unit=Unit.BYTES),
        _number(
            telemetry.LOG_AVAILABLE, available, "Database takes rows", base="red",
            limit=Limit(1, "green"),
        ),
    )  # fmt: skip
