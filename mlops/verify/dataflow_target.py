"""A target rule: whether the estimator learns and answers what a head asks for."""

from collections.abc import Mapping, Sequence

from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.verify.dataflow_columns import Flowing, Key, Kind, Stream
from mlops.verify.dataflow_parts import Part, Report

_CHANCE = "declare it as int with isin=[0, 1]"
_AVERAGING = (
    "DecisionTreeRegressor", "ExtraTreeRegressor", "ExtraTreesRegressor", "RandomForestRegressor",
)  # fmt: skip
"""Regressors that answer with a mean of outcomes."""

_DECIDERS = {"SGDClassifier": "loss", "SVC": "probability", "VotingClassifier": "voting"}
"""The argument that decides whether a classifier gives probabilities."""


def targets(
    part: Part,
    training: Domain,
    outcomes: Sequence[tuple[str, str]],
    report: Report,
    *,
    given: Mapping[str, str],
) -> None:
    """Report outcomes that do not fit the estimator.

    Args:
        part: The estimator at the end.
        training: Contract with the outcomes.
        outcomes: Each head's name and outcome column.
        report: Told of what does not fit.
        given: For each head the outcome that must have happened; such a head's own outcome may
            be missing where it has not.
    """
    kind = part.tags.kind if part.tags else ""
    if kind and kind not in ("classifier", "regressor"):
        message = f"{part.name} is a {kind} and learns no outcome"
        report.fail("no-estimator", message, part.at(), "name a classifier or a regressor")
        return
    silent = not hasattr(part.value, "predict_proba")
    if (
        kind == "classifier" and silent and part.name != "StackingClassifier"
    ):  # it knows when fitted
        _no_probability(part, report)
    columns = {column.name: column for column in training.columns}
    for at, (head, name) in enumerate(outcomes):
        column = columns.get(name)
        key: Key = ("training", "heads", str(at), "outcome")
        if column is None:  # told by the check of the training section
            continue
        if column.nullable and not given.get(head):
            message = f"the outcome {name!r} of head {head!r} may be missing, which nothing learns"
            report.fail("outcome-missing", message, key, "take nullable=True out of the contract")
        _fits(part, kind, column, key, report)


def outcome_ends(
    training: Domain, outcomes: Sequence[tuple[str, str]]
) -> tuple[float | None, float | None]:
    """Return the least and the largest outcome of all heads; None where nothing bounds them."""
    names = {name for _, name in outcomes}
    found = [column for column in training.columns if column.name in names]
    truths = [column for column in found if column.kind is ColumnKind.BOOLEAN]
    lows = [column.minimum for column in found if column not in truths] + [0.0] * len(truths)
    highs = [column.maximum for column in found if column not in truths] + [1.0] * len(truths)
    low = None if not lows or None in lows else min(low for low in lows if low is not None)
    high = None if not highs or None in highs else max(h for h in highs if h is not None)
    return low, high


def answers(
    part: Part, stream: Stream, training: Domain, outcomes: Sequence[tuple[str, str]]
) -> Stream:
    """Return what the estimator answers for each head: a chance, or a number.

    Args:
        part: The estimator at the end.
        stream: What reaches it.
        training: Contract with the outcomes.
        outcomes: Each head's name and outcome column.
    """
    source = tuple(dict.fromkeys(name for column in stream.columns for name in column.source))
    found = []
    for head, name in outcomes:
        low, high = None, None
        if part.tags is not None and part.tags.kind == "classifier":
            low, high = 0.0, 1.0
        elif part.name in _AVERAGING:
            low, high = outcome_ends(training, [(head, name)])
        found.append(Flowing(head, Kind.NUMBER, source, low=low, high=high))
    return Stream(tuple(found))


def _no_probability(part: Part, report: Report) -> None:
    decider = _DECIDERS.get(part.name)
    report.fail(
        "no-probability",
        f"{part.name}{f' with this {decider}' if decider else ''} gives classes and no"
        " probabilities (it has no predict_proba), which the score needs",
        part.at(decider) if decider else part.at(),
        "use LogisticRegression, or put it into CalibratedClassifierCV",
    )


def _fits(part: Part, kind: str, column: Column, key: Key, report: Report) -> None:
    if column.is_category:
        report.fail("outcome", f"the outcome {column.name!r} is a text", key, _CHANCE)
        return
    chance = _is_chance(column)
    if kind == "classifier" and not chance:
        message = (
            f"{part.name} tells two classes apart, and the outcome {column.name!r} is"
            f" {_worded(column)}"
        )
        report.fail("outcome", message, key, f"{_CHANCE}, or use a regressor")
    if kind == "regressor" and chance:
        message = (
            f"{part.name} is a regressor: on the outcome {column.name!r}, which is 0 or 1, it may"
            " predict below 0 and above 1"
        )
        report.note("regressor-on-chance", message, part.at())
    if kind == "regressor":
        _positive(part, column, key, report)


def _positive(part: Part, column: Column, key: Key, report: Report) -> None:
    loss = str(part.argument("loss"))
    strictly = part.name == "GammaRegressor" or loss == "gamma"
    wanted = strictly or loss == "poisson" or bool(part.tags and part.tags.positive_target)
    low = column.minimum
    if column.kind is ColumnKind.BOOLEAN:
        low = 0.0
    if wanted and (low is None or low < 0 or (strictly and low == 0 and not column.minimum_open)):
        ends = "above zero" if strictly else "at or above zero"
        message = f"{part.name} learns outcomes {ends} only, and {column.name!r} may be lower"
        report.fail("outcome", message, key, "use loss squared_error, or bound the outcome")


def _is_chance(column: Column) -> bool:
    return column.kind is ColumnKind.BOOLEAN or (column.minimum == 0 and column.maximum == 1)


def _worded(column: Column) -> str:
    if column.minimum is None and column.maximum is None:
        return f"any {column.kind.value}"
    low = "-inf" if column.minimum is None else f"{column.minimum:g}"
    high = "inf" if column.maximum is None else f"{column.maximum:g}"
    article = "an" if column.kind is ColumnKind.INTEGER else "a"
    return f"{article} {column.kind.value} from {low} to {high}"
