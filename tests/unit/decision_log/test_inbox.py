"""An inbox: it holds what is not durable yet, answers in order, and is bounded."""

import threading
from collections.abc import Iterator

import pytest

from mlops.decision_log.inbox import Ears, Inbox
from mlops.decision_log.message import (
    Durable,
    Hello,
    append_row,
    decode_answer,
    new_parcel,
    seal,
    socket_pair,
)
from tests.components.decisions import row
from tests.fakes.clock import ManualClock

ROOM = 2**20


class Pair:
    """A worker, played by the test, and the inbox that it sends to."""

    def __init__(self, most_bytes: int) -> None:
        self.worker, self.writer = socket_pair()
        self.inbox = Inbox([self.writer], most_bytes=most_bytes)
        (self.line,) = self.inbox.lines

    def send(self, number: int, rows: int = 1, incarnation: int = 1) -> None:
        parcel = new_parcel()
        for at in range(rows):
            append_row(parcel, row(at))
        seal(parcel, incarnation=incarnation, number=number, count=rows)
        self.worker.send(parcel)

    def said(self) -> list[object]:
        self.line.speak()
        found: list[object] = []
        while True:
            try:
                found.append(decode_answer(self.worker.recv(64)))
            except BlockingIOError:
                return found


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair(ROOM)
    yield made
    made.worker.close()
    made.writer.close()


def test_a_new_writer_makes_itself_known_first_and_once(pair: Pair) -> None:
    assert pair.said() == [Hello()]
    assert pair.said() == []


def test_answers_are_for_all_that_came_before(pair: Pair) -> None:
    for number in (1, 2, 3):
        pair.send(number, rows=number)
    assert pair.inbox.read(pair.line, 5.0)
    first, second, third = pair.inbox.waiting()
    assert (pair.inbox.rows, pair.inbox.since()) == (6, 5.0)
    assert pair.inbox.settle([second]) == 2
    assert pair.said() == [Hello()]
    assert pair.inbox.settle([first]) == 1
    assert pair.said() == [Durable(1, 2)]
    assert pair.inbox.settle([first, third]) == 3
    assert pair.said() == [Durable(1, 3)]
    assert (pair.inbox.rows, pair.inbox.since()) == (0, None)


def test_a_batch_is_bounded_and_has_at_least_one_parcel(pair: Pair) -> None:
    for number in range(4):
        pair.send(number, rows=10)
    pair.inbox.read(pair.line, 0.0)
    assert len(pair.inbox.batch(most_rows=25, most_bytes=ROOM)) == 2
    assert len(pair.inbox.batch(most_rows=5, most_bytes=ROOM)) == 1
    assert len(pair.inbox.batch(most_rows=1000, most_bytes=1)) == 1
    assert len(pair.inbox.batch(most_rows=1000, most_bytes=ROOM)) == 4
    pair.inbox.settle(pair.inbox.batch(most_rows=25, most_bytes=ROOM))
    assert len(pair.inbox.batch(most_rows=1000, most_bytes=ROOM)) == 2


def test_what_does_not_fit_waits_with_the_worker() -> None:
    small = Pair(most_bytes=100)
    with small.worker, small.writer:
        small.send(1)
        small.send(2)
        for _ in range(2):
            assert small.inbox.read(small.line, 0.0)
            assert small.inbox.full
            assert [item.parcel.number for item in small.inbox.waiting()] == [1]
        small.inbox.settle(list(small.inbox.waiting()))
        assert small.inbox.read(small.line, 0.0)
        assert [item.parcel.number for item in small.inbox.waiting()] == [2]


def test_nonsense_from_a_worker_is_ignored_and_its_end_is_noticed(pair: Pair) -> None:
    pair.worker.send(b"nonsense")
    assert pair.inbox.read(pair.line, 0.0)
    assert pair.inbox.rows == 0
    pair.worker.close()
    assert not pair.inbox.read(pair.line, 0.0)
    pair.line.speak()  # nobody hears it, and nothing is raised


def test_a_worker_that_does_not_listen_is_told_the_last_word_later(pair: Pair) -> None:
    pair.line.speak()
    try:
        while True:
            pair.writer.send(b"x" * 17)
    except BlockingIOError:
        pass
    pair.send(1)
    pair.send(2)
    pair.inbox.read(pair.line, 0.0)
    for item in list(pair.inbox.waiting()):
        pair.inbox.settle([item])
        pair.line.speak()
    while pair.worker.recv(64) != b"x" * 17:
        continue
    drained = [each for each in pair.said() if each is not None]
    drained += [each for each in pair.said() if each is not None]
    assert drained == [Durable(1, 2)]


def test_ears_hear_workers_threads_and_those_that_are_gone() -> None:
    worker, writer = socket_pair()
    gone, other = socket_pair()
    gone.close()
    ears = Ears([writer, other], most_bytes=ROOM, clock=ManualClock())
    with worker, writer, other:
        assert not ears.listen(0.0)
        threading.Thread(target=ears.wake).start()
        assert not ears.listen(20.0)
        parcel = new_parcel()
        append_row(parcel, row())
        seal(parcel, incarnation=1, number=1, count=1)
        worker.send(parcel)
        assert ears.listen(20.0)
        assert ears.inbox.rows == 1
        ears.close()


def test_ears_that_have_no_room_say_so_and_hear_again_later() -> None:
    worker, writer = socket_pair()
    ears = Ears([writer], most_bytes=100, clock=ManualClock())
    with worker, writer:
        for number in (1, 2):
            parcel = new_parcel()
            append_row(parcel, row(number))
            seal(parcel, incarnation=1, number=number, count=1)
            worker.send(parcel)
        assert ears.listen(20.0)
        assert ears.listen(0.0)
        assert ears.inbox.rows == 1
        ears.inbox.settle(list(ears.inbox.waiting()))
        assert ears.listen(20.0)
        assert ears.inbox.rows == 1
        ears.close()
