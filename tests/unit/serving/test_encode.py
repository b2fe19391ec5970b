"""An answer's body says for each candidate its score, best first, as plain JSON."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.serving.encode import AnswerEncoder, order

finite = st.floats(allow_nan=False, allow_infinity=False)
candidates = st.lists(st.tuples(st.text(), finite), max_size=30)
_ENCODER = AnswerEncoder()


@given(given=candidates, name=st.text())
def test_answer_reads_back_as_what_was_decided(given: list[tuple[str, float]], name: str) -> None:
    scores = np.array([score for _, score in given], dtype=np.float64)
    ids = tuple(each for each, _ in given)
    body = _ENCODER.encode(
        request_id=name, source="model", reason="ok", arm="treatment", model="d" * 64,
        ids=ids, scores=scores, order=order(scores),
    )  # fmt: skip
    read = json.loads(body)
    assert list(read) == ["request_id", "source", "reason", "arm", "model", "ranking"]
    assert (read["request_id"], read["source"], read["reason"]) == (name, "model", "ok")
    assert (read["arm"], read["model"]) == ("treatment", "d" * 64)
    wanted = [{"id": each, "score": score} for each, score in _ranked(given)]
    assert read["ranking"] == wanted


def _ranked(given: list[tuple[str, float]]) -> list[tuple[str, float]]:
    return sorted(given, key=lambda each: -each[1])  # Python's sort is stable


@given(st.lists(st.sampled_from([0.0, -0.0, 1.5, 2.5, -1e308, 1e308, 5e-324]), max_size=300))
def test_equal_scores_keep_the_callers_order(scores: list[float]) -> None:
    wanted = [at for at, _ in sorted(enumerate(scores), key=lambda each: -each[1])]
    assert order(np.array(scores, dtype=np.float64)) == wanted


@pytest.mark.parametrize(
    ("score", "text"),
    [(0.1, b"0.1"), (1.0, b"1.0"), (-0.0, b"-0.0"), (1e-7, b"1e-7"), (1e22, b"1e22")],
)
def test_score_is_written_as_the_shortest_text_that_reads_back(score: float, text: bytes) -> None:
    body = _ENCODER.encode(
        request_id="r", source="static", reason="ok", arm="holdout", model="",
        ids=("a",), scores=np.array([score]), order=[0],
    )  # fmt: skip
    assert body == (
        b'{"request_id":"r","source":"static","reason":"ok","arm":"holdout","model":"",'
        b'"ranking":[{"id":"a","score":' + text + b"}]}"
    )
