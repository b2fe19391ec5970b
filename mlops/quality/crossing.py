"""A crossing: every logged impression joined with all items that could have stood there.

It turns a log into what `mlops.quality.policy_value` needs: for each subject, how probable the
logged item was at its slot, and what a reward model expects of the items that it would show.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from mlops.base.errors import ContractError
from mlops.quality.estimate import Floats, Ints, sums_by
from mlops.quality.policy_value import Replay, slot_probability
from mlops.quality.spec import PolicyValueEvaluation
from mlops.quality.subject import Subject

# Takes logged rows with the index 0..n-1; gives a row for each of them and each item that could
# have been shown: `impression` (that index), the item's identifier, and the request's columns.
Cross: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame]

IMPRESSION = "impression"

# 500 impressions times 80 items are 40,000 rows of 80 columns: 26 MB at a time.
_CHUNK = 500


def replay(
    spec: PolicyValueEvaluation,
    frame: pd.DataFrame,
    subjects: Sequence[Subject],
    *,
    cross: Cross,
    model: Subject | None,
) -> dict[str, Replay]:
    """Return the log as each subject sees it.

    Args:
        spec: Names of the columns.
        frame: The logged rows to replay.
        subjects: Whose rankings.
        cross: Joins logged rows with all items.
        model: Whose head predicts the reward; None for no predictions.

    Raises:
        ContractError: The crossing lacks a column, or a logged item is not among the crossed.
    """
    chunks = [
        _replay_chunk(
            spec,
            frame.iloc[start : start + _CHUNK].reset_index(drop=True),
            subjects,
            cross=cross,
            model=model,
        )
        for start in range(0, len(frame), _CHUNK)
    ]
    return {subject.name: _joined([c[subject.name] for c in chunks]) for subject in subjects}


def _replay_chunk(
    spec: PolicyValueEvaluation,
    frame: pd.DataFrame,
    subjects: Sequence[Subject],
    *,
    cross: Cross,
    model: Subject | None,
) -> dict[str, Replay]:
    crossed = cross(frame)
    impression, logged = _places(spec, frame, crossed)
    rank = (frame[spec.position].to_numpy(np.intp) - spec.first_position)[impression]
    predicted = None if model is None else model.heads(crossed)[spec.reward_head]
    reward = frame[spec.reward].to_numpy(np.float64)
    propensity = frame[spec.propensity].to_numpy(np.float64)
    replays: dict[str, Replay] = {}
    for subject in subjects:
        chance = slot_probability(impression, subject.score(crossed), rank=rank)
        expected: Floats | None = None
        if predicted is not None:
            expected = sums_by(impression, chance * predicted, count=len(frame))
        replays[subject.name] = Replay(
            reward=reward,
            propensity=propensity,
            agreement=chance[logged],
            predicted=None if predicted is None else predicted[logged],
            expected=expected,
        )
    return replays


def _places(
    spec: PolicyValueEvaluation, frame: pd.DataFrame, crossed: pd.DataFrame
) -> tuple[Ints, Ints]:
    """Return each crossed row's impression, and for each impression its logged item's row."""
    missing = [name for name in (IMPRESSION, spec.item) if name not in crossed.columns]
    if missing:
        raise ContractError(
            f"the crossing of impressions and items lacks {', '.join(missing)}",
            hint="quality.evaluations.item must name the identifier of the items",
        )
    impression = crossed[IMPRESSION].to_numpy(np.intp)
    shown = frame[spec.item].to_numpy()[impression]
    at = np.flatnonzero(crossed[spec.item].to_numpy() == shown)
    found, counts = np.unique(impression[at], return_counts=True)
    if len(found) < len(frame) or (counts > 1).any():
        lost = sorted(set(range(len(frame))) - {int(i) for i in found})
        example = frame[spec.item].iloc[lost[0]] if lost else "one of them"
        raise ContractError(
            f"a logged {spec.item} stands not exactly once among the crossed items: {example!r}",
            hint="the crossing must hold each campaign's items once, with the log's identifiers",
        )
    logged = np.empty(len(frame), dtype=np.intp)
    logged[impression[at]] = at
    return impression, logged


def _joined(parts: Sequence[Replay]) -> Replay:
    predicted = [part.predicted for part in parts if part.predicted is not None]
    expected = [part.expected for part in parts if part.expected is not None]
    return Replay(
        reward=np.concatenate([part.reward for part in parts]),
        propensity=np.concatenate([part.propensity for part in parts]),
        agreement=np.concatenate([part.agreement for part in parts]),
        predicted=np.concatenate(predicted) if predicted else None,
        expected=np.concatenate(expected) if expected else None,
    )
