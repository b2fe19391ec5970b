"""The peers' pipeline: what every peer loads and asks, so that all of them serve one model.

It imports neither this project nor a server, since each peer runs in an environment of its own.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from benchmarks.peers.answer import FOLDER

FILE = "pipeline.joblib"


class Categories(TransformerMixin, BaseEstimator):
    """Gives text columns the categories that the model was fitted with.

    Args:
        known: For each text column its categories.
        columns: All columns, in the model's order.
    """

    def __init__(self, known: Mapping[str, Sequence[str]], columns: Sequence[str]) -> None:
        self.known = known
        self.columns = columns

    def fit(self, frame: pd.DataFrame, outcome: object = None) -> "Categories":
        """Learn nothing."""
        del frame, outcome
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """It needs no fitting."""
        return True

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame as the model wants it; an unseen text counts as missing."""
        made = {
            name: frame[name].astype(pd.CategoricalDtype(list(self.known[name])))
            if name in self.known
            else frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            for name in self.columns
        }
        return pd.DataFrame(made)


def load() -> Any:
    """Return the pipeline of the folder that the environment names."""
    return joblib.load(Path(os.environ[FOLDER]) / FILE)


def score(pipeline: Any, candidates: Sequence[Mapping[str, object]]) -> npt.NDArray[np.float64]:
    """Return P(outcome = 1) for each candidate, shape [n]."""
    both = pipeline.predict_proba(pd.DataFrame(candidates))
    return np.asarray(both[:, 1], dtype=np.float64)


def ranked(
    candidates: Sequence[Mapping[str, object]], scores: npt.NDArray[np.float64]
) -> list[dict[str, object]]:
    """Return identifiers and scores, best first, as a service would answer."""
    values = scores.tolist()
    return [{"id": candidates[at]["c0"], "score": values[at]} for at in np.argsort(-scores)]
