"""A family: which properties an estimator promises, by what kind of algorithm it is."""

from typing import Any

from mlops.algorithms.relation import Property

_ALWAYS = frozenset(
    {
        Property.DETERMINISTIC, Property.BATCH, Property.UNTOUCHED, Property.REFIT,
        Property.FINITE, Property.OVERFIT, Property.CLASS_NAMES,
    }
)  # fmt: skip
_SMOOTH = _ALWAYS | {
    Property.LABEL_SYMMETRY, Property.TARGET_SHIFT, Property.ROW_ORDER, Property.WEIGHTS,
    Property.COLUMN_ORDER, Property.FEATURE_SHIFT,
}  # fmt: skip
# Where two cuts are equally good a tree takes the first, so order and symmetry do not hold for it;
# leaves count rows, not their weights.
_TREES = _ALWAYS | {Property.MONOTONE_TRANSFORM}


def promised(estimator: Any) -> frozenset[Property]:
    """Return what an estimator promises.

    Its own `properties` attribute says so, a collection of names; else trees promise what trees
    do, randomised ensembles what holds whatever is drawn, and everything else, an estimator of
    your own above all, the properties of a smooth loss with an intercept.

    Args:
        estimator: Unfitted.
    """
    declared = getattr(estimator, "properties", None)
    if declared is not None and not callable(declared):
        return frozenset(Property(name) for name in declared)
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import (
        BaseEnsemble,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )
    from sklearn.tree import BaseDecisionTree, DecisionTreeClassifier, DecisionTreeRegressor

    match estimator:
        case HistGradientBoostingClassifier() | HistGradientBoostingRegressor():
            return _TREES
        case DecisionTreeClassifier() | DecisionTreeRegressor() if (
            estimator.get_params()["splitter"] == "best"
        ):
            return _TREES
        case BaseDecisionTree() | BaseEnsemble() | CalibratedClassifierCV():
            return _ALWAYS  # drawn splits, rows and folds
        case _:
            return _SMOOTH
