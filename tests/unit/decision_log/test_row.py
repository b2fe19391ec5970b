"""A row: what is written of a decision, and what is not."""

import numpy as np
import pytest

from mlops.decision_log.row import Answerer, Caller, Row, RowBuilder, Shown, Took, subject_hasher
from mlops.decision_log.settings import DecisionLogSettings
from tests.fakes.clock import START, ManualClock

MODEL = Answerer("model", 0.99, "model", "ok", "b" * 64, 7)
TOOK = Took(0.1, 0.2, 0.5)
SHOWN = Shown(["a", "b", "c"], np.array([1.0, 3.0, 2.0]), [1, 2, 0])


def builder(prefix: str = "w1", *, candidates: int = 1000, salt: str = "mlops") -> RowBuilder:
    settings = DecisionLogSettings(candidates=candidates, subject_salt=salt)
    return RowBuilder("shop", settings, clock=ManualClock(), prefix=prefix)


def built(
    shown: Shown = SHOWN, subject: str = "u1", *, candidates: int = 1000, salt: str = "mlops"
) -> Row:
    made = builder(candidates=candidates, salt=salt)
    return made.build(Caller("r1", subject), shown, MODEL, TOOK)


def test_row_tells_who_answered_why_and_how_long_it_took() -> None:
    row = built()
    assert (row.service, row.request_id, row.arm, row.arm_propensity) == (
        "shop",
        "r1",
        "model",
        0.99,
    )
    assert (row.source, row.reason, row.bundle, row.epoch) == ("model", "ok", "b" * 64, 7)
    assert (row.queue_ms, row.model_ms, row.total_ms) == (0.1, 0.2, 0.5)
    assert row.at == START.timestamp()


def test_candidates_and_scores_are_in_the_order_shown() -> None:
    row = built()
    assert row.ids == ["b", "c", "a"]
    assert row.score_values().tolist() == [3.0, 2.0, 1.0]
    assert row.rows == 3


@pytest.mark.parametrize(("most", "kept"), [(0, []), (2, ["b", "c"]), (3, ["b", "c", "a"])])
def test_only_the_best_candidates_are_kept_and_all_are_counted(most: int, kept: list[str]) -> None:
    row = built(candidates=most)
    assert row.ids == kept
    assert len(row.score_values()) == len(kept)
    assert row.rows == 3


def test_no_candidates_make_a_row_too() -> None:
    row = built(Shown([], np.array([]), []))
    assert (row.ids, row.scores, row.rows) == ([], b"", 0)


def test_subject_is_never_written_and_hashed_by_the_salt() -> None:
    row, again, other = built(), built(), built(salt="other")
    assert row.subject_hash == again.subject_hash != other.subject_hash
    assert len(row.subject_hash) == 32
    assert "u1" not in str(row)
    assert built(subject="").subject_hash == ""
    assert built(subject="u2").subject_hash != row.subject_hash


def test_any_salt_and_any_subject_has_a_hash() -> None:
    long = "s" * 1000
    assert subject_hasher(long).name("u") != subject_hasher(long + "s").name("u")
    assert len(subject_hasher("").name("\ud800")) == 32


def test_no_two_decisions_have_one_id() -> None:
    first, second = builder("w1"), builder("w2")
    made = [
        each.build(Caller("", ""), SHOWN, MODEL, TOOK).decision_id
        for each in (first, second)
        for _ in range(100)
    ]
    assert len(set(made)) == 200
