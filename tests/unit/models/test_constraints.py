"""scikit-learn's private constraints: what is relied on, and what becomes of them."""

import ast
import inspect
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from mlops.models.constraints import annotation, declared, methods, takes_tuple, violation
from mlops.models.stubs import write_stubs

HGB = HistGradientBoostingClassifier


def estimators() -> list[type[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [each for _, each in import_module("sklearn.utils").all_estimators()]


def parameters(found: type[Any]) -> list[inspect.Parameter]:
    return [
        each
        for each in inspect.signature(found).parameters.values()
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]


def test_private_module_has_what_is_relied_on() -> None:
    private = import_module("sklearn.utils._param_validation")
    for name in ("Interval", "Options", "StrOptions", "HasMethods", "MissingValues", "Hidden"):
        assert isinstance(getattr(private, name), type)
    assert issubclass(private.InvalidParameterError, ValueError)
    names = list(inspect.signature(private.validate_parameter_constraints).parameters)
    assert names == ["parameter_constraints", "params", "caller_name"]
    assert private.Interval(private.Real, 0, 1, closed="both").type is private.Real
    assert private.StrOptions({"a"}).options == {"a"}
    assert private.HasMethods(["fit"]).methods == ["fit"]
    assert private.MissingValues(numeric_only=True).numeric_only is True
    assert private.Hidden("boolean").constraint == "boolean"


def test_every_estimator_declares_constraints() -> None:
    silent = [each.__name__ for each in estimators() if not declared(each) and parameters(each)]
    assert len(estimators()) > 200
    assert silent == ["FeatureUnion", "FrozenEstimator"]  # which nothing validates


def test_nearly_every_parameter_has_a_type() -> None:
    every = [(each, p.name) for each in estimators() for p in parameters(each)]
    typed = [pair for pair in every if annotation(*pair) != "Any"]
    assert len(every) > 1600
    assert len(typed) / len(every) > 0.95


def test_defaults_are_accepted() -> None:
    refused = {
        (each.__name__, p.name): violation(each, p.name, p.default)
        for each in estimators()
        for p in parameters(each)
        if p.default is not p.empty and violation(each, p.name, p.default)
    }
    assert refused.keys() == {("SelfTrainingClassifier", "estimator")}  # it must be given


VALUES: dict[str, tuple[type[Any], str, object, str]] = {
    "a negative rate": (HGB, "learning_rate", -1.0, "float in the range (0.0, inf)"),
    "a text for a number": (HGB, "max_iter", "100", "int in the range"),
    "an unknown option": (LogisticRegression, "solver", "lbgfs", "'lbfgs'"),
    "a truth value for a text": (HGB, "early_stopping", "no", "'auto'"),
    "an object without a method": (
        CalibratedClassifierCV, "estimator", Ridge(), "'predict_proba'",
    ),
    "a list for a number": (Ridge, "max_iter", [1], "int in the range"),
    "NaN": (LogisticRegression, "C", float("nan"), "float in the range"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", VALUES)
def test_value_is_refused(sentence: str) -> None:
    found, name, value, says = VALUES[sentence]
    told = violation(found, name, value)
    assert told is not None
    assert says in told
    assert repr(name) in told


@pytest.mark.parametrize(
    ("found", "name", "value"),
    [
        (HGB, "loss", "log_loss"),
        (HGB, "categorical_features", ["a"]),
        (CalibratedClassifierCV, "estimator", LogisticRegression()),
        (MinMaxScaler, "feature_range", (0, 1)),
        (OneHotEncoder, "dtype", "anything: it is not validated"),
        (StandardScaler, "no_such_parameter", 1),
    ],
)
def test_value_is_accepted(found: type[Any], name: str, value: object) -> None:
    assert violation(found, name, value) is None


def test_declaration_of_a_users_own_that_makes_no_sense_is_told() -> None:
    class Odd(StandardScaler):
        _parameter_constraints = {"copy": [3.5]}  # noqa: RUF012 - as scikit-learn writes it

    assert "Unknown constraint" in str(violation(Odd, "copy", True))


TYPES = {
    "a number": (LogisticRegression, "C", "float"),
    "a whole number or none": (HGB, "max_leaf_nodes", "int | None"),
    "options of texts": (
        CalibratedClassifierCV, "method", "Literal['isotonic', 'sigmoid', 'temperature']",
    ),
    "a truth value or a text": (CalibratedClassifierCV, "ensemble", "bool | Literal['auto']"),
    "an object with methods": (
        CalibratedClassifierCV,
        "estimator",
        "HasFitAndPredictProba | HasFitAndDecisionFunction | None",
    ),
    "a seed": (HGB, "random_state", "int | None"),
    "what is not validated": (OneHotEncoder, "dtype", "Any"),
    "what is hidden from messages": (
        ColumnTransformer, "transformers", "list[Any] | tuple[Any, ...] | list[Any]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", TYPES)
def test_type_of_a_parameter(sentence: str) -> None:
    found, name, expected = TYPES[sentence]
    assert set(annotation(found, name).split(" | ")) == set(expected.split(" | "))


def test_list_becomes_a_tuple_only_where_one_is_asked_for() -> None:
    assert takes_tuple(MinMaxScaler, "feature_range")
    assert not takes_tuple(HGB, "categorical_features")
    assert methods(CalibratedClassifierCV) == {
        ("fit", "predict_proba"),
        ("fit", "decision_function"),
    }


def test_stubs_are_python_and_hold_every_estimator(tmp_path: Path) -> None:
    write_stubs(tmp_path)
    classes: set[str] = set()
    for path in tmp_path.rglob("*.pyi"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes |= {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {each.__name__ for each in estimators()} <= classes
    assert (
        "from sklearn.linear_model._logistic import LogisticRegression as LogisticRegression"
        in (tmp_path / "sklearn" / "linear_model" / "__init__.pyi").read_text(encoding="utf-8")
    )
