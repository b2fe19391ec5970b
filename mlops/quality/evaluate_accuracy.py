"""The accuracy evaluation: one head's metrics on the rows that are about it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlops.quality import accuracy
from mlops.quality.estimate import (
    Estimate,
    Floats,
    Ints,
    Linearised,
    difference,
    interval,
)
from mlops.quality.measure import Measurement
from mlops.quality.panel import Mask, Panel, blank, stated
from mlops.quality.spec import BinaryEvaluation
from mlops.quality.subject import Subject

# Whether more is better; None where a target is.
_DIRECTION: dict[str, bool | None] = {
    "auc": True,
    "log_loss": False,
    "log_loss_skill": True,
    "calibration_error": False,
    "calibration_ratio": None,
}
_UNIT = {"log_loss": "nats"}


@dataclass(frozen=True, slots=True)
class _Task:
    """The rows of one head."""

    spec: BinaryEvaluation
    panel: Panel
    mask: Mask
    outcome: Floats
    clusters: Ints | None
    poverty: str

    def filled(self, template: Measurement, result: Estimate | str | None) -> Measurement:
        """Return a measurement with the counts that belong to these rows."""
        complete = replace(
            template,
            head=self.spec.head,
            level=self.panel.precision.level,
            rows=len(self.outcome),
            events=int(self.outcome.sum()),
            days=self.panel.days(self.mask),
            higher_is_better=_DIRECTION[template.metric],
            unit=_UNIT.get(template.metric, ""),
        )
        return stated(complete, self.poverty or result)

    def bounded(self, linearised: Linearised) -> Estimate | None:
        """Return the estimate with its interval."""
        level = self.panel.precision.level
        return interval(linearised, level=level, clusters=self.clusters)


def evaluate_accuracy(spec: BinaryEvaluation, panel: Panel) -> Iterator[Measurement]:
    """Measure one head.

    Args:
        spec: Which head, on which rows.
        panel: Rows and answers.

    Raises:
        ConfigError: The spec names a column or a head that is not there.
    """
    mask = panel.mask(spec.where, given=spec.given, head=spec.head)
    outcome = panel.numbers(spec.outcome)[mask]
    clusters = panel.codes(spec.cluster, mask) if spec.cluster else None
    task = _Task(spec, panel, mask, outcome, clusters, _poverty(outcome, spec.min_events))
    probability = panel.head(spec.head)[mask]
    yield from _separation(task, probability)
    yield from _probabilities(task, probability)


def _poverty(outcome: Floats, least: int) -> str:
    events = int(outcome.sum())
    others = len(outcome) - events
    if events < least:
        return f"{events} events in {len(outcome):,} rows, fewer than {least}"
    if others < least:
        return f"{others} rows without an event of {len(outcome):,}, fewer than {least}"
    return ""


def _separation(task: _Task, probability: Floats) -> Iterator[Measurement]:
    """Measure the AUC of the model by this head and of the heuristics by their score."""
    panel = task.panel
    if task.poverty:
        for subject in panel.subjects:
            yield task.filled(blank("auc", subject), None)
        return
    curves: list[tuple[Subject, Linearised]] = [
        (panel.model, accuracy.auc(task.outcome, probability))
    ]
    for subject in panel.heuristics:
        scores = panel.scores[subject.name][task.mask]
        curves.append((subject, accuracy.auc(task.outcome, scores)))
    for subject, curve in curves:
        yield task.filled(blank("auc", subject), task.bounded(curve))
    for subject, curve in curves[1:]:
        gap = task.bounded(difference(curves[0][1], curve))
        yield task.filled(blank("auc", panel.model, reference=subject.name), gap)


def _probabilities(task: _Task, probability: Floats) -> Iterator[Measurement]:
    """Measure what only probabilities have."""
    results: dict[str, Estimate | None] = dict.fromkeys(_DIRECTION)
    if not task.poverty:
        y, p = task.outcome, probability
        results["log_loss"] = task.bounded(accuracy.log_loss(y, p))
        results["log_loss_skill"] = task.bounded(accuracy.log_loss_skill(y, p))
        results["calibration_ratio"] = task.bounded(accuracy.calibration_ratio(y, p))
        results["calibration_error"] = accuracy.calibration_error(
            y, p, bins=task.spec.bins, precision=task.panel.precision, clusters=task.clusters
        )
    for metric, result in results.items():
        if metric != "auc":
            yield task.filled(blank(metric, task.panel.model), result)
