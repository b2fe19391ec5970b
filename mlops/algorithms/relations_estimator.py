"""Estimator relations: what a classifier or regressor must keep, on small samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlops.algorithms.relation import Property, Relation
from mlops.contracts.domain import Floats

# A fresh, unfitted estimator, always with the same seed.
Make: TypeAlias = Callable[[], Any]
Labels: TypeAlias = npt.NDArray[np.generic]

_FAR = 1e6
_APART = 8.0
_CLUSTER = 60
_AWAY = 0.4  # five slow boosting steps come to 0.3; knowing nothing is 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """What an estimator is tried on.

    Attributes:
        rows: Training rows, shape [n, k].
        target: Shape [n]; 0 and 1, both present, for a classifier.
        asked: Rows that it is asked about, shape [m, k].
        shuffle: A permutation of the n rows.
    """

    rows: Floats
    target: Floats
    asked: Floats
    shuffle: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Tried:
    """An estimator as the relations see it.

    Attributes:
        make: Gives a fresh one.
        classifies: Whether it is a classifier with `predict_proba`.
        tolerance: Largest difference that passes as rounding or as a solver's last step: of a
            probability, or of an estimate as a share of the targets' spread.
        weighs: Whether `fit` takes `sample_weight`.
    """

    make: Make
    classifies: bool
    tolerance: float
    weighs: bool

    def fitted(self, rows: Floats, target: Labels, weight: Floats | None = None) -> Any:
        """Return a fresh estimator after `fit`."""
        made = self.make()
        made.fit(rows, target) if weight is None else made.fit(rows, target, sample_weight=weight)
        return made

    def ask(self, fitted: Any, rows: Floats) -> Floats:
        """Return P(second class) or the estimate, shape [m]."""
        if self.classifies:
            return np.asarray(fitted.predict_proba(rows), dtype=np.float64)[:, 1]
        return np.asarray(fitted.predict(rows), dtype=np.float64).reshape(len(rows))

    def answers(self, sample: Sample, weight: Floats | None = None) -> Floats:
        """Fit on a sample and return the answers to what it asks, shape [m]."""
        return self.ask(self.fitted(sample.rows, sample.target, weight), sample.asked)

    def allowed(self, sample: Sample) -> float:
        """Return the largest difference that is none."""
        spread = 1.0 if self.classifies else float(np.ptp(sample.target)) or 1.0
        return self.tolerance * spread


def relations(tried: Tried) -> tuple[Relation[Sample], ...]:
    """Return every relation that an estimator of this kind can be asked to keep."""
    table: list[tuple[Property, Callable[[Tried, Sample], str | None]]] = [
        (Property.DETERMINISTIC, _deterministic),
        (Property.BATCH, _batch),
        (Property.UNTOUCHED, _untouched),
        (Property.REFIT, _refit),
        (Property.FINITE, _finite),
        (Property.OVERFIT, _overfit),
        (Property.ROW_ORDER, _row_order),
        (Property.COLUMN_ORDER, _column_order),
        (Property.FEATURE_SHIFT, _feature_shift),
        (Property.MONOTONE_TRANSFORM, _monotone_transform),
    ]
    if tried.classifies:
        table += [
            (Property.CLASS_NAMES, _class_names),
            (Property.LABEL_SYMMETRY, _label_symmetry),
        ]
    else:
        table += [(Property.TARGET_SHIFT, _target_shift)]
    if tried.weighs:
        table += [(Property.WEIGHTS, _weights)]
    return tuple(Relation(name, _bound(tried, broken)) for name, broken in table)


def _bound(
    tried: Tried, broken: Callable[[Tried, Sample], str | None]
) -> Callable[[Sample], str | None]:
    return lambda sample: broken(tried, sample)


def _differ(one: Floats, other: Floats, allowed: float, asked: Floats, what: str) -> str | None:
    """Say where two answers differ by more than is allowed."""
    if one.shape != other.shape:
        return f"{what}, {len(one)} answers became {len(other)}"
    apart = np.abs(one - other)
    apart[np.isnan(one) & np.isnan(other)] = 0.0
    apart[np.isnan(apart)] = np.inf
    if not len(apart) or apart.max() <= allowed:
        return None
    at = int(apart.argmax())
    row = ", ".join(f"{value:.4g}" for value in asked[at])
    return f"{what}, the answer to [{row}] goes from {one[at]:.6g} to {other[at]:.6g}"


def _deterministic(tried: Tried, sample: Sample) -> str | None:
    one, other = tried.answers(sample), tried.answers(sample)
    return _differ(one, other, 0.0, sample.asked, "fitted twice alike")


def _batch(tried: Tried, sample: Sample) -> str | None:
    fitted = tried.fitted(sample.rows, sample.target)
    together = tried.ask(fitted, sample.asked)
    # One row and a page may take other paths through a BLAS, which round differently.
    near = 1e-9 * max(1.0, float(np.abs(together).max(initial=0.0)))
    alone = np.concatenate([tried.ask(fitted, row[None, :]) for row in sample.asked])
    order = np.arange(len(sample.asked))[::-1]
    turned = tried.ask(fitted, sample.asked[order])[order]
    far = np.concatenate([sample.asked, np.full((1, sample.asked.shape[1]), 50.0)])
    padded = tried.ask(fitted, far)[:-1]
    return (
        _differ(together, alone, near, sample.asked, "asked alone instead of in a page")
        or _differ(together, turned, near, sample.asked, "asked in another order")
        or _differ(together, padded, near, sample.asked, "asked with one more row")
    )


def _untouched(tried: Tried, sample: Sample) -> str | None:
    rows, target, asked = sample.rows.copy(), sample.target.copy(), sample.asked.copy()
    tried.ask(tried.fitted(rows, target), asked)
    for name, now, before in (
        ("the training rows", rows, sample.rows),
        ("the target", target, sample.target),
        ("the rows asked", asked, sample.asked),
    ):
        if not np.array_equal(now, before):
            return f"{name} were changed in place"
    return None


def _refit(tried: Tried, sample: Sample) -> str | None:
    fresh = tried.answers(sample)
    used = tried.fitted(sample.rows[::-1] * 2.0 - 1.0, _exchanged(tried, sample.target))
    used.fit(sample.rows, sample.target)
    again = tried.ask(used, sample.asked)
    return _differ(fresh, again, 0.0, sample.asked, "fitted on something else before")


def _exchanged(tried: Tried, target: Floats) -> Floats:
    return 1.0 - target if tried.classifies else -target


def _finite(tried: Tried, sample: Sample) -> str | None:
    fitted = tried.fitted(sample.rows, sample.target)
    far = np.concatenate([sample.asked, sample.asked * _FAR, -sample.asked * _FAR])
    found = tried.ask(fitted, far)
    at = ~np.isfinite(found)
    if tried.classifies:
        sums = np.asarray(fitted.predict_proba(far), dtype=np.float64).sum(axis=1)
        at |= (found < 0) | (found > 1) | (np.abs(sums - 1.0) > 1e-9)
    if not at.any():
        return None
    first = int(np.flatnonzero(at)[0])
    row = ", ".join(f"{value:.4g}" for value in far[first])
    return f"the answer to [{row}] is {found[first]:.6g}, or its probabilities do not add up to 1"


def _overfit(tried: Tried, sample: Sample) -> str | None:
    """Two clusters far apart, of the sample's own width: the least that can be learnt."""
    columns = sample.rows.shape[1]
    spread = np.resize(sample.rows, (_CLUSTER, columns)) / (np.abs(sample.rows).max() or 1.0)
    rows = np.concatenate([spread, spread + _APART])
    target = np.repeat([0.0, 1.0], _CLUSTER)
    found = tried.ask(tried.fitted(rows, target), rows)
    away = float(np.abs(found - target).mean())
    if away <= _AWAY:
        return None
    return f"with two clusters {_APART:g} apart, answers lie {away:.2g} from 0 and 1 on average"


def _row_order(tried: Tried, sample: Sample) -> str | None:
    turned = replace(sample, rows=sample.rows[sample.shuffle], target=sample.target[sample.shuffle])
    return _differ(
        tried.answers(sample), tried.answers(turned), tried.allowed(sample), sample.asked,
        "with the training rows in another order",
    )  # fmt: skip


def _column_order(tried: Tried, sample: Sample) -> str | None:
    turned = replace(sample, rows=sample.rows[:, ::-1].copy(), asked=sample.asked[:, ::-1].copy())
    return _differ(
        tried.answers(sample), tried.answers(turned), tried.allowed(sample), sample.asked,
        "with the features in another order",
    )  # fmt: skip


def _feature_shift(tried: Tried, sample: Sample) -> str | None:
    moved = replace(sample, rows=sample.rows + 3.0, asked=sample.asked + 3.0)
    return _differ(
        tried.answers(sample), tried.answers(moved), tried.allowed(sample), sample.asked,
        "with 3 added to every feature",
    )  # fmt: skip


def _monotone_transform(tried: Tried, sample: Sample) -> str | None:
    # Between two training values a tree may cut anywhere: only those values are asked about.
    known = replace(sample, asked=sample.rows)
    bent = replace(known, rows=np.exp(sample.rows), asked=np.exp(sample.rows))
    return _differ(
        tried.answers(known), tried.answers(bent), tried.allowed(sample), known.asked,
        "with every feature passed through exp",
    )  # fmt: skip


def _class_names(tried: Tried, sample: Sample) -> str | None:
    plain = tried.answers(sample)
    for names in (("no", "yes"), (-1, 1)):
        named: Sequence[object] = [names[int(label)] for label in sample.target]
        fitted = tried.fitted(sample.rows, np.array(named))
        told = _differ(
            plain, tried.ask(fitted, sample.asked), 1e-9, sample.asked,
            f"with classes named {names[0]!r} and {names[1]!r}",
        )  # fmt: skip
        if told is not None:
            return told
    return None


def _label_symmetry(tried: Tried, sample: Sample) -> str | None:
    turned = replace(sample, target=1.0 - sample.target)
    return _differ(
        tried.answers(sample), 1.0 - tried.answers(turned), tried.allowed(sample), sample.asked,
        "with the classes exchanged and 1 - p taken",
    )  # fmt: skip


def _target_shift(tried: Tried, sample: Sample) -> str | None:
    raised = replace(sample, target=sample.target + 5.0)
    return _differ(
        tried.answers(sample), tried.answers(raised) - 5.0, tried.allowed(sample), sample.asked,
        "with 5 added to all targets and taken off the answers",
    )  # fmt: skip


def _weights(tried: Tried, sample: Sample) -> str | None:
    count = len(sample.rows)
    weight = np.where(np.arange(count) % 3 == 0, 2.0, 1.0)
    repeated = np.repeat(np.arange(count), weight.astype(np.int64))
    twice = replace(sample, rows=sample.rows[repeated], target=sample.target[repeated])
    allowed = tried.allowed(sample)
    weighed = tried.answers(sample, weight)
    told = _differ(
        tried.answers(twice),
        weighed,
        allowed,
        sample.asked,
        "with weights instead of repeated rows",
    )
    if told is not None:
        return told
    extra = replace(
        sample,
        rows=np.concatenate([sample.rows, -sample.rows]),
        target=np.concatenate([sample.target, sample.target]),
    )
    nothing = np.concatenate([np.ones(count), np.zeros(count)])
    return _differ(
        tried.answers(sample), tried.answers(extra, nothing), allowed, sample.asked,
        "with further rows of weight nought",
    )  # fmt: skip
