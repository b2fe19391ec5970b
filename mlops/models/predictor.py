"""A predictor: what is fitted on a contract's rows and then gives each row a number."""

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
from joblib import parallel_config

from mlops.base.errors import ConfigError, ContractError
from mlops.contracts.domain import Domain, Floats, Table
from mlops.models.estimator import PACKAGES, build_estimator
from mlops.models.frame import Vocabulary, as_features, vocabulary_of
from mlops.models.spec import ModelSpec


class Predictor(Protocol):
    """One head of a service."""

    def fit(self, table: Table, outcome: Floats) -> Self:
        """Learn from rows.

        Args:
            table: At least the contract's features, n rows.
            outcome: What followed each row, shape [n]; 0 or 1 for a classifier.
        """
        ...

    def predict(self, table: Table) -> Floats:
        """Return one number a row, shape [n]: P(outcome = 1) for a classifier."""
        ...


class SklearnPredictor:
    """A scikit-learn pipeline as a predictor: the reference that the compiled form must equal.

    The same rows and seed give the same model, whatever the number of threads.

    Args:
        spec: The pipeline.
        domain: The contract; the model reads its features and nothing else.
        seed: Seed of everything random in the pipeline.
        packages: Where classes may come from.

    Raises:
        ConfigError: The spec cannot be built.
    """

    def __init__(
        self,
        spec: ModelSpec,
        domain: Domain,
        *,
        seed: int,
        packages: Sequence[str] = PACKAGES,
    ) -> None:
        self.spec = spec
        self.domain = domain
        self.estimator: Any = build_estimator(spec, domain, seed=seed, packages=packages)
        self.vocabulary: Vocabulary = {}
        self._fitted = False

    def fit(self, table: Table, outcome: Floats) -> Self:
        """Fit the pipeline.

        Args:
            table: At least the features, n rows.
            outcome: Shape [n], finite; for a classifier both 0 and 1 must occur.

        Raises:
            ContractError: The outcome has a missing value, or never occurs, or always does.
            ConfigError: scikit-learn refuses the rows or the parameters.
        """
        self._check_outcome(outcome)
        self.vocabulary = vocabulary_of(table, self.domain.features)
        frame = as_features(table, self.domain.features, vocabulary=self.vocabulary)
        target = outcome.astype(np.int64) if self._classifies else outcome
        try:
            self.estimator.fit(frame, target)
        except Exception as error:  # scikit-learn fails with whatever its parts raise
            raise ConfigError(
                f"model {self.spec.name} cannot be fitted: {error}",
                hint="check the estimator's arguments and the column steps",
            ) from error
        self._fitted = True
        return self

    def predict(self, table: Table) -> Floats:
        """Return P(outcome = 1) a row, or the regressor's estimate, shape [n], float64.

        Raises:
            RuntimeError: It was not fitted.
        """
        if not self._fitted:
            message = f"model {self.spec.name} is not fitted"
            raise RuntimeError(message)
        frame = as_features(table, self.domain.features, vocabulary=self.vocabulary)
        # Threads of a forest add their trees in any order, and each order has its own last bits.
        with parallel_config(backend="sequential"):
            if not self._classifies:
                return np.asarray(self.estimator.predict(frame), dtype=np.float64)
            both = self.estimator.predict_proba(frame)
        return np.ascontiguousarray(both[:, 1], dtype=np.float64)

    @property
    def _classifies(self) -> bool:
        return hasattr(self.estimator, "predict_proba")

    def _check_outcome(self, outcome: Floats) -> None:
        if not np.isfinite(outcome).all():
            raise ContractError("the outcome is missing in some training rows")
        if not self._classifies:
            return
        found = set(np.unique(outcome).tolist())
        if not found <= {0.0, 1.0}:
            raise ContractError("the outcome of a classifier must be 0 or 1")
        if len(found) < 2:
            raise ContractError(
                f"the outcome is {'never' if found <= {0.0} else 'always'} 1 in "
                f"{len(outcome)} training rows",
                hint="train on a longer period",
            )
