"""Each fault of a pipeline is told once, by its rule, at its key; a right one is left alone."""

import json
from typing import Any, NamedTuple

import pytest

from mlops.base.verdict import Finding, Status
from mlops.contracts import open_bandit, search_ranking
from mlops.contracts.schema import read_domain
from mlops.models.spec import ExpectedValueScore, ModelSpec
from mlops.verify.dataflow import Flow, trace
from mlops.verify.probe import probe
from tests.components.pipeline_nodes import (
    CLOSED,
    ENCODED,
    FOREST,
    LOGISTIC,
    NUMBERS,
    RIGHT,
    SCALE,
    TARGET,
    Node,
    boosting,
    calibrated,
    impute,
    model,
    of,
    one_hot,
    ordinal,
    step,
)  # fmt: skip
from tests.components.shop import REQUEST, TRAINING, column, without
from tests.components.toys import MODELS, SERVICES, spec_of

CLICK = [("click", "clicked")]
STEP = ("model", "columns", "0", "steps", "0")
ESTIMATOR = ("model", "estimator")
SELECT = ("model", "columns", "0", "select")


class Fault(NamedTuple):
    """A wrong pipeline: its node, the rule's name, where it is told, and a word of the message."""

    node: Node
    rule: str
    key: tuple[str, ...]
    says: str
    status: Status = Status.FAIL
    seen: bool = True  # whether fitting, asking or compiling meets it too


def told(found: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in found if finding.status is not Status.PASS]


def spec(node: Node) -> ModelSpec:
    return ModelSpec.model_validate_json(json.dumps(node))


def flow(node: Node, **more: Any) -> Flow:
    return trace(spec(node), REQUEST, TRAINING, more.pop("outcomes", CLICK), **more)


WARN = Status.WARN
COLUMN_FAULTS: dict[str, Fault] = {
    "a misspelt column": Fault(
        model(step(["visits", "prise"], SCALE)), "unknown-column", (*SELECT, "1"), "'price'"
    ),
    "a column that is known afterwards": Fault(
        model(step(["visits", "clicked_at_s"], impute())), "leak", (*SELECT, "1"), "leak"
    ),
    "the outcome itself": Fault(model(step(["clicked"])), "leak", (*SELECT, "0"), "'clicked'"),
    "a logged column": Fault(
        model(step(["position"])), "not-in-request", (*SELECT, "0"), "'position'"
    ),
    "a column of the request that is no feature": Fault(
        model(step(["price", "fee"])), "no-feature", (*SELECT, "1"), "'fee'"
    ),
    "a column named twice": Fault(
        model(step(["price", "visits", "price"])), "selected-twice", (*SELECT, "2"), "'price'",
        seen=False,
    ),
    "a column taken by two steps, by kind and by name": Fault(
        model(step(["price"], name="a"), step("numeric", impute(), name="b")),
        "selected-twice", ("model", "columns", "1", "select"), "'price'", WARN, seen=False,
    ),
    "a text in a scaler": Fault(
        model(step(["area", "price"], SCALE)), "dtype", (*STEP, "_target_"), "'area'"
    ),
    "the median of texts": Fault(
        model(step(["tier"], impute("median"), one_hot())), "dtype", (*STEP, "strategy"), "'tier'"
    ),
    "the nearest neighbours of texts": Fault(
        model(step(["tier"], of("impute.KNNImputer"))), "dtype", (*STEP, "_target_"), "'tier'"
    ),
    "numbers filled with a text": Fault(
        model(step(["basket"], impute("constant", fill_value="none"))),
        "dtype", (*STEP, "fill_value"), "'basket'",
    ),
    "texts filled with a number": Fault(
        model(step(["tier"], impute("constant", fill_value=0), one_hot())),
        "dtype", (*STEP, "fill_value"), "'tier'",
    ),
    "texts in a linear model": Fault(
        model(step("categorical")), "dtype", (*ESTIMATOR, "_target_"), "'area'"
    ),
    "the whole frame in a linear model": Fault(
        model(), "dtype", (*ESTIMATOR, "_target_"), "'area'"
    ),
    "the whole frame in a forest": Fault(
        model(estimator=FOREST), "dtype", (*ESTIMATOR, "_target_"), "'area'"
    ),
    "texts in bins": Fault(
        model(step(["area"], of("preprocessing.KBinsDiscretizer", encode="ordinal"))),
        "dtype", (*STEP, "_target_"), "'area'",
    ),
    "every price a category": Fault(
        model(step(["price"], one_hot())), "number-as-category", (*STEP, "_target_"), "'price'",
        WARN, seen=False,
    ),
    "missing values in a linear model": Fault(
        model(step(["price", "basket"], SCALE)), "missing", (*ESTIMATOR, "_target_"), "'basket'"
    ),
    "missing values in a linear model inside a calibration": Fault(
        model(step(["price", "basket"]), estimator=calibrated(LOGISTIC)),
        "missing", (*ESTIMATOR, "estimator", "_target_"), "'basket'",
    ),
    "missing values in a projection": Fault(
        model(step(["price", "basket"], SCALE, of("decomposition.PCA", n_components=1))),
        "missing", ("model", "columns", "0", "steps", "1", "_target_"), "'basket'",
    ),
    "missing values in products": Fault(
        model(step(["basket"], of("preprocessing.PolynomialFeatures"))),
        "missing", (*STEP, "_target_"), "'basket'",
    ),
    "missing values behind an imputer of something else": Fault(
        model(step(["basket"], impute(missing_values=-1.0))),
        "missing", (*STEP, "_target_"), "'basket'",
    ),
    "an encoder that makes unseen texts missing before a linear model": Fault(
        model(step(["city"], ordinal(unknown_value=float("nan"), encoded_missing_value=-2))),
        "missing", (*STEP, "unknown_value"), "'city'",
    ),
    "an encoder that leaves missing texts missing before a linear model": Fault(
        model(step(["tier"], ordinal())), "missing", (*STEP, "_target_"), "'tier'"
    ),
    "missing values in a sparse matrix for a forest": Fault(
        model(
            step(["area", "city"], one_hot(), name="c"), step(["basket"], name="n"),
            estimator=FOREST,
        ),
        "missing", (*ESTIMATOR, "_target_"), "'basket'", WARN,
    ),
}  # fmt: skip

ENCODER_FAULTS: dict[str, Fault] = {
    "an open category in a strict one-hot encoder": Fault(
        model(step(["city"], one_hot(handle_unknown="error"))),
        "unseen", (*STEP, "handle_unknown"), "'city'",
    ),
    "an open category in a one-hot encoder as it comes": Fault(
        model(step(["item"], of("preprocessing.OneHotEncoder"))),
        "unseen", (*STEP, "_target_"), "'item'",
    ),
    "an open category in an ordinal encoder as it comes": Fault(
        model(step(["city", "area"], of("preprocessing.OrdinalEncoder")), estimator=boosting()),
        "unseen", (*STEP, "_target_"), "'city'",
    ),
    "a closed category that training may lack": Fault(
        model(step(["area"], one_hot(handle_unknown="error"))),
        "unseen", (*STEP, "handle_unknown"), "'area'", WARN, seen=False,
    ),
    "a missing value that training may lack": Fault(
        model(step(["tier"], one_hot(handle_unknown="error"))),
        "unseen", (*STEP, "handle_unknown"), "'tier'", WARN,
    ),
    "a list of categories without missing": Fault(
        model(step(["tier"], one_hot(handle_unknown="error", categories=[["gold", "silver"]]))),
        "unseen", (*STEP, "categories"), "'tier'",
    ),
    "a list that lacks a category, strictly": Fault(
        model(step(["area"], one_hot(handle_unknown="error", categories=[["north", "south"]]))),
        "categories", (*STEP, "categories", "0"), "'west'",
    ),
    "a list that lacks a category, which is then ignored": Fault(
        model(step(["area"], one_hot(categories=[["north", "south"]]))),
        "categories", (*STEP, "categories", "0"), "'west'", WARN, seen=False,
    ),
    "a list with a misspelt category": Fault(
        model(step(["area"], one_hot(categories=[["north", "south", "west", "wst"]]))),
        "categories", (*STEP, "categories", "0", "3"), "'wst'", seen=False,
    ),
    "one list of categories for two columns": Fault(
        model(step(CLOSED, one_hot(categories=[["north", "south", "west"]]))),
        "categories", (*STEP, "categories"), "2 columns",
    ),
    "the code for unknown is a category's code": Fault(
        model(step(["area"], ordinal(unknown_value=1))),
        "codes", (*STEP, "unknown_value"), "'area'",
    ),
    "the code for missing is a category's code": Fault(
        model(step(["tier"], ordinal(encoded_missing_value=0))),
        "codes", (*STEP, "encoded_missing_value"), "'tier'",
    ),
    "a code for unknown that a growing set of categories reaches": Fault(
        model(step(["city"], ordinal(unknown_value=9000, encoded_missing_value=-2))),
        "codes", (*STEP, "unknown_value"), "9000 categories", WARN, seen=False,
    ),
    "unknown shall get a code, and none is given": Fault(
        model(step(["area"], ordinal(unknown_value=None))),
        "codes", (*STEP, "handle_unknown"), "unknown_value",
    ),
    "a code for unknown that is never used": Fault(
        model(step(["area"], of("preprocessing.OrdinalEncoder", unknown_value=-1))),
        "codes", (*STEP, "unknown_value"), "handle_unknown",
    ),
    "a dense column for every item": Fault(
        model(step(["item"], one_hot(sparse_output=False))),
        "growth", (*STEP, "sparse_output"), "'item'", WARN, seen=False,
    ),
    "an unseen category coded as the one left out": Fault(
        model(step(["city"], one_hot(drop="first"))),
        "unseen-dropped", (*STEP, "drop"), "'city'", WARN, seen=False,
    ),
}  # fmt: skip

NUMBER_FAULTS: dict[str, Fault] = {
    "a sparse matrix in a scaler that centres": Fault(
        model(step(["area"], one_hot(), SCALE)),
        "sparse", ("model", "columns", "0", "steps", "1", "_target_"), "sparse",
    ),
    "sparse bins in a robust scaler": Fault(
        model(
            step(
                ["price"],
                of("preprocessing.KBinsDiscretizer", quantile_method="averaged_inverted_cdf"),
                of("preprocessing.RobustScaler"),
            )
        ),
        "sparse", ("model", "columns", "0", "steps", "1", "_target_"), "sparse",
    ),
    "Box-Cox on a number that may be zero": Fault(
        model(step(["basket"], of("preprocessing.PowerTransformer", method="box-cox"), impute())),
        "negative", (*STEP, "method"), "'basket'",
    ),
    "counts that may be negative": Fault(
        model(step(["balance"]), estimator=of("naive_bayes.MultinomialNB")),
        "negative", (*ESTIMATOR, "_target_"), "'balance'",
    ),
    "counts behind a scaler": Fault(
        model(step(["price"], SCALE), estimator=of("naive_bayes.ComplementNB")),
        "negative", (*ESTIMATOR, "_target_"), "'price'",
    ),
    "products of a number that nothing bounds": Fault(
        model(step(["spend"], of("preprocessing.PolynomialFeatures"))),
        "unbounded", (*STEP, "_target_"), "'spend'", WARN, seen=False,
    ),
    "more components than columns": Fault(
        model(step(NUMBERS, of("decomposition.PCA", n_components=4))),
        "count", (*STEP, "n_components"), "4 components",
    ),
    "more columns kept than there are": Fault(
        model(step(NUMBERS, of("feature_selection.SelectKBest", k=9))),
        "count", (*STEP, "k"), "9 columns", WARN, seen=False,
    ),
    "bins for two columns of three": Fault(
        model(step(NUMBERS, of("preprocessing.KBinsDiscretizer", n_bins=[3, 3], encode="ordinal"))),
        "count", (*STEP, "n_bins"), "2 n_bins",
    ),
    "a nested column step names what does not reach it": Fault(
        model(
            step(
                ["price"],
                of("compose.ColumnTransformer", transformers=[["n", SCALE, ["prise"]]]),
            )
        ),
        "unknown-column", (*STEP, "transformers", "0", "2", "0"), "'prise'",
    ),
    "what a nested column step leaves over is a text": Fault(
        model(
            step(
                ["price", "area"],
                of(
                    "compose.ColumnTransformer",
                    transformers=[["n", SCALE, ["price"]]],
                    remainder="passthrough",
                ),
            )
        ),
        "dtype", (*ESTIMATOR, "_target_"), "'area'",
    ),
    "what a vote leaves out takes nothing": Fault(
        model(
            step(["basket"]),
            estimator=of(
                "ensemble.VotingClassifier",
                estimators=[["a", LOGISTIC], ["b", "drop"], ["c", boosting()]],
                voting="soft",
            ),
        ),
        "missing", (*ESTIMATOR, "estimators", "0", "1", "_target_"), "'basket'",
    ),
    "a nested column step behind another names columns": Fault(
        model(
            step(
                ["price"],
                SCALE,
                of("compose.ColumnTransformer", transformers=[["n", SCALE, ["price"]]]),
            )
        ),
        "unknown-column",
        ("model", "columns", "0", "steps", "1", "transformers", "0", "2", "0"), "no names",
    ),
}  # fmt: skip

BOOSTING_FAULTS: dict[str, Fault] = {
    "categories are not taken as such": Fault(
        model(estimator=boosting(categorical_features=None)),
        "dtype", (*ESTIMATOR, "categorical_features"), "'area'",
    ),
    "a category that the list forgot": Fault(
        model(estimator=boosting(categorical_features=["area", "tier", "city"])),
        "dtype", (*ESTIMATOR, "categorical_features"), "'item'",
    ),
    "texts that pass a column step": Fault(
        model(step(CLOSED), estimator=boosting()), "dtype", (*ESTIMATOR, "_target_"), "'tier'"
    ),
    "a category by a wrong name": Fault(
        model(estimator=boosting(categorical_features=["area", "tier", "town", "item"])),
        "categorical-features", (*ESTIMATOR, "categorical_features", "2"), "'town'",
    ),
    "a category by name behind column steps": Fault(
        model(step(CLOSED, ordinal()), estimator=boosting(categorical_features=["area"])),
        "categorical-features", (*ESTIMATOR, "categorical_features", "0"), "array",
    ),
    "a category by a place that is none": Fault(
        model(step(CLOSED, ordinal()), estimator=boosting(categorical_features=[0, 2])),
        "categorical-features", (*ESTIMATOR, "categorical_features", "1"), "2 columns",
    ),
    "a mask of categories that is too short": Fault(
        model(step(CLOSED, ordinal()), estimator=boosting(categorical_features=[True])),
        "categorical-features", (*ESTIMATOR, "categorical_features"), "1 of 2",
    ),
    "more codes than bins": Fault(
        model(step(["area"], ordinal()), estimator=boosting(categorical_features=[0], max_bins=2)),
        "cardinality", (*ESTIMATOR, "categorical_features"), "3 categories",
    ),
    "a number with many values as a category": Fault(
        model(step(["visits"]), estimator=boosting(categorical_features=[0])),
        "cardinality", (*ESTIMATOR, "categorical_features"), "'visits'", WARN, seen=False,
    ),
    "a constraint on a column that is not there": Fault(
        model(estimator=boosting(monotonic_cst={"prize": 1})),
        "monotonic-constraint", (*ESTIMATOR, "monotonic_cst", "prize"), "'price'",
    ),
    "a constraint by name behind column steps": Fault(
        model(step(NUMBERS), estimator=boosting(monotonic_cst={"price": 1})),
        "monotonic-constraint", (*ESTIMATOR, "monotonic_cst", "price"), "array",
    ),
    "constraints for two columns of three": Fault(
        model(step(NUMBERS), estimator=boosting(monotonic_cst=[1, 0])),
        "monotonic-constraint", (*ESTIMATOR, "monotonic_cst"), "2 entries",
    ),
    "a constraint on a category": Fault(
        model(estimator=boosting(monotonic_cst={"area": 1})),
        "monotonic-constraint", (*ESTIMATOR, "monotonic_cst", "area"), "no order",
    ),
    "an interaction of a place that is none": Fault(
        model(step(NUMBERS), estimator=boosting(interaction_cst=[[0, 1], [5]])),
        "interaction-constraint", (*ESTIMATOR, "interaction_cst", "1", "0"), "3 columns",
    ),
}  # fmt: skip

ESTIMATOR_FAULTS: dict[str, Fault] = {
    "a classifier without probabilities": Fault(
        model(step(NUMBERS, SCALE), estimator=of("svm.LinearSVC")),
        "no-probability", (*ESTIMATOR, "_target_"), "predict_proba", seen=False,
    ),
    "a loss without probabilities": Fault(
        model(step(NUMBERS, SCALE), estimator=of("linear_model.SGDClassifier", loss="hinge")),
        "no-probability", (*ESTIMATOR, "loss"), "loss", seen=False,
    ),
    "a vote without probabilities": Fault(
        model(
            step(NUMBERS, SCALE),
            estimator=of("ensemble.VotingClassifier", estimators=[["a", LOGISTIC]], voting="hard"),
        ),
        "no-probability", (*ESTIMATOR, "voting"), "predict_proba", seen=False,
    ),
    "a cluster for an estimator": Fault(
        model(step(NUMBERS), estimator=of("cluster.KMeans", n_clusters=2)),
        "no-estimator", (*ESTIMATOR, "_target_"), "clusterer", seen=False,
    ),
    "a step that has no compiled form": Fault(
        model(step(NUMBERS, of("preprocessing.QuantileTransformer"))),
        "not-compilable", (*STEP, "_target_"), "QuantileTransformer", seen=False,
    ),
    "an estimator that has no compiled form": Fault(
        model(step(NUMBERS), estimator=of("neighbors.KNeighborsClassifier")),
        "not-compilable", (*ESTIMATOR, "_target_"), "KNeighborsClassifier", seen=False,
    ),
    "an argument that has no compiled form": Fault(
        model(
            step(NUMBERS),
            estimator=of("ensemble.HistGradientBoostingRegressor", loss="gamma"),
        ),
        "not-compilable", (*ESTIMATOR, "loss"), "gamma", seen=False,
    ),
}  # fmt: skip

FAULTS = {
    **COLUMN_FAULTS, **ENCODER_FAULTS, **NUMBER_FAULTS, **BOOSTING_FAULTS, **ESTIMATOR_FAULTS,
}  # fmt: skip


@pytest.mark.parametrize("sentence", FAULTS)
def test_fault_is_told_by_its_rule_at_its_key(sentence: str) -> None:
    fault = FAULTS[sentence]
    found = [f for f in flow(fault.node).findings if f.check == f"check.flow.{fault.rule}"]
    assert [(f.status, f.key) for f in found] == [(fault.status, fault.key)]
    assert fault.says in f"{found[0].message} {found[0].hint}"


@pytest.mark.parametrize("sentence", [s for s, fault in FAULTS.items() if fault.seen])
def test_what_is_told_does_happen(sentence: str) -> None:
    """Nothing is called a fault that scikit-learn, fitted and asked, would take."""
    node = spec(FAULTS[sentence].node)
    outcome = TRAINING.column("clicked")
    try:
        found = probe(node, REQUEST, [outcome], seed=0)
    except Exception as error:  # told apart from a pass
        found = (Finding("raised", Status.FAIL, str(error)),)
    built = [f.status for f in found] != [Status.PASS] or found == ()
    assert built, found


@pytest.mark.parametrize("sentence", RIGHT)
def test_right_pipeline_is_left_alone(sentence: str) -> None:
    found = flow(RIGHT[sentence])
    assert told(found.findings) == []
    assert found.findings[0].check == "check.flow"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", MODELS)
def test_packaged_model_is_left_alone(service: str, name: str) -> None:
    contract = {"open_bandit": open_bandit, "search_ranking": search_ranking}[service]
    heads = {"open_bandit": ["click"], "search_ranking": ["applied", "hired"]}[service]
    found = trace(
        spec_of(name),
        read_domain(contract.Request),
        read_domain(contract.Training),
        [(head, head) for head in heads],
    )
    assert told(found.findings) == []


@pytest.mark.parametrize(
    ("estimator", "outcome", "rule", "says"),
    [
        (LOGISTIC, "amount", "outcome", "a number from -5 to 900"),
        (LOGISTIC, "clicked_at_s", "outcome-missing", "may be missing"),
        (LOGISTIC, "opinion", "outcome-missing", "'opinion'"),
        (LOGISTIC, "verdict", "outcome", "is a text"),
        (of("linear_model.PoissonRegressor"), "amount", "outcome", "at or above zero"),
        (of("linear_model.GammaRegressor"), "clicked", "outcome", "above zero"),
        (boosting(), "position", "outcome", "an integer from 1 to 20"),
    ],
)
def test_outcome_must_fit_the_estimator(
    estimator: Node, outcome: str, rule: str, says: str
) -> None:
    node = model(step(NUMBERS), estimator=estimator)
    found = told(flow(node, outcomes=[*CLICK, ("head", outcome)]).findings)
    rules = {finding.check: finding for finding in found}
    assert rules[f"check.flow.{rule}"].key[:4] in (
        ("training", "heads", "1", "outcome"), ("training", "heads", "0", "outcome"),
    )  # fmt: skip
    assert says in rules[f"check.flow.{rule}"].message


@pytest.mark.parametrize("outcome", ["clicked", "bought"])
def test_classifier_learns_what_happens_or_not(outcome: str) -> None:
    found = flow(model(step(NUMBERS, SCALE)), outcomes=[("head", outcome)])
    assert told(found.findings) == []


def test_number_that_nothing_bounds_is_noted_for_a_forest() -> None:
    found = flow(model(step(["spend"]), estimator=FOREST)).findings
    assert told(found) == []
    assert any(f.check == "check.flow.unbounded" and "'spend'" in f.message for f in found)


SCALERS = {
    "standard": [SCALE],
    "robust": [of("preprocessing.RobustScaler")],
    "products": [SCALE, of("preprocessing.PolynomialFeatures")],
    "components": [SCALE, of("decomposition.PCA", n_components=1)],
}


@pytest.mark.parametrize("steps", SCALERS)
@pytest.mark.parametrize(("column", "wide"), [("price", False), ("spend", True)])
def test_scaled_number_is_bounded_if_the_contract_bounds_it(
    steps: str, column: str, wide: bool
) -> None:
    found = flow(model(step([column], *SCALERS[steps]), estimator=FOREST)).findings
    assert ("check.flow.unbounded" in {finding.check for finding in found}) is wide


def test_regressor_on_a_chance_is_noted_and_no_fault() -> None:
    node = model(step(NUMBERS), estimator=of("linear_model.Ridge"))
    found = flow(node).findings
    assert told(found) == []
    assert "check.flow.regressor-on-chance" in {finding.check for finding in found}


def test_outcome_may_be_missing_where_another_must_have_happened() -> None:
    node = model(step(NUMBERS))
    heads = [("opinion", "opinion")]
    assert told(flow(node, outcomes=heads, given={"opinion": "clicked"}).findings) == []


def test_score_is_multiplied_with_a_bounded_number() -> None:
    node = model(step(NUMBERS))
    score = ExpectedValueScore(heads=("click",), value="spend")
    (found,) = told(flow(node, score=score).findings)
    assert (found.check, found.status) == ("check.flow.unbounded", WARN)
    assert found.key == ("training", "score", "value")
    assert told(flow(node, score=ExpectedValueScore(heads=("click",), value="fee")).findings) == []


def test_empty_selection_is_told_and_selecting_nothing_fails() -> None:
    request = without("area", "tier", "city", "item")
    request = request.model_copy(
        update={
            "columns": (
                *request.columns,
                column("id", REQUEST.column("item").kind, identifier=True, feature=False),
            )
        }
    )
    node = model(step("categorical", one_hot(), name="c"), step("numeric", impute(), name="n"))
    (found,) = told(trace(spec(node), request, request, []).findings)
    assert (found.check, found.status, found.key) == ("check.flow.empty", WARN, SELECT)
    only = told(trace(spec(model(step("categorical", one_hot()))), request, request, []).findings)
    assert [f.status for f in only] == [WARN, Status.FAIL]


def test_training_frame_has_what_a_request_has() -> None:
    node = spec(model(step(NUMBERS)))
    lacking = trace(node, REQUEST, without("price", domain=TRAINING), CLICK).findings
    assert "check.flow.training-lacks" in {finding.check for finding in lacking}
    changed = TRAINING.model_copy(
        update={
            "columns": tuple(
                c.model_copy(update={"kind": REQUEST.column("price").kind, "nullable": False})
                for c in TRAINING.columns
            )
        }
    )
    rules = {finding.check for finding in trace(node, REQUEST, changed, CLICK).findings}
    assert {"check.flow.training-dtype", "check.flow.training-missing"} <= rules


def test_large_closed_category_is_too_much_for_boosting() -> None:
    big = REQUEST.column("area").model_copy(
        update={"categories": tuple(f"a{i}" for i in range(300))}
    )
    request = REQUEST.model_copy(update={"columns": (big, *REQUEST.columns[1:])})
    (found,) = told(trace(spec(model(estimator=boosting())), request, request, []).findings)
    assert found.check == "check.flow.cardinality"
    assert "300" in found.message
    assert found.hint.startswith("encode it")


def test_part_without_a_rule_silences_what_follows() -> None:
    node = model(
        step(["area"], one_hot(), of("kernel_approximation.RBFSampler"), SCALE),
        estimator=boosting(),
    )
    found = told(flow(node).findings)
    assert {finding.check for finding in found} == {"check.flow.not-compilable"}


def test_flow_tells_what_each_step_yields() -> None:
    node = model(
        step(["area", "tier"], one_hot(), name="c"),
        step(["basket"], impute(), SCALE, name="n"),
        step(["city"], TARGET, name="t"),
    )
    found = flow(node)
    assert [step.name for step in found.steps] == [
        "features", "c/0 OneHotEncoder", "n/0 SimpleImputer", "n/1 StandardScaler",
        "t/0 TargetEncoder", "estimator", "heads",
    ]  # fmt: skip
    assert found.steps[-2].columns[3].name == "c__tier_gold"
    assert found.steps[-2].count == 8
    assert found.line().endswith("estimator: 8 code/number, sparse -> heads: 1 number")
    summary = "10 features reach the estimator as 8 columns"
    assert found.findings[0].message == f"{summary}: {found.line()}"
    assert "features: 10" in found.line()
    document = json.loads(json.dumps(found.to_json()))
    assert document[1]["columns"][0] == {
        "name": "area_north", "kind": "code", "missing": False, "several": False,
        "from": ["area"], "low": 0.0, "high": 1.0,
    }  # fmt: skip


def test_mean_outcomes_lie_between_the_outcomes() -> None:
    node = model(step(["city"], TARGET), estimator=of("naive_bayes.MultinomialNB"))
    assert {f.check for f in told(flow(node).findings)} == {"check.flow.not-compilable"}
    ends = [(c.low, c.high) for c in flow(node).steps[-2].columns]
    assert ends == [(0.0, 1.0)]
    amounts = [("click", "clicked"), ("amount", "amount")]
    assert [c.low for c in flow(node, outcomes=amounts).steps[-2].columns] == [-5.0]


@pytest.mark.parametrize(
    ("estimator", "ends"),
    [
        (LOGISTIC, (0.0, 1.0)),
        (of("ensemble.RandomForestRegressor"), (-5.0, 900.0)),
        (of("linear_model.Ridge"), (None, None)),
    ],
)
def test_answer_has_the_range_that_the_estimator_keeps(
    estimator: Node, ends: tuple[float | None, float | None]
) -> None:
    found = flow(model(step(NUMBERS), estimator=estimator), outcomes=[("amount", "amount")])
    (answer,) = found.steps[-1].columns
    assert (answer.name, answer.low, answer.high) == ("amount", *ends)


def test_columns_that_no_step_selects_are_noted() -> None:
    found = flow(model(step(NUMBERS))).findings
    notes = [finding for finding in found if finding.check == "check.flow.dropped"]
    assert [note.status for note in notes] == [Status.PASS]
    assert "'area'" in notes[0].message


def test_part_that_cannot_be_built_is_left_to_others() -> None:
    node = model(step(["area"], of("preprocessing.NoSuchScaler")), ENCODED, estimator=boosting())
    assert {f.check for f in told(flow(node).findings)} <= {"check.flow.selected-twice"}
