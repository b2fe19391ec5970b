"""A selection: the contract's features that a column step of a model takes."""

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mlops.contracts.domain import Column, Domain
from mlops.contracts.roles import Scope
from mlops.models.spec import ColumnStep, ModelSpec
from mlops.verify.dataflow_columns import Key, Stream, entering, listed
from mlops.verify.dataflow_parts import Report


@dataclass(frozen=True, slots=True)
class Names:
    """Every column that a service knows, and what it may do.

    Attributes:
        request: What a request may contain.
        training: What a training row contains.
    """

    request: Domain
    training: Domain

    @property
    def features(self) -> dict[str, Column]:
        """Columns that a model may read, by name."""
        return {column.name: column for column in self.request.features}

    def refusal(self, name: str) -> tuple[str, str, str] | None:
        """Return why a model may not read a column: rule, reason and hint; None if it may."""
        features = self.features
        if name in features:
            return None
        columns = (*self.request.columns, *self.training.columns)
        found = next((column for column in columns if column.name == name), None)
        if found is None:
            known = [*features, *(column.name for column in columns)]
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"features: {', '.join(features)}"
            return "unknown-column", f"which contract {self.request.name} does not have", hint
        if found.scope is Scope.OUTCOME:
            return (
                "leak",
                "which is known only after the decision, a leak",
                "take it out: no request can have it",
            )
        if found.scope is Scope.LOGGED:
            return "not-in-request", "which is only logged and not in the request", "take it out"
        return (
            "no-feature",
            f"which contract {self.request.name} declares to be no feature",
            "take it out, or mark it as a feature in the contract",
        )


def select(spec: ModelSpec, names: Names, report: Report) -> list[Stream]:
    """Return what enters each column step, in order.

    Args:
        spec: The model.
        names: The columns that there are.
        report: Told of what is selected wrongly, twice, or not at all.
    """
    streams = [
        _selected(step, ("columns", str(at)), names, report) for at, step in enumerate(spec.columns)
    ]
    taken = Counter(name for stream in streams for name in stream.names)
    if not taken and not report.failed:
        report.fail("empty", f"model {spec.name} selects no column at all", ("columns",))
    dropped = [name for name in names.features if name not in taken]
    if dropped and not report.failed:
        message = f"no column step selects {listed(dropped)}: the model never sees it"
        report.note("dropped", message, ("columns",))
    _overlaps(spec, streams, report)
    return streams


def _selected(step: ColumnStep, key: Key, names: Names, report: Report) -> Stream:
    if isinstance(step.select, str):
        wanted = step.select == "categorical"
        chosen = [c for c in names.features.values() if c.is_category is wanted]
        if not chosen:
            report.warn(
                "empty",
                f"column step {step.name!r} selects {step.select} features, and contract"
                f" {names.request.name} has none",
                (*key, "select"),
                "take the step out",
            )
        return entering(chosen)
    chosen = []
    for at, name in enumerate(step.select):
        place = (*key, "select", str(at))
        refusal = names.refusal(name)
        if refusal is not None:
            rule, reason, hint = refusal
            message = f"column step {step.name!r} selects {name!r}, {reason}"
            report.fail(rule, message, place, hint)
        elif name in step.select[:at]:
            message = f"column step {step.name!r} selects {name!r} twice"
            report.fail("selected-twice", message, place, "name it once")
        else:
            chosen.append(names.features[name])
    return entering(chosen)


def _overlaps(spec: ModelSpec, streams: Sequence[Stream], report: Report) -> None:
    """Warn of a column in two steps, unless both name it and do different things to it."""
    for later, step in enumerate(spec.columns):
        for earlier in range(later):
            other = spec.columns[earlier]
            shared = [c for c in streams[later].names if c in streams[earlier].names]
            meant = not isinstance(step.select, str) and not isinstance(other.select, str)
            if shared and not (meant and step.steps != other.steps):
                report.warn(
                    "selected-twice",
                    f"column steps {other.name!r} and {step.name!r} both select {listed(shared)}",
                    _at(step, later, shared[0]),
                    "select each column once",
                )


def _at(step: ColumnStep, number: int, name: str) -> Key:
    key: Key = ("columns", str(number), "select")
    return key if isinstance(step.select, str) else (*key, str(step.select.index(name)))


def covered(names: Names, report: Report) -> None:
    """Report the request's columns that the training frame has not, or has in another way."""
    training = {column.name: column for column in names.training.columns}
    key = ("contracts", "training", "_target_")
    for column in names.request.request:
        found = training.get(column.name)
        if found is None:
            message = f"the training contract lacks column {column.name!r} of the request"
            report.fail("training-lacks", message, key, "let it inherit from the request's")
        elif found.kind is not column.kind:
            message = (
                f"column {column.name!r} is {column.kind.value} in the request and"
                f" {found.kind.value} in training"
            )
            report.fail("training-dtype", message, key, "give both the same dtype")
        elif column.nullable and not found.nullable:
            message = (
                f"column {column.name!r} may be missing in a request and never is in training,"
                " so that no model learns what that means"
            )
            report.fail("training-missing", message, key, "make both nullable, or none")
