"""An evaluation: the configured measurements of the model and of the heuristics, in one table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import assert_never

import numpy as np
import pandas as pd

from mlops.quality.crossing import Cross
from mlops.quality.estimate import Precision
from mlops.quality.evaluate_accuracy import evaluate_accuracy
from mlops.quality.evaluate_policy import evaluate_policy
from mlops.quality.evaluate_ranking import evaluate_ranking
from mlops.quality.measure import Measurement
from mlops.quality.panel import Mask, Panel, assemble
from mlops.quality.spec import (
    BinaryEvaluation,
    Evaluation,
    PolicyValueEvaluation,
    QualitySpec,
    RankingValueEvaluation,
)
from mlops.quality.subject import Subject


def evaluate(
    spec: QualitySpec,
    frame: pd.DataFrame,
    subjects: Sequence[Subject],
    *,
    crossing: Cross | None,
    rng: np.random.Generator,
    mature: Mapping[str, Mask] | None = None,
) -> tuple[Measurement, ...]:
    """Make all configured measurements.

    Args:
        spec: What to measure.
        frame: Rows held out from training, with the training contract's columns.
        subjects: One model and any number of heuristics.
        crossing: Joins logged rows with all items; None where the data source cannot.
        rng: Source of randomness for the bootstrap.
        mature: For a head whose outcomes come late, which rows' outcomes can be known by now,
            shape (n,); other heads count all rows.

    Returns:
        In the order of the spec; within an evaluation by metric, the model first, then the
        heuristics, then the model's differences to them.

    Raises:
        ConfigError: The spec names a column or head that is not there, or needs a crossing.
        ContractError: A subject's answers cannot be used, or the crossing is not complete.
    """
    precision = Precision(level=spec.confidence, replicates=spec.bootstrap_replicates, rng=rng)
    panel = assemble(frame, subjects, mature=mature or {}, precision=precision, time=spec.time)
    return tuple(
        measurement
        for evaluation in spec.evaluations
        for measurement in _measured(evaluation, panel, crossing)
    )


def _measured(
    evaluation: Evaluation, panel: Panel, crossing: Cross | None
) -> Iterator[Measurement]:
    match evaluation:
        case BinaryEvaluation():
            return evaluate_accuracy(evaluation, panel)
        case PolicyValueEvaluation():
            return evaluate_policy(evaluation, panel, crossing)
        case RankingValueEvaluation():
            return evaluate_ranking(evaluation, panel)
        case _:
            assert_never(evaluation)
