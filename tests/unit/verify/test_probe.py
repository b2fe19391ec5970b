"""The probe finds what only running tells, at its cause, and leaves right pipelines alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from mlops.base.verdict import Finding, Status
from mlops.contracts import open_bandit, search_ranking
from mlops.contracts.schema import read_domain
from mlops.models.estimator import build_estimator
from mlops.models.spec import ModelSpec
from mlops.verify.probe import LOWERED, lowered, probe
from tests.components.pipeline_nodes import (
    FOREST,
    LOGISTIC,
    NUMBERS,
    RIGHT,
    SCALE,
    Node,
    boosting,
    calibrated,
    model,
    of,
    one_hot,
    step,
)  # fmt: skip
from tests.components.shop import REQUEST, TRAINING
from tests.components.toys import MODELS, SERVICES, spec_of

ESTIMATOR = ("model", "estimator")
STEP = ("model", "columns", "0", "steps")
OUTCOMES = [TRAINING.column("clicked")]
OWN = "tests.fakes.transformers"
MINMAX = "preprocessing.MinMaxScaler"


def spec(node: Node) -> ModelSpec:
    return ModelSpec.model_validate_json(json.dumps(node))


def found_in(node: Node, seed: int = 0, limit_s: float = 60.0) -> tuple[Finding, ...]:
    packages = ("sklearn", "tests")
    return probe(spec(node), REQUEST, OUTCOMES, seed=seed, packages=packages, limit_s=limit_s)


def own(name: str) -> Node:
    return {"_target_": f"{OWN}.{name}"}


class Fault(NamedTuple):
    """A pipeline that only running shows to be wrong."""

    node: Node
    rule: str
    key: tuple[str, ...]
    says: str
    status: Status = Status.FAIL


FAULTS: dict[str, Fault] = {
    "a penalty that the solver has not": Fault(
        model(step(NUMBERS, SCALE), estimator={**LOGISTIC, "l1_ratio": 1.0}),
        "fit", (*ESTIMATOR, "l1_ratio"), "lbfgs",
    ),
    "the same inside a calibration": Fault(
        model(step(NUMBERS, SCALE), estimator=calibrated({**LOGISTIC, "dual": True})),
        "fit", (*ESTIMATOR, "estimator", "dual"), "LogisticRegression with dual=True",
    ),
    "out-of-bag scores without a bootstrap": Fault(
        model(step(NUMBERS), estimator={**FOREST, "oob_score": True, "bootstrap": False}),
        "fit", (*ESTIMATOR, "bootstrap"), "bootstrap",
    ),
    "a quantile loss without a quantile": Fault(
        model(
            step(NUMBERS),
            estimator=of("ensemble.HistGradientBoostingRegressor", loss="quantile"),
        ),
        "fit", (*ESTIMATOR, "loss"), "quantile",
    ),
    "weights for classes that do not come": Fault(
        model(step(NUMBERS), estimator=boosting(class_weight={"3": 1.0})),
        "fit", (*ESTIMATOR, "class_weight"), "class_weight",
    ),
    "a range the wrong way round, in the second of two scalers": Fault(
        model(step(NUMBERS, of(MINMAX), of(MINMAX, feature_range=[1, 0]))),
        "fit", (*STEP, "1", "feature_range"), "feature_range=(1, 0)",
    ),
    "a metric that is none": Fault(
        model(step(NUMBERS), estimator=boosting(scoring="roc_au", early_stopping=True)),
        "fit", (*ESTIMATOR, "scoring"), "roc_au",
    ),
    "a deprecated argument that is configured": Fault(
        model(step(NUMBERS, SCALE), estimator={**LOGISTIC, "penalty": "l2"}),
        "warning", (*ESTIMATOR, "penalty"), "deprecated", Status.WARN,
    ),
    "a number that is scaled and then taken as a category": Fault(
        model(step(["promo"], SCALE, one_hot())),
        "not-compilable", (*ESTIMATOR, "_target_"), "scaled",
    ),
    "a step of one's own that raises anything": Fault(
        model(step(NUMBERS, SCALE, own("Forgetful"))),
        "fit", (*STEP, "1", "_target_"), "bukkit",
    ),
    "a step of one's own that fails on a single row": Fault(
        model(step(NUMBERS, own("ManyRows"))),
        "predict", (*STEP, "0", "_target_"), "division by zero",
    ),
    "an encoder that fails on an unseen text": Fault(
        model(step(["city"], one_hot(handle_unknown="error"))),
        "predict", (*STEP, "0", "handle_unknown"), "unknown categories",
    ),
    "an encoder that fails if training lacked missing values": Fault(
        model(step(["tier"], one_hot(handle_unknown="error"))),
        "predict", (*STEP, "0", "handle_unknown"), "training happens to lack", Status.WARN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", FAULTS)
def test_fault_is_found_where_it_stems_from(sentence: str) -> None:
    fault = FAULTS[sentence]
    (found,) = found_in(fault.node)
    assert (found.check, found.status, found.key) == (
        f"check.probe.{fault.rule}", fault.status, fault.key,
    )  # fmt: skip
    assert fault.says in found.message
    assert "\n" not in found.message


@pytest.mark.parametrize("sentence", RIGHT)
def test_right_pipeline_is_left_alone(sentence: str) -> None:
    (found,) = found_in(RIGHT[sentence])
    assert (found.check, found.status) == ("check.probe", Status.PASS), found


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", MODELS)
def test_packaged_model_is_left_alone(service: str, name: str) -> None:
    contract = {"open_bandit": open_bandit, "search_ranking": search_ranking}[service]
    training = read_domain(contract.Training)
    outcomes = [training.column(name) for name in ("click", "applied", "hired") if name in
                {column.name for column in training.columns}]  # fmt: skip
    found = probe(spec_of(name), read_domain(contract.Request), outcomes, seed=0)
    assert [finding.status for finding in found] == [Status.PASS], found


SPARING: dict[str, Node] = {
    "more quantiles than rows": model(
        step(NUMBERS, of("preprocessing.QuantileTransformer", n_quantiles=1000))
    ),
    "more neighbours than rows": model(
        step(NUMBERS), estimator=of("neighbors.KNeighborsClassifier", n_neighbors=500)
    ),
    "more rows a tree than there are": model(
        step(NUMBERS), estimator={**FOREST, "max_samples": 100_000}
    ),
    "leaves larger than the rows": model(
        step(NUMBERS), estimator=boosting(min_samples_leaf=10_000, max_iter=100_000)
    ),
    "a regression that does not converge on random outcomes": model(
        step(["balance"]), estimator={**LOGISTIC, "tol": 1e-12}
    ),
    "an encoder that scikit-learn warns of because of our own seed": model(
        step(["city"], of("preprocessing.TargetEncoder"))
    ),
}


@pytest.mark.parametrize("sentence", SPARING)
def test_what_real_data_would_bear_is_no_fault(sentence: str) -> None:
    found = found_in(SPARING[sentence])
    assert [finding.status for finding in found] == [Status.PASS], found


def test_regressor_is_fitted_on_numbers_within_the_outcomes_bounds() -> None:
    ridge = spec(model(step(NUMBERS, SCALE), estimator=of("linear_model.Ridge")))
    found = probe(ridge, REQUEST, [TRAINING.column("amount"), *OUTCOMES], seed=0)
    assert [finding.status for finding in found] == [Status.PASS]


def test_pipeline_that_cannot_be_built_is_left_to_others() -> None:
    assert found_in(model(step(["prize"]))) == ()
    assert found_in(model(step(NUMBERS), estimator=boosting(max_iter=-1))) == ()


def test_outcome_that_the_estimator_cannot_learn_is_left_to_the_flow() -> None:
    node = spec(model(step(NUMBERS, SCALE)))
    for outcome in ("amount", "verdict"):
        assert probe(node, REQUEST, [TRAINING.column(outcome)], seed=0) == ()


def test_estimator_that_takes_too_long_is_given_up() -> None:
    (found,) = found_in(model(step(NUMBERS, own("Slow"))), limit_s=0.05)
    assert (found.check, found.status) == ("check.probe.timeout", Status.WARN)
    assert "verify.probe" in found.hint


@pytest.fixture(autouse=True)
def _no_thread_outlives_its_test() -> Iterator[None]:
    yield
    import threading

    for thread in threading.enumerate():
        if thread.name == "probe":
            thread.join(30)


def test_costly_arguments_are_lowered_and_wrong_ones_stay_wrong() -> None:
    node = model(
        step(NUMBERS),
        estimator=calibrated({**FOREST, "n_estimators": 5000, "n_jobs": 2}, n_jobs=4),
    )
    built = build_estimator(spec(node), REQUEST, seed=0)
    lowered(built)
    arguments = built.get_params(deep=True)
    assert arguments["estimator__estimator__n_estimators"] == LOWERED["n_estimators"]
    assert arguments["estimator__estimator__n_jobs"] is None
    assert arguments["estimator__n_jobs"] is None
    assert arguments["estimator__cv"] == LOWERED["cv"]
    assert arguments["estimator__estimator__min_samples_leaf"] == 1
    built.set_params(estimator__estimator__n_estimators=-1)
    lowered(built)
    assert built.get_params()["estimator__estimator__n_estimators"] == -1


def test_same_seed_finds_the_same() -> None:
    node = FAULTS["an encoder that fails on an unseen text"].node
    assert found_in(node, seed=5) == found_in(node, seed=5)


def test_probe_is_silent_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found_in(model(step(NUMBERS), estimator={**FOREST, "verbose": 2, "n_jobs": 2}))
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
