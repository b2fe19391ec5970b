"""Pipeline nodes: parts of a model's configuration, and right models of them, for the shop."""

from typing import Any

Node = dict[str, Any]

CLOSED = ["area", "tier"]
NUMBERS = ["visits", "price", "balance"]


def of(path: str, **arguments: object) -> Node:
    return {"_target_": f"sklearn.{path}", **arguments}


def one_hot(**arguments: object) -> Node:
    return of("preprocessing.OneHotEncoder", **{"handle_unknown": "ignore", **arguments})


def ordinal(**arguments: object) -> Node:
    base = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    return of("preprocessing.OrdinalEncoder", **{**base, **arguments})


def boosting(**arguments: object) -> Node:
    return of("ensemble.HistGradientBoostingClassifier", **{"max_iter": 5, **arguments})


def impute(strategy: str = "median", **arguments: object) -> Node:
    return of("impute.SimpleImputer", strategy=strategy, **arguments)


SCALE = of("preprocessing.StandardScaler")
LOGISTIC = of("linear_model.LogisticRegression", C=0.1)
FOREST = of("ensemble.RandomForestClassifier", n_estimators=5)
TARGET = of("preprocessing.TargetEncoder")


def step(select: object, *steps: Node, name: str = "s") -> Node:
    return {"name": name, "select": select, "steps": list(steps)}


def model(*columns: Node, estimator: Node = LOGISTIC) -> Node:
    return {"name": "mine", "columns": list(columns), "estimator": estimator}


def calibrated(estimator: Node, **arguments: object) -> Node:
    return of("calibration.CalibratedClassifierCV", estimator=estimator, cv=3, **arguments)


ENCODED = step("categorical", ordinal(encoded_missing_value=-2), name="c")

RIGHT: dict[str, Node] = {
    "categories as they are, for boosting": model(estimator=boosting()),
    "boosting inside a calibration": model(estimator=calibrated(boosting())),
    "one-hot and scaled numbers for a linear model": model(
        step("categorical", one_hot(), name="c"), step("numeric", impute(), SCALE, name="n")
    ),
    "the same, calibrated": model(
        step("categorical", one_hot(), name="c"),
        step("numeric", impute(), SCALE, name="n"),
        estimator=calibrated(LOGISTIC, method="isotonic"),
    ),
    "missing values go to boosting": model(
        step([*NUMBERS, "basket"], SCALE), estimator=boosting()
    ),
    "ordinal codes whose missing value stays missing go to boosting": model(
        step(CLOSED, ordinal()), estimator=boosting()
    ),
    "ordinal codes are taken as categories by place": model(
        step(CLOSED, ordinal()), estimator=boosting(categorical_features=[0, 1])
    ),
    "ordinal codes with numbers of their own go to a forest": model(
        step(CLOSED, ordinal(encoded_missing_value=-2)), estimator=FOREST
    ),
    "target encoding of open categories": model(step(["city", "item"], TARGET)),
    "texts are filled before they are encoded": model(
        step(["tier"], impute("constant", fill_value="none"), one_hot())
    ),
    "the most frequent text fills": model(
        step(["tier", "city"], impute("most_frequent"), one_hot())
    ),
    "all categories are listed": model(
        step(["area"], one_hot(handle_unknown="error", categories=[["north", "south", "west"]]))
    ),
    "constraints by name on the frame": model(
        estimator=boosting(
            monotonic_cst={"price": -1, "visits": 1}, categorical_features="from_dtype"
        )
    ),
    "constraints by place behind column steps": model(
        step(NUMBERS, SCALE), estimator=boosting(monotonic_cst=[1, 0, -1])
    ),
    "categories by name, and which columns may interact": model(
        estimator=boosting(
            categorical_features=["area", "tier", "city", "item"],
            interaction_cst=[[0, 1, 2], [3, 4, 5, 6, 7, 8, 9]],
        )
    ),
    "a yes-or-no number is one-hot encoded": model(
        step(["promo"], one_hot(handle_unknown="error"), name="p"), step(["visits"], SCALE)
    ),
    "sparse columns are scaled without centring": model(
        step(["area"], one_hot(), of("preprocessing.MaxAbsScaler"))
    ),
    "a column is used in two ways": model(
        step(["balance"], SCALE, name="a"),
        step(["balance"], of("preprocessing.MinMaxScaler", clip=True), name="b"),
    ),
    "columns pass as they are": model(step(NUMBERS)),
    "a part without rules of its own inside a pipeline": model(
        step(
            NUMBERS,
            of("pipeline.Pipeline", steps=[["scale", SCALE], ["again", SCALE]]),
        )
    ),
    "column steps inside a column step": model(
        step(
            ["area", "price"],
            of(
                "compose.ColumnTransformer",
                transformers=[["c", one_hot(), ["area"]], ["n", SCALE, ["price"]]],
            ),
        )
    ),
    "one-hot columns, which boosting takes dense": model(
        step(["area"], one_hot()), estimator=boosting()
    ),
    "the next free code stands for unknown": model(
        step(["area"], ordinal(unknown_value=3)), estimator=boosting()
    ),
    "as many categories as bins": model(
        step(["area"], ordinal()), estimator=boosting(categorical_features=[0], max_bins=3)
    ),
    "a pipeline of one's own around the estimator": model(
        estimator=of(
            "pipeline.Pipeline",
            steps=[
                [
                    "columns",
                    of(
                        "compose.ColumnTransformer",
                        transformers=[
                            ["c", one_hot(), CLOSED],
                            ["n", of("pipeline.Pipeline", steps=[["i", impute()], ["s", SCALE]]),
                             ["price", "basket"]],
                        ],
                    ),
                ],
                ["linear", LOGISTIC],
            ],
        )
    ),
}  # fmt: skip
"""What must pass without a word, of the flow and of the probe."""
