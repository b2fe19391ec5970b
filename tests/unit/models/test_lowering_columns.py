"""Every supported encoder, scaler and imputer gives what scikit-learn gives, edges included."""

from typing import Any

import numpy as np
import pytest

from mlops.base.errors import ConfigError
from mlops.base.verdict import Status
from mlops.contracts.domain import ColumnKind, Domain, Floats, Table
from mlops.models.lowering import lower
from mlops.models.parity import prove
from mlops.models.predictor import SklearnPredictor
from mlops.models.spec import HeadScore
from tests.components.toys import spec, toy

PRE = "sklearn.preprocessing"
LOGISTIC = {"_target_": "sklearn.linear_model.LogisticRegression", "max_iter": 300}
FOREST = {"_target_": "sklearn.ensemble.RandomForestClassifier", "n_estimators": 8, "max_depth": 6}
BOOSTING = {
    "_target_": "sklearn.ensemble.HistGradientBoostingClassifier",
    "max_iter": 8,
    "min_samples_leaf": 5,
    "early_stopping": False,
}
IMPUTE = {"_target_": "sklearn.impute.SimpleImputer", "strategy": "mean"}
FREQUENT = {**IMPUTE, "strategy": "most_frequent"}
TARGET = {"_target_": f"{PRE}.TargetEncoder"}


def one_hot(**arguments: object) -> dict[str, object]:
    base = {"_target_": f"{PRE}.OneHotEncoder", "handle_unknown": "ignore", "sparse_output": False}
    return {**base, **arguments}


def ordinal(**arguments: object) -> dict[str, object]:
    base = {
        "_target_": f"{PRE}.OrdinalEncoder",
        "handle_unknown": "use_encoded_value",
        "unknown_value": -1,
        "encoded_missing_value": -2,
    }
    return {**base, **arguments}


ENCODERS: dict[str, list[dict[str, Any]]] = {
    "target": [TARGET],
    "target, without smoothing": [{**TARGET, "smooth": 0.0}],
    "target after the most frequent": [FREQUENT, TARGET],
    "target, scaled": [TARGET, {"_target_": f"{PRE}.RobustScaler"}],
    "one-hot": [one_hot()],
    "one-hot, rare ones together": [one_hot(min_frequency=60)],
    "one-hot, rare and unknown together": [
        one_hot(min_frequency=0.05, handle_unknown="infrequent_if_exist")
    ],
    "one-hot, few": [one_hot(max_categories=4, handle_unknown="infrequent_if_exist")],
    "one-hot, one": [one_hot(max_categories=1, handle_unknown="infrequent_if_exist")],
    "one-hot, nothing is rare": [one_hot(min_frequency=1, handle_unknown="infrequent_if_exist")],
    "ordinal": [ordinal()],
    "ordinal, rare ones together": [ordinal(min_frequency=60)],
    "ordinal, few": [ordinal(max_categories=3)],
    "with an indicator": [{**FREQUENT, "add_indicator": True}, one_hot()],
    "a constant with an indicator": [
        {**IMPUTE, "strategy": "constant", "fill_value": "", "add_indicator": True}, ordinal()],
}  # fmt: skip

SCALERS: dict[str, list[dict[str, Any]]] = {
    "robust": [{"_target_": f"{PRE}.RobustScaler"}],
    "robust, the middle only": [{"_target_": f"{PRE}.RobustScaler", "with_scaling": False}],
    "robust, the width only": [
        {"_target_": f"{PRE}.RobustScaler", "with_centering": False, "unit_variance": True}],
    "largest size": [{"_target_": f"{PRE}.MaxAbsScaler"}],
    "largest size, clipped": [{"_target_": f"{PRE}.MaxAbsScaler", "clip": True}],
    "with an indicator": [{**IMPUTE, "add_indicator": True}],
    "with an indicator, then scaled": [
        {**IMPUTE, "add_indicator": True}, {"_target_": f"{PRE}.StandardScaler"}],
}  # fmt: skip


def without_missing(domain: Domain, table: Table) -> Table:
    whole: dict[str, Any] = dict(table)
    for column in domain.features:
        if column.is_category:
            whole[column.name] = np.array([t or "f" * 32 for t in table[column.name]], dtype=object)
        else:
            whole[column.name] = np.nan_to_num(np.asarray(table[column.name], dtype=np.float64))
    return whole


def prove_model(
    model: dict[str, Any], domain: Domain, table: Table, outcome: Floats, real: Table
) -> None:
    fitted = SklearnPredictor(spec({"name": "toy", **model}), domain, seed=0).fit(table, outcome)
    compiled = lower({"toy": fitted}, domain, HeadScore(head="toy"))
    rng = np.random.default_rng(2)
    verdict = prove(compiled, {"toy": fitted}, domain, rng=rng, rows=3000, real=real)
    assert verdict.status is Status.PASS, verdict


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("estimator", [LOGISTIC, FOREST, BOOSTING], ids=["sum", "forest", "boost"])
@pytest.mark.parametrize("sentence", ENCODERS)
@pytest.mark.parametrize("training_has_missing", [True, False], ids=["missing", "whole"])
def test_encoder_is_equal_on_unknown_and_missing_categories(
    sentence: str, estimator: dict[str, Any], training_has_missing: bool
) -> None:
    it = toy("open_bandit", rows=1200)
    table = it.table if training_has_missing else without_missing(it.domain, it.table)
    model = {
        "columns": [
            {"name": "c", "select": "categorical", "steps": ENCODERS[sentence]},
            {"name": "n", "select": "numeric", "steps": []},
        ],
        "estimator": estimator,
    }
    prove_model(model, it.domain, table, it.outcomes["click"], it.table)


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("estimator", [LOGISTIC, FOREST, BOOSTING], ids=["sum", "forest", "boost"])
@pytest.mark.parametrize("sentence", SCALERS)
def test_scaler_is_equal(sentence: str, estimator: dict[str, Any]) -> None:
    it = toy("search_ranking", rows=1200)
    steps = SCALERS[sentence]
    before = [] if estimator is not LOGISTIC or "indicator" in sentence else [IMPUTE]
    model = {
        "columns": [{"name": "n", "select": "numeric", "steps": [*before, *steps]}],
        "estimator": estimator,
    }
    prove_model(model, it.domain, it.table, it.outcomes["apply"], it.table)


TEXTS = ["user_feature_0", "user_feature_1", "item_id", "item_feature_1"]


def pipeline(*steps: object) -> dict[str, Any]:
    return {
        "_target_": "sklearn.pipeline.Pipeline",
        "steps": [[f"step{at}", step] for at, step in enumerate(steps)],
    }


def transformers(*parts: tuple[str, object, list[Any]], **arguments: object) -> dict[str, Any]:
    return {
        "_target_": "sklearn.compose.ColumnTransformer",
        "transformers": [list(part) for part in parts],
        **arguments,
    }


BOTH = transformers(("t", TARGET, TEXTS), ("n", "passthrough", ["affinity"]))
SHAPES: dict[str, dict[str, Any]] = {
    "steps that read the same columns": {
        "columns": [
            {"name": "a", "select": TEXTS, "steps": [TARGET]},
            {"name": "b", "select": TEXTS[:2], "steps": [one_hot(sparse_output=True)]},
            {"name": "c", "select": ["affinity"], "steps": []},
            {"name": "d", "select": ["item_feature_0", "affinity"], "steps": SCALERS["robust"]},
        ],
        "estimator": FOREST,
    },
    "a pipeline of the user's, scaled after its columns": {
        "columns": [],
        "estimator": pipeline(BOTH, SCALERS["robust"][0], "passthrough", FOREST),
    },
    "columns by place in a step, the rest as it is": {
        "columns": [{"name": "x", "select": ["affinity", *TEXTS], "steps": [
            transformers(("t", ordinal(), [1, 2, 3, 4]), remainder="passthrough")]}],
        "estimator": BOOSTING,
    },
    "columns by place in a step, the rest scaled": {
        "columns": [{"name": "x", "select": ["affinity", *TEXTS], "steps": [
            transformers(("t", TARGET, [1, 2, 3, 4]), remainder=SCALERS["largest size"][0])]}],
        "estimator": FOREST,
    },
    "a pipeline calibrated as a whole": {
        "columns": [],
        "estimator": {
            "_target_": "sklearn.calibration.CalibratedClassifierCV",
            "method": "isotonic",
            "cv": 2,
            "ensemble": True,
            "estimator": pipeline(BOTH, FOREST),
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("sentence", SHAPES)
def test_pipeline_of_any_shape_is_equal(sentence: str) -> None:
    it = toy("open_bandit", rows=1200)
    prove_model(SHAPES[sentence], it.domain, it.table, it.outcomes["click"], it.table)


NUMBERS = (-3.0, -0.5, 0.0, 0.1, 0.30000000000000004, 1.5, 7.0, 2.0**53, 1e15 + 0.5)


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("estimator", [LOGISTIC, FOREST, BOOSTING], ids=["sum", "forest", "boost"])
@pytest.mark.parametrize(
    "steps",
    [[TARGET], [one_hot()], [one_hot(min_frequency=100)], [ordinal()], [FREQUENT, one_hot()],
     [{**TARGET, "target_type": "binary"}]],
)  # fmt: skip
def test_fractional_negative_and_huge_numbers_are_categories(
    steps: list[dict[str, Any]], estimator: dict[str, Any]
) -> None:
    it = toy("search_ranking", rows=1200)
    rng = np.random.default_rng(5)
    column = it.domain.column("text_relevance")
    changed = column.model_copy(update={"minimum": -1e16, "maximum": 1e16, "nullable": True})
    domain = it.domain.model_copy(
        update={"columns": tuple(changed if c is column else c for c in it.domain.columns)}
    )
    weights = np.array([1, 5, 20, 20, 20, 2, 20, 10, 10]) / 108
    x = rng.choice(NUMBERS, 1200, p=weights)
    x[rng.random(1200) < 0.1] = np.nan
    near = np.array([np.nextafter(v, to) for v in NUMBERS for to in (-1e17, 1e17)] * 60)
    table = {**it.table, "text_relevance": x}
    real = {name: values[:1080] for name, values in it.table.items()} | {"text_relevance": near}
    model = {
        "columns": [{"name": "x", "select": ["text_relevance"], "steps": steps}],
        "estimator": estimator,
    }
    outcome = ((np.nan_to_num(x, nan=1.0) > 0.2) ^ (rng.random(1200) < 0.2)).astype(np.float64)
    prove_model(model, domain, table, outcome, real)
    prove_model(model, domain, table, outcome, table)


def test_target_encoder_that_takes_counts_for_classes_is_refused() -> None:
    it = toy("search_ranking", rows=300)
    counts = np.asarray(it.table["clicks_7d"], dtype=np.float64) % 4
    model = {
        "name": "toy",
        "columns": [{"name": "c", "select": "categorical", "steps": [TARGET]}],
        "estimator": {"_target_": "sklearn.linear_model.Ridge"},
    }
    fitted = SklearnPredictor(spec(model), it.domain, seed=0).fit(it.table, counts)
    with pytest.raises(ConfigError, match="more than two classes") as caught:
        lower({"toy": fitted}, it.domain, HeadScore(head="toy"))
    assert "continuous" in caught.value.hint


@pytest.mark.filterwarnings("ignore")  # scikit-learn and numpy warn of nothing but missing values
@pytest.mark.parametrize("name", ["StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"])
def test_scaler_that_saw_missing_values_alone_is_refused(name: str) -> None:
    it = toy("search_ranking", rows=300)
    model = {
        "name": "toy",
        "columns": [
            {"name": "n", "select": ["job_salary"], "steps": [{"_target_": f"{PRE}.{name}"}]},
            {"name": "m", "select": ["job_age"], "steps": []},
        ],
        "estimator": FOREST,
    }
    table = {**it.table, "job_salary": np.full(300, np.nan)}
    fitted = SklearnPredictor(spec(model), it.domain, seed=0).fit(table, it.outcomes["apply"])
    with pytest.raises(ConfigError, match="missing in all training rows"):
        lower({"toy": fitted}, it.domain, HeadScore(head="toy"))


def test_target_encoder_is_fitted_the_same_twice() -> None:
    """Its folds are shuffled, by numpy's global state unless it is told otherwise."""
    it = toy("open_bandit", rows=1200)
    model = spec(
        {
            "name": "toy",
            "columns": [{"name": "c", "select": "categorical", "steps": [TARGET]}],
            "estimator": LOGISTIC,
        }
    )
    twice = [
        SklearnPredictor(model, it.domain, seed=seed).fit(it.table, it.outcomes["click"])
        for seed in (1, 1, 2)
    ]
    first, again, other = (predictor.predict(it.table).tolist() for predictor in twice)
    assert first == again
    assert first != other


def test_kinds_of_column_that_are_used_here_are_all() -> None:
    assert {c.kind for c in toy("search_ranking").domain.request} == set(ColumnKind)
