"""The ranking value evaluation: what every subject's order puts into a query's first places."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mlops.quality.business import captured_per_thousand
from mlops.quality.estimate import Floats, Ints, percentile
from mlops.quality.measure import Measurement, SubjectKind
from mlops.quality.panel import Mask, Panel
from mlops.quality.ranking import bootstrap_means, dcg, ndcg
from mlops.quality.spec import RankingValueEvaluation
from mlops.quality.subject import Subject


@dataclass(frozen=True, slots=True)
class _Measure:
    """One of the three measures, with the unit that it is told in."""

    metric: str
    unit: str
    per_query: "Callable[[Ints, Floats, Floats], Floats]"


@dataclass(frozen=True, slots=True)
class _Task:
    """The queries that are judged, and what does not change from measure to measure."""

    panel: Panel
    rows: int
    events: int
    days: float | None
    poverty: str

    def stated(
        self, measure: _Measure, subject: Subject, *, reference: str, means: Floats
    ) -> Measurement:
        """Return a measurement from the mean and its replicates.

        Args:
            measure: What was measured.
            subject: Of whom.
            reference: Against whom; empty for a figure of its own.
            means: Shape (1 + replicates,), the mean on all queries first.
        """
        replicates = means[1:][np.isfinite(means[1:])]
        told = not self.poverty and np.isfinite(means[0]) and len(replicates) > 0
        level = self.panel.precision.level
        estimate = percentile(float(means[0]), replicates, level=level) if told else None
        return Measurement(
            metric=measure.metric,
            subject=subject.name,
            kind=SubjectKind(subject.kind),
            reference=reference,
            value=estimate.value if estimate else None,
            low=estimate.low if estimate else None,
            high=estimate.high if estimate else None,
            level=level,
            rows=self.rows,
            events=self.events,
            days=self.days,
            abstained="" if estimate else self.poverty or "no query has a gain",
            unit=measure.unit,
        )


def evaluate_ranking(spec: RankingValueEvaluation, panel: Panel) -> Iterator[Measurement]:
    """Measure every subject's order, and the model's difference to every heuristic.

    Args:
        spec: Queries, gain, places.
        panel: Rows and scores.

    Raises:
        ConfigError: A column is not there.
    """
    mask = panel.mask(spec.where, head=spec.head)
    gain = np.prod([panel.numbers(name)[mask] for name in spec.gain], axis=0)
    query = panel.codes(spec.query, mask)
    task = _task(spec, panel, mask, query=query, gain=gain)
    measures = _measures(spec)
    means = np.full((1 + panel.precision.replicates, len(measures) * len(panel.subjects)), np.nan)
    if not task.poverty:
        scores = [panel.scores[subject.name][mask] for subject in panel.subjects]
        values = np.array([m.per_query(query, s, gain) for m in measures for s in scores])
        means[0] = _means(values)
        means[1:] = bootstrap_means(values, panel.precision)
    width = len(panel.subjects)
    for number, measure in enumerate(measures):
        yield from _compared(task, measure, means[:, number * width : (number + 1) * width])


def _task(
    spec: RankingValueEvaluation, panel: Panel, mask: Mask, *, query: Ints, gain: Floats
) -> _Task:
    events = int(np.count_nonzero(gain > 0))
    queries = int(query.max()) + 1 if len(query) else 0
    poverty = ""
    if events < spec.min_events:
        poverty = f"{events} rows with a gain in {queries:,} queries, fewer than {spec.min_events}"
    return _Task(panel, queries, events, panel.days(mask), poverty)


def _measures(spec: RankingValueEvaluation) -> tuple[_Measure, ...]:
    k = spec.k
    return (
        _Measure(f"{spec.name}_ndcg_at_{k}", "", lambda q, s, g: ndcg(q, s, g, k=k)),
        _Measure(f"{spec.name}_dcg_at_{k}", spec.unit, lambda q, s, g: dcg(q, s, g, k=k)),
        _Measure(
            f"{spec.name}_per_1000_at_{k}",
            spec.unit,
            lambda q, s, g: captured_per_thousand(q, s, g, k=k),
        ),
    )


def _means(values: Floats) -> Floats:
    counted = ~np.isnan(values)
    total = np.where(counted, values, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / counted.sum(axis=1), dtype=np.float64)


def _compared(task: _Task, measure: _Measure, means: Floats) -> Iterator[Measurement]:
    """Tell one measure of all subjects, then the model's paired differences.

    Args:
        task: The queries.
        measure: What was measured.
        means: Shape (1 + replicates, subjects), the model first.
    """
    subjects = task.panel.subjects
    for at, subject in enumerate(subjects):
        yield task.stated(measure, subject, reference="", means=means[:, at])
    for at, subject in enumerate(subjects[1:], start=1):
        gap = means[:, 0] - means[:, at]
        yield task.stated(measure, subjects[0], reference=subject.name, means=gap)
