"""A fake algorithm: logistic regression written by hand, with a bug of choice."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

BUGS = {
    "it has no intercept": "feature_shift",
    "its intercept is regularised": "feature_shift",
    "it ignores weights": "weights",
    "it squares weights": "weights",
    "it adds rows of weight nought to the row count": "weights",
    "it leaves the last training row out": "row_order",
    "it leaves the last feature out": "column_order",
    "it overflows far away": "finite",
    "it centres by what is asked": "batch",
    "it starts anywhere": "deterministic",
    "it goes on from the last fit": "refit",
    "it scales the caller's rows in place": "untouched",
    "it exchanges the two probabilities": "overfit",
    "it knows classes 0 and 1 only": "class_names",
    "it learns from the first class more": "label_symmetry",
    "it takes one step only": "overfit",
}  # fmt: skip


class HandWritten(ClassifierMixin, BaseEstimator):
    """L2-regularised logistic regression by Newton's method.

    Args:
        bug: One of `BUGS`, or nothing.
        strength: Of the regularisation, per unit of weight.
    """

    def __init__(self, bug: str = "", strength: float = 0.02) -> None:
        self.bug = bug
        self.strength = strength

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's names
        rows = np.asarray(X, dtype=np.float64)
        if self.bug == "it scales the caller's rows in place":
            rows -= rows.mean(axis=0)
        self.classes_ = np.unique(y)
        labels = (np.asarray(y) == self.classes_[1]).astype(np.float64)
        if self.bug == "it knows classes 0 and 1 only":
            labels = (np.asarray(y) == 1).astype(np.float64)
        weight = np.ones(len(rows)) if sample_weight is None else np.array(sample_weight, float)
        total = weight.sum()
        match self.bug:
            case "it ignores weights":
                weight[:] = 1.0
                total = weight.sum()
            case "it squares weights":
                weight = weight**2
                total = weight.sum()
            case "it adds rows of weight nought to the row count":
                total = float(len(rows))
            case "it leaves the last training row out":
                weight[-1] = 0.0
            case "it learns from the first class more":
                weight[labels == 0] *= 1.5
        self._solve(self._design(rows), labels, weight, self.strength * total)
        return self

    def _design(self, rows: Any) -> Any:
        if self.bug == "it leaves the last feature out" and rows.shape[1] > 1:
            rows = rows[:, :-1]
        ones = np.full((len(rows), 1), 0.0 if self.bug == "it has no intercept" else 1.0)
        return np.concatenate([ones, rows], axis=1)

    def _solve(self, design: Any, labels: Any, weight: Any, ridge: float) -> None:
        width = design.shape[1]
        start = np.zeros(width)
        if self.bug == "it starts anywhere":
            start = np.random.default_rng().normal(size=width) * 1e-3
        if self.bug == "it goes on from the last fit" and hasattr(self, "coefficients_"):
            start = np.array(self.coefficients_)
        penalty = np.full(width, ridge)
        penalty[0] = ridge if self.bug == "its intercept is regularised" else 1e-9
        steps = 1 if self.bug == "it takes one step only" else 30
        if self.bug in ("it starts anywhere", "it goes on from the last fit"):
            steps = 6
        for _ in range(steps):
            rate = self._rate(design @ start)
            gradient = design.T @ (weight * (rate - labels)) + penalty * start
            curve = design.T @ (design * (weight * rate * (1 - rate))[:, None])
            step = np.linalg.solve(curve + np.diag(penalty + 1e-9), gradient)
            start = start - step * (0.02 if steps == 1 else 1.0)
        self.coefficients_: Any = start

    def _rate(self, raw: Any) -> Any:
        if self.bug == "it overflows far away":
            return np.exp(raw) / (1.0 + np.exp(raw))
        return 1.0 / (1.0 + np.exp(-np.clip(raw, -500, 500)))

    def predict_proba(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's names
        rows = np.asarray(X, dtype=np.float64)
        if self.bug == "it centres by what is asked":
            rows = rows - 0.1 * rows.mean(axis=0)
        rate = self._rate(self._design(rows) @ self.coefficients_)
        pair = (rate, 1 - rate) if self.bug.startswith("it exchanges") else (1 - rate, rate)
        return np.stack(pair, axis=1)

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's names
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
