"""Forests, single trees and classic boosting give what scikit-learn gives, bit for bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.base.errors import ConfigError
from mlops.base.verdict import Status
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats
from mlops.models.lowering import lower
from mlops.models.lowering_forests import _before_cast
from mlops.models.parity import prove
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import HeadScore
from mlops.proofs.bounds import certify
from tests.components.toys import spec, toy

ENSEMBLE = "sklearn.ensemble"
TREE = "sklearn.tree"
PRE = "sklearn.preprocessing"
ORDINAL = {
    "_target_": f"{PRE}.OrdinalEncoder",
    "handle_unknown": "use_encoded_value",
    "unknown_value": -1,
}
ONE_HOT = {"_target_": f"{PRE}.OneHotEncoder", "handle_unknown": "ignore"}
DENSE = {**ONE_HOT, "sparse_output": False}
IMPUTE = {"_target_": "sklearn.impute.SimpleImputer", "strategy": "median"}
SCALE = {"_target_": f"{PRE}.StandardScaler"}


def columns(categorical: list[Any], numeric: list[Any]) -> list[dict[str, Any]]:
    return [
        {"name": "c", "select": "categorical", "steps": categorical},
        {"name": "n", "select": "numeric", "steps": numeric},
    ]


def forest(name: str, **arguments: object) -> dict[str, Any]:
    return {"_target_": f"{ENSEMBLE}.{name}", "n_estimators": 12, "max_depth": 7, **arguments}


CLASSIFIERS: dict[str, dict[str, Any]] = {
    "a forest on ordinal codes and numbers that may be missing": {
        "columns": columns([ORDINAL], []),
        "estimator": forest("RandomForestClassifier"),
    },
    "a forest in two threads": {
        "columns": columns([ORDINAL], []),
        "estimator": forest("RandomForestClassifier", n_jobs=2, n_estimators=40),
    },
    "a forest on one-hot columns, sparse, and imputed, scaled numbers": {
        "columns": columns([ONE_HOT], [IMPUTE, SCALE]),
        "estimator": forest("RandomForestClassifier", class_weight="balanced"),
    },
    "a forest on one-hot columns, dense, and scaled numbers that may be missing": {
        "columns": columns([DENSE], [SCALE]),
        "estimator": forest("RandomForestClassifier", criterion="entropy"),
    },
    "extra trees": {
        "columns": columns([ORDINAL], [SCALE]),
        "estimator": forest("ExtraTreesClassifier"),
    },
    "one tree": {
        "columns": columns([ORDINAL], []),
        "estimator": {"_target_": f"{TREE}.DecisionTreeClassifier", "max_leaf_nodes": 30},
    },
    "one extra tree": {
        "columns": columns([ORDINAL], []),
        "estimator": {"_target_": f"{TREE}.ExtraTreeClassifier", "max_depth": 8},
    },
    "a tree that never splits": {
        "columns": columns([ORDINAL], []),
        "estimator": {"_target_": f"{TREE}.DecisionTreeClassifier", "min_samples_leaf": 0.6},
    },
    "classic gradient boosting": {
        "columns": columns([ONE_HOT], [IMPUTE]),
        "estimator": {"_target_": f"{ENSEMBLE}.GradientBoostingClassifier", "n_estimators": 15},
    },
    "classic gradient boosting from zero, stopped early": {
        "columns": columns([DENSE], [IMPUTE]),
        "estimator": {
            "_target_": f"{ENSEMBLE}.GradientBoostingClassifier",
            "n_estimators": 15,
            "init": "zero",
            "subsample": 0.7,
            "n_iter_no_change": 2,
        },
    },
    "a forest calibrated by a sigmoid": {
        "columns": columns([ORDINAL], []),
        "estimator": {
            "_target_": "sklearn.calibration.CalibratedClassifierCV",
            "method": "sigmoid",
            "cv": 3,
            "ensemble": True,
            "estimator": forest("RandomForestClassifier"),
        },
    },
    "a forest calibrated by a rising line": {
        "columns": columns([ORDINAL], []),
        "estimator": {
            "_target_": "sklearn.calibration.CalibratedClassifierCV",
            "method": "isotonic",
            "cv": 3,
            "ensemble": False,
            "estimator": forest("ExtraTreesClassifier"),
        },
    },
    "a forest that rises in the last feature": {
        "columns": [{"name": "n", "select": ["job_age", "text_relevance"], "steps": []}],
        "estimator": forest("RandomForestClassifier", monotonic_cst=[0, 1]),
    },
}

REGRESSORS: dict[str, dict[str, Any]] = {
    "a forest": {
        "columns": columns([ORDINAL], []),
        "estimator": forest("RandomForestRegressor"),
    },
    "extra trees on scaled numbers": {
        "columns": columns([DENSE], [SCALE, {"_target_": f"{PRE}.MinMaxScaler"}]),
        "estimator": forest("ExtraTreesRegressor"),
    },
    "one tree for the absolute error": {
        "columns": columns([ORDINAL], []),
        "estimator": {
            "_target_": f"{TREE}.DecisionTreeRegressor",
            "max_depth": 5,
            "criterion": "absolute_error",
        },
    },
    "one extra tree": {
        "columns": columns([ORDINAL], []),
        "estimator": {"_target_": f"{TREE}.ExtraTreeRegressor", "max_depth": 9},
    },
    "classic gradient boosting for a quantile": {
        "columns": columns([ONE_HOT], [IMPUTE]),
        "estimator": {
            "_target_": f"{ENSEMBLE}.GradientBoostingRegressor",
            "loss": "quantile",
            "n_estimators": 10,
        },
    },
}


def fit(service: str, model: dict[str, Any], outcome: Floats | None = None) -> SklearnPredictor:
    it = toy(service, rows=1500)
    found = SklearnPredictor(spec({"name": "toy", **model}), it.domain, seed=0)
    return found.fit(it.table, next(iter(it.outcomes.values())) if outcome is None else outcome)


def proved(service: str, predictor: SklearnPredictor) -> Program:
    it = toy(service, rows=1500)
    compiled = lower({"toy": predictor}, it.domain, HeadScore(head="toy"))
    rng = np.random.default_rng(2)
    verdict = prove(compiled, {"toy": predictor}, it.domain, rng=rng, rows=4000, real=it.table)
    assert verdict.status is Status.PASS, verdict
    assert verdict.findings[0].limit == 0.0
    return compiled


@pytest.mark.parametrize("sentence", CLASSIFIERS)
def test_classifier_is_bit_equal(sentence: str) -> None:
    proved("search_ranking", fit("search_ranking", CLASSIFIERS[sentence]))


@pytest.mark.parametrize("sentence", REGRESSORS)
def test_regressor_is_bit_equal(sentence: str) -> None:
    it = toy("search_ranking", rows=1500)
    noise = np.random.default_rng(1).normal(size=1500)
    outcome = np.asarray(it.table["job_age"], dtype=np.float64) * it.outcomes["apply"] + noise
    compiled = proved("search_ranking", fit("search_ranking", REGRESSORS[sentence], outcome))
    assert np.ptp(compiled.score(it.table)) > 1.0


@pytest.mark.parametrize("outcome", [None, 1e300, -0.3])
def test_certified_interval_holds_the_mean_of_a_forest(outcome: float | None) -> None:
    model = "RandomForestRegressor" if outcome else "RandomForestClassifier"
    node = {"columns": columns([ORDINAL], []), "estimator": forest(model)}
    it = toy("search_ranking", rows=1500)
    own = None if outcome is None else it.outcomes["apply"] * outcome
    compiled = lower({"toy": fit("search_ranking", node, own)}, it.domain, HeadScore(head="toy"))
    found = certify(compiled, it.domain).score
    score = compiled.score(it.table)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= score.min() < score.max() <= found.high
    if outcome is None:
        assert 0.0 <= found.low < found.high <= 1.0


@pytest.mark.parametrize("encoder", [ORDINAL, {**ORDINAL, "encoded_missing_value": -2}, DENSE])
def test_unknown_and_missing_categories_are_told_apart(encoder: dict[str, Any]) -> None:
    model = {"columns": columns([encoder], []), "estimator": forest("RandomForestClassifier")}
    proved("open_bandit", fit("open_bandit", model))


def test_sign_of_zero_leaf_is_kept() -> None:
    """-0.0 + 0.0 is 0.0, which differs in a bit from what one tree alone gives."""
    model = {
        "columns": columns([ORDINAL], []),
        "estimator": {"_target_": f"{TREE}.DecisionTreeRegressor", "max_depth": 2},
    }
    proved("search_ranking", fit("search_ranking", model, np.full(1500, -0.0)))


def narrow(**changed: object) -> Domain:
    domain = toy("search_ranking").domain
    kept = [c for c in domain.request if c.name in ("job_id", "text_relevance")]
    column = {"name": "x", "kind": ColumnKind.NUMBER, "scope": kept[0].scope, "feature": True}
    return domain.model_copy(
        update={
            "columns": (
                *[c.model_copy(update={"feature": False}) for c in kept],
                Column.model_validate({**column, **changed}),
            )
        }
    )


def fit_narrow(
    domain: Domain, x: Floats, *, name: str = "RandomForestClassifier", steps: tuple[Any, ...] = ()
) -> SklearnPredictor:
    model = spec(
        {
            "name": "toy",
            "columns": [{"name": "n", "select": ["x"], "steps": list(steps)}],
            "estimator": forest(name),
        }
    )
    ids = np.array(["1"] * len(x), dtype=object)
    table = {"x": x, "job_id": ids, "text_relevance": np.zeros(len(x))}
    outcome = (np.arange(len(x)) % 2).astype(np.float64)
    return SklearnPredictor(model, domain, seed=0).fit(table, outcome)


@pytest.mark.parametrize("steps", [(), (SCALE,), (SCALE, {"_target_": f"{PRE}.MinMaxScaler"})])
@pytest.mark.parametrize("middle", [0.1, 16777217.0, 1e-45, 3.4e38, 1.0 + 2.0**-24, -2.5e-39])
def test_numbers_between_two_of_float32_go_where_they_are_rounded_to(
    steps: tuple[Any, ...], middle: float
) -> None:
    """Training on neighbours in float32 puts thresholds where the rounding decides."""
    low, high = min(middle, 0.0), max(middle, 0.0)
    domain = narrow(minimum=low * 1.0001, maximum=min(high * 1.0001, 3.4028e38))
    single = [np.float32(middle)]
    for _ in range(6):
        single.append(np.nextafter(single[-1], np.float32(0.0)))
    fitted = fit_narrow(domain, np.array(single, dtype=np.float64), steps=steps)
    compiled = lower({"toy": fitted}, domain, HeadScore(head="toy"))
    between = [float(a) / 2 + float(b) / 2 for a in single for b in single]
    near = [np.nextafter(x, to) for x in between for to in (-np.inf, np.inf)]
    x = np.array([*between, *near, 0.0, -0.0])
    table = {"x": x, "job_id": np.array(["1"] * len(x), dtype=object)}
    found = compiled.heads(compiled.encode(table))["toy"]
    assert np.array_equal(found.view(np.int64), fitted.predict(table).view(np.int64))


@given(
    cut=st.floats(-3.4028234663852886e38, 3.4028234663852886e38),
    x=st.floats(-3.4028235677973362e38, 3.4028235677973362e38),
)
def test_threshold_before_the_cast_sends_the_same_numbers_left(cut: float, x: float) -> None:
    folded = float(_before_cast(np.array([cut]))[0])
    for number in (x, cut, folded, np.nextafter(folded, np.inf), np.nextafter(folded, -np.inf)):
        with np.errstate(over="ignore"):
            single = np.float32(number)
        if np.isfinite(single):
            assert (number <= folded) == (float(single) <= cut)


@pytest.mark.parametrize(
    "bounds",
    [{}, {"minimum": 0.0}, {"minimum": 0.0, "maximum": 3.5e38}, {"maximum": 1.0, "minimum": -1e39}],
)
def test_number_that_float32_cannot_hold_is_refused(bounds: dict[str, float]) -> None:
    domain = narrow(**bounds)
    fitted = fit_narrow(domain, np.arange(20.0))
    with pytest.raises(ConfigError, match="32 bits"):
        lower({"toy": fitted}, domain, HeadScore(head="toy"))


def test_integer_without_bounds_fits_float32() -> None:
    domain = narrow(kind=ColumnKind.INTEGER)
    lower({"toy": fit_narrow(domain, np.arange(20.0))}, domain, HeadScore(head="toy"))


@pytest.mark.parametrize("name", ["GradientBoostingClassifier"])
def test_missing_value_that_fails_is_refused(name: str) -> None:
    domain = narrow(minimum=0.0, maximum=20.0, nullable=True)
    fitted = fit_narrow(domain, np.arange(20.0), name=name)
    with pytest.raises(ConfigError, match="may be missing"):
        lower({"toy": fitted}, domain, HeadScore(head="toy"))


def test_missing_value_in_a_sparse_matrix_is_refused() -> None:
    model = {"columns": columns([ONE_HOT], []), "estimator": forest("RandomForestClassifier")}
    it = toy("search_ranking", rows=1500)
    table: dict[str, Any] = {
        name: np.nan_to_num(values) if values.dtype == np.float64 else values
        for name, values in it.table.items()
    }
    fitted = SklearnPredictor(spec({"name": "toy", **model}), it.domain, seed=0)
    fitted.fit(table, it.outcomes["apply"])
    with pytest.raises(ConfigError, match="sparse matrix") as caught:
        lower({"toy": fitted}, it.domain, HeadScore(head="toy"))
    assert "sparse_output: false" in caught.value.hint


def test_missing_value_that_training_did_not_have_takes_the_larger_branch() -> None:
    domain = narrow(minimum=0.0, maximum=20.0, nullable=True)
    fitted = fit_narrow(domain, np.arange(20.0))
    compiled = lower({"toy": fitted}, domain, HeadScore(head="toy"))
    table = {"x": np.array([np.nan]), "job_id": np.array(["1"], dtype=object)}
    assert compiled.heads(compiled.encode(table))["toy"] == fitted.predict(table)
