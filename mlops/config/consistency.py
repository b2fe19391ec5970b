"""The consistency step: what is right in each section and cannot be true of all together.

It fails where a promise cannot be kept or a setting can never act, and warns where only luck, low
traffic or a large page decides.
"""

from collections.abc import Iterator
from pathlib import Path

from mlops.base.verdict import Finding, Status
from mlops.config.compose import Composed
from mlops.config.consistency_slo import objectives_of
from mlops.config.resolve import Contracts
from mlops.config.settings import Settings
from mlops.contracts.domain import ColumnKind, Domain
from mlops.contracts.roles import Scope
from mlops.data.spec import JobBoardSource
from mlops.models.spec import (
    CustomSpec,
    ExpectedValueScore,
    FeeWeightedPopularitySpec,
    PopularitySpec,
)
from mlops.quality.spec import (
    BinaryEvaluation,
    Floor,
    PolicyValueEvaluation,
    RankingValueEvaluation,
)
from mlops.verify.cost import Prediction

_NAMED_COLUMNS = ("key", "value", "column")
_OF_MODELS_ONLY = ("log_loss", "log_loss_skill", "calibration_error", "calibration_ratio")
_AT_MOST_ONE = ("auc", "log_loss_skill")
_BUSY = 0.7
"""Load of the one model process from which on requests wait for each other more than they run."""


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
        *_serving(settings),
        *_traffic(settings, prediction),
        *_fallback(settings),
        *_heuristics(settings, loaded.request),
        *_output(settings, loaded),
        *_quality(settings),
        *_data(settings),
    )
    if found:
        return found
    message = "objectives, deadlines, fallbacks, windows and demands fit together"
    return (Finding("check.consistency", Status.PASS, message),)


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


def _traffic(settings: Settings, prediction: Prediction | None) -> Iterator[Finding]:
    rps, serving = settings.serving.expected_rps, settings.serving
    if rps is None:
        return
    calls = rps * serving.breaker.window_s
    if calls < serving.breaker.min_calls:
        yield Finding(
            "check.consistency.breaker",
            Status.WARN,
            f"at {rps:g} requests a second serving.breaker.window_s={serving.breaker.window_s:g}"
            f" holds {calls:.3g} calls, so it never opens below min_calls="
            f"{serving.breaker.min_calls}: while the model is down every request waits for it",
            value=calls,
            limit=serving.breaker.min_calls,
            unit="calls",
            key=("serving", "breaker", "window_s"),
            hint="take a longer window, or fewer min_calls",
        )
    if prediction is None:
        return
    host = prediction.host
    busy = rps * prediction.page_ms(settings.release.latency_page) / 1000
    sure = busy / (1.0 if host.measured else host.uncertainty)
    if sure > _BUSY:
        yield Finding(
            "check.consistency.load",
            Status.FAIL if sure > 1 else Status.WARN,
            f"at {rps:g} requests a second the one model process is busy {busy:.0%} of the time",
            value=busy,
            limit=_BUSY,
            unit="ratio",
            key=("serving", "expected_rps"),
            hint="take a smaller model or smaller pages, or divide the traffic",
        )


def _fallback(settings: Settings) -> Iterator[Finding]:
    names, declared = settings.serving.fallback, settings.training.heuristics
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
    """Hold an expected value's unit against the answer's contract: rates are at most 1."""
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


def _quality(settings: Settings) -> Iterator[Finding]:
    quality, heuristics = settings.quality, settings.training.heuristics
    yield from _deep(settings)
    policies = any(
        isinstance(each, PolicyValueEvaluation) and each.logged_policies
        for each in quality.evaluations
    )
    for at, floor in enumerate(quality.floors):
        key = ("quality", "floors", str(at))
        if floor.subject != "model" and floor.subject not in heuristics and not policies:
            yield _unmeasured(
                key, "subject", f"{floor.subject!r} is neither the model nor a heuristic"
            )
        elif floor.subject in heuristics and floor.metric in _OF_MODELS_ONLY:
            yield _unmeasured(
                key, "metric", f"{floor.metric} is measured of the model only, not of heuristics"
            )
        if floor.minimum is not None and floor.minimum > 1 and _at_most_one(floor):
            yield _unmeasured(key, "minimum", f"{floor.metric} is never more than 1")
    for at, versus in enumerate(quality.versus):
        if versus.metric in _OF_MODELS_ONLY:
            key = ("quality", "versus", str(at))
            yield _unmeasured(
                key, "metric", f"{versus.metric} is measured of the model only, not of heuristics"
            )
    yield from _contradicting(quality.floors)
    yield from _late(settings)


def _at_most_one(floor: Floor) -> bool:
    return floor.metric in _AT_MOST_ONE or "_ndcg_at_" in floor.metric


def _unmeasured(key: tuple[str, ...], last: str, why: str) -> Finding:
    return Finding(
        "check.consistency.demand",
        Status.FAIL,
        f"{'.'.join(key)} can never be met: {why}",
        key=(*key, last),
    )


def _contradicting(floors: tuple[Floor, ...]) -> Iterator[Finding]:
    for at, upper in enumerate(floors):
        for lower in floors:
            same = (upper.metric, upper.head, upper.subject) == (
                lower.metric, lower.head, lower.subject,
            )  # fmt: skip
            if not same or upper.maximum is None or lower.minimum is None:
                continue
            if lower.minimum > upper.maximum:
                yield Finding(
                    "check.consistency.demand",
                    Status.FAIL,
                    f"{upper.metric} must be at least {lower.minimum:g} and at most"
                    f" {upper.maximum:g}",
                    value=upper.maximum,
                    limit=lower.minimum,
                    key=("quality", "floors", str(at), "maximum"),
                )


def _deep(settings: Settings) -> Iterator[Finding]:
    """Find rankings that are measured deeper than a request's candidates go."""
    most = settings.contracts.max_candidates
    for at, evaluation in enumerate(settings.quality.evaluations):
        if isinstance(evaluation, RankingValueEvaluation) and evaluation.k > most:
            yield Finding(
                "check.consistency.depth",
                Status.WARN,
                f"{evaluation.name} is measured over the first {evaluation.k} places, and a request"
                f" has at most contracts.max_candidates={most}",
                value=evaluation.k,
                limit=most,
                unit="places",
                key=("quality", "evaluations", str(at), "k"),
                hint="count what a user sees without scrolling on",
            )


def _late(settings: Settings) -> Iterator[Finding]:
    """Find evaluations that read a head whose labels no row can have yet."""
    source = settings.data.source
    if not isinstance(source, JobBoardSource):
        return
    heads = {head.name: head for head in settings.training.heads}
    for at, evaluation in enumerate(settings.quality.evaluations):
        if not isinstance(evaluation, BinaryEvaluation) or evaluation.head not in heads:
            continue
        test_days = source.days * settings.data.split.test_share + source.follow_up_days
        if heads[evaluation.head].matures_days >= test_days:
            yield Finding(
                "check.consistency.maturity",
                Status.WARN,
                f"head {evaluation.head} matures after {heads[evaluation.head].matures_days:g}"
                f" days, and the held-out rows are at most {test_days:g} days old",
                value=heads[evaluation.head].matures_days,
                limit=test_days,
                unit="days",
                key=("quality", "evaluations", str(at), "head"),
                hint="let the log go on for longer after the last day, or shorten matures_days",
            )


def _data(settings: Settings) -> Iterator[Finding]:
    source = settings.data.source
    if not isinstance(source, JobBoardSource):
        return
    for at, head in enumerate(settings.training.heads):
        whole = source.days + source.follow_up_days
        if head.matures_days >= whole:
            yield Finding(
                "check.consistency.maturity",
                Status.FAIL,
                f"head {head.name} matures after {head.matures_days:g} days, and the log is only"
                f" {whole:g} days old at its first row: no row could be learned from",
                value=head.matures_days,
                limit=whole,
                unit="days",
                key=("training", "heads", str(at), "matures_days"),
                hint="take a longer log, or shorten matures_days",
            )
