"""Linear models give what scikit-learn gives, up to the order in which their terms are added."""

from typing import Any

import numpy as np
import pytest

from mlops.base.errors import ConfigError
from mlops.base.verdict import Status
from mlops.models.lowering import lower
from mlops.models.parity import prove
from mlops.models.predictor import SklearnPredictor
from mlops.models.spec import HeadScore
from mlops.proofs.bounds import certify
from tests.components.toys import spec, toy

LINEAR = "sklearn.linear_model"
COLUMNS = [
    {"name": "c", "select": "categorical", "steps": [
        {"_target_": "sklearn.preprocessing.OneHotEncoder", "handle_unknown": "ignore"}]},
    {"name": "n", "select": "numeric", "steps": [
        {"_target_": "sklearn.impute.SimpleImputer"},
        {"_target_": "sklearn.preprocessing.StandardScaler"}]},
]  # fmt: skip

REGRESSORS: dict[str, dict[str, Any]] = {
    "LinearRegression": {},
    "LinearRegression without an intercept": {"fit_intercept": False},
    "LinearRegression of weights above zero": {"positive": True},
    "Ridge": {"alpha": 2.0},
    "Ridge by sag": {"solver": "sag"},
    "Lasso": {"alpha": 0.01},
    "ElasticNet": {"alpha": 0.01},
    "SGDRegressor": {},
    "SGDRegressor averaged": {"average": True, "loss": "huber", "epsilon": 0.1},
}

CLASSIFIERS: dict[str, dict[str, Any]] = {
    "LogisticRegression without an intercept": {"fit_intercept": False},
    "LogisticRegression by liblinear": {"solver": "liblinear"},
    "LogisticRegression of few weights": {"l1_ratio": 1.0, "solver": "saga", "C": 0.05},
    "SGDClassifier": {"loss": "log_loss"},
    "SGDClassifier averaged": {"loss": "log_loss", "average": True, "penalty": "elasticnet"},
}


def fit(sentence: str, arguments: dict[str, Any], scale: float | None) -> SklearnPredictor:
    it = toy("search_ranking", rows=1500)
    node = {
        "name": "toy",
        "columns": COLUMNS,
        "estimator": {"_target_": f"{LINEAR}.{sentence.split(maxsplit=1)[0]}", **arguments},
    }
    outcome = it.outcomes["apply"]
    if scale is not None:
        outcome = scale * (outcome + np.asarray(it.table["job_age"], dtype=np.float64) / 100)
    return SklearnPredictor(spec(node), it.domain, seed=0).fit(it.table, outcome)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
@pytest.mark.parametrize("sentence", REGRESSORS)
def test_regressor_is_equal_up_to_rounding_at_any_scale(sentence: str, scale: float) -> None:
    it = toy("search_ranking", rows=1500)
    fitted = fit(sentence, REGRESSORS[sentence], scale)
    compiled = lower({"toy": fitted}, it.domain, HeadScore(head="toy"))
    rng = np.random.default_rng(2)
    verdict = prove(compiled, {"toy": fitted}, it.domain, rng=rng, rows=4000, real=it.table)
    assert verdict.status is Status.PASS, verdict
    found, score = certify(compiled, it.domain).score, compiled.score(it.table)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= score.min() <= score.max() <= found.high


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("sentence", CLASSIFIERS)
def test_classifier_is_equal_up_to_rounding(sentence: str) -> None:
    it = toy("search_ranking", rows=1500)
    fitted = fit(sentence, CLASSIFIERS[sentence], None)
    compiled = lower({"toy": fitted}, it.domain, HeadScore(head="toy"))
    rng = np.random.default_rng(2)
    verdict = prove(compiled, {"toy": fitted}, it.domain, rng=rng, rows=4000, real=it.table)
    assert verdict.status is Status.PASS, verdict


@pytest.mark.parametrize("off", [1e-9, -1e-9, np.nan])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_proof_fails_where_a_weight_is_a_billionth_off(off: float, scale: float) -> None:
    it = toy("search_ranking", rows=1500)
    fitted = fit("Ridge", {}, scale)
    compiled = lower({"toy": fitted}, it.domain, HeadScore(head="toy"))
    model = fitted.estimator.steps[-1][1]
    model.intercept_ = model.intercept_ + off * np.abs(model.coef_).max()
    rng = np.random.default_rng(2)
    verdict = prove(compiled, {"toy": fitted}, it.domain, rng=rng, rows=100)
    assert verdict.status is Status.FAIL, verdict


@pytest.mark.parametrize("name", ["Ridge", "LogisticRegression"])
def test_missing_value_that_reaches_it_is_refused_by_its_name(name: str) -> None:
    it = toy("search_ranking", rows=1500)
    node = {
        "name": "toy",
        "columns": [{"name": "n", "select": ["job_salary"], "steps": []}],
        "estimator": {"_target_": f"{LINEAR}.{name}"},
    }
    table = {**it.table, "job_salary": np.arange(1500.0)}
    fitted = SklearnPredictor(spec(node), it.domain, seed=0).fit(table, it.outcomes["apply"])
    with pytest.raises(ConfigError, match=f"{name} fails on it"):
        lower({"toy": fitted}, it.domain, HeadScore(head="toy"))
