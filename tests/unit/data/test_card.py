"""Tests of the data card."""

import pandas as pd

from mlops.contracts.open_bandit import Training
from mlops.contracts.schema import read_domain
from mlops.data.card import OutcomeCount, describe

COLUMNS = read_domain(Training).columns


def test_card_counts_outcomes_gaps_and_values() -> None:
    frame = pd.DataFrame(
        {"at_s": [30.0, 10.0, 20.0, 25.0], "click": [0, 1, 0, 0], "affinity": [1.0, 2.0, 3.0, 4.0]}
    ).assign(user_feature_0=pd.Series(["a", None, "a", "b"], dtype="str"))
    card = describe(frame, COLUMNS)
    assert (card.rows, card.columns, card.first_s, card.last_s) == (4, 4, 10.0, 30.0)
    assert card.outcomes == {"click": OutcomeCount(1, 0.25)}
    assert card.missing == {"user_feature_0": 0.25}
    assert card.distinct == {"user_feature_0": 2}


def test_empty_frame_has_a_card_too() -> None:
    card = describe(pd.DataFrame({"click": pd.Series([], dtype="int64")}), COLUMNS)
    assert (card.rows, card.first_s, card.outcomes) == (0, None, {"click": OutcomeCount(0, 0.0)})
