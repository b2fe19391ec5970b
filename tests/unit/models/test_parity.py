"""Compiled models give what scikit-learn gives: the shipped ones, and every supported step."""

import json
from typing import Any

import numpy as np
import pytest

from mlops.base.verdict import Status
from mlops.contracts.domain import Floats, Table
from mlops.models.flat import IsotonicLink
from mlops.models.links import apply_link
from mlops.models.lowering import lower
from mlops.models.parity import prove
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import HeadScore
from mlops.models.trees import Trees
from tests.components.toys import (
    MODELS,
    SERVICES,
    fitted,
    program,
    rows_of,
    spec,
    spec_of,
    toy,
)

HGB = "sklearn.ensemble.HistGradientBoostingClassifier"
PRE = "sklearn.preprocessing"
TREES = {"_target_": HGB, "max_iter": 15, "min_samples_leaf": 5, "early_stopping": False}
LOGISTIC = {"_target_": "sklearn.linear_model.LogisticRegression", "max_iter": 2000}
IMPUTE = {"_target_": "sklearn.impute.SimpleImputer", "strategy": "mean"}
SCALE = {"_target_": f"{PRE}.StandardScaler"}
ORDINAL = {
    "_target_": f"{PRE}.OrdinalEncoder",
    "handle_unknown": "use_encoded_value",
    "unknown_value": -1,
    "encoded_missing_value": -2,
}


def one_hot(**arguments: object) -> dict[str, object]:
    base = {"_target_": f"{PRE}.OneHotEncoder", "handle_unknown": "ignore"}
    return {**base, **arguments}


def columns(categorical: list[Any], numeric: list[Any]) -> list[dict[str, Any]]:
    return [
        {"name": "c", "select": "categorical", "steps": categorical},
        {"name": "n", "select": "numeric", "steps": numeric},
    ]


PIPELINES: dict[str, dict[str, Any]] = {
    "trees on scaled numbers and ordinal codes taken as categories": {
        "columns": columns([ORDINAL], [SCALE]),
        "estimator": {**TREES, "categorical_features": [0, 1, 2, 3, 4]},
    },
    "trees on ordinal codes taken as numbers": {
        "columns": columns([ORDINAL], []),
        "estimator": TREES,
    },
    "trees on one-hot columns and numbers that are clipped to a range": {
        "columns": columns([one_hot()], [{"_target_": f"{PRE}.MinMaxScaler", "clip": True}]),
        "estimator": TREES,
    },
    "trees on imputed, scaled numbers": {
        "columns": columns([ORDINAL], [IMPUTE, SCALE, {"_target_": f"{PRE}.MinMaxScaler"}]),
        "estimator": TREES,
    },
    "trees on numbers that are imputed after they are scaled": {
        "columns": columns([ORDINAL], [SCALE, IMPUTE]),
        "estimator": TREES,
    },
    "trees with categories by name, integers among them": {
        "columns": [],
        "estimator": {**TREES, "categorical_features": ["job_area", "seeker_area", "query_remote"]},
        "drop": ["seeker_occupation", "query_occupation", "query_area", "job_occupation",
                 "job_employment"],
    },
    "isotonic calibration over five ensembles": {
        "columns": [],
        "estimator": {
            "_target_": "sklearn.calibration.CalibratedClassifierCV",
            "method": "isotonic",
            "cv": 5,
            "ensemble": True,
            "estimator": TREES,
        },
    },
    "sigmoid calibration over five linear models": {
        "columns": columns([one_hot()], [IMPUTE, SCALE]),
        "estimator": {
            "_target_": "sklearn.calibration.CalibratedClassifierCV",
            "method": "sigmoid",
            "cv": 5,
            "ensemble": True,
            "estimator": LOGISTIC,
        },
    },
    "linear on one-hot columns without the first": {
        "columns": columns([one_hot(drop="first", handle_unknown="error")], [IMPUTE, SCALE]),
        "estimator": LOGISTIC,
    },
    "linear on one-hot columns without the first of two": {
        "columns": columns([one_hot(drop="if_binary", handle_unknown="error")], [IMPUTE]),
        "estimator": {**LOGISTIC, "max_iter": 20},
    },
    "linear on imputed categories and a range": {
        "columns": columns(
            [{**IMPUTE, "strategy": "most_frequent"}, one_hot()],
            [IMPUTE, {"_target_": f"{PRE}.MinMaxScaler", "feature_range": [-1, 1]}],
        ),
        "estimator": LOGISTIC,
    },
    "linear on ordinal codes, scaled": {
        "columns": columns([ORDINAL, SCALE], [IMPUTE, SCALE]),
        "estimator": LOGISTIC,
    },
    "linear on one-hot numbers, imputed or missing": {
        "columns": [
            {"name": "a", "select": ["seeker_experience"], "steps": [one_hot()]},
            {"name": "b", "select": ["seeker_experience"], "steps": [
                {**IMPUTE, "strategy": "most_frequent"}, one_hot()]},
            {"name": "c", "select": ["query_remote", "job_remote"], "steps": [one_hot()]},
        ],
        "estimator": LOGISTIC,
    },
    "a regressor": {
        "columns": [],
        "estimator": {
            "_target_": "sklearn.ensemble.HistGradientBoostingRegressor",
            "max_iter": 15,
            "categorical_features": "from_dtype",
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("model", MODELS)
def test_shipped_model_is_proved_equal_on_ten_thousand_rows(service: str, model: str) -> None:
    it = toy(service)
    verdict = prove(
        program(service, model),
        fitted(service, model),
        it.domain,
        rng=np.random.default_rng(5),
        real=it.table,
    )
    assert verdict.status is Status.PASS, verdict
    assert len(verdict.findings) == len(it.outcomes) + 2
    exact = "hist" in model
    assert all(f.limit == (0.0 if exact else 1e-12) for f in verdict.findings[:-2])


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("sentence", PIPELINES)
def test_pipeline_is_equal(sentence: str) -> None:
    node = dict(PIPELINES[sentence])
    it = toy("search_ranking", rows=1500)
    dropped = node.pop("drop", [])
    domain = it.domain.model_copy(
        update={"columns": tuple(c for c in it.domain.columns if c.name not in dropped)}
    )
    outcome = it.outcomes["apply"]
    fit = SklearnPredictor(spec({"name": "toy", **node}), domain, seed=0).fit(it.table, outcome)
    compiled = lower({"apply": fit}, domain, HeadScore(head="apply"))
    rng = np.random.default_rng(2)
    verdict = prove(compiled, {"apply": fit}, domain, rng=rng, rows=3000, real=it.table)
    assert verdict.status is Status.PASS, verdict


OPEN: dict[str, dict[str, Any]] = {
    "trees on ordinal codes where unknown and missing have numbers of their own": {
        "columns": columns([ORDINAL], []),
        "estimator": TREES,
    },
    "trees on ordinal codes where unknown is a number and missing is missing": {
        "columns": columns(
            [{k: v for k, v in ORDINAL.items() if k != "encoded_missing_value"}], [SCALE]
        ),
        "estimator": TREES,
    },
    "trees on one-hot columns, missing values among them": {
        "columns": columns([one_hot()], []),
        "estimator": TREES,
    },
    "linear on ordinal codes": {
        "columns": columns([ORDINAL, SCALE], [SCALE]),
        "estimator": LOGISTIC,
    },
}


@pytest.mark.parametrize("sentence", OPEN)
@pytest.mark.parametrize("training_has_missing", [True, False])
def test_unknown_and_missing_categories_are_told_apart(
    sentence: str, training_has_missing: bool
) -> None:
    it = toy("open_bandit", rows=1500)
    table = dict(it.table)
    for column in it.domain.features:
        if column.is_category and not training_has_missing:
            texts = table[column.name]
            table[column.name] = np.array([t or "f" * 32 for t in texts], dtype=object)
    model = spec({"name": "toy", **OPEN[sentence]})
    fit = SklearnPredictor(model, it.domain, seed=0).fit(table, it.outcomes["click"])
    compiled = lower({"click": fit}, it.domain, it.score)
    rng = np.random.default_rng(2)
    verdict = prove(compiled, {"click": fit}, it.domain, rng=rng, rows=4000, real=it.table)
    assert verdict.status is Status.PASS, verdict


def broken(whole: Program, **changed: object) -> Program:
    arrays: dict[str, Any] = {**whole.to_arrays(), **changed}
    return Program(whole.outline, Trees.from_arrays(arrays))


def test_proof_fails_where_one_missing_direction_is_turned() -> None:
    whole = program("search_ranking", "hist_gradient_boosting")
    flags = whole.trees.flags.copy()
    flags[whole.trees.roots] ^= 1
    it = toy("search_ranking")
    verdict = prove(
        broken(whole, flags=flags),
        fitted("search_ranking", "hist_gradient_boosting"),
        it.domain,
        rng=np.random.default_rng(0),
        rows=500,
    )
    assert [f.status for f in verdict.findings[:2]] == [Status.FAIL, Status.FAIL]


def test_proof_fails_where_a_leaf_differs_in_its_last_bits() -> None:
    whole = program("open_bandit", "hist_gradient_boosting")
    cut = np.where(whole.trees.feature == -1, whole.trees.cut * (1 + 1e-14), whole.trees.cut)
    verdict = prove(
        broken(whole, cut=cut),
        fitted("open_bandit", "hist_gradient_boosting"),
        toy("open_bandit").domain,
        rng=np.random.default_rng(0),
        rows=500,
    )
    assert verdict.status is Status.FAIL
    assert verdict.findings[0].value is not None
    assert 0 < verdict.findings[0].value < 1e-12


@pytest.mark.parametrize("way", [-np.inf, np.inf])
def test_proof_fails_where_thresholds_are_one_float_off(way: float) -> None:
    whole = program("search_ranking", "hist_gradient_boosting")
    numbers = (whole.trees.feature >= 0) & (whole.trees.word < 0)
    cut = np.where(numbers, np.nextafter(whole.trees.cut, way), whole.trees.cut)
    verdict = prove(
        broken(whole, cut=cut),
        fitted("search_ranking", "hist_gradient_boosting"),
        toy("search_ranking").domain,
        rng=np.random.default_rng(0),
    )
    # Thresholds lie half-way between training's values: which rows are hit is the proof's to find.
    assert verdict.status is Status.FAIL


@pytest.mark.parametrize(
    ("moved", "status"), [(1e-14, Status.PASS), (1e-10, Status.FAIL), (np.nan, Status.FAIL)]
)
def test_steep_calibrator_holds_the_raw_score_to_the_limit(moved: float, status: Status) -> None:
    it = toy("open_bandit")
    whole = program("open_bandit", "calibrated_logistic")
    table = rows_of("open_bandit", "calibrated_logistic", 1000)
    raw = whole.raw(whole.encode(table), whole.outline.heads[0])[0]
    at_middle = int(np.argsort(raw)[len(raw) // 2])
    middle = float(raw[at_middle])
    link = IsotonicLink(x=(middle - 1e-9, middle + 1e-9), y=(0.1, 0.9))

    class Other(SklearnPredictor):
        def predict(self, table: Table) -> Floats:
            own = steep.raw(steep.encode(table), steep.outline.heads[0])[0]
            return apply_link(link, own + moved)

    head = whole.outline.heads[0]
    member = head.members[0].model_copy(update={"link": link})
    heads = (head.model_copy(update={"members": (member,)}),)
    steep = Program(whole.outline.model_copy(update={"heads": heads}), whole.trees)
    other = Other(spec_of("calibrated_logistic"), it.domain, seed=0)
    real = {name: values[[at_middle] * 5] for name, values in table.items()}
    verdict = prove(
        steep, {"click": other}, it.domain, rng=np.random.default_rng(1), rows=10, real=real
    )
    assert verdict.findings[0].status is status, verdict


def test_same_rows_and_seed_give_the_same_program() -> None:
    it = toy("open_bandit")
    again = SklearnPredictor(
        fitted("open_bandit", "hist_gradient_boosting")["click"].spec, it.domain, seed=3
    ).fit(it.table, it.outcomes["click"])
    compiled = lower({"click": again}, it.domain, it.score)
    first = program("open_bandit", "hist_gradient_boosting")
    assert json.dumps(compiled.to_json()) == json.dumps(first.to_json())
    for name, array in compiled.to_arrays().items():
        assert np.array_equal(array, first.to_arrays()[name])
