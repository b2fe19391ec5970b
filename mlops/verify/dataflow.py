"""A flow: what each step of a model's pipeline yields, from contract to output, without any row.

Symbolic rules, one for each kind of transformer, follow the contract's columns: their names,
dtypes, number, and whether a missing value, a text, a negative number or an unseen category can
reach a step that fails on it. A transformer without a rule yields something unknown, about which
nothing is said; `mlops.verify.probe` decides there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlops.base.digest import Json
from mlops.base.section import Target
from mlops.base.verdict import Finding, Status
from mlops.contracts.domain import Domain
from mlops.models.builder import Builder
from mlops.models.compilable import part_refusals
from mlops.models.estimator import PACKAGES
from mlops.models.spec import ExpectedValueScore, ModelSpec, ScoreSpec
from mlops.verify.dataflow_columns import Flowing, Key, Stream, entering, unknown
from mlops.verify.dataflow_output import arrive
from mlops.verify.dataflow_parts import Part, Report
from mlops.verify.dataflow_select import Names, covered, select
from mlops.verify.dataflow_target import answers, outcome_ends, targets
from mlops.verify.dataflow_transformers import prefixed, through


@dataclass(frozen=True, slots=True)
class FlowStep:
    """What one step yields.

    Attributes:
        name: `features`, a column step's name with the class and its place, `estimator`, `heads`.
        key: Where it stands, from `Settings` downwards.
        columns: What leaves it; for the estimator, what reaches it.
        count: How many columns that is; None if it depends on the data.
        sparse: Whether they are a sparse matrix.
    """

    name: str
    key: Key
    columns: tuple[Flowing, ...]
    count: int | None
    sparse: bool

    @property
    def missing(self) -> bool:
        """Whether a missing value can leave it."""
        return any(column.missing for column in self.columns)

    def line(self) -> str:
        """Return it as one short text: `categories: 4 columns`."""
        count = f"{len(self.columns)} or more" if self.count is None else str(self.count)
        kinds = sorted({column.kind.value for column in self.columns})
        words = [f"{count} {'/'.join(kinds)}"]
        if self.missing:
            words.append("may be missing")
        if self.sparse:
            words.append("sparse")
        return f"{self.name}: {', '.join(words)}"


@dataclass(frozen=True, slots=True)
class Flow:
    """What flows, and what is wrong with it.

    Attributes:
        findings: What is wrong, first to last; one that passes if nothing fails.
        steps: Each step, from the features to the heads' answers.
    """

    findings: tuple[Finding, ...]
    steps: tuple[FlowStep, ...]

    def line(self) -> str:
        """Return the flow as one text, step by step."""
        return " -> ".join(step.line() for step in self.steps)

    def to_json(self) -> Json:
        """Return the steps as JSON."""
        return [
            {
                "step": step.name,
                "key": ".".join(step.key),
                "count": step.count,
                "sparse": step.sparse,
                "columns": [_column_json(column) for column in step.columns],
            }
            for step in self.steps
        ]


def trace(  # noqa: PLR0913 - one configuration, said in plain values
    model: ModelSpec,
    request: Domain,
    training: Domain,
    outcomes: Sequence[tuple[str, str]],
    *,
    packages: Sequence[str] = PACKAGES,
    score: ScoreSpec | None = None,
    given: Mapping[str, str] | None = None,
) -> Flow:
    """Follow the contract's columns through a model's pipeline; nothing is fitted or read.

    A part that cannot be built at all is no finding here: whoever builds the model tells that.

    Args:
        model: The pipeline.
        request: Contract of a request, whose features it reads.
        training: Contract of a training row.
        outcomes: Each head's name and outcome column, in the order of `training.heads`.
        packages: Where classes may come from.
        score: How heads become the score; its value column is looked at.
        given: For each head that learns from some rows only, the outcome that they share.
    """
    report = Report(outcome_ends(training, outcomes))
    names = Names(request, training)
    covered(names, report)
    walk = _Walk(report, packages)
    features = entering(request.features)
    walk.note("features", ("columns",), features)
    stream = walk.columns(model, select(model, names, report)) if model.columns else features
    part = walk.build(model.estimator, ("estimator",))
    if part is not None:
        if stream.sparse and not (part.tags and part.tags.sparse):
            stream = replace(stream, sparse=False)  # as `build_estimator` asks for it
        arrive(part, stream, report)
        targets(part, training, outcomes, report, given=given or {})
        walk.compiled(part, predicts=True)
    walk.note("estimator", ("estimator", "_target_"), stream)
    if part is not None:
        heads = answers(part, stream, training, outcomes)
        walk.note("heads", ("estimator", "_target_"), heads)
    _value(score, request, report)
    flow = Flow(tuple(report.findings), tuple(walk.steps))
    if not report.failed:
        passed = Finding("check.flow", Status.PASS, _summary(flow), key=("model",))
        flow = replace(flow, findings=(passed, *flow.findings))
    return flow


class _Walk:
    """Goes through the column steps and notes what each yields."""

    def __init__(self, report: Report, packages: Sequence[str]) -> None:
        self.steps: list[FlowStep] = []
        self._report = report
        self._packages = packages

    def build(self, target: Target, key: Key) -> Part | None:
        """Return a part; None if it cannot be built."""
        value = Builder(0, self._packages).build(target, key)
        return None if value is None else Part(value, key, target.arguments)

    def compiled(self, part: Part, *, predicts: bool) -> None:
        """Report what of a part cannot be compiled for serving."""
        for refused in part_refusals(part.value, part.key, predicts=predicts):
            message = f"{refused.reason}, so that training would end after fitting"
            self._report.fail("not-compilable", message, refused.key, refused.hint)

    def columns(self, model: ModelSpec, streams: Sequence[Stream]) -> Stream:
        """Return what the column steps yield together."""
        found = []
        for at, (step, selected) in enumerate(zip(model.columns, streams, strict=True)):
            stream = selected
            for place, target in enumerate(step.steps):
                key = ("columns", str(at), "steps", str(place))
                part = self.build(target, key)
                name = target.path.rpartition(".")[2]
                if part is None:
                    stream = unknown(stream, name.lower())
                else:
                    stream = replace(through(part, stream, self._report), frame=False)
                    self.compiled(part, predicts=False)
                self.note(f"{step.name}/{place} {name}", key, stream)
            found.append((step.name, stream))
        return prefixed(found)

    def note(self, name: str, key: Key, stream: Stream) -> None:
        """Note what a step yields."""
        self.steps.append(
            FlowStep(name, ("model", *key), stream.columns, stream.count, stream.sparse)
        )


def _value(score: ScoreSpec | None, request: Domain, report: Report) -> None:
    """Warn of a score that is multiplied with a number which the contract does not bound."""
    if not isinstance(score, ExpectedValueScore):
        return
    column = next((c for c in request.request if c.name == score.value), None)
    if column is not None and (column.minimum is None or column.maximum is None):
        report.warn(
            "unbounded",
            f"the score is multiplied with {score.value!r}, which the contract does not bound, so"
            " that nothing bounds the score",
            ("training", "score", "value"),
            "bound it in the contract with ge and le",
        )


def _summary(flow: Flow) -> str:
    first, last = flow.steps[0], next(s for s in reversed(flow.steps) if s.name == "estimator")
    count = len(last.columns) if last.count is None else last.count
    more = " or more, as the data have it" if last.count is None else ""
    return f"{first.count} features reach the estimator as {count} columns{more}: {flow.line()}"


def _column_json(column: Flowing) -> Json:
    return {
        "name": column.name,
        "kind": column.kind.value,
        "missing": column.missing,
        "several": column.many,
        "from": list(column.source),
        "low": column.low,
        "high": column.high,
    }
