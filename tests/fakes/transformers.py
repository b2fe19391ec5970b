"""Transformers of a user's own, each wrong in its way."""

import time
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class Plain(TransformerMixin, BaseEstimator):
    """Yields numbers as they are."""

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        return np.asarray(X, dtype=np.float64)


class Slow(Plain):
    """Takes a second."""

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        time.sleep(1.0)
        return self


class Forgetful(Plain):
    """Raises what scikit-learn never does."""

    def transform(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        raise KeyError("bukkit")


class ManyRows(Plain):
    """Fails on a single row."""

    def transform(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        if len(X) == 1:
            raise ZeroDivisionError("division by zero")
        return super().transform(X)
