"""A message: whatever a row holds comes out as it went in, and what is no message is seen."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.decision_log.message import (
    MOST_BYTES,
    Durable,
    Hello,
    append_row,
    decode_answer,
    decode_rows,
    encode_answer,
    new_parcel,
    open_parcel,
    row_count,
    seal,
    socket_pair,
)
from mlops.decision_log.row import Row
from tests.components.decisions import row

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FLOAT = st.floats(allow_nan=False)
ROWS = st.builds(
    Row, TEXT, FLOAT, TEXT, TEXT, TEXT, TEXT, FLOAT, TEXT, TEXT, TEXT, st.lists(TEXT, max_size=8),
    st.binary(max_size=64), st.integers(0, 2**31), FLOAT, FLOAT, FLOAT, st.integers(0, 2**63 - 1),
)  # fmt: skip
U64 = st.integers(0, 2**64 - 1)


def sealed(rows: list[Row], incarnation: int = 1, number: int = 2) -> bytes:
    parcel = new_parcel()
    for each in rows:
        append_row(parcel, each)
    seal(parcel, incarnation=incarnation, number=number, count=len(rows))
    return bytes(parcel)


@given(st.lists(ROWS, min_size=1, max_size=5), U64, U64)
def test_rows_come_out_as_they_went_in(rows: list[Row], incarnation: int, number: int) -> None:
    parcel = open_parcel(sealed(rows, incarnation, number))
    assert parcel is not None
    assert (parcel.incarnation, parcel.number, parcel.held) == (incarnation, number, len(rows))
    assert decode_rows(parcel.rows) == rows
    assert row_count(parcel.rows) == len(rows)


def test_parcel_can_be_numbered_anew() -> None:
    parcel = new_parcel()
    append_row(parcel, row())
    for number in (1, 2):
        seal(parcel, incarnation=number, number=number, count=1)
        opened = open_parcel(bytes(parcel))
        assert opened is not None
        assert (opened.incarnation, opened.number) == (number, number)
        assert decode_rows(opened.rows) == [row()]


def test_row_that_is_too_large_keeps_its_best_candidates() -> None:
    large = row(candidates=5000)
    (kept,) = decode_rows(sealed([large])[21:])
    assert 1000 < len(kept.ids) < 5000
    assert kept.ids == large.ids[: len(kept.ids)]
    assert kept.scores == large.scores[: 8 * len(kept.ids)]
    assert kept.rows == 5000


def test_row_whose_texts_are_too_large_keeps_their_beginning() -> None:
    large = msgspec.structs.replace(row(), request_id="x" * 2 * MOST_BYTES)
    (kept,) = decode_rows(sealed([large])[21:])
    assert kept.request_id == "x" * 1000


def test_row_that_cannot_be_encoded_leaves_its_parcel_as_it_was() -> None:
    parcel = new_parcel()
    append_row(parcel, row(1))
    with pytest.raises(UnicodeEncodeError):
        append_row(parcel, msgspec.structs.replace(row(), ids=["ok", "\ud800"]))
    append_row(parcel, row(2))
    seal(parcel, incarnation=1, number=1, count=2)
    assert decode_rows(bytes(parcel[21:])) == [row(1), row(2)]


@given(st.binary(max_size=60))
def test_anything_else_is_no_message(content: bytes) -> None:
    assert open_parcel(content) is None or (content[:1] == b"R" and len(content) >= 26)
    assert decode_answer(content) is None or (content[:1] in b"DH" and len(content) == 17)


@given(U64, U64)
def test_answers_come_out_as_they_went_in(incarnation: int, number: int) -> None:
    assert decode_answer(encode_answer(Durable(incarnation, number))) == (incarnation, number)
    assert decode_answer(encode_answer(Hello())) == Hello()


def test_largest_parcel_fits_into_the_socket() -> None:
    worker, writer = socket_pair()
    with worker, writer:
        worker.send(bytes(2 * MOST_BYTES + 26))
        assert len(writer.recv(4 * MOST_BYTES)) == 2 * MOST_BYTES + 26
