"""The policy value evaluation: every subject's ranking, and the logged policies, on one log."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from mlops.base.errors import ConfigError
from mlops.quality import policy_value
from mlops.quality.crossing import Cross, replay
from mlops.quality.estimate import Estimate, Floats, Linearised, difference, interval, wilson
from mlops.quality.measure import Measurement, SubjectKind
from mlops.quality.panel import Mask, Panel, blank, stated
from mlops.quality.policy_value import Replay, Trust
from mlops.quality.spec import Estimator, PolicyValueEvaluation

_ESTIMATORS: dict[Estimator, Callable[[Replay], Linearised]] = {
    "ips": policy_value.ips,
    "snips": policy_value.snips,
    "dr": policy_value.doubly_robust,
}


@dataclass(frozen=True, slots=True)
class _Task:
    """The log that is replayed."""

    spec: PolicyValueEvaluation
    panel: Panel
    mask: Mask
    replays: dict[str, Replay]

    def distrust(self, name: str) -> str:
        """Return why a subject's estimates mean nothing; empty if they do."""
        trust = Trust(
            min_effective_sample=self.spec.min_effective_sample,
            max_weight_share=self.spec.max_weight_share,
            min_events=self.spec.min_events,
        )
        return policy_value.distrust(self.replays[name], trust)

    def filled(
        self, template: Measurement, result: Estimate | str | None, *, events: int
    ) -> Measurement:
        """Return a measurement with the counts that belong to this log."""
        complete = replace(
            template,
            level=self.panel.precision.level,
            rows=int(self.mask.sum()),
            events=events,
            days=self.panel.days(self.mask),
            unit=self.spec.unit,
        )
        return stated(complete, result)


def evaluate_policy(
    spec: PolicyValueEvaluation, panel: Panel, cross: Cross | None
) -> Iterator[Measurement]:
    """Value every subject's ranking and the logged policies.

    Args:
        spec: Which log, which columns.
        panel: Rows and subjects.
        cross: Joins logged rows with all items.

    Raises:
        ConfigError: The data source cannot cross, or a column or head is not there.
        ContractError: A propensity is not in (0, 1].
    """
    if cross is None:
        raise ConfigError(
            f"quality measures {spec.name}, but this data source cannot join impressions and items",
            hint="remove the evaluation of kind policy_value, or use the source open_bandit",
        )
    mask = panel.mask(spec.where)
    for name in (spec.item, spec.position, spec.propensity, spec.reward):
        panel.require(name)
    task = _Task(spec, panel, mask, _replays(spec, panel, mask, cross=cross))
    for estimator in spec.estimators:
        yield from _subjects(task, estimator)
        yield from _logged_policies(task, estimator)


def _replays(
    spec: PolicyValueEvaluation, panel: Panel, mask: Mask, *, cross: Cross
) -> dict[str, Replay]:
    log = panel.frame[mask].reset_index(drop=True)
    propensity = log[spec.propensity].to_numpy(np.float64)
    if not ((propensity > 0) & (propensity <= 1)).all():
        raise ConfigError(
            f"column {spec.propensity!r} holds values outside (0, 1], so they are no propensities",
            hint="check quality.evaluations.propensity, and the contract of the training data",
        )
    if log.empty:
        nothing = np.zeros(0)
        return {s.name: Replay(nothing, nothing, nothing, nothing, nothing) for s in panel.subjects}
    if "dr" in spec.estimators:
        panel.head(spec.reward_head)
    model = panel.model if "dr" in spec.estimators else None
    return replay(spec, log, panel.subjects, cross=cross, model=model)


def _subjects(task: _Task, estimator: Estimator) -> Iterator[Measurement]:
    panel, level = task.panel, task.panel.precision.level
    metric = f"{task.spec.name}_{estimator}"
    found: dict[str, Linearised] = {}
    events = {name: replayed.matched_events for name, replayed in task.replays.items()}
    for subject in panel.subjects:
        reason = task.distrust(subject.name) if task.mask.any() else "no row of the log is left"
        result: Estimate | str | None = reason
        if not reason:
            found[subject.name] = _ESTIMATORS[estimator](task.replays[subject.name])
            result = interval(found[subject.name], level=level)
        yield task.filled(blank(metric, subject), result, events=events[subject.name])
    model = panel.model.name
    for subject in panel.heuristics:
        template = blank(metric, panel.model, reference=subject.name)
        fewer = min(events[model], events[subject.name])
        lost = [name for name in (model, subject.name) if name not in found]
        if lost:
            reason = f"no estimate for {' and '.join(lost)}"
            yield task.filled(template, reason, events=fewer)
        else:
            gap = difference(found[model], found[subject.name])
            yield task.filled(template, interval(gap, level=level), events=fewer)


def _logged_policies(task: _Task, estimator: Estimator) -> Iterator[Measurement]:
    """Value each logged policy on its own rows, where all weights are one."""
    spec, panel = task.spec, task.panel
    if not spec.logged_policies:
        return
    names = panel.values(spec.logged_policies)
    rewards = panel.numbers(spec.reward)
    for name in sorted(set(names.tolist())):
        own = names == name
        template = Measurement(
            metric=f"{spec.name}_{estimator}",
            subject=str(name),
            kind=SubjectKind.LOGGED,
            abstained="not measured",
        )
        own_task = replace(task, mask=own)
        yield own_task.filled(
            template,
            _mean_reward(rewards[own], panel.precision.level),
            events=int(np.count_nonzero(rewards[own] > 0)),
        )


def _mean_reward(reward: Floats, level: float) -> Estimate | None:
    if ((reward == 0) | (reward == 1)).all():
        return wilson(float(reward.sum()), len(reward), level=level)
    mean = float(reward.mean())
    return interval(Linearised(mean, reward - mean), level=level)
