"""A pipeline's work: the counts of `mlops.cost.work`, read off an unfitted pipeline.

Nothing is fitted. What scikit-learn's classes would do is read from their names and parameters,
defaults included, since the object that is asked has them all.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from mlops.contracts.domain import ColumnKind, Domain
from mlops.cost import work
from mlops.cost.work import Columns, ForestShape, TreeShape, Work

OPEN_CATEGORIES = 50.0
"""Categories that a column is taken to have where the contract leaves them open."""

_SCALERS = ("StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler", "QuantileTransformer",
            "PowerTransformer", "KBinsDiscretizer", "SplineTransformer")  # fmt: skip
_SORTING = ("RobustScaler", "QuantileTransformer", "PowerTransformer", "KBinsDiscretizer")


@runtime_checkable
class Parametrised(Protocol):
    """An object of scikit-learn's, as far as its parameters go."""

    def get_params(self, deep: bool = True) -> Mapping[str, object]:
        """Return the parameters by name."""
        ...


@dataclass(frozen=True, slots=True)
class UnknownWork:
    """A pipeline whose work is not known.

    Attributes:
        name: Class that is not known.
    """

    name: str


def fit_work(estimator: object, domain: Domain, rows: float) -> Work | UnknownWork:
    """Return the work of fitting what `build_estimator` gave.

    Args:
        estimator: The unfitted pipeline.
        domain: The contract whose features it reads.
        rows: Rows that it learns from.

    Returns:
        The work, or the class that there is no count for.
    """
    texts = [column for column in domain.features if column.is_category]
    numbers = len(domain.features) - len(texts)
    framed = {"frame.number": rows * numbers, "frame.text": rows * len(texts)}
    if _name(estimator) == "Pipeline":
        steps = cast("Sequence[tuple[str, object]]", _params(estimator)["steps"])
        before, columns = _prepared(steps[0][1], domain, rows)
        inner = steps[-1][1]
    else:
        before, columns, inner = {}, Columns(len(domain.features), numbers, len(texts)), estimator
    found = _estimator(inner, columns, rows)
    if isinstance(found, UnknownWork):
        return found
    added = work.total([framed, before])
    return Work(
        cpu=work.total([added, found.cpu]),
        most=work.total([added, found.most]),
        memory=work.total([framed, {"step.copy": before.get("step.copy", 0.0)}, found.memory]),
        outcome=found.outcome,
        iterations=found.iterations,
        parallel=found.parallel,
        doubts=found.doubts,
    )


def _name(item: object) -> str:
    return type(item).__name__


def _params(item: object) -> Mapping[str, object]:
    return item.get_params(deep=False) if isinstance(item, Parametrised) else {}


def _number(value: object, otherwise: float) -> float:
    """Return a parameter as a number; None and texts mean the default."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    return float(value)


def _prepared(transformer: object, domain: Domain, rows: float) -> tuple[dict[str, float], Columns]:
    """Return the work of the column steps, and what comes out of them."""
    known = {column.name: column for column in domain.features}
    parts: list[dict[str, float]] = []
    width = filled = groups = coded = 0.0
    scaled = True
    for _, step, selected in cast(
        "Sequence[tuple[str, object, Sequence[str]]]", _params(transformer)["transformers"]
    ):
        chain = _chain(step)
        for name in selected:
            column = known[name]
            size = OPEN_CATEGORIES if column.categories is None else len(column.categories)
            hot = any(_name(part) == "OneHotEncoder" for part in chain)
            wide = min(size, rows) if hot else 1.0
            width += wide
            coded += wide * (column.is_category or column.kind is ColumnKind.BOOLEAN)
            filled += 1.0
            groups += hot
            scaled &= column.is_category or any(_name(part) in _SCALERS for part in chain)
        kinds = [known[name].is_category for name in selected]
        parts += [_step(part, rows, texts=sum(kinds), columns=len(kinds)) for part in chain]
    return work.total(parts), Columns(
        max(width, 1.0), max(filled, 1.0), hot=groups, coded=coded, scaled=scaled
    )


def _chain(step: object) -> list[object]:
    if isinstance(step, str):
        return []
    if _name(step) == "Pipeline":
        return [part for _, part in cast("Sequence[tuple[str, object]]", _params(step)["steps"])]
    return [step]


def _step(part: object, rows: float, *, texts: int, columns: int) -> dict[str, float]:
    name = _name(part)
    if texts:
        # A target encoder encodes once by folds and once on all rows.
        passes = 2.0 if name == "TargetEncoder" else 1.0
        return {"step.text": passes * rows * texts, "step.number": rows * (columns - texts)}
    sorts = name in _SORTING or (
        name == "SimpleImputer" and _params(part).get("strategy") in ("median", "most_frequent")
    )
    return {"step.sorted" if sorts else "step.number": rows * columns, "step.copy": rows * columns}


def _estimator(item: object, columns: Columns, rows: float) -> Work | UnknownWork:
    name = _name(item)
    found = _KINDS.get(name.removesuffix("Classifier").removesuffix("Regressor"))
    if found is None:
        found = _KINDS.get(name)
    return UnknownWork(name) if found is None else found(_params(item), columns, rows)


def _boosting(params: Mapping[str, object], columns: Columns, rows: float) -> Work:
    tree = TreeShape(
        leaves=_number(params.get("max_leaf_nodes"), math.inf),
        depth=_number(params.get("max_depth"), math.inf),
        leaf_rows=_number(params.get("min_samples_leaf"), 20.0),
    )
    found = work.boosting(rows, columns, tree, _number(params.get("max_iter"), 100.0))
    stops = params.get("early_stopping")
    if stops is True or (stops == "auto" and rows > 10_000):
        return Work(
            found.cpu, found.most, found.memory, found.outcome, found.iterations, found.parallel,
            ("it may stop early, so this is an upper bound",),
        )  # fmt: skip
    return found


def _tried(value: object, width: float) -> float:
    if value == "sqrt":
        return max(math.floor(math.sqrt(width)), 1.0)
    if value == "log2":
        return max(math.floor(math.log2(width)), 1.0)
    if isinstance(value, int) and not isinstance(value, bool):
        return float(min(value, width))
    return max(value * width, 1.0) if isinstance(value, float) else width


def _rows_of(value: object, rows: float, otherwise: float) -> float:
    """Return a least number of rows that may be given as a share."""
    share = isinstance(value, float) and value < 1
    return rows * _number(value, otherwise) if share else _number(value, otherwise)


def _forest(
    params: Mapping[str, object], columns: Columns, rows: float, *, random: bool, many: bool
) -> Work:
    split = _rows_of(params.get("min_samples_split"), rows, 2.0)
    tree = TreeShape(
        leaves=_number(params.get("max_leaf_nodes"), math.inf),
        depth=_number(params.get("max_depth"), math.inf),
        leaf_rows=max(_rows_of(params.get("min_samples_leaf"), rows, 1.0), split / 2.0),
    )
    bootstrap = many and params.get("bootstrap") is True
    shape = ForestShape(
        trees=_number(params.get("n_estimators"), 100.0) if many else 1.0,
        tree=tree,
        tried=_tried(params.get("max_features"), columns.width),
        sampled=work.distinct_share(params.get("max_samples"), rows, bootstrap=bootstrap),
        random=random,
        jobs=many and params.get("n_jobs") not in (None, 1),
    )
    return work.forest(rows, columns, shape)


def _logistic(params: Mapping[str, object], columns: Columns, rows: float) -> Work:
    return work.logistic(
        rows,
        columns,
        most=_number(params.get("max_iter"), 100.0),
        tolerance=_number(params.get("tol"), 1e-4),
    )


def _calibrated(params: Mapping[str, object], columns: Columns, rows: float) -> Work | UnknownWork:
    folds = _number(params.get("cv"), 5.0)
    inner = params.get("estimator")
    whole = _estimator(inner, columns, rows)
    fold = _estimator(inner, columns, rows * (1.0 - 1.0 / max(folds, 2.0)))
    if isinstance(whole, UnknownWork) or isinstance(fold, UnknownWork):
        return UnknownWork(_name(inner))
    return work.calibrated(
        whole,
        fold,
        rows=rows,
        folds=folds,
        ensemble=params.get("ensemble") is not False,
        isotonic=params.get("method") == "isotonic",
    )


def _direct(factor: float) -> "_Counter":
    return lambda params, columns, rows: work.least_squares(rows, columns, factor=factor)


def _trees(*, random: bool, many: bool) -> "_Counter":
    return lambda params, columns, rows: _forest(params, columns, rows, random=random, many=many)


_Counter = Callable[[Mapping[str, object], Columns, float], Work | UnknownWork]

_KINDS: Mapping[str, _Counter] = {
    "HistGradientBoosting": _boosting,
    "RandomForest": _trees(random=False, many=True),
    "ExtraTrees": _trees(random=True, many=True),
    "DecisionTree": _trees(random=False, many=False),
    "ExtraTree": _trees(random=True, many=False),
    "LogisticRegression": _logistic,
    "LinearRegression": _direct(4.0),
    "Ridge": _direct(1.0),
    "RidgeClassifier": _direct(1.0),
    "CalibratedClassifierCV": _calibrated,
    "Dummy": lambda params, columns, rows: Work({}, {}, {}),
}
