"""The consistency step: what is right in each section and cannot be true of all together.

It fails where a promise cannot be kept or a setting can never act, and warns where only luck, low
traffic or a large page decides.
"""

from collections.abc import Iterator
from pathlib import Path

from mlops.base.errors import ConfigError
from mlops.base.verdict import Finding, Status
from mlops.config.compose import Composed
from mlops.config.consistency_policy import policies_of
from mlops.config.consistency_quality import demands_of
from mlops.config.consistency_slo import objectives_of
from mlops.config.resolve import Contracts
from mlops.config.settings import Settings
from mlops.contracts.domain import ColumnKind, Domain
from mlops.contracts.roles import Scope
from mlops.cost.cost import Prediction
from mlops.decision_log.target import parse_url
from mlops.models.spec import (
    CustomSpec,
    ExpectedValueScore,
    FeeWeightedPopularitySpec,
    PopularitySpec,
)

_NAMED_COLUMNS = ("key", "value", "column")
_MONTH_S = 28 * 86_400
_BUSY = 0.7
"""Load of a model from which on requests wait for each other more than they run."""


def consistency(
    composed: Composed,
    loaded: Contracts,
    folder: Path,
    *,
    prediction: Prediction | None = None,
) -> tuple[Finding, ...]:
    """Hold the sections of a configuration against each other.

    Args:
        composed: The configuration, each section right by itself.
        loaded: Its contracts.
        folder: Where the command runs.
        prediction: What it is predicted to take; None where that is not known.

    Returns:
        What is inconsistent, as `check.consistency.<rule>`; one pass if nothing is.
    """
    settings = composed.settings
    found = (
        *objectives_of(settings, folder, prediction),
        *policies_of(settings, folder),
        *_ports(settings),
        *_serving(settings),
        *_outside(settings, folder),
        *_traffic(settings, prediction),
        *_fallback(settings),
        *_heuristics(settings, loaded.request),
        *_output(settings, loaded),
        *demands_of(settings, prediction),
    )
    if found:
        return found
    message = "objectives, deadlines, fallbacks, windows and demands fit together"
    return (Finding("check.consistency", Status.PASS, message),)


def _ports(settings: Settings) -> Iterator[Finding]:
    serving = settings.serving
    if serving.port and serving.admin_port == serving.port:
        yield Finding(
            "check.consistency.ports",
            Status.FAIL,
            f"serving.admin_port={serving.admin_port} is the service's own port",
            key=("serving", "admin_port"),
            hint="give it a port of its own, 0 for any, or null for none",
        )


def _serving(settings: Settings) -> Iterator[Finding]:
    serving, release = settings.serving, settings.release
    left_ms = serving.deadline_ms - serving.reserve_ms
    if serving.hang_ms < serving.deadline_ms:
        yield Finding(
            "check.consistency.hang",
            Status.FAIL,
            f"serving.hang_ms={serving.hang_ms:g} kills the model process before a request that it"
            f" works on is late, at deadline_ms={serving.deadline_ms:g}",
            value=serving.hang_ms,
            limit=serving.deadline_ms,
            unit="ms",
            key=("serving", "hang_ms"),
            hint="take several deadlines, so that one slow page is no hang",
        )
    if serving.drain_s * 1000 < serving.deadline_ms:
        yield Finding(
            "check.consistency.drain",
            Status.WARN,
            f"serving.drain_s={serving.drain_s:g} cuts off requests that are still within"
            f" deadline_ms={serving.deadline_ms:g} when the server is told to stop",
            value=serving.drain_s * 1000,
            limit=serving.deadline_ms,
            unit="ms",
            key=("serving", "drain_s"),
            hint="give at least a deadline",
        )
    if release.max_latency_ms > left_ms:
        yield Finding(
            "check.consistency.gate-latency",
            Status.WARN,
            f"release.max_latency_ms={release.max_latency_ms:g} lets a model through that is later"
            f" than the {left_ms:g} ms that deadline_ms - reserve_ms leave it",
            value=release.max_latency_ms,
            limit=left_ms,
            unit="ms",
            key=("release", "max_latency_ms"),
            hint="lower it: a fifth of the deadline leaves room for a slower machine",
        )


def _outside(settings: Settings, folder: Path) -> Iterator[Finding]:
    """Find what serving needs from outside the configuration and would not find."""
    serving = settings.serving
    try:
        parse_url(serving.decision_log.url, folder)
    except ConfigError as error:
        yield Finding(
            "check.consistency.decision-log",
            Status.FAIL,
            error.message,
            key=("serving", "decision_log", "url"),
            hint=error.hint,
        )
    named: list[tuple[tuple[str, ...], str]] = [
        (("serving", "trust", "keys", str(at)), key) for at, key in enumerate(serving.trust.keys)
    ]
    if serving.admin_token_file is not None:
        named.append((("serving", "admin_token_file"), serving.admin_token_file))
    for key, name in named:
        if not (folder / name).is_file():
            yield Finding(
                "check.consistency.file",
                Status.FAIL,
                f"{'.'.join(key)} names {name}, and there is no such file",
                key=key,
                hint="paths are relative to where the command runs",
            )


def _traffic(settings: Settings, prediction: Prediction | None) -> Iterator[Finding]:
    rps, serving = settings.serving.expected_rps, settings.serving
    if rps is None:
        return
    workers = serving.workers
    calls = rps * serving.breaker.window_s / workers  # each worker has a breaker of its own
    if calls < serving.breaker.min_calls:
        yield Finding(
            "check.consistency.breaker",
            Status.WARN,
            f"at {rps:g} requests a second over {workers} workers serving.breaker.window_s="
            f"{serving.breaker.window_s:g} holds {calls:.3g} calls, so it never opens below"
            f" min_calls={serving.breaker.min_calls}: while the model is down every request waits"
            " for it",
            value=calls,
            limit=serving.breaker.min_calls,
            unit="calls",
            key=("serving", "breaker", "window_s"),
            hint="take a longer window, fewer min_calls or fewer workers",
        )
    yield from _worth(settings, rps)
    if prediction is None:
        return
    host = prediction.host
    busy = rps * prediction.page_ms(settings.release.latency_page) / 1000 / workers
    sure = busy / (1.0 if host.measured else host.uncertainty)
    if sure > _BUSY:
        yield Finding(
            "check.consistency.load",
            Status.FAIL if sure > 1 else Status.WARN,
            f"at {rps:g} requests a second each of {workers} workers' models is busy {busy:.0%} of"
            " the time",
            value=busy,
            limit=_BUSY,
            unit="ratio",
            key=("serving", "expected_rps"),
            hint="take a smaller model, smaller pages or more workers, or divide the traffic",
        )


def _worth(settings: Settings, rps: float) -> Iterator[Finding]:
    """Find a holdout too small to tell within a month what the model is worth."""
    share = settings.serving.holdout.share
    wanted = max((versus.min_events for versus in settings.quality.versus), default=0)
    answers = rps * share * _MONTH_S
    if 0 < answers < wanted:
        yield Finding(
            "check.consistency.holdout",
            Status.WARN,
            f"at {rps:g} requests a second serving.holdout.share={share:g} gives {answers:.3g}"
            f" answers in 28 days, and a comparison with a heuristic asks for {wanted} events",
            value=answers,
            limit=wanted,
            unit="events",
            key=("serving", "holdout", "share"),
            hint="hold out more, or take the holdout as an exercise of the fallback only",
        )


def _fallback(settings: Settings) -> Iterator[Finding]:
    names, declared = settings.serving.rungs, settings.training.heuristics
    for at, name in enumerate(names):
        key = ("serving", "fallback", str(at))
        spec = declared.get(name)
        if name in names[:at]:
            yield Finding(
                "check.consistency.fallback-twice",
                Status.WARN,
                f"serving.fallback names {name} twice: what failed once would fail again",
                key=key,
                hint="take the second one out",
            )
        elif spec is not None and spec.kind == "static" and at + 1 < len(names):
            after = ", ".join(names[at + 1 :])
            yield Finding(
                "check.consistency.fallback-order",
                Status.FAIL,
                f"serving.fallback has {name}, a static order that never fails, before {after},"
                " which would never answer",
                key=key,
                hint=f"put {name} last; without it a static order is the last one anyway",
            )


def _heuristics(settings: Settings, request: Domain) -> Iterator[Finding]:
    known = {column.name: column for column in request.request}
    for name, spec in settings.training.heuristics.items():
        at = ("training", "heuristics", name)
        if isinstance(spec, CustomSpec):
            yield from _custom(name, spec, at, set(known))
        if not isinstance(spec, PopularitySpec | FeeWeightedPopularitySpec):
            continue
        column = known.get(spec.key)
        if column is not None and column.scope is Scope.CONTEXT and spec.kind == "popularity":
            yield Finding(
                "check.consistency.heuristic-key",
                Status.FAIL,
                f"{'.'.join(at)}.key: {spec.key!r} is the same for all candidates of a request,"
                " so counting it orders nothing",
                key=(*at, "key"),
                hint=f"count a candidate's column, such as {request.identifier.name!r}",
            )
        elif column is not None and column.kind is ColumnKind.NUMBER:
            yield Finding(
                "check.consistency.heuristic-key",
                Status.WARN,
                f"{'.'.join(at)}.key: {spec.key!r} is a measured number, of which hardly two are"
                " the same to be counted",
                key=(*at, "key"),
                hint="count an id or a category",
            )
        if isinstance(spec, FeeWeightedPopularitySpec):
            yield from _value(spec, (*at, "value"), request)


def _value(
    spec: FeeWeightedPopularitySpec, key: tuple[str, ...], request: Domain
) -> Iterator[Finding]:
    column = next((each for each in request.request if each.name == spec.value), None)
    if column is None:
        return  # said by the rule that looks for columns
    problem = ""
    if column.is_category:
        problem = "is a text, which no rate can be multiplied with"
    elif column.scope is Scope.CONTEXT:
        problem = "is the same for all candidates of a request, so it changes no order"
    if problem:
        yield Finding(
            "check.consistency.heuristic-value",
            Status.FAIL,
            f"{'.'.join(key)}: {spec.value!r} {problem}",
            key=key,
            hint="name a number column of the candidate, such as a fee",
        )


def _custom(name: str, spec: CustomSpec, at: tuple[str, ...], known: set[str]) -> Iterator[Finding]:
    """Look at arguments that say by their name that they are a request's column."""
    for argument, value in spec.heuristic.arguments.items():
        named = argument in _NAMED_COLUMNS or argument.endswith("_column")
        if named and isinstance(value, str) and value and value not in known:
            yield Finding(
                "check.consistency.heuristic-column",
                Status.WARN,
                f"training.heuristics.{name}: {argument}={value!r} is no column of a request",
                key=(*at, "heuristic", argument),
                hint=f"a request has: {', '.join(sorted(known))}",
            )


def _output(settings: Settings, loaded: Contracts) -> Iterator[Finding]:
    """Hold what is answered against the answer's contract; rates are at most 1."""
    asked, answered = loaded.request.identifier.name, loaded.output.identifier.name
    if asked != answered:
        yield Finding(
            "check.consistency.output",
            Status.FAIL,
            f"an answer names candidates by {answered!r}, and a request by {asked!r}",
            key=("contracts", "output", "_target_"),
            hint="the identifier of both contracts is one column",
        )
    score, spec = loaded.output.column("score"), settings.training.score
    if not isinstance(spec, ExpectedValueScore) or spec.clip is not None:
        return
    value = next((each for each in loaded.request.request if each.name == spec.value), None)
    if value is None or value.maximum is None or score.maximum is None:
        return
    if value.maximum > score.maximum:
        yield Finding(
            "check.consistency.output",
            Status.WARN,
            f"the score is at most {score.maximum:g} by contract {loaded.output.name}, and"
            f" {spec.value}, which rates are multiplied with, goes up to {value.maximum:g}: a model"
            " that could leave the range is not released",
            value=value.maximum,
            limit=score.maximum,
            key=("contracts", "output", "_target_"),
            hint="allow in the answer what the value allows",
        )
