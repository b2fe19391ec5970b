"""Algorithms: right ones keep what they promise, each seeded bug breaks one by a small example."""

from typing import Any, Self

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mlops.algorithms.relation import CLAIMS, Property
from mlops.algorithms.trial import assert_keeps, try_estimator, try_heuristic
from mlops.base.errors import ConfigError
from mlops.base.verdict import Status
from mlops.contracts.domain import Table
from mlops.contracts.schema import read_domain
from mlops.contracts.search_ranking import Request, Training
from mlops.models.heuristics import Heuristic, History, Popularity, State, Static
from tests.fakes.logistic import BUGS, HandWritten

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    "estimator",
    [
        HandWritten(),
        LogisticRegression(),
        LinearRegression(),
        DecisionTreeClassifier(max_depth=4),
        RandomForestClassifier(n_estimators=5),
        HistGradientBoostingClassifier(max_iter=5),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_right_algorithms_keep_what_their_family_promises(estimator: Any) -> None:
    assert_keeps(try_estimator(estimator, examples=5))


@pytest.mark.parametrize(("bug", "broken"), BUGS.items(), ids=BUGS)
def test_each_bug_is_found(bug: str, broken: str) -> None:
    verdict = try_estimator(HandWritten(bug), properties=[Property(broken)], examples=20)
    (finding,) = verdict.findings
    assert finding.status is Status.FAIL
    assert finding.check == f"algorithm.{broken}"
    assert "smallest example" in finding.message


def test_the_example_shown_is_small() -> None:
    bug = HandWritten("it leaves the last training row out")
    (finding,) = try_estimator(bug, properties=[Property.ROW_ORDER], examples=20).findings
    # The least sample has twelve rows; shrinking leaves one feature of mostly noughts.
    rows = finding.message.partition("example: rows ")[2].partition(", target")[0]
    assert rows == f"[{', '.join(['[0.0]'] * 12)}]"


def test_a_seed_gives_the_same_verdict() -> None:
    bug = HandWritten("it has no intercept")
    one, other = (try_estimator(bug, properties=[Property.FEATURE_SHIFT]) for _ in range(2))
    assert one == other


def test_an_estimator_that_raises_is_told_with_its_error() -> None:
    class Raises(HandWritten):
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - its names
            message = "no such luck"
            raise RuntimeError(message)

    (finding,) = try_estimator(Raises(), properties=[Property.BATCH]).findings
    assert "it raised RuntimeError: no such luck" in finding.message


def test_what_is_no_estimator_is_refused() -> None:
    with pytest.raises(ConfigError, match="no fit and predict"):
        try_estimator(object())


def test_a_property_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="'future'"):
        try_estimator(LogisticRegression(), properties=[Property.FUTURE])


def test_every_property_has_its_claim() -> None:
    assert set(CLAIMS) == set(Property)


TRAINING, REQUEST = read_domain(Training), read_domain(Request)


def popularity(history: History) -> Heuristic:
    return Popularity.fit(history, key="job_id", outcome="applied", value="success_fee")


def test_popularity_keeps_all_that_a_heuristic_must() -> None:
    assert_keeps(try_heuristic(popularity, training=TRAINING, request=REQUEST, examples=15))


def test_the_static_order_depends_on_the_order_and_on_nothing_else() -> None:
    verdict = try_heuristic(Static.fit, training=TRAINING, request=REQUEST, examples=10)
    failed = {f.check for f in verdict.findings if f.status is Status.FAIL}
    assert failed == {"algorithm.candidate_order"}


class Faulty(Heuristic):
    """Ranks by the mean of what was applied for, with a bug of choice."""

    bug = ""

    def __init__(self, mean: float, rows: int) -> None:
        self.mean, self.rows = mean, rows

    @property
    def columns(self) -> tuple[str, ...]:
        return ("success_fee",)

    @classmethod
    def fit(cls, history: History) -> Self:
        past = history.at_s <= history.as_of_s
        if cls.bug == "future":
            past[:] = True
        applied = np.asarray(history.table["applied"], dtype=np.float64)[past]
        if cls.bug == "row_order":
            applied = applied[-1:]
        if not len(applied) and cls.bug != "empty_past":
            return cls(0.5, 0)
        return cls(float(applied.sum() / np.float64(len(applied))), len(applied))

    def score(self, table: Table, rows: int) -> Any:
        fee = np.asarray(table["success_fee"], dtype=np.float64)
        match self.bug:
            case "padding":
                fee = fee / (fee.max() or 1.0)
            case "candidate_order":
                fee = fee + np.arange(rows)
            case "finite":
                fee = np.log(fee)
            case "untouched":
                fee += 1.0
            case "deterministic":
                fee = fee + np.random.default_rng().normal(size=rows)
        return fee * self.mean

    def state(self) -> State:
        return State({"mean": round(self.mean, 1) if self.bug == "restored" else self.mean})

    @classmethod
    def restore(cls, state: State) -> Self:
        mean = state.facts["mean"]
        assert isinstance(mean, float)
        return cls(mean, 0)


HEURISTIC_BUGS = [
    "future", "row_order", "empty_past", "padding", "candidate_order", "finite", "untouched",
    "deterministic", "restored",
]  # fmt: skip


@pytest.mark.parametrize("bug", HEURISTIC_BUGS)
def test_each_bug_of_a_heuristic_is_found(bug: str) -> None:
    faulty: type[Faulty] = type("Faulty", (Faulty,), {"bug": bug})
    wanted = [Property(bug)]
    verdict = try_heuristic(
        faulty.fit, training=TRAINING, request=REQUEST, properties=wanted, examples=40
    )
    assert [finding.status for finding in verdict.findings] == [Status.FAIL], verdict


def test_a_right_heuristic_of_your_own_passes() -> None:
    assert_keeps(try_heuristic(Faulty.fit, training=TRAINING, request=REQUEST, examples=15))
