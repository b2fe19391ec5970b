"""An algorithm test: relations tried on drawn examples, the smallest one that breaks each shown.

From pytest, in one line:

    def test_my_model() -> None:
        assert_keeps(try_estimator(MyModel()))

scikit-learn's own estimator checks come beside them: they hold what its pipelines rely on, while
the relations hold what the algorithm promises.
"""

import inspect
import warnings
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar, cast

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from mlops.algorithms import relations_estimator, relations_heuristic
from mlops.algorithms.examples import pages, samples
from mlops.algorithms.families import promised
from mlops.algorithms.relation import CLAIMS, Property, Relation
from mlops.algorithms.relations_estimator import Sample, Tried
from mlops.algorithms.relations_heuristic import Fit, Page
from mlops.base.errors import ConfigError
from mlops.base.verdict import Finding, Status, Verdict
from mlops.contracts.domain import Domain
from mlops.contracts.roles import Scope

EXAMPLES = 20
TOLERANCE = 0.02

_SHOWN = 24
_LINE = "\n"

T = TypeVar("T")


def try_estimator(
    estimator: Any,
    *,
    properties: Collection[Property] | None = None,
    examples: int = EXAMPLES,
    tolerance: float = TOLERANCE,
    random_seed: int = 0,
) -> Verdict:
    """Try an estimator's properties.

    Args:
        estimator: An unfitted classifier with `predict_proba`, or a regressor, that can be cloned
            by scikit-learn.
        properties: What it promises; None takes what its family does (`mlops.algorithms.families`).
        examples: How many samples are drawn for each property.
        tolerance: Largest difference that passes as a solver's last step: of a probability, or of
            an estimate as a share of the targets' spread.
        random_seed: Seed of the examples, and of the estimator's `random_state` if it has one.

    Returns:
        A verdict `algorithm`, one finding a property; a failed one shows the smallest example.

    Raises:
        ConfigError: It is no estimator, or a property is none of its kind.
    """
    tried = _as_tried(estimator, tolerance, random_seed)
    known = relations_estimator.relations(tried)
    if properties is None:
        wanted = promised(estimator)
        chosen = [each for each in known if each.property in wanted]
    else:
        chosen = _asked(known, properties)
    drawn = samples(classifies=tried.classifies)
    findings = [_finding(each, drawn, examples, random_seed, _sample_text) for each in chosen]
    return Verdict("algorithm", tuple(findings))


def _as_tried(estimator: Any, tolerance: float, random_seed: int) -> Tried:
    from sklearn.base import clone, is_classifier

    if not hasattr(estimator, "fit") or not hasattr(estimator, "predict"):
        raise ConfigError(
            f"{type(estimator).__name__} cannot be tried: it has no fit and predict",
            hint="name a classifier or regressor, or a heuristic",
        )
    classifies = bool(is_classifier(estimator)) or hasattr(estimator, "predict_proba")
    if classifies and not hasattr(estimator, "predict_proba"):
        raise ConfigError(
            f"{type(estimator).__name__} gives no probabilities, so no service can use it",
            hint="name a classifier with predict_proba",
        )

    def make() -> Any:
        fresh = clone(estimator)
        if "random_state" in fresh.get_params(deep=False):
            fresh.set_params(random_state=random_seed)
        return fresh

    weighs = "sample_weight" in inspect.signature(estimator.fit).parameters
    return Tried(make=make, classifies=classifies, tolerance=tolerance, weighs=weighs)


def try_heuristic(
    fit: Fit,
    *,
    training: Domain,
    request: Domain,
    properties: Collection[Property] | None = None,
    examples: int = EXAMPLES,
    random_seed: int = 0,
) -> Verdict:
    """Try a heuristic's properties on histories and pages that its contract allows.

    Args:
        fit: Fits a fresh one on a history, with the arguments that it is configured with.
        training: Contract of the history.
        request: Contract of the candidates.
        properties: What it promises; None takes all that a heuristic must keep.
        examples: How many pages are drawn for each property.
        random_seed: Seed of the examples.

    Returns:
        A verdict `algorithm`, one finding a property; a failed one shows the smallest example.

    Raises:
        ConfigError: A property is none of a heuristic's.
    """
    known = relations_heuristic.relations(fit)
    chosen = _asked(known, properties) if properties else list(known)
    drawn = pages(training=training, request=request)
    outcomes = {column.name for column in training.columns if column.scope is Scope.OUTCOME}

    def show(page: Page) -> str:
        return _page_text(page, outcomes.union(fit(page.history).columns))

    findings = [_finding(each, drawn, examples, random_seed, show) for each in chosen]
    return Verdict("algorithm", tuple(findings))


def assert_keeps(verdict: Verdict) -> None:
    """Fail a test with what a verdict found; its one line in pytest.

    >>> assert_keeps(Verdict("algorithm"))

    Raises:
        AssertionError: Some finding failed.
    """
    failed = [finding for finding in verdict.findings if finding.status is Status.FAIL]
    assert not failed, "\n".join(f"{each.check}: {each.message}" for each in failed)


def _asked(known: Iterable[Relation[T]], properties: Collection[Property]) -> list[Relation[T]]:
    by_property = {each.property: each for each in known}
    for name in properties:
        if name not in by_property:
            raise ConfigError(
                f"property {name.value!r} cannot be tried here",
                hint=f"one of: {', '.join(sorted(by_property))}",
            )
    return [each for each in by_property.values() if each.property in properties]


def _finding(
    relation: Relation[T],
    drawn: SearchStrategy[T],
    examples: int,
    random_seed: int,
    show: Callable[[T], str],
) -> Finding:
    name, claim = f"algorithm.{relation.property.value}", CLAIMS[relation.property]
    broken = _smallest(relation, drawn, examples, random_seed)
    if broken is None:
        return Finding(name, Status.PASS, f"{claim} ({examples} examples)")
    told, example = broken
    text = f"not kept: {claim}; {told}; smallest example: {show(example)}"
    return Finding(name, Status.FAIL, text)


class _BrokenError(Exception):
    """An example that does not keep a relation."""


def _smallest(
    relation: Relation[T], drawn: SearchStrategy[T], examples: int, random_seed: int
) -> tuple[str, T] | None:
    """Return what the smallest breaking example tells, and the example; None if none breaks."""
    last: list[T] = []

    def tries(example: T) -> None:
        last[:] = [example]
        told = _told(relation, example)
        if told is not None:
            raise _BrokenError(told)

    runs = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )(seed(random_seed)(given(drawn)(tries)))
    try:
        cast("Callable[[], None]", runs)()
    except _BrokenError as broken:  # hypothesis runs the smallest example last
        return str(broken), last[0]
    except Flaky:
        return "the same example once kept it and once did not", last[0]
    return None


def _told(relation: Relation[T], example: T) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return relation.broken(example)
        except Exception as error:  # whatever an algorithm of the user's raises on a right example
            return f"it raised {type(error).__name__}: {str(error).partition(_LINE)[0]}"


def _sample_text(sample: Sample) -> str:
    rows = [[round(value, 4) for value in row] for row in sample.rows.tolist()]
    return f"rows {_cut(rows)}, target {_cut(sample.target.tolist())}"


def _page_text(page: Page, columns: Collection[str]) -> str:
    """Tell of a page what a heuristic can have read: its own columns and the outcomes."""
    history, asked = (
        ", ".join(f"{name} {_cut(table[name].tolist())}" for name in table if name in columns)
        for table in (page.history.table, page.candidates)
    )
    times = _cut(page.history.at_s.tolist())
    return f"history {history} at {times} s, as of {page.history.as_of_s:g} s; candidates {asked}"


def _cut(values: list[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:_SHOWN])
    return f"[{shown}{', ...' if len(values) > _SHOWN else ''}]"
