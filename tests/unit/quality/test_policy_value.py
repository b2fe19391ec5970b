"""Policy value: unbiased on a simulated bandit, and silent when the weights mean nothing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.quality import policy_value
from mlops.quality.estimate import Floats, Ints, interval
from mlops.quality.policy_value import Replay, Trust

ITEMS = 8
TRUST = Trust(min_effective_sample=100, max_weight_share=0.1, min_events=10)


def _bandit(
    rng: np.random.Generator, rows: int, *, wrong_model: bool = False
) -> tuple[Replay, float]:
    """Log a skewed policy; evaluate the ranking by another score at three slots."""
    chance = np.linspace(0.05, 0.4, ITEMS)
    logging = np.arange(1, ITEMS + 1) / np.arange(1, ITEMS + 1).sum()
    item = rng.choice(ITEMS, rows, p=logging)
    slot = rng.integers(0, 3, rows)
    reward = (rng.random(rows) < chance[item]).astype(np.float64)
    impression = np.repeat(np.arange(rows), ITEMS)
    score = np.tile(np.cos(np.arange(ITEMS)), rows)
    probability = policy_value.slot_probability(
        impression, score, rank=np.repeat(slot, ITEMS)
    ).reshape(rows, ITEMS)
    model = np.full(ITEMS, 0.9) if wrong_model else chance
    replay = Replay(
        reward=reward,
        propensity=logging[item],
        agreement=probability[np.arange(rows), item],
        predicted=model[item],
        expected=probability @ model,
    )
    best = np.argsort(-np.cos(np.arange(ITEMS)))[:3]
    return replay, float(chance[best].mean())


@pytest.mark.parametrize("name", ["ips", "snips", "doubly_robust"])
@pytest.mark.parametrize("wrong_model", [False, True])
def test_estimates_are_unbiased_and_their_intervals_hold_the_truth(
    name: str, wrong_model: bool
) -> None:
    estimator = getattr(policy_value, name)
    rng = np.random.default_rng(4)
    values, held, truth = [], 0, math.nan
    for _ in range(200):
        replay, truth = _bandit(rng, 1000, wrong_model=wrong_model)
        found = interval(estimator(replay), level=0.95)
        assert found is not None
        values.append(found.value)
        held += found.low <= truth <= found.high
    error = np.std(values) / math.sqrt(len(values))
    assert abs(np.mean(values) - truth) < 4 * error
    assert 0.88 <= held / 200 <= 0.99


@pytest.mark.parametrize("name", ["ips", "snips", "doubly_robust"])
def test_influences_are_about_the_value(name: str) -> None:
    replay, _ = _bandit(np.random.default_rng(1), 5000)
    found = getattr(policy_value, name)(replay)
    assert found.influence.mean() == pytest.approx(0, abs=1e-12)


def test_a_good_reward_model_makes_the_doubly_robust_estimate_sharper() -> None:
    replay, _ = _bandit(np.random.default_rng(1), 5000)
    right = policy_value.doubly_robust(replay).standard_error()
    assert right < policy_value.ips(replay).standard_error()


def test_snips_does_not_move_with_a_constant_and_ips_does() -> None:
    replay, _ = _bandit(np.random.default_rng(1), 5000)
    shifted = Replay(replay.reward + 10, replay.propensity, replay.agreement)
    moved = policy_value.snips(shifted).value - policy_value.snips(replay).value
    assert moved == pytest.approx(10)
    assert policy_value.ips(shifted).value - policy_value.ips(replay).value != pytest.approx(10)


def test_one_propensity_of_a_millionth_leaves_two_effective_samples_of_ten_thousand() -> None:
    rows, items = 10_000, 46
    propensity = np.full(rows, 1 / items)
    propensity[1234] = 1e-6
    replay = Replay(
        reward=np.tile([0.0, 1.0], rows // 2),
        propensity=propensity,
        agreement=np.full(rows, 1 / items),
    )
    assert round(policy_value.effective_sample_size(replay.weights)) == 2
    reason = policy_value.distrust(replay, TRUST)
    assert reason == (
        "one of 10,000 rows carries 68.5% of the weight (limit 10.0%): 2.13 effective rows"
    )
    # The limit on the effective sample holds by itself too.
    lax = Trust(min_effective_sample=100, max_weight_share=1, min_events=10)
    assert "as much as 2.13 effective rows, fewer than 100" in policy_value.distrust(replay, lax)


def test_a_ranking_that_meets_no_rewards_is_not_worth_nothing() -> None:
    replay = Replay(np.zeros(500), np.full(500, 0.5), np.ones(500))
    assert "agrees with 0 rewarded rows" in policy_value.distrust(replay, TRUST)


def test_a_ranking_that_agrees_nowhere_has_no_value() -> None:
    replay = Replay(np.ones(500), np.full(500, 0.5), np.zeros(500))
    assert policy_value.distrust(replay, TRUST)
    assert interval(policy_value.snips(replay), level=0.95) is None


def test_a_healthy_log_is_trusted() -> None:
    replay, _ = _bandit(np.random.default_rng(1), 5000)
    assert policy_value.distrust(replay, TRUST) == ""


def test_doubly_robust_needs_predictions() -> None:
    with pytest.raises(ValueError, match="reward model"):
        policy_value.doubly_robust(Replay(np.ones(1), np.ones(1), np.ones(1)))


def test_the_item_at_a_slot_is_the_one_of_that_rank() -> None:
    impression: Ints = np.array([0, 0, 0, 1, 1, 1])
    score: Floats = np.array([0.1, 0.9, 0.5, 3.0, 2.0, 1.0])
    found = policy_value.slot_probability(impression, score, rank=np.array([0, 0, 0, 2, 2, 2]))
    assert found.tolist() == [0, 1, 0, 0, 0, 1]


@given(
    scores=st.lists(st.integers(0, 3), min_size=3, max_size=12),
    slot=st.integers(0, 2),
    seed=st.integers(0, 1000),
)
def test_a_slot_holds_one_item_and_ties_share_it(scores: list[int], slot: int, seed: int) -> None:
    score = np.array(scores, dtype=np.float64)
    n = len(score)
    order = np.random.default_rng(seed).permutation(n)
    found = policy_value.slot_probability(
        np.zeros(n, dtype=np.intp), score[order], rank=np.full(n, slot)
    )
    assert found.sum() == pytest.approx(1)
    holder = np.sort(score)[::-1][slot]
    expected = np.where(score == holder, 1 / (score == holder).sum(), 0)
    assert found == pytest.approx(expected[order])
