"""A client: it hands rows over, waits for them where asked, and never blocks or raises."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import TypeVar

import msgspec
import pytest
import uvloop

from mlops.base.clock import SystemClock
from mlops.decision_log.client import LogClient
from mlops.decision_log.message import (
    Durable,
    Hello,
    Parcel,
    decode_rows,
    encode_answer,
    open_parcel,
    socket_pair,
)
from mlops.decision_log.settings import DecisionLogSettings, Durability
from tests.components.decisions import row

T = TypeVar("T")
LATER_S = 60.0
SOON_S = 20.0
BATCHED = DecisionLogSettings(flush_ms=10_000)
COMMIT = DecisionLogSettings(durability=Durability.GROUP_COMMIT)


class Bench:
    """A client and the writer's end of its connection, which the test plays."""

    def __init__(self, settings: DecisionLogSettings) -> None:
        self.counted: Counter[str] = Counter()
        self.worker, self.writer = socket_pair()
        self.client = LogClient(
            self.worker, settings, clock=SystemClock(), counted=self._count, blocking=False
        )
        self.called: list[int] = []
        self.found: list[Parcel] = []

    def write(self, number: int, *, within_s: float = LATER_S) -> None:
        until = SystemClock().monotonic() + within_s
        self.client.write_durably(row(number), until=until, then=lambda: self.called.append(number))

    def answer(self, parcel: Parcel) -> None:
        self.writer.send(encode_answer(Durable(parcel.incarnation, parcel.number)))

    def waiting(self) -> list[Parcel]:
        """Return what can be read now."""
        found: list[Parcel] = []
        while True:
            try:
                parcel = open_parcel(self.writer.recv(2**20))
            except BlockingIOError:
                return found
            assert parcel is not None
            found.append(parcel)

    def pump(self) -> list[Parcel]:
        """Return all that was read so far, and now."""
        self.found += self.waiting()
        return self.found

    def close(self) -> None:
        self.worker.close()
        self.writer.close()

    def _count(self, outcome: str, rows: int) -> None:
        self.counted[outcome] += rows


def _fails() -> None:
    raise RuntimeError


async def eventually(probe: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON_S):
        while not probe():
            await asyncio.sleep(0.002)


def numbers(parcels: list[Parcel]) -> list[int]:
    return [int(each.decision_id[1:]) for parcel in parcels for each in decode_rows(parcel.rows)]


Make = Callable[[DecisionLogSettings], Bench]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Bench] = []

    def bench(settings: DecisionLogSettings) -> Bench:
        made.append(Bench(settings))
        return made[-1]

    yield bench
    for each in made:
        each.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Coroutine[None, None, T]]], T]:
    factory = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[request.param]

    def runs(test: Callable[[], Coroutine[None, None, T]]) -> T:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(test())

    return runs


Run = Callable[[Callable[[], Coroutine[None, None, None]]], None]


def test_rows_are_gathered_and_sent_as_one_parcel(run: Run, make: Make) -> None:
    async def test() -> None:
        bench = make(DecisionLogSettings(flush_ms=20))
        for number in range(5):
            bench.client.write(row(number))
        assert bench.waiting() == []
        await asyncio.sleep(0)
        assert bench.waiting() == []
        await eventually(bench.pump)
        assert [parcel.held for parcel in bench.found] == [5]
        assert numbers(bench.found) == [0, 1, 2, 3, 4]

    run(test)


def test_a_full_parcel_is_sent_at_once(run: Run, make: Make) -> None:
    async def test() -> None:
        bench = make(BATCHED)
        for number in range(200):
            bench.client.write(row(number, candidates=50))
        found = bench.waiting()
        assert len(found) >= 2
        assert max(len(parcel.rows) for parcel in found) < 2**17
        await bench.client.close(1.0)
        assert numbers(found + bench.waiting()) == list(range(200))

    run(test)


@pytest.mark.parametrize("settings", [BATCHED, COMMIT], ids=["batched", "group_commit"])
def test_rows_that_are_waited_for_are_sent_together_in_the_same_turn(
    run: Run, make: Make, settings: DecisionLogSettings
) -> None:
    async def test() -> None:
        bench = make(settings)
        if settings is BATCHED:
            bench.client.write(row(9))
        for number in range(3):
            bench.write(number)
        assert bench.waiting() == []
        await asyncio.sleep(0.001)
        (parcel,) = bench.waiting()
        assert numbers([parcel])[-3:] == [0, 1, 2]
        assert bench.called == []
        bench.answer(parcel)
        await eventually(lambda: bench.called == [0, 1, 2])
        assert bench.client.held_bytes == 0
        assert not bench.counted

    run(test)


def test_an_answer_is_for_all_parcels_before_it_and_no_later_one(run: Run, make: Make) -> None:
    async def test() -> None:
        bench = make(COMMIT)
        for number in range(4):
            bench.write(number)
            await asyncio.sleep(0.001)
        bench.answer(bench.waiting()[2])
        await eventually(lambda: bench.called == [0, 1, 2])
        await asyncio.sleep(0.01)
        assert bench.called == [0, 1, 2]

    run(test)


def test_a_row_that_is_late_is_given_up_once_and_stays_written(run: Run, make: Make) -> None:
    async def test() -> None:
        bench = make(COMMIT)
        bench.write(1, within_s=0.02)
        bench.write(2, within_s=-1.0)
        assert bench.called == []
        await eventually(lambda: bench.called == [2, 1])
        assert bench.counted == {"late": 2}
        (parcel,) = bench.waiting()
        assert numbers([parcel]) == [1, 2]
        bench.answer(parcel)
        await eventually(lambda: bench.client.held_bytes == 0)
        assert bench.called == [2, 1]

    run(test)


def test_a_row_that_was_durable_in_time_is_never_late(run: Run, make: Make) -> None:
    async def test() -> None:
        bench = make(COMMIT)
        bench.write(1, within_s=0.1)
        await asyncio.sleep(0.001)
        bench.answer(bench.waiting()[0])
        await eventually(lambda: bench.called == [1] or bench.counted["late"])
        in_time = not bench.counted["late"]  # a busy machine may have been too slow
        await asyncio.sleep(0.2)
        assert bench.called == [1]
        assert bench.counted["late"] == (0 if in_time else 1)

    run(test)


def test_a_new_writer_gets_again_what_the_old_one_did_not_answer_for(run: Run, make: Make) -> None:
    async def test() -> None:
        bench = make(COMMIT)
        for number in range(3):
            bench.write(number)
            await asyncio.sleep(0.001)
        old = bench.waiting()
        bench.answer(old[0])
        await eventually(lambda: bench.called == [0])
        bench.write(3)
        await asyncio.sleep(0.001)
        bench.writer.send(encode_answer(Hello()))
        # The parcel still in the socket is the old numbering's: an answer to it promises nothing.
        await eventually(lambda: len(bench.pump()) >= 4)
        found = bench.found
        assert numbers(found) == [3, 1, 2, 3]
        bench.answer(found[0])
        bench.answer(found[1])
        await eventually(lambda: bench.called == [0, 1])
        await asyncio.sleep(0.01)
        assert bench.called == [0, 1]
        bench.answer(found[3])
        await eventually(lambda: bench.called == [0, 1, 2, 3])

    run(test)


def test_a_writer_that_takes_nothing_costs_bounded_memory_and_the_oldest_rows(
    run: Run, make: Make
) -> None:
    async def test() -> None:
        settings = DecisionLogSettings(flush_ms=0.5, memory_bytes=2**16)
        bench = make(settings)
        for number in range(6000):
            bench.client.write(row(number, candidates=50))
            assert bench.client.held_bytes <= 2**16 + 2**17
        lost = bench.counted["lost"]
        assert lost > 0
        await eventually(lambda: numbers(bench.pump())[-1:] == [5999])
        seen = numbers(bench.found)
        assert len(seen) == 6000 - lost
        assert seen == sorted(seen)
        assert seen[-20:] == list(range(5980, 6000))
        assert bench.counted == {"lost": lost}

    run(test)


def test_a_row_that_cannot_be_encoded_is_lost_and_nobody_waits_for_it(run: Run, make: Make) -> None:
    async def test() -> None:
        bench = make(COMMIT)
        bad = msgspec.structs.replace(row(), request_id="\ud800")
        called: list[str] = []
        until = SystemClock().monotonic() + LATER_S
        bench.client.write_durably(bad, until=until, then=lambda: called.append("bad"))
        assert called == []
        bench.client.write(bad)
        bench.write(1)
        await eventually(lambda: called == ["bad"])
        assert bench.counted == {"lost": 2}
        assert numbers(bench.waiting()) == [1]

    run(test)


def test_an_answer_that_fails_keeps_no_other_one_back(run: Run, make: Make) -> None:
    async def test() -> None:
        bench = make(COMMIT)
        until = SystemClock().monotonic() + LATER_S
        bench.client.write_durably(row(0), until=until, then=_fails)
        bench.write(1)
        await asyncio.sleep(0.001)
        bench.answer(bench.waiting()[0])
        await eventually(lambda: bench.called == [1])

    run(test)


@pytest.mark.parametrize("words", [b"", b"?", b"D" * 17, b"x" * 64])
def test_nonsense_from_the_writer_is_ignored(run: Run, make: Make, words: bytes) -> None:
    async def test() -> None:
        bench = make(COMMIT)
        bench.write(1)
        await asyncio.sleep(0.001)
        if words:
            bench.writer.send(words)
        (parcel,) = bench.waiting()
        bench.answer(parcel)
        await eventually(lambda: bench.called == [1])

    run(test)


def test_a_connection_that_nobody_holds_costs_rows_and_no_error(run: Run, make: Make) -> None:
    async def test() -> None:
        bench = make(DecisionLogSettings(flush_ms=0.5))
        bench.writer.close()
        for number in range(10):
            bench.client.write(row(number))
            await asyncio.sleep(0.001)
        await bench.client.close(0.05)
        assert bench.counted == {"lost": 10}

    run(test)


def test_closing_sends_what_is_left_and_does_not_wait_for_the_writer(run: Run, make: Make) -> None:
    async def test() -> None:
        bench = make(BATCHED)
        for number in range(5):
            bench.client.write(row(number))
        await bench.client.close(LATER_S)
        assert numbers(bench.waiting()) == [0, 1, 2, 3, 4]
        assert not bench.counted

    run(test)


@pytest.mark.parametrize("blocking", [False, True])
def test_only_a_drill_without_the_queue_lets_the_writer_block_the_worker(
    run: Run, blocking: bool
) -> None:
    async def test() -> None:
        worker, writer = socket_pair()
        with worker, writer:
            client = LogClient(
                worker, COMMIT, clock=SystemClock(), counted=lambda *_: None, blocking=blocking
            )
            client.write(row())
            await asyncio.sleep(0.001)
            assert worker.getblocking() is blocking
            assert open_parcel(writer.recv(2**16))
            await client.close(1.0)

    run(test)
