"""The small parts of a decision: guard, faults, wire, order, arm."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.base.errors import ConfigError
from mlops.contracts.columns import Columns, Layout
from mlops.contracts.domain import Floats, Table
from mlops.experiments.assignment import Arm, assign
from mlops.serving.decision import Decision, Reason, Source
from mlops.serving.faults import HEURISTIC_FAULTS, MODEL_FAULTS, Fault, FaultKind, parse
from mlops.serving.guard import Breach, inspect
from mlops.serving.wire import (
    LENGTH,
    LONGEST,
    Answer,
    AnswerStream,
    Ask,
    NoMessageError,
    join_table,
    pack,
    split_table,
    unpack_ask,
)

FLOATS = st.floats(allow_nan=False)


# guard

OUTPUTS = {
    "scores inside the range": ([0.0, 0.5, 1.0], None),
    "one score is missing": ([0.0, 0.5], Breach.INCOMPLETE),
    "one score too many": ([0.0, 0.5, 1.0, 0.0], Breach.INCOMPLETE),
    "no scores": ([], Breach.INCOMPLETE),
    "a matrix of scores": ([[0.1, 0.2, 0.3]], Breach.INCOMPLETE),
    "a score that is no number": ([0.0, math.nan, 1.0], Breach.NOT_FINITE),
    "an infinite score": ([0.0, math.inf, 1.0], Breach.NOT_FINITE),
    "a score just below the range": ([0.0, -5e-324, 1.0], Breach.OUT_OF_RANGE),
    "a score just above the range": ([0.0, 1.0000000000000002, 1.0], Breach.OUT_OF_RANGE),
}


@pytest.mark.parametrize("sentence", OUTPUTS)
def test_guard(sentence: str) -> None:
    scores, wanted = OUTPUTS[sentence]
    assert inspect(np.array(scores), rows=3, low=0.0, high=1.0) is wanted


def test_guard_without_a_certified_range_still_wants_finite_numbers() -> None:
    scores = np.array([1e300, -1e300])
    assert inspect(scores, rows=2, low=-math.inf, high=math.inf) is None
    scores[0] = math.inf
    assert inspect(scores, rows=2, low=-math.inf, high=math.inf) is Breach.NOT_FINITE


# faults

FAULTS = {
    "none": Fault(),
    "": Fault(),
    " model_hang\n": Fault(FaultKind.MODEL_HANG),
    "slow_ms:0": Fault(FaultKind.SLOW_MS, 0),
    "slow_ms:60000": Fault(FaultKind.SLOW_MS, 60_000),
} | {kind.value: Fault(kind) for kind in FaultKind if kind is not FaultKind.SLOW_MS}


@pytest.mark.parametrize("text", FAULTS)
def test_fault_is_read(text: str) -> None:
    fault = parse(text)
    assert fault == FAULTS[text]
    assert parse(str(fault)) == fault
    assert Fault.from_numbers(*fault.to_numbers()) == fault


@pytest.mark.parametrize(
    "text",
    [
        "hang", "MODEL_HANG", "slow_ms", "slow_ms:", "slow_ms:x", "slow_ms:-1", "slow_ms:1.5",
        "slow_ms:60001", "slow_ms:٣", "slow_ms:1:2", "model_hang:5", "none:1", "model_hang,none",
    ],
)  # fmt: skip
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no fault") as caught:
        parse(text)
    for kind in FaultKind:
        assert kind.value in caught.value.hint


def test_no_fault_is_the_number_zero_and_each_other_has_one_place() -> None:
    assert Fault().to_numbers() == (0, 0)
    elsewhere = {FaultKind.NONE, FaultKind.WORKER_HANG, FaultKind.POISON}
    assert {*MODEL_FAULTS, *HEURISTIC_FAULTS, *elsewhere} == {*FaultKind}
    assert len(MODEL_FAULTS) + len(HEURISTIC_FAULTS) + len(elsewhere) == len(FaultKind)


# wire

COLUMNS = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.one_of(
        st.lists(st.floats(), min_size=3, max_size=3).map(lambda v: np.array(v, dtype=np.float64)),
        st.lists(st.none() | st.text(max_size=5), min_size=3, max_size=3).map(
            lambda v: np.array(v, dtype=object)
        ),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(COLUMNS, st.integers(0, 2**63 - 1), FLOATS)
def test_question_comes_back(table: Table, ask_id: int, deadline: float) -> None:
    sent = Ask(ask_id, deadline, 9, 80, 3, *split_table(table))
    message = pack(sent)
    assert LENGTH.unpack(message[: LENGTH.size])[0] == len(message) - LENGTH.size
    got = unpack_ask(message[LENGTH.size :])
    assert got == sent
    for name, values in join_table(got).items():
        assert values.dtype == table[name].dtype
        np.testing.assert_array_equal(values, table[name])
    assert join_table(got).keys() == table.keys()


def test_column_that_lies_scattered_in_memory_comes_back() -> None:
    matrix = np.arange(12, dtype=np.float64).reshape(3, 4)
    table: Table = {"strided": matrix[:, 1], "repeated": np.broadcast_to(np.array(7.0), 3)}
    found = join_table(Ask(1, 0.0, 0, 0, 3, *split_table(table)))
    assert {name: values.tolist() for name, values in found.items()} == {
        "strided": [1.0, 5.0, 9.0], "repeated": [7.0] * 3,
    }  # fmt: skip


def test_decoded_request_comes_back_without_the_texts_that_nobody_reads() -> None:
    layout = Layout(("a", "b"), ("id", "kind"))
    matrix = np.arange(8, dtype=np.float64).reshape(2, 4)[:, 1:3]
    table = Columns(layout, matrix, (["7", "8"], ["x", None]))
    found = join_table(Ask(1, 0.0, 0, 0, 2, *split_table(table, ("kind", "a"))))
    assert {name: values.tolist() for name, values in found.items()} == {
        "a": [1.0, 5.0], "b": [2.0, 6.0], "kind": ["x", None],
    }  # fmt: skip
    again = join_table(Ask(2, 0.0, 0, 0, 2, *split_table(table, ("kind", "a"))))
    assert again.layout is found.layout  # so that the places of columns are found once


ANSWERS = st.builds(
    Answer,
    st.integers(0, 2**63 - 1),
    st.lists(st.floats(), max_size=5).map(lambda scores: np.array(scores).tobytes()),
    FLOATS,
    st.text(max_size=20),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANSWERS, max_size=5), st.integers(1, 50))
def test_answers_come_back_to_the_bit_however_they_are_cut(sent: list[Answer], cut: int) -> None:
    stream, content = AnswerStream(), b"".join(pack(answer) for answer in sent)
    pieces = [content[at : at + cut] for at in range(0, len(content), cut)]
    assert [answer for piece in pieces for answer in stream.feed(piece)] == sent


NONSENSE = {
    "a length beyond all reason": LENGTH.pack(LONGEST + 1),
    "no MessagePack": LENGTH.pack(1) + b"\xc1",
    "another message": LENGTH.pack(2) + b"\xc0\xc0",
    "no whole scores": bytes(pack(Answer(1, b"seven b"))),
    "an error that is no text": LENGTH.pack(8) + b"\x94\x01\xc4\x00\x00\xa2\xff\xff",
}


@pytest.mark.parametrize("sentence", NONSENSE)
def test_what_is_no_answer_is_refused(sentence: str) -> None:
    with pytest.raises(NoMessageError):
        AnswerStream().feed(NONSENSE[sentence])


# order


def decision(scores: list[float]) -> Decision:
    return Decision(Source.MODEL, Reason.OK, Arm.MODEL, np.array(scores, dtype=np.float64))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30))
def test_best_first_and_equals_in_the_callers_order(scores: list[float]) -> None:
    order = decision(scores).order()
    assert order == sorted(range(len(scores)), key=lambda at: (-scores[at], at))


def test_zeros_of_either_sign_are_equal() -> None:
    assert decision([-0.0, 0.0, -0.0]).order() == [0, 1, 2]


# arms


def held_out(share: float, salt: str, subjects: int = 20_000) -> Floats:
    arms = [assign(f"user-{at}", share=share, salt=salt) for at in range(subjects)]
    return np.array([arm is Arm.HOLDOUT for arm in arms], dtype=np.float64)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("salt", ["holdout", "2026-02"])
def test_share_is_kept_within_what_chance_allows(share: float, salt: str) -> None:
    found = held_out(share, salt)
    sigma = math.sqrt(share * (1 - share) / len(found))
    assert abs(found.mean() - share) < 4 * sigma


@given(st.text(), st.floats(0, 1), st.text(min_size=1))
def test_arm_is_sticky_and_a_larger_share_only_adds(subject: str, share: float, salt: str) -> None:
    arm = assign(subject, share=share, salt=salt)
    assert assign(subject, share=share, salt=salt) is arm
    if arm is Arm.HOLDOUT:
        assert assign(subject, share=min(1.0, share * 1.5), salt=salt) is Arm.HOLDOUT


def test_another_salt_draws_anew() -> None:
    first, second = held_out(0.1, "a"), held_out(0.1, "b")
    both = float((first * second).mean())
    assert abs(both - 0.01) < 4 * math.sqrt(0.01 * 0.99 / len(first))


def test_salt_and_subject_are_kept_apart() -> None:
    arms = {assign(f"{at}", share=0.5, salt="a:b") for at in range(50)}
    assert len(arms) == 2
    differ = sum(
        assign(f"b:{at}", share=0.5, salt="a") is not assign(f"{at}", share=0.5, salt="a:b")
        for at in range(200)
    )
    assert differ > 0
