"""An arrival: whether the estimator at the end takes what reaches it."""

from dataclasses import replace

from mlops.verify.dataflow_accepts import accept
from mlops.verify.dataflow_boosting import boosting, constraints
from mlops.verify.dataflow_columns import Stream, sources
from mlops.verify.dataflow_parts import Part, Report
from mlops.verify.dataflow_transformers import steps_of, through

_HAND_ON = {
    "CalibratedClassifierCV": "estimator",
    "FixedThresholdClassifier": "estimator",
    "GridSearchCV": "estimator",
    "OneVsOneClassifier": "estimator",
    "OneVsRestClassifier": "estimator",
    "RandomizedSearchCV": "estimator",
    "TransformedTargetRegressor": "regressor",
    "TunedThresholdClassifierCV": "estimator",
}
"""Estimators that hand their input on as it is, and the argument that they hand it to."""

_HAND_ON_AS_ARRAY = {"BaggingClassifier": "estimator", "BaggingRegressor": "estimator"}

_HAND_TO_SEVERAL = (
    "StackingClassifier", "StackingRegressor", "VotingClassifier", "VotingRegressor",
)  # fmt: skip

_SINGLE_PRECISION = (
    "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreesClassifier",
    "ExtraTreesRegressor", "GradientBoostingClassifier", "GradientBoostingRegressor",
    "RandomForestClassifier", "RandomForestRegressor",
)  # fmt: skip


def arrive(part: Part, stream: Stream, report: Report) -> None:
    """Report what the estimator does not take.

    Args:
        part: The estimator; what is nested in it is followed.
        stream: What reaches it.
        report: Told of what does not fit.
    """
    if not part.packaged:
        return
    if part.name == "Pipeline":
        *before, (_, last) = steps_of(part, "steps")
        for _, step in before:
            stream = through(step, stream, report)
        arrive(last, stream, report)
    elif part.name in _HAND_ON or part.name in _HAND_ON_AS_ARRAY:
        _hand_on(part, stream, report)
    elif part.name in _HAND_TO_SEVERAL:
        for _, below in steps_of(part, "estimators"):
            if below.value != "drop":
                arrive(below, stream, report)
    elif part.name.startswith("HistGradientBoosting"):
        boosting(part, stream, report)
    elif not part.name.startswith("Dummy"):  # which look at no column
        _plain(part, stream, report)


def _hand_on(part: Part, stream: Stream, report: Report) -> None:
    argument = _HAND_ON.get(part.name)
    if argument is None:
        argument, stream = _HAND_ON_AS_ARRAY[part.name], replace(stream, frame=False)
    below = part.below(argument)
    if below is None:
        accept(part, stream, report)
        return
    kind = below.tags.kind if below.tags else ""
    if part.name == "CalibratedClassifierCV" and kind and kind != "classifier":
        report.fail(
            "no-classifier",
            f"{part.name} calibrates a classifier, and its estimator {below.name} is a {kind}",
            below.at(),
            "name a classifier",
        )
        return
    arrive(below, stream, report)


def _plain(part: Part, stream: Stream, report: Report) -> None:
    taken = accept(part, stream, report)
    if part.name in _SINGLE_PRECISION:
        constraints(part, taken, report)
        missing = taken.where(lambda column: column.missing)
        if taken.sparse and missing:  # its tags do not say so
            report.warn(
                "missing",
                f"{part.name} fails on missing values in a sparse matrix, which is what"
                f" {sources(missing)} come in if most of it is zero",
                part.at(),
                "set sparse_output: false in the encoder, or put a SimpleImputer before it",
            )
        wide = taken.where(lambda column: column.unbounded)
        if wide:  # training fails on it, the compiled form does not
            message = (
                f"{part.name} fails on numbers beyond float32, and nothing bounds {sources(wide)}"
            )
            report.note("unbounded", message, part.at())
