"""Pipelines: random models on random contracts and rows, for property tests."""

import json
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mlops.base.errors import ConfigError, ContractError
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table
from mlops.contracts.roles import Scope
from mlops.contracts.sample import draw
from mlops.models.lowering import lower
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import HeadScore, ModelSpec

PRE = "sklearn.preprocessing"
ENSEMBLE = "sklearn.ensemble"
TEXTS = ("a", "b", "c", "nan", "None", "", " ", "1", "1.0", "-1", "é", "a\x00", "<NA>", "True")
ENDS = (-1e30, -1e6, -3.5, -1.0, 0.0, 1e-30, 0.1, 1.0, 2.0, 64.0, 255.0, 1e6, 1e16, 1e30)

Node = dict[str, Any]


def one(path: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
    """Return a strategy for a class with any of some arguments given or left out."""
    return st.fixed_dictionaries({"_target_": st.just(path)}, optional=arguments)


columns = st.one_of(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from([ColumnKind.NUMBER, ColumnKind.NUMBER, ColumnKind.INTEGER]),
            "ends": st.lists(st.sampled_from(ENDS), min_size=2, max_size=2, unique=True),
            "nullable": st.booleans(),
        }
    ),
    st.fixed_dictionaries({"kind": st.just(ColumnKind.BOOLEAN), "nullable": st.booleans()}),
    st.fixed_dictionaries(
        {
            "kind": st.just(ColumnKind.CATEGORY),
            "categories": st.none()
            | st.lists(st.sampled_from(TEXTS), min_size=1, max_size=9, unique=True).map(tuple),
            "nullable": st.booleans(),
        }
    ),
)

imputers = one(
    "sklearn.impute.SimpleImputer",
    strategy=st.sampled_from(["mean", "median", "most_frequent"]),
    add_indicator=st.booleans(),
)
scalers = st.one_of(
    one(f"{PRE}.StandardScaler", with_mean=st.booleans(), with_std=st.booleans()),
    one(f"{PRE}.MinMaxScaler", clip=st.booleans()),
    one(f"{PRE}.MaxAbsScaler", clip=st.booleans()),
    one(f"{PRE}.RobustScaler", unit_variance=st.booleans(), with_centering=st.booleans()),
)
encoders = st.one_of(
    one(
        f"{PRE}.OneHotEncoder",
        handle_unknown=st.sampled_from(["ignore", "infrequent_if_exist"]),
        sparse_output=st.booleans(),
        drop=st.sampled_from(["first", "if_binary"]),
        min_frequency=st.sampled_from([1, 5, 0.2]),
        max_categories=st.integers(1, 4),
    ),
    st.builds(
        lambda node, missing: {**node, **missing},
        one(
            f"{PRE}.OrdinalEncoder",
            min_frequency=st.sampled_from([1, 5, 0.2]),
            max_categories=st.integers(1, 4),
        ),
        st.sampled_from(
            [
                {"handle_unknown": "use_encoded_value", "unknown_value": -1},
                {
                    "handle_unknown": "use_encoded_value",
                    "unknown_value": -1,
                    "encoded_missing_value": -2,
                },
                {
                    "handle_unknown": "use_encoded_value",
                    "unknown_value": 99,
                    "encoded_missing_value": 0.5,
                },
                {},
            ]
        ),
    ),
    one(f"{PRE}.TargetEncoder", smooth=st.sampled_from(["auto", 0.0, 5.0]), cv=st.just(2)),
)
fills = st.fixed_dictionaries(
    {"_target_": st.just("sklearn.impute.SimpleImputer"), "strategy": st.just("most_frequent")},
    optional={"add_indicator": st.booleans()},
)
numeric = st.one_of(
    st.lists(st.one_of(imputers, scalers), max_size=3),
    st.builds(lambda fill, encoder: [*fill, encoder], st.lists(fills, max_size=1), encoders),
)
categorical = st.builds(
    lambda fill, encoder, scale: [*fill, encoder, *scale],
    st.lists(fills, max_size=1),
    encoders,
    st.lists(scalers, max_size=1),
)

small = {"n_estimators": st.integers(1, 7), "max_depth": st.integers(1, 6)}
classifiers = st.one_of(
    one("sklearn.linear_model.LogisticRegression", C=st.sampled_from([0.01, 10.0])),
    st.builds(
        lambda node, rest: {**node, **rest},
        one(f"{ENSEMBLE}.HistGradientBoostingClassifier", max_leaf_nodes=st.integers(2, 9)),
        st.just({"max_iter": 5, "min_samples_leaf": 3, "early_stopping": False}),
    ),
    one(f"{ENSEMBLE}.RandomForestClassifier", criterion=st.sampled_from(["entropy"]), **small),
    one(f"{ENSEMBLE}.ExtraTreesClassifier", bootstrap=st.booleans(), **small),
    one(f"{ENSEMBLE}.GradientBoostingClassifier", init=st.just("zero"), **small),
    one("sklearn.tree.DecisionTreeClassifier", max_leaf_nodes=st.integers(2, 9)),
    one("sklearn.tree.ExtraTreeClassifier", splitter=st.sampled_from(["best", "random"])),
    st.fixed_dictionaries(
        {"_target_": st.just("sklearn.linear_model.SGDClassifier"), "loss": st.just("log_loss")}
    ),
)
calibrated = st.builds(
    lambda inner, rest: {
        "_target_": "sklearn.calibration.CalibratedClassifierCV",
        "estimator": inner,
        "cv": 2,
        **rest,
    },
    classifiers,
    st.fixed_dictionaries(
        {"method": st.sampled_from(["sigmoid", "isotonic"]), "ensemble": st.booleans()}
    ),
)
regressors = st.one_of(
    st.builds(
        lambda node, rest: {**node, **rest},
        one(
            f"{ENSEMBLE}.HistGradientBoostingRegressor",
            loss=st.sampled_from(["absolute_error", "squared_error"]),
        ),
        st.just({"max_iter": 5, "min_samples_leaf": 3}),
    ),
    one(f"{ENSEMBLE}.RandomForestRegressor", **small),
    one(f"{ENSEMBLE}.GradientBoostingRegressor", loss=st.just("huber"), **small),
    one("sklearn.tree.DecisionTreeRegressor", max_depth=st.integers(1, 9)),
    one("sklearn.linear_model.Ridge", alpha=st.sampled_from([0.0, 1.0])),
    one("sklearn.linear_model.LinearRegression", fit_intercept=st.booleans()),
)


def domain_of(drawn: list[Node]) -> Domain:
    def column(name: str, node: Node) -> Column:
        ends = sorted(node.pop("ends", ()))
        limits = {"minimum": ends[0], "maximum": ends[1]} if ends else {}
        if node["kind"] is ColumnKind.INTEGER:
            limits = {"minimum": np.floor(ends[0]), "maximum": np.ceil(ends[1])}
            limits = {key: float(np.clip(end, -(2.0**53), 2.0**53)) for key, end in limits.items()}
            limits["minimum"] -= limits["minimum"] == limits["maximum"]
        return Column.model_validate(
            {"name": name, "scope": Scope.CANDIDATE, "feature": True, **node, **limits}
        )

    key = {"kind": ColumnKind.CATEGORY, "identifier": True, "feature": False}
    found = [column(f"x{at}", dict(node)) for at, node in enumerate(drawn)]
    return Domain(name="D", columns=(column("id", key), *found))


def rows_of(domain: Domain, rows: int, rng: np.random.Generator) -> Table:
    """Return training rows: some columns constant, some whole, numbers with many ties."""
    known = {column.name: TEXTS[: rng.integers(1, len(TEXTS))] for column in domain.columns}
    table = dict(draw(domain, rows, rng, known=known))
    for column in domain.features:
        values = table[column.name]
        habit = rng.integers(0, 5)
        if habit == 0:
            table[column.name] = values[np.zeros(rows, dtype=np.intp)]
        if habit in (1, 2):
            table[column.name] = values[rng.integers(0, 6, rows)]
        if habit in (2, 3):  # training never saw a missing value
            lacks = np.array([v is None or v != v for v in values])
            if not lacks.all():
                table[column.name] = values[rng.choice(np.flatnonzero(~lacks), rows)]
    return table


@st.composite
def cases(draws: st.DrawFn) -> dict[str, Any]:
    drawn = draws(st.lists(columns, min_size=1, max_size=4))
    steps = [
        draws(categorical if node["kind"] is ColumnKind.CATEGORY else numeric) for node in drawn
    ]
    estimator = draws(st.one_of(classifiers, regressors, calibrated))
    alone = "HistGradient" in estimator["_target_"] and draws(st.booleans())
    if alone and draws(st.booleans()):  # numbers may be categories, all texts are
        taken = [
            f"x{at}"
            for at, node in enumerate(drawn)
            if node["kind"] is ColumnKind.CATEGORY or draws(st.booleans())
        ]
        estimator = {**estimator, "categorical_features": taken}
    seed = draws(st.integers(0, 2**32 - 1))
    return {"drawn": drawn, "steps": steps, "estimator": estimator, "alone": alone, "seed": seed}


@dataclass(frozen=True)
class Compiled:
    """A model that was fitted and compiled."""

    domain: Domain
    table: Table
    predictor: SklearnPredictor
    program: Program


def compiled(case: dict[str, Any], rng: np.random.Generator, rows: int = 90) -> Compiled | str:
    """Return a case's model, or why there is none."""
    domain = domain_of(case["drawn"])
    table = rows_of(domain, rows, rng)
    names = [column.name for column in domain.features]
    parts = [
        {"name": name, "select": [name], "steps": own}
        for name, own in zip(names, case["steps"], strict=True)
    ]
    columns = [] if case["alone"] else parts
    node = {"name": "m", "columns": columns, "estimator": case["estimator"]}
    predictor_of = ModelSpec.model_validate_json(json.dumps(node))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant and missing columns: scikit-learn warns
            predictor = SklearnPredictor(predictor_of, domain, seed=0)
            predictor.fit(table, _outcome(case["estimator"]["_target_"], rows, rng))
    except (ConfigError, ContractError) as error:
        return f"refused by scikit-learn: {error}"
    try:
        program = lower({"h": predictor}, domain, HeadScore(head="h"))
    except ConfigError as error:
        return f"refused by lowering: {error}"
    return Compiled(domain, table, predictor, program)


def _outcome(target: str, rows: int, rng: np.random.Generator) -> Floats:
    outcome = (rng.random(rows) < 0.4).astype(np.float64)
    if target.endswith(("Regressor", "LinearRegression", "Ridge")):
        return outcome * 3 + rng.normal(size=rows)
    return outcome
