"""What of a pipeline decides what it costs, read off its parameters."""

import json

import pytest

from mlops.base.digest import Json
from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.roles import Scope
from mlops.cost.baseline import BASELINE
from mlops.cost.pipeline_work import UnknownWork, fit_work
from mlops.cost.work import Work
from mlops.models.estimator import build_estimator
from mlops.models.spec import ModelSpec

BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"
FOREST = "sklearn.ensemble.RandomForestClassifier"
EXTRA = "sklearn.ensemble.ExtraTreesClassifier"
TREE = "sklearn.tree.DecisionTreeClassifier"
LOGISTIC = "sklearn.linear_model.LogisticRegression"
CALIBRATED = "sklearn.calibration.CalibratedClassifierCV"


def domain(numbers: int = 6, texts: int = 2) -> Domain:
    named = Column(
        name="id", kind=ColumnKind.CATEGORY, scope=Scope.CANDIDATE, feature=False, identifier=True
    )
    kinds = [("n", ColumnKind.NUMBER)] * numbers + [("c", ColumnKind.CATEGORY)] * texts
    features = [
        Column(name=f"{letter}{at}", kind=kind, scope=Scope.CANDIDATE, feature=True)
        for at, (letter, kind) in enumerate(kinds)
    ]
    return Domain(name="D", columns=(named, *features))


ENCODED: list[Json] = [
    {
        "name": "texts",
        "select": "categorical",
        "steps": [{"_target_": "sklearn.preprocessing.OrdinalEncoder"}],
    },
    {"name": "numbers", "select": "numeric"},
]
HOT: list[Json] = [
    {
        "name": "texts",
        "select": "categorical",
        "steps": [{"_target_": "sklearn.preprocessing.OneHotEncoder"}],
    },
    {
        "name": "numbers",
        "select": "numeric",
        "steps": [{"_target_": "sklearn.preprocessing.StandardScaler"}],
    },
]


def work(
    path: str, rows: float = 100_000, columns: list[Json] | None = None, **given: Json
) -> Work:
    node: dict[str, Json] = {
        "name": "m",
        "columns": columns or [],
        "estimator": {"_target_": path, **given},
    }
    spec = ModelSpec.model_validate_json(json.dumps(node))
    contract = domain()
    found = fit_work(build_estimator(spec, contract, seed=0), contract, rows)
    assert isinstance(found, Work), found
    return found


def seconds(found: Work) -> float:
    return BASELINE.cpu_s(found.cpu)


MORE: dict[str, tuple[Work, Work]] = {
    "more rows": (work(BOOSTING), work(BOOSTING, 200_000)),
    "more rounds": (work(BOOSTING), work(BOOSTING, max_iter=200)),
    "more leaves": (work(BOOSTING), work(BOOSTING, max_leaf_nodes=127)),
    "leaves by depth alone": (
        work(BOOSTING, max_leaf_nodes=None, max_depth=3),
        work(BOOSTING, max_leaf_nodes=None, max_depth=8),
    ),
    "more trees": (work(FOREST, columns=ENCODED), work(FOREST, columns=ENCODED, n_estimators=300)),
    "deeper trees": (
        work(FOREST, columns=ENCODED, max_depth=4),
        work(FOREST, columns=ENCODED, max_depth=9),
    ),
    "no least leaf": (
        work(FOREST, columns=ENCODED, min_samples_leaf=200),
        work(FOREST, columns=ENCODED),
    ),
    "a least leaf as a share": (
        work(FOREST, columns=ENCODED, min_samples_leaf=0.05),
        work(FOREST, columns=ENCODED, min_samples_leaf=0.0005),
    ),
    "all columns are tried": (
        work(FOREST, columns=ENCODED),
        work(FOREST, columns=ENCODED, max_features=1.0),
    ),
    "cuts are sought, not drawn": (
        work(EXTRA, columns=ENCODED),
        work(FOREST, columns=ENCODED),
    ),
    "numbers to sort, not codes": (
        work(FOREST, columns=[ENCODED[0]], max_features=2),
        work(FOREST, columns=[ENCODED[1]], max_features=2),
    ),
    "a forest, not a tree": (work(TREE, columns=ENCODED), work(FOREST, columns=ENCODED)),
    "numbers that nobody scaled": (
        work(LOGISTIC, columns=HOT, max_iter=1000),
        work(LOGISTIC, columns=[HOT[0], ENCODED[1]], max_iter=1000),
    ),
    "a finer tolerance": (
        work(LOGISTIC, columns=HOT, max_iter=1000, tol=1e-2),
        work(LOGISTIC, columns=HOT, max_iter=1000, tol=1e-8),
    ),
    "calibration": (
        work(BOOSTING),
        work(CALIBRATED, estimator={"_target_": BOOSTING}),
    ),
    "more folds": (
        work(CALIBRATED, estimator={"_target_": BOOSTING}, cv=3),
        work(CALIBRATED, estimator={"_target_": BOOSTING}, cv=10),
    ),
    "a refit behind the folds": (
        work(CALIBRATED, estimator={"_target_": BOOSTING}, ensemble=True),
        work(CALIBRATED, estimator={"_target_": BOOSTING}, ensemble=False),
    ),
}


@pytest.mark.parametrize("what", MORE)
def test_takes_longer(what: str) -> None:
    less, more = MORE[what]
    assert seconds(less) < seconds(more)


def test_every_unit_has_a_price() -> None:
    """A unit without one is free, and nobody would notice."""
    for less, more in MORE.values():
        for each in (less, more):
            assert set(each.cpu) <= set(BASELINE.seconds)
            assert set(each.memory) <= set(BASELINE.bytes)


def test_boosting_is_a_plus_b_rows_plus_rounds_times_c_plus_d_rows() -> None:
    def at(rows: float, rounds: int) -> float:
        return seconds(work(BOOSTING, rows, max_iter=rounds))

    assert at(2e6, 50) - at(1e6, 50) == pytest.approx(at(3e6, 50) - at(2e6, 50))
    assert at(1e6, 90) - at(1e6, 50) == pytest.approx(at(1e6, 130) - at(1e6, 90))


def test_forest_grows_faster_than_its_rows() -> None:
    small, large = (seconds(work(FOREST, rows, ENCODED, n_estimators=5)) for rows in (1e5, 1e6))
    assert 10 < large / small < 40


def test_logistic_regression_has_a_bound_above_what_is_expected() -> None:
    found = work(LOGISTIC, columns=HOT, max_iter=1000)
    assert 10 < found.iterations < 100
    assert BASELINE.cpu_s(found.most) > 5 * seconds(found)
    capped = work(LOGISTIC, columns=HOT, max_iter=5)
    assert capped.iterations == 5
    assert BASELINE.cpu_s(capped.most) == pytest.approx(seconds(capped))


def test_early_stopping_is_told_as_a_bound() -> None:
    assert work(BOOSTING, early_stopping=True).doubts
    assert work(BOOSTING, 5_000).doubts == ()
    assert work(BOOSTING, early_stopping=False).doubts == ()


def test_estimator_that_is_not_known_is_named() -> None:
    spec = ModelSpec.model_validate_json(
        json.dumps({"name": "m", "estimator": {"_target_": "sklearn.naive_bayes.GaussianNB"}})
    )
    contract = domain()
    found = fit_work(build_estimator(spec, contract, seed=0), contract, 1000)
    assert found == UnknownWork("GaussianNB")
