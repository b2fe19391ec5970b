"""What a model's spec may name, and what is refused with the culprit's name."""

from typing import Any

import numpy as np
import pytest

from mlops.base.errors import ConfigError, ContractError
from mlops.contracts.domain import Floats, Texts
from mlops.models.estimator import build_estimator
from mlops.models.lowering import lower
from mlops.models.predictor import SklearnPredictor
from mlops.models.spec import ExpectedValueScore, HeadScore
from tests.components.toys import fitted, spec, spec_of, toy

HGB = "sklearn.ensemble.HistGradientBoostingClassifier"
LOGISTIC = {"_target_": "sklearn.linear_model.LogisticRegression"}
PRE = "sklearn.preprocessing"
ONE_HOT = {"_target_": f"{PRE}.OneHotEncoder", "handle_unknown": "ignore"}
IMPUTE = {"_target_": "sklearn.impute.SimpleImputer"}


def step(select: object, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"name": "s", "select": select, "steps": list(steps)}


UNBUILT: dict[str, tuple[dict[str, Any], str]] = {
    "a class outside the allowed packages": (
        {"estimator": {"_target_": "subprocess.Popen", "args": "true"}},
        "subprocess.Popen",
    ),
    "a function": ({"estimator": {"_target_": "sklearn.clone"}}, "sklearn.clone"),
    "a class that is no estimator": (
        {"estimator": {"_target_": "sklearn.utils.Bunch"}},
        "not a BaseEstimator",
    ),
    "a nested class outside the allowed packages": (
        {
            "estimator": {
                "_target_": "sklearn.calibration.CalibratedClassifierCV",
                "estimator": {"_target_": "os.system"},
            }
        },
        "os.system",
    ),
    "a misspelt argument": (
        {"estimator": {"_target_": HGB, "learning_rat": 0.1}},
        "'learning_rat'",
    ),
    "a misspelt argument of a transformer": (
        {"columns": [step("numeric", {**IMPUTE, "strateg": "mean"})], "estimator": LOGISTIC},
        "'strateg'",
    ),
    "a column that the contract lacks": (
        {"columns": [step(["affinty"])], "estimator": LOGISTIC},
        "'affinty'",
    ),
    "two steps of one name": (
        {"columns": [step("numeric"), step("categorical")], "estimator": LOGISTIC},
        "share a name",
    ),
    "an argument missing": (
        {"estimator": {"_target_": "sklearn.multiclass.OneVsRestClassifier"}},
        "OneVsRestClassifier",
    ),
}

UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "a negative learning rate": (
        {"estimator": {"_target_": HGB, "learning_rate": -1.0}},
        "learning_rate",
    ),
    "texts that nothing encodes": (
        {"columns": [step("categorical")], "estimator": LOGISTIC},
        "cannot be fitted",
    ),
}

UNCOMPILED: dict[str, tuple[dict[str, Any], str]] = {
    "neighbours": (
        {
            "columns": [step("numeric")],
            "estimator": {"_target_": "sklearn.neighbors.KNeighborsClassifier"},
        },
        "KNeighborsClassifier",
    ),
    "a transformer without a flat form": (
        {
            "columns": [
                step("numeric", {"_target_": f"{PRE}.QuantileTransformer", "n_quantiles": 9})
            ],
            "estimator": {"_target_": HGB, "max_iter": 2},
        },
        "QuantileTransformer",
    ),
    "an encoder that fails on new categories": (
        {
            "columns": [step("categorical", {**ONE_HOT, "handle_unknown": "error"})],
            "estimator": LOGISTIC,
        },
        "handle_unknown",
    ),
    "temperature scaling": (
        {
            "columns": [step("numeric")],
            "estimator": {
                "_target_": "sklearn.calibration.CalibratedClassifierCV",
                "method": "temperature",
                "estimator": {"_target_": HGB, "max_iter": 2},
            },
        },
        "temperature",
    ),
    "a regressor that predicts on a log scale": (
        {
            "columns": [step("numeric")],
            "estimator": {
                "_target_": "sklearn.ensemble.HistGradientBoostingRegressor",
                "loss": "poisson",
                "max_iter": 2,
            },
        },
        "poisson",
    ),
}


def words(error: ConfigError) -> str:
    return f"{error.message} {error.hint}"


@pytest.mark.parametrize("sentence", UNBUILT)
def test_spec_is_refused_before_anything_is_fitted(sentence: str) -> None:
    node, culprit = UNBUILT[sentence]
    with pytest.raises(ConfigError) as caught:
        build_estimator(spec({"name": "x", **node}), toy("open_bandit").domain, seed=0)
    assert culprit in words(caught.value)


@pytest.mark.parametrize("sentence", UNFIT)
def test_spec_is_refused_by_scikit_learn(sentence: str) -> None:
    node, culprit = UNFIT[sentence]
    it = toy("open_bandit", rows=300)
    with pytest.raises(ConfigError) as caught:
        SklearnPredictor(spec({"name": "x", **node}), it.domain, seed=0).fit(
            it.table, it.outcomes["click"]
        )
    assert culprit in words(caught.value)


@pytest.mark.parametrize("sentence", UNCOMPILED)
def test_fitted_model_is_refused_by_name(sentence: str) -> None:
    node, culprit = UNCOMPILED[sentence]
    it = toy("open_bandit", rows=300)
    fit = SklearnPredictor(spec({"name": "x", **node}), it.domain, seed=0).fit(
        it.table, it.outcomes["click"]
    )
    with pytest.raises(ConfigError) as caught:
        lower({"click": fit}, it.domain, it.score)
    assert culprit in words(caught.value)


def test_missing_numbers_may_not_reach_a_linear_model() -> None:
    it = toy("search_ranking", rows=300)
    filled: dict[str, Floats | Texts] = {
        name: np.nan_to_num(np.asarray(values, np.float64))
        if values.dtype == np.float64
        else values
        for name, values in it.table.items()
    }
    node = {"name": "x", "columns": [step("numeric")], "estimator": {**LOGISTIC, "max_iter": 5}}
    with pytest.warns(match="lbfgs failed"):
        fit = SklearnPredictor(spec(node), it.domain, seed=0).fit(filled, it.outcomes["apply"])
    with pytest.raises(ConfigError, match="'seeker_experience' be missing"):
        lower({"apply": fit}, it.domain, HeadScore(head="apply"))


@pytest.mark.parametrize("value", ["job_area", "job_salary", "nothing"])
def test_value_column_is_a_number_that_is_never_missing(value: str) -> None:
    score = ExpectedValueScore(heads=("apply", "hire"), value=value)
    with pytest.raises(ConfigError, match=value):
        lower(fitted("search_ranking", "logistic"), toy("search_ranking").domain, score)


def test_score_asks_for_a_head_that_is_there() -> None:
    with pytest.raises(ConfigError, match="'clik'"):
        lower(fitted("open_bandit", "logistic"), toy("open_bandit").domain, HeadScore(head="clik"))


def test_seed_reaches_every_part_that_has_one_and_none_that_was_given_one() -> None:
    node = {
        "name": "x",
        "estimator": {
            "_target_": "sklearn.calibration.CalibratedClassifierCV",
            "estimator": {"_target_": HGB},
        },
    }
    domain = toy("open_bandit").domain
    assert build_estimator(spec(node), domain, seed=9).estimator.random_state == 9
    node["estimator"]["estimator"]["random_state"] = 4  # type: ignore[index] # a literal
    assert build_estimator(spec(node), domain, seed=9).estimator.random_state == 4


@pytest.mark.parametrize(
    ("outcome", "words"),
    [(0.0, "never"), (1.0, "always"), (np.nan, "missing"), (0.5, "0 or 1")],
)
def test_outcome_must_be_learnable(outcome: float, words: str) -> None:
    it = toy("open_bandit", rows=300)
    predictor = SklearnPredictor(spec_of("logistic"), it.domain, seed=0)
    with pytest.raises(ContractError, match=words):
        predictor.fit(it.table, np.full(300, outcome))


def test_unfitted_predictor_does_not_predict() -> None:
    it = toy("open_bandit", rows=300)
    with pytest.raises(RuntimeError, match="not fitted"):
        SklearnPredictor(spec_of("logistic"), it.domain, seed=0).predict(it.table)
