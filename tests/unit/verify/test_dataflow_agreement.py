"""The symbolic flow says what scikit-learn's fitted pipeline yields, for random right pipelines."""

import fnmatch
import json
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops.base.verdict import Status
from mlops.models.estimator import build_estimator
from mlops.models.frame import as_features, vocabulary_of
from mlops.models.spec import ModelSpec
from mlops.verify.dataflow import Flow, trace
from mlops.verify.dataflow_columns import Flowing
from mlops.verify.probe import probe
from mlops.verify.probe_rows import ROWS, Rows, rows_of
from tests.components.pipeline_nodes import (
    FOREST,
    LOGISTIC,
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
from tests.components.shop import REQUEST, TRAINING, without

DOMAIN = without("spend")  # products of it are no floats any more
FEATURES = DOMAIN.features

FILLED = impute("mean")
POLYNOMIAL = of("preprocessing.PolynomialFeatures")
MINMAX = of("preprocessing.MinMaxScaler", clip=True)
DISCRETE = "preprocessing.KBinsDiscretizer"
BINS = {"quantile_method": "averaged_inverted_cdf"}

NUMBER_STEPS: dict[str, list[Node]] = {
    "as they are": [],
    "filled by the mean": [FILLED],
    "filled by the most frequent": [impute("most_frequent")],
    "filled by a constant": [impute("constant", fill_value=-7)],
    "filled by neighbours": [of("impute.KNNImputer")],
    "filled and marked": [impute("median", add_indicator=True)],
    "scaled, then filled": [SCALE, FILLED],
    "to a range": [MINMAX],
    "robust": [of("preprocessing.RobustScaler")],
    "by the largest": [of("preprocessing.MaxAbsScaler")],
    "powers": [of("preprocessing.PowerTransformer")],
    "quantiles": [of("preprocessing.QuantileTransformer", n_quantiles=20)],
    "lengths of one": [FILLED, of("preprocessing.Normalizer")],
    "bin codes": [FILLED, of(DISCRETE, encode="ordinal", strategy="uniform")],
    "bin columns": [FILLED, of(DISCRETE, encode="onehot-dense", n_bins=3, **BINS)],
    "sparse bin columns": [FILLED, of(DISCRETE, n_bins=3, **BINS)],
    "products": [FILLED, MINMAX, POLYNOMIAL],
    "products without powers": [
        FILLED, of("preprocessing.PolynomialFeatures", interaction_only=True, include_bias=False)
    ],
    "above or below": [FILLED, of("preprocessing.Binarizer", threshold=3.0)],
    "components": [FILLED, SCALE, of("decomposition.PCA", n_components=1)],
    "chosen": [FILLED, of("feature_selection.VarianceThreshold")],
    "in a pipeline": [of("pipeline.Pipeline", steps=[["fill", FILLED], ["scale", SCALE]])],
}  # fmt: skip

TEXT_STEPS: dict[str, list[Node]] = {
    "one-hot": [one_hot()],
    "dense one-hot": [one_hot(sparse_output=False)],
    "one-hot without the first": [impute("most_frequent"), one_hot(drop="first")],
    "one-hot without the first of two": [one_hot(drop="if_binary")],
    "frequent ones only": [one_hot(min_frequency=5, handle_unknown="infrequent_if_exist")],
    "codes": [ordinal()],
    "codes for all": [ordinal(encoded_missing_value=-2)],
    "missing codes for unknown": [ordinal(unknown_value=float("nan"), encoded_missing_value=-2)],
    "codes, scaled": [ordinal(encoded_missing_value=-2), SCALE],
    "filled, then codes": [impute("constant", fill_value="none"), ordinal()],
    "filled, then one-hot": [impute("most_frequent"), one_hot()],
    "mean outcomes": [TARGET],
}

TEXTS = tuple(column.name for column in FEATURES if column.is_category)
NUMBERS = tuple(column.name for column in FEATURES if not column.is_category)


@st.composite
def pipelines(draw: st.DrawFn) -> Node:
    """Draw a pipeline of one to three column steps on some columns."""
    steps: list[Node] = []
    for names, catalogue in ((TEXTS, TEXT_STEPS), (NUMBERS, NUMBER_STEPS), (NUMBERS, NUMBER_STEPS)):
        selected = draw(st.lists(st.sampled_from(names), unique=True, max_size=len(names)))
        if selected:
            chain = draw(st.sampled_from(sorted(catalogue)))
            steps.append(step(selected, *catalogue[chain], name=f"s{len(steps)}"))
    steps = steps or [step(["price"], SCALE)]
    return model(*steps, estimator=boosting())


def fitted(node: Node, rows: Rows, outcome: npt.NDArray[np.float64]) -> tuple[Any, Any, Any]:
    """Return the column steps' names and what they make of the fitted and of the asked rows."""
    built = build_estimator(ModelSpec.model_validate_json(json.dumps(node)), DOMAIN, seed=0)
    columns = built.steps[0][1]
    vocabulary = vocabulary_of(rows.full, FEATURES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = as_features(rows.full, FEATURES, vocabulary=vocabulary)
        before = columns.fit_transform(frame, outcome)
        asked = columns.transform(as_features(rows.asked, FEATURES, vocabulary=vocabulary))
    return columns.get_feature_names_out(), before, asked


def flow(node: Node) -> Flow:
    spec = ModelSpec.model_validate_json(json.dumps(node))
    return trace(spec, DOMAIN, TRAINING, [("click", "clicked")])


def matches(name: str, column: Flowing) -> bool:
    if not column.many:
        return name == column.name
    return fnmatch.fnmatchcase(name, column.name)


RNG = np.random.default_rng(3)
DRAWN = rows_of(DOMAIN, RNG)
OUTCOME = RNG.permutation(np.arange(ROWS) % 2).astype(np.float64)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(node=pipelines())
def test_flow_agrees_with_what_is_fitted(node: Node) -> None:
    told = flow(node).steps[-2]
    names, before, asked = fitted(node, DRAWN, OUTCOME)
    assert told.count is None or told.count == len(names)
    if told.count is not None:
        assert [column.name for column in told.columns] == list(names)
    values = {"fitted": dense(before), "asked": dense(asked)}
    for at, name in enumerate(names):
        meant = [column for column in told.columns if matches(name, column)]
        assert meant, name
        missing = any(np.isnan(made[:, at]).any() for made in values.values())
        assert missing == any(column.missing for column in meant), name
        within(values["fitted"][:, at], meant)


def dense(values: Any) -> npt.NDArray[np.float64]:
    plain = values.toarray() if hasattr(values, "toarray") else values
    return np.asarray(plain, dtype=np.float64)


def within(values: npt.NDArray[np.float64], meant: list[Flowing]) -> None:
    """Hold values to the bounds that some column gives, rounding aside."""
    slack = 1e-9 * (1.0 + np.nanmax(np.abs(values)))
    assert any(
        (column.low is None or np.nanmin(values) >= column.low - slack)
        and (column.high is None or np.nanmax(values) <= column.high + slack)
        for column in meant
    ), (meant, np.nanmin(values), np.nanmax(values))


@pytest.mark.parametrize("chain", NUMBER_STEPS)
def test_every_number_step_agrees(chain: str) -> None:
    node = model(step(["price", "basket", "promo"], *NUMBER_STEPS[chain]), estimator=boosting())
    check = test_flow_agrees_with_what_is_fitted.hypothesis.inner_test  # type: ignore[attr-defined] # hypothesis adds it
    check(node)


@pytest.mark.parametrize("chain", TEXT_STEPS)
def test_every_text_step_agrees(chain: str) -> None:
    node = model(step(["area", "tier", "city"], *TEXT_STEPS[chain]), estimator=boosting())
    check = test_flow_agrees_with_what_is_fitted.hypothesis.inner_test  # type: ignore[attr-defined] # hypothesis adds it
    check(node)


FAULTY: list[Node] = [
    of("preprocessing.OneHotEncoder"),
    of("preprocessing.OrdinalEncoder"),
    of("preprocessing.StandardScaler", with_mean=False),
    impute("constant", fill_value="none"),
    impute("median"),
    ordinal(),
    ordinal(encoded_missing_value=0),
    ordinal(unknown_value=1),
]
ESTIMATORS: list[Node] = [
    LOGISTIC, FOREST, boosting(), calibrated(LOGISTIC), of("linear_model.Ridge"),
    boosting(monotonic_cst=[1, 0]), boosting(categorical_features=[0]),
]  # fmt: skip


@st.composite
def any_pipelines(draw: st.DrawFn) -> Node:
    """Draw a pipeline that may be wrong: any compilable steps on any columns."""
    parts = [*FAULTY, FILLED, SCALE, MINMAX, TARGET, one_hot(), ordinal(encoded_missing_value=-2)]
    names = st.sampled_from([*TEXTS, *NUMBERS])
    steps = [
        step(
            draw(st.lists(names, unique=True, min_size=1, max_size=3)),
            *draw(st.lists(st.sampled_from(parts), max_size=2)),
            name=f"s{at}",
        )
        for at in range(draw(st.integers(0, 2)))
    ]
    return model(*steps, estimator=draw(st.sampled_from(ESTIMATORS)))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(node=any_pipelines())
def test_what_the_flow_calls_a_fault_is_one(node: Node) -> None:
    spec = ModelSpec.model_validate_json(json.dumps(node))
    wrong = {f.check for f in flow(node).findings if f.status is Status.FAIL}
    met = probe(spec, DOMAIN, [TRAINING.column("clicked")], seed=0)
    if wrong:
        assert [f.status for f in met] != [Status.PASS]


def test_domain_has_all_that_the_steps_are_about() -> None:
    assert {"tier", "city"} <= {c.name for c in REQUEST.features if c.nullable and c.is_category}
    assert "basket" in {c.name for c in REQUEST.features if c.nullable and not c.is_category}
