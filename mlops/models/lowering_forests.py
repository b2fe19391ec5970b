"""Lowering of scikit-learn's own trees: forests, single trees and classic gradient boosting.

They cast each input to float32 before it meets a threshold of 64 bits. The cast never turns the
order round, so it folds into the threshold exactly, and the program compares in float64 alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import get_tags  # type: ignore[attr-defined] # the stubs are older

from mlops.base.errors import ConfigError
from mlops.contracts.domain import Column, ColumnKind, Floats
from mlops.models.flat import TreesRaw
from mlops.models.forms import CodedForm, Form, Inputs, NumberForm, TextForm
from mlops.models.linear import apply_steps
from mlops.models.lowering_trees import Table, fold_threshold
from mlops.models.trees import LEAF, MISSING_LEFT, UNKNOWN_LEFT

_TOO_LARGE = float(2.0**128 - 2.0**103)
"""The least double that float32 rounds to infinity: half a step beyond its largest number."""
_INTEGERS = 2.0**63  # a frame's int64 holds none beyond


def lower_forest(
    estimator: Any, forms: Sequence[Form], inputs: Inputs, *, table: Table, sparse: bool
) -> TreesRaw:
    """Append a fitted forest's trees, or a single tree, to a table; return its raw score.

    A classifier's is the mean of the trees' shares of class 1, added in the trees' order.

    Args:
        estimator: The fitted model; a classifier must be binary.
        forms: What enters it, one form a feature.
        inputs: The matrix columns.
        table: Where the trees go.
        sparse: Whether the features reach it as a sparse matrix.

    Raises:
        ConfigError: The contract allows a value that scikit-learn fails on, or a text enters it.
    """
    trees = getattr(estimator, "estimators_", None)
    own = _Grower.over(estimator, forms, inputs, table, sparse=sparse)
    outcome = 1 if hasattr(estimator, "classes_") else 0
    first = table.trees
    for part in [estimator] if trees is None else trees:
        own.add(part.tree_, part.tree_.value[:, 0, outcome])
    # A tree alone adds to nothing, and 0.0 + -0.0 would lose the sign of its leaf.
    baseline = -0.0 if trees is None else 0.0
    divisor = 1 if trees is None else len(trees)
    return TreesRaw(baseline=baseline, first=first, last=table.trees, divisor=divisor)


def lower_stages(
    estimator: Any, forms: Sequence[Form], inputs: Inputs, *, table: Table, sparse: bool
) -> TreesRaw:
    """Append a fitted GradientBoosting model's trees to a table; return its raw score.

    Args:
        estimator: The fitted model; a classifier must be binary.
        forms: What enters it, one form a feature.
        inputs: The matrix columns.
        table: Where the trees go.
        sparse: Whether the features reach it as a sparse matrix.

    Raises:
        ConfigError: As `lower_forest`; it fails on missing values, too.
    """
    own = _Grower.over(estimator, forms, inputs, table, sparse=sparse)
    first = table.trees
    for stage in estimator.estimators_:
        own.add(stage[0].tree_, estimator.learning_rate * stage[0].tree_.value[:, 0, 0])
    # Every row starts the same: the table of what can be compiled allows no other `init`.
    row = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
    baseline = float(estimator._raw_predict_init(row)[0, 0])
    return TreesRaw(baseline=baseline, first=first, last=table.trees)


@dataclass(frozen=True, slots=True)
class _Grower:
    """Appends trees that read some forms.

    Attributes:
        forms: One form a feature.
        table: Where the trees go.
        cuts: Folded thresholds by feature and threshold, since scaled columns repeat them.
        sets: Words and flags by feature, threshold and direction of missing values.
    """

    forms: Sequence[NumberForm | CodedForm]
    table: Table
    cuts: dict[tuple[int, float], float] = field(default_factory=dict)
    sets: dict[tuple[int, float, bool], tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def over(
        cls, estimator: Any, forms: Sequence[Form], inputs: Inputs, table: Table, *, sparse: bool
    ) -> "_Grower":
        """Return one for an estimator, or refuse what scikit-learn would fail on."""
        name = type(estimator).__name__
        takes_missing = bool(get_tags(estimator).input_tags.allow_nan) and not sparse
        found: list[NumberForm | CodedForm] = []
        for form in forms:
            if isinstance(form, TextForm):
                column = inputs.contract(form.column).name
                raise ConfigError(f"text column {column!r} reaches {name} unencoded")
            if not takes_missing:
                _refuse_missing(form, inputs, name, sparse=sparse)
            if isinstance(form, NumberForm):
                _refuse_too_large(form, inputs.contract(form.column), name)
            found.append(form)
        return cls(found, table)

    def add(self, tree: Any, value: Floats) -> None:
        """Append a fitted `sklearn.tree._tree.Tree` with its nodes' values, shape [nodes]."""
        start = self.table.begin_tree()
        leaf = tree.children_left == LEAF
        count = len(leaf)
        nodes: dict[str, npt.NDArray[np.generic]] = {
            "feature": np.full(count, LEAF),
            "cut": np.where(leaf, value, _before_cast(tree.threshold)),
            "left": np.where(leaf, 0, tree.children_left + start),
            "right": np.where(leaf, 0, tree.children_right + start),
            "flags": np.zeros(count, dtype=np.uint8),
            "word": np.full(count, -1),
        }
        for feature in np.unique(tree.feature[~leaf]).tolist():
            at = np.flatnonzero(~leaf & (tree.feature == feature))
            form = self.forms[feature]
            nodes["feature"][at] = form.column
            if isinstance(form, CodedForm):
                self._ask_codes(nodes, at, tree, form)
            else:
                self._ask_number(nodes, at, tree, form)
        self.table.add_nodes(nodes)

    def _ask_number(
        self,
        nodes: dict[str, npt.NDArray[Any]],
        at: npt.NDArray[np.intp],
        tree: Any,
        form: NumberForm,
    ) -> None:
        missing_left = tree.missing_go_to_left[at] > 0
        missing = apply_steps(form.steps, np.array([np.nan]))[0]
        if missing == missing:  # a fill makes it a number
            missing_left = np.float32(missing) <= tree.threshold[at]
        nodes["flags"][at] = MISSING_LEFT * missing_left
        if not any(step.kind != "fill" for step in form.steps):
            return
        for node in at.tolist():
            key = (int(tree.feature[node]), float(nodes["cut"][node]))
            if key not in self.cuts:
                self.cuts[key] = fold_threshold(form.steps, key[1])
            nodes["cut"][node] = self.cuts[key]

    def _ask_codes(
        self,
        nodes: dict[str, npt.NDArray[Any]],
        at: npt.NDArray[np.intp],
        tree: Any,
        form: CodedForm,
    ) -> None:
        with np.errstate(over="ignore"):
            # Back to 64 bits: numpy would else compare with a threshold rounded to 32.
            values = form.values.astype(np.float32).astype(np.float64)
        nodes["cut"][at] = 0.0
        for node in at.tolist():
            feature, cut = int(tree.feature[node]), float(tree.threshold[node])
            missing_left = bool(tree.missing_go_to_left[node])
            key = (feature, cut, missing_left)
            if key not in self.sets:
                left = np.where(np.isnan(values), missing_left, values <= cut).tolist()
                flags = UNKNOWN_LEFT * left[-2] + MISSING_LEFT * left[-1]
                self.sets[key] = (self.table.word(left[:-2]), flags)
            nodes["word"][node], nodes["flags"][node] = self.sets[key]


def _refuse_missing(
    form: NumberForm | CodedForm, inputs: Inputs, name: str, *, sparse: bool
) -> None:
    allowed = inputs.contract(form.column)
    if isinstance(form, CodedForm):
        reaches = bool((np.isnan(form.values) & inputs.possible(form.column)).any())
    else:
        reaches = allowed.nullable and not any(step.kind == "fill" for step in form.steps)
    if reaches:
        also = " in a sparse matrix" if sparse else ""
        hint = "put a SimpleImputer before it, or make the column not nullable"
        if sparse:
            hint = "put a SimpleImputer before it, or set the OneHotEncoder's sparse_output: false"
        raise ConfigError(
            f"{allowed.name!r} may be missing, and {name} fails on missing values{also}", hint=hint
        )


def _refuse_too_large(form: NumberForm, allowed: Column, name: str) -> None:
    low = -np.inf if allowed.minimum is None else allowed.minimum
    high = np.inf if allowed.maximum is None else allowed.maximum
    if allowed.kind is ColumnKind.BOOLEAN:
        low, high = 0.0, 1.0
    if allowed.kind is ColumnKind.INTEGER:
        low, high = max(low, -_INTEGERS), min(high, _INTEGERS)
    with np.errstate(over="ignore"):
        ends = apply_steps(form.steps, np.array([low, high]))
    if not bool((np.abs(ends) < _TOO_LARGE).all()):
        raise ConfigError(
            f"the contract lets {allowed.name!r} be larger than the 3.4e38 that 32 bits hold, and "
            f"{name} fails on such numbers",
            hint="give the column both a ge and a le in the contract",
        )


def _before_cast(cuts: Floats) -> Floats:
    """Return for each threshold the largest double that float32 rounds to at most that.

    >>> cut = float(_before_cast(np.array([0.5]))[0])
    >>> bool(np.float32(cut) <= 0.5), bool(np.float32(np.nextafter(cut, 1.0)) <= 0.5)
    (True, False)
    """
    with np.errstate(over="ignore"):
        nearest = cuts.astype(np.float32)
        down = np.nextafter(nearest, np.float32(-np.inf))
        at_most = np.where(nearest.astype(np.float64) > cuts, down, nearest)
        above = np.nextafter(at_most, np.float32(np.inf)).astype(np.float64)
        # Beyond the largest float32 the next one would be 2**128, had it the bits for it.
        above = np.where(np.isinf(above), 2.0**128, above)
        middle = (at_most.astype(np.float64) + above) / 2.0
        # A tie rounds to the even neighbour, which may be the one above.
        stays = middle.astype(np.float32) <= at_most
    return np.where(stays, middle, np.nextafter(middle, -np.inf))
