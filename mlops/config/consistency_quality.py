"""A demand's consistency: what quality asks for against what can be measured, and when."""

from collections.abc import Iterator

from mlops.base.verdict import Finding, Status
from mlops.config.settings import Settings
from mlops.cost.cost import Prediction
from mlops.data.spec import JobBoardSource
from mlops.quality.spec import (
    BinaryEvaluation,
    Floor,
    PolicyValueEvaluation,
    RankingValueEvaluation,
    Versus,
)

_OF_MODELS_ONLY = ("log_loss", "log_loss_skill", "calibration_error", "calibration_ratio")
_AT_MOST_ONE = ("auc", "log_loss_skill")


def demands_of(settings: Settings, prediction: Prediction | None) -> Iterator[Finding]:
    """Hold what is demanded of a model against what the data can tell.

    Args:
        settings: The configuration.
        prediction: Knows the number of rows; None where nothing does.
    """
    yield from _quality(settings)
    yield from _too_few(settings, prediction)
    yield from _data(settings)


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


def _too_few(settings: Settings, prediction: Prediction | None) -> Iterator[Finding]:
    """Find demands that ask for more events than rows are held out."""
    if prediction is None:
        return
    held_out = prediction.job.rows * settings.data.split.test_share
    demands: dict[str, Floor | Versus] = {
        **{f"floors.{at}": floor for at, floor in enumerate(settings.quality.floors)},
        **{f"versus.{at}": versus for at, versus in enumerate(settings.quality.versus)},
    }
    for place, demand in demands.items():
        if demand.min_events > held_out:
            yield Finding(
                "check.consistency.few-rows",
                Status.WARN,
                f"quality.{place} asks for {demand.min_events} events, and about {held_out:,.0f}"
                " rows are held out: its answer can only be unknown",
                value=held_out,
                limit=demand.min_events,
                unit="rows",
                key=("quality", *place.split("."), "min_events"),
                hint="take more data, or a larger data.split.test_share",
            )


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
