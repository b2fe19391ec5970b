"""Heuristics count the past only, answer always, and come back from their state."""

import json
from typing import Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.base.errors import ConfigError, ContractError
from mlops.contracts.domain import Floats, Table
from mlops.models.heuristics import FittedHeuristic, Heuristic, History, State, fit_heuristic
from mlops.models.spec import CustomSpec, FeeWeightedPopularitySpec, PopularitySpec, StaticSpec

DAY = 86_400.0
NOW = 1_000 * DAY
INFINITE = np.full(1, np.inf)


def history(keys: list[str | None], outcomes: list[float], ages_days: list[float]) -> History:
    return History(
        {"item": np.array(keys, dtype=object), "click": np.array(outcomes)},
        at_s=NOW - np.array(ages_days) * DAY,
        as_of_s=NOW,
    )


def texts(*keys: str | None) -> Table:
    return {"item": np.array(keys, dtype=object), "fee": np.arange(1.0, len(keys) + 1)}


def spec(half_life_days: float = 7.0, prior_strength: float = 2.0) -> PopularitySpec:
    return PopularitySpec(
        key="item", outcome="click", half_life_days=half_life_days, prior_strength=prior_strength
    )


class Newest(Heuristic):
    """A user's own heuristic: the longest text first."""

    def __init__(self, bonus: float) -> None:
        self.bonus = bonus

    @property
    def columns(self) -> tuple[str, ...]:
        return ("item",)

    @classmethod
    def fit(cls, history: History, *, bonus: float = 0.0) -> Self:
        del history
        return cls(bonus)

    def score(self, table: Table, rows: int) -> Floats:
        del rows
        return np.array([len(str(key)) + self.bonus for key in table["item"]])

    def state(self) -> State:
        return State({"bonus": self.bonus})

    @classmethod
    def restore(cls, state: State) -> Self:
        return cls(float(str(state.facts["bonus"])))


def test_rate_is_the_posterior_mean_of_decayed_events() -> None:
    past = history(["a", "a", "b"], [1.0, 0.0, 0.0], [7.0, 0.0, 14.0])
    found = fit_heuristic(spec(), past).heuristic.score(texts("a", "b", "new", None), 4)
    prior = (0.5 + 0.5) / (0.5 + 1.0 + 0.25 + 1.0)
    wanted = [(2 * prior + 0.5) / (2 + 1.5), 2 * prior / (2 + 0.25), prior, prior]
    assert found == pytest.approx(wanted, rel=1e-12)


def test_recent_success_counts_more_than_old_one() -> None:
    past = history(["old", "fresh"], [1.0, 1.0], [60.0, 1.0])
    old, fresh = fit_heuristic(spec(), past).heuristic.score(texts("old", "fresh"), 2)
    assert fresh > old


def test_future_rows_change_nothing() -> None:
    past = history(["a", "b"], [1.0, 0.0], [3.0, 2.0])
    more = history(["a", "b", "b", "c"], [1.0, 0.0, 1.0, 1.0], [3.0, 2.0, -0.001, -50.0])
    table = texts("a", "b", "c", "d")
    known, unknown = (
        fit_heuristic(spec(), h).heuristic.score(table, 4).tolist() for h in (past, more)
    )
    assert known == unknown


def test_rows_whose_outcome_is_not_known_yet_change_nothing() -> None:
    past = history(["a", "b"], [1.0, 0.0], [3.0, 2.0])
    more = history(["a", "b", "a"], [1.0, 0.0, np.nan], [3.0, 2.0, 1.0])
    one, other = (
        fit_heuristic(spec(), h).heuristic.score(texts("a", "b"), 2) for h in (past, more)
    )
    assert one.tolist() == other.tolist()


def test_fee_weighs_the_rate() -> None:
    past = history(["a", "b"], [1.0, 0.0], [1.0, 1.0])
    plain = fit_heuristic(spec(), past).heuristic.score(texts("a", "b"), 2)
    weighted = fit_heuristic(
        FeeWeightedPopularitySpec(
            key="item", outcome="click", value="fee", half_life_days=7.0, prior_strength=2.0
        ),
        past,
    ).heuristic
    assert weighted.columns == ("item", "fee")
    assert weighted.score(texts("a", "b"), 2).tolist() == (plain * [1.0, 2.0]).tolist()


def test_static_keeps_the_order() -> None:
    static = fit_heuristic(StaticSpec(), history([], [], [])).heuristic
    assert static.columns == ()
    assert static.score({}, 3).tolist() == [0.0, -1.0, -2.0]


def test_keys_may_be_numbers() -> None:
    past = History(
        {"item": np.array([3.0, 4.0, np.nan]), "click": np.array([1.0, 0.0, 1.0])},
        at_s=np.full(3, NOW),
        as_of_s=NOW,
    )
    fitted = fit_heuristic(spec(), past)
    table = {"item": np.array([3.0, 4.0, 5.0, np.nan])}
    three, four, five, missing = fitted.heuristic.score(table, 4).tolist()
    assert three > five == missing > four
    again = copied(fitted).heuristic
    assert again.score(table, 4).tolist() == [three, four, five, missing]


def test_no_history_at_all_still_scores() -> None:
    fitted = fit_heuristic(spec(), history([], [], [])).heuristic
    assert fitted.score(texts("a", "b"), 2).tolist() == [0.5, 0.5]


def copied(fitted: FittedHeuristic, packages: tuple[str, ...] = ()) -> FittedHeuristic:
    state = fitted.heuristic.state()
    facts = json.loads(json.dumps(state.facts))
    return FittedHeuristic.restored(
        fitted.kind, fitted.path, State(facts, state.arrays), packages=packages
    )


@given(
    keys=st.lists(st.sampled_from(["a", "b", "\u00e4", " ", "0"]), min_size=1, max_size=20),
    fees=st.lists(st.floats(), min_size=3, max_size=3),
    seed=st.integers(0, 1000),
)
def test_scores_are_finite_and_come_back_from_the_state(
    keys: list[str], fees: list[float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    past = history(list(keys), rng.integers(0, 2, len(keys)).astype(float).tolist(),
                   rng.uniform(-5, 5000, len(keys)).tolist())  # fmt: skip
    fitted = fit_heuristic(
        FeeWeightedPopularitySpec(key="item", outcome="click", value="fee"), past
    )
    table = {"item": np.array(["a", None, "zz"], dtype=object), "fee": np.array(fees)}
    found = fitted.heuristic.score(table, 3)
    assert np.isfinite(found).all()
    assert copied(fitted).heuristic.score(table, 3).tolist() == found.tolist()


def test_custom_heuristic_is_fitted_and_restored_from_an_allowed_package() -> None:
    path = f"{Newest.__module__}.Newest"
    custom = CustomSpec.model_validate_json(
        json.dumps({"kind": "custom", "heuristic": {"_target_": path, "bonus": 2.0}})
    )
    with pytest.raises(ConfigError, match="outside the allowed"):
        fit_heuristic(custom, history([], [], []))
    fitted = fit_heuristic(custom, history([], [], []), packages=("tests",))
    assert fitted.heuristic.score(texts("abc"), 1).tolist() == [5.0]
    assert copied(fitted, ("tests",)).heuristic.score(texts("abc"), 1).tolist() == [5.0]
    with pytest.raises(ConfigError, match="outside the allowed"):
        copied(fitted)


def test_custom_heuristic_takes_the_arguments_it_has() -> None:
    node = {"_target_": f"{Newest.__module__}.Newest", "bonis": 2.0}
    custom = CustomSpec.model_validate_json(json.dumps({"kind": "custom", "heuristic": node}))
    with pytest.raises(ConfigError, match="bonis"):
        fit_heuristic(custom, history([], [], []), packages=("tests",))


def test_class_that_is_no_heuristic_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a Heuristic"):
        FittedHeuristic.restored(
            "custom", "mlops.models.program.Program", State(), packages=("mlops",)
        )


@pytest.mark.parametrize(
    "state",
    [
        State(),
        State({"key": "k", "value": None, "prior": 0.1, "keys": ["a"]}),
        State({"key": "k", "value": None, "prior": 0.1, "keys": ["a"]}, {"rates": np.zeros(2)}),
        State({"key": "k", "value": None, "prior": 0.1}, {"rates": np.zeros(1)}),
        State({"key": 3, "value": None, "prior": 0.1, "keys": []}, {"rates": np.zeros(0)}),
        State({"key": "k", "value": None, "prior": "x", "keys": []}, {"rates": np.zeros(0)}),
        State({"key": "k", "value": None, "prior": 0.1, "keys": ["a"]}, {"rates": INFINITE}),
    ],
)  # fmt: skip
def test_state_that_is_none_is_refused(state: State) -> None:
    with pytest.raises(ValueError, match="popularity"):
        FittedHeuristic.restored("popularity", "", state, packages=())


def test_missing_column_is_named() -> None:
    with pytest.raises(ContractError, match="'item'"):
        fit_heuristic(spec(), History({"click": np.zeros(1)}, np.zeros(1), 0.0))
    fitted = fit_heuristic(spec(), history(["a"], [1.0], [1.0])).heuristic
    with pytest.raises(ContractError, match="'item'"):
        fitted.score({"fee": np.zeros(2)}, 2)


def test_users_own_heuristic_stays_unopened_where_users_code_does_not_run() -> None:
    fitted = FittedHeuristic.restored("custom", "nowhere.Thing", State(), packages=None)
    assert fitted.heuristic.columns == ()
    with pytest.raises(ContractError, match="does not run in this process"):
        fitted.heuristic.score({}, 1)
