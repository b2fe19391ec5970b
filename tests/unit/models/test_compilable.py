"""What is refused before fitting is what lowering refuses, and what is not refused compiles."""

from typing import Any

import pytest

from mlops.base.errors import ConfigError
from mlops.models.compilable import PREDICTORS, TRANSFORMERS, refusal
from mlops.models.estimator import build_estimator
from mlops.models.lowering import lower
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import HeadScore
from tests.components.toys import spec, toy

PRE = "sklearn.preprocessing"
LOGISTIC: dict[str, Any] = {"_target_": "sklearn.linear_model.LogisticRegression"}
IMPUTE = {"_target_": "sklearn.impute.SimpleImputer"}
ONE_HOT: dict[str, Any] = {"_target_": f"{PRE}.OneHotEncoder", "handle_unknown": "ignore"}
CALIBRATED: dict[str, Any] = {
    "_target_": "sklearn.calibration.CalibratedClassifierCV",
    "estimator": LOGISTIC,
    "cv": 2,
}
SMALL: dict[str, dict[str, Any]] = {
    "HistGradientBoosting": {"max_iter": 3},
    "GradientBoosting": {"n_estimators": 3},
    "RandomForest": {"n_estimators": 3, "max_depth": 3},
    "ExtraTrees": {"n_estimators": 3, "max_depth": 3},
    "SGDClassifier": {"loss": "log_loss"},
}
"""Arguments by the beginning of a class's name: small, and allowed."""


def path(found: type[Any]) -> str:
    rooms = found.__module__.split(".")
    return f"{rooms[0]}.{rooms[1]}.{found.__name__}"


def target(found: type[Any], **arguments: object) -> dict[str, Any]:
    small = [own for start, own in SMALL.items() if found.__name__.startswith(start)]
    return {"_target_": path(found), **(small[0] if small else {}), **arguments}


def model(
    estimator: dict[str, Any], *numeric: dict[str, Any], columns: list[Any] | None = None
) -> dict[str, Any]:
    own = [
        {"name": "c", "select": ["job_area"], "steps": [ONE_HOT]},
        {"name": "n", "select": ["job_age", "seeker_experience"], "steps": [IMPUTE, *numeric]},
    ]
    return {"name": "toy", "columns": own if columns is None else columns, "estimator": estimator}


def encoder(*steps: dict[str, Any]) -> dict[str, Any]:
    dense = {"name": "c", "select": ["job_area"], "steps": list(steps)}
    return model(LOGISTIC, columns=[dense])


def fitted(node: dict[str, Any]) -> SklearnPredictor:
    it = toy("search_ranking", rows=400)
    return SklearnPredictor(spec(node), it.domain, seed=0).fit(it.table, it.outcomes["apply"])


def compiled(predictor: SklearnPredictor) -> Program:
    return lower({"toy": predictor}, toy("search_ranking").domain, HeadScore(head="toy"))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("found", PREDICTORS, ids=lambda found: found.__name__)
def test_every_listed_estimator_compiles(found: type[Any]) -> None:
    dense = [
        {"name": "c", "select": ["job_area"], "steps": [{**ONE_HOT, "sparse_output": False}]},
        {"name": "n", "select": ["job_age", "seeker_experience"], "steps": [IMPUTE]},
    ]
    node = model(target(found), columns=dense)
    unfitted = build_estimator(spec(node), toy("search_ranking").domain, seed=0)
    assert refusal(unfitted) is None
    compiled(fitted(node))


LISTED: dict[str, dict[str, Any]] = {
    "OneHotEncoder": encoder(ONE_HOT),
    "OrdinalEncoder": encoder({"_target_": f"{PRE}.OrdinalEncoder"}),
    "TargetEncoder": encoder({"_target_": f"{PRE}.TargetEncoder"}),
    "StandardScaler": model(LOGISTIC, {"_target_": f"{PRE}.StandardScaler"}),
    "MinMaxScaler": model(LOGISTIC, {"_target_": f"{PRE}.MinMaxScaler"}),
    "MaxAbsScaler": model(LOGISTIC, {"_target_": f"{PRE}.MaxAbsScaler"}),
    "RobustScaler": model(LOGISTIC, {"_target_": f"{PRE}.RobustScaler"}),
    "SimpleImputer": model(LOGISTIC),
    "FunctionTransformer": model(LOGISTIC, {"_target_": f"{PRE}.FunctionTransformer"}),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", LISTED)
def test_every_listed_transformer_compiles(name: str) -> None:
    assert set(LISTED) == {found.__name__ for found in TRANSFORMERS}
    unfitted = build_estimator(spec(LISTED[name]), toy("search_ranking").domain, seed=0)
    assert refusal(unfitted) is None
    compiled(fitted(LISTED[name]))


def boosting(**arguments: object) -> dict[str, Any]:
    return {"_target_": "sklearn.ensemble.HistGradientBoostingRegressor", "max_iter": 3} | arguments


def classic(name: str, **arguments: object) -> dict[str, Any]:
    return {"_target_": f"sklearn.ensemble.{name}", "n_estimators": 3, **arguments}


def pipeline(*steps: object) -> dict[str, Any]:
    return {
        "_target_": "sklearn.pipeline.Pipeline",
        "steps": [[f"step{at}", step] for at, step in enumerate(steps)],
    }


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another class": (
        model({"_target_": "sklearn.naive_bayes.GaussianNB"},
              columns=[{"name": "n", "select": ["job_age"], "steps": []}]),
        "estimator._target_"),
    "a class below a listed one": (
        model({"_target_": "sklearn.linear_model.LogisticRegressionCV", "cv": 2, "Cs": 2,
               "l1_ratios": [0.0], "use_legacy_attributes": False, "scoring": "accuracy"}),
        "estimator._target_"),
    "a loss with a logarithm": (model(boosting(loss="poisson"), columns=[]), "estimator.loss"),
    "a loss that is no likelihood": (
        model({"_target_": "sklearn.linear_model.SGDClassifier", "loss": "modified_huber"}),
        "estimator.loss"),
    "the exponential loss": (
        model(classic("GradientBoostingClassifier", loss="exponential")), "estimator.loss"),
    "a start that is a model": (
        model(classic("GradientBoostingRegressor",
                      init={"_target_": "sklearn.linear_model.Ridge"})),
        "estimator.init"),
    "a calibration by temperature": (
        model({**CALIBRATED, "method": "temperature"}), "estimator.method"),
    "a calibration of nothing named": (
        model({**CALIBRATED, "estimator": None}), "estimator.estimator"),
    "a calibration of another class": (
        model({**CALIBRATED, "estimator": {"_target_": "sklearn.svm.LinearSVC"}}),
        "estimator.estimator._target_"),
    "a calibration in a calibration": (
        model({**CALIBRATED, "estimator": CALIBRATED}), "estimator.estimator"),
    "a calibration in a calibration's pipeline": (
        model({**CALIBRATED, "estimator": pipeline("passthrough", CALIBRATED)}),
        "estimator.estimator"),
    "an argument at the end of a pipeline in a pipeline": (
        model(pipeline({"_target_": f"{PRE}.MaxAbsScaler"},
                       {"_target_": "sklearn.linear_model.SGDClassifier", "loss": "modified_huber"})
              ),
        "estimator.steps.1.1.loss"),
    "a transformer in a pipeline in a pipeline": (
        model(pipeline({"_target_": f"{PRE}.PolynomialFeatures"}, LOGISTIC)),
        "estimator.steps.0.1._target_"),
    "single floats": (
        encoder({**ONE_HOT, "dtype": "float32"}), "columns.0.steps.0.dtype"),
    "whole numbers": (
        encoder({"_target_": f"{PRE}.OrdinalEncoder", "dtype": "int64"}),
        "columns.0.steps.0.dtype"),
    "a number that stands for missing": (
        model(LOGISTIC, {**IMPUTE, "missing_values": 0.0}), "columns.1.steps.1.missing_values"),
    "another transformer": (
        model(LOGISTIC, {"_target_": f"{PRE}.QuantileTransformer", "n_quantiles": 9}),
        "columns.1.steps.1._target_"),
    "a transformer in a pipeline of the user's": (
        model(LOGISTIC, pipeline({"_target_": f"{PRE}.Normalizer"})),
        "columns.1.steps.1.steps.0.1._target_"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("sentence", REFUSED)
def test_refusal_is_the_same_before_and_after_fitting(sentence: str) -> None:
    node, key = REFUSED[sentence]
    unfitted = build_estimator(spec(node), toy("search_ranking").domain, seed=0)
    found = refusal(unfitted)
    assert found is not None
    assert ".".join(found.key) == key
    assert found.hint
    with pytest.raises(ConfigError) as caught:
        compiled(fitted(node))
    assert (caught.value.message, caught.value.key) == (found.reason, found.key)


def test_target_of_many_classes_is_refused_before_scikit_learn_fails_on_it() -> None:
    node = encoder({"_target_": f"{PRE}.TargetEncoder", "target_type": "multiclass"})
    found = refusal(build_estimator(spec(node), toy("search_ranking").domain, seed=0))
    assert found is not None
    assert found.key == ("columns", "0", "steps", "0", "target_type")
    with pytest.raises(ConfigError, match="cannot be fitted"):
        fitted(node)


def test_first_refusal_stands_first_in_the_model() -> None:
    node = model({"_target_": "sklearn.svm.SVC"}, {"_target_": f"{PRE}.Normalizer"})
    found = refusal(build_estimator(spec(node), toy("search_ranking").domain, seed=0))
    assert found is not None
    assert found.key[0] == "columns"
