import asyncio
import logging
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.hosting.acceptor import Acceptor
from tests.components.http_server import LOOPS, Caller, Running, get, post, running
from tests.fakes.clock import ManualClock

REQUEST_S, IDLE_S = 0.3, 0.4


@pytest.fixture(params=LOOPS)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(request.param) as it:
        yield it


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=LOOPS)
def timed(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Running]:
    with running(request.param, clock=clock, request_s=REQUEST_S, idle_s=IDLE_S) as it:
        yield it


@pytest.fixture
def small() -> Iterator[Running]:
    with running(max_connections=8) as it:
        yield it


SLOW = {
    "a head": get("/")[:-2],
    "a body": post(b"abc")[:-1],
    "a chunked body": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
}


@pytest.mark.parametrize("name", SLOW)
def test_who_sends_too_slowly_is_told_and_closed(
    timed: Running, clock: ManualClock, name: str
) -> None:
    with timed.caller() as first, timed.caller() as caller:
        assert caller.ask(get("/")).code == 200
        first.send(SLOW[name])
        caller.send(SLOW[name])
        time.sleep(0.05)
        clock.advance(REQUEST_S + 0.01)
        for each in (first, caller):
            answer = each.answer()
            assert answer.code == 408
            assert answer.headers["connection"] == "close"
            assert each.rest() == b""
    assert timed.watcher.codes == [408, 408]
    assert timed.watcher.causes == ["slow", "slow"]


def test_the_first_request_is_timed_from_the_connection_s_start(
    timed: Running, clock: ManualClock
) -> None:
    with timed.caller() as caller:
        timed.eventually(lambda: timed.server.connections == 1)
        clock.advance(REQUEST_S * 0.6)
        caller.send(get("/")[:-1])
        time.sleep(0.05)
        clock.advance(REQUEST_S * 0.6)
        assert caller.answer().code == 408


def test_a_later_request_is_timed_from_its_first_byte(timed: Running, clock: ManualClock) -> None:
    with timed.caller() as caller:
        assert caller.ask(get("/")).code == 200
        clock.advance(REQUEST_S * 0.6)
        caller.send(get("/")[:-1])
        time.sleep(0.3)  # longer than a sweep
        clock.advance(REQUEST_S * 0.6)
        time.sleep(0.3)
        assert caller.ask(b"\n").code == 200


def test_a_byte_now_and_then_gains_no_time(timed: Running, clock: ManualClock) -> None:
    with timed.caller() as caller:
        for byte in get("/" + "a" * 100):
            clock.advance(REQUEST_S / 20)
            try:
                caller.send(bytes([byte]))
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(0.02)
        assert caller.answer().code == 408


def test_who_never_sends_is_closed_without_an_answer(timed: Running, clock: ManualClock) -> None:
    with timed.caller() as caller:
        timed.eventually(lambda: timed.server.connections == 1)
        clock.advance(REQUEST_S + 0.01)
        assert caller.rest() == b""
    assert timed.watcher.causes == ["idle"]
    assert timed.watcher.codes == []


def test_who_is_idle_for_too_long_is_closed(timed: Running, clock: ManualClock) -> None:
    with timed.caller() as caller:
        assert caller.ask(get("/")).code == 200
        timed.eventually(lambda: bool(advanced(timed, clock)))
        assert caller.rest() == b""
    assert timed.watcher.causes == ["idle"]


def advanced(timed: Running, clock: ManualClock) -> list[str]:
    clock.advance(IDLE_S / 20)
    time.sleep(0.02)
    return timed.watcher.causes


def test_a_request_with_the_handler_is_not_hurried(timed: Running, clock: ManualClock) -> None:
    with timed.caller() as caller:
        caller.send(get("/hold"))
        timed.eventually(lambda: bool(timed.held))
        for _ in range(3):
            clock.advance(0.45)
            time.sleep(0.26)
        timed.release()
        assert caller.answer().code == 200
    assert timed.watcher.causes == []


def test_time_in_which_the_process_stood_still_does_not_count(
    timed: Running, clock: ManualClock
) -> None:
    with timed.caller() as caller:
        caller.send(get("/")[:-1])
        timed.eventually(lambda: timed.server.connections == 1)
        clock.advance(1000.0)
        time.sleep(0.3)
        assert caller.ask(b"\n").code == 200
    assert timed.watcher.causes == []


def test_who_does_not_take_an_answer_is_closed(timed: Running, clock: ManualClock) -> None:
    with timed.caller(receive_buffer=4096) as caller:
        caller.send(get("/large?30000000"))
        timed.eventually(lambda: timed.asked == ["/large"])
        timed.call(lambda: None)  # the answer is written when this comes round
        clock.advance(REQUEST_S + 0.01)
        timed.eventually(lambda: timed.watcher.causes == ["slow"])
        assert caller.is_closed(but_for=30_000_000)


def test_who_does_not_take_answers_gets_no_more_of_them(server: Running) -> None:
    with server.caller(receive_buffer=65536) as caller:
        caller.send(get("/large?10000000") * 50)
        server.eventually(lambda: bool(server.asked))
        with server.caller() as other:
            for _ in range(20):
                assert other.ask(get("/other")).code == 200
        assert server.asked.count("/large") == 1
        assert len(caller.answer().body) == 10_000_000
        assert caller.answer().code == 200


def test_300_slow_and_silent_senders_keep_nobody_waiting(server: Running) -> None:
    crowd = [server.caller() for _ in range(300)]
    for number, each in enumerate(crowd):
        if number % 3:
            each.send(post(b"abc")[: number % 60])
    with server.caller() as caller:
        for _ in range(50):
            assert caller.ask(post(b"abc")).code == 200
    for each in crowd:
        each.socket.close()
    server.eventually(lambda: server.server.connections == 0)


def test_unfinished_bodies_are_bounded_together(server: Running) -> None:
    body = b"x" * 1_000_000
    crowd = [server.caller() for _ in range(80)]
    for each in crowd[:-1]:
        each.send(post(body)[:-1])
    with server.caller() as caller:
        assert caller.ask(post(b"abc")).code == 200
    assert crowd[0].answer().code == 408
    assert crowd[10].answer().code == 408
    for each in (crowd[30], crowd[-2]):
        each.send(b"x")
        assert each.answer().code == 200
    assert crowd[-1].ask(post(body)).code == 200
    refused = server.watcher.codes.count(408)
    assert 79 - refused == 67  # that many of these are 64 MiB
    close(crowd)


def test_the_connection_idle_the_longest_makes_way(small: Running) -> None:
    crowd = [small.caller() for _ in range(8)]
    for each in crowd:
        assert each.ask(get("/")).code == 200
    assert crowd[0].ask(get("/")).code == 200
    with small.caller() as caller:
        assert caller.ask(get("/")).code == 200
        assert crowd[1].rest() == b""
        assert small.watcher.causes == ["evicted"]
        assert all(each.ask(get("/")).code == 200 for each in (crowd[0], *crowd[2:]))
    assert small.watcher.most_open == 8
    close(crowd)


def test_silent_connections_do_not_keep_others_out(small: Running) -> None:
    crowd = [small.caller() for _ in range(30)]
    with small.caller() as caller:
        assert caller.ask(get("/")).code == 200
    close(crowd)


def test_slowest_sender_makes_way_where_all_are_sending(small: Running) -> None:
    crowd = [small.caller() for _ in range(8)]
    for each in crowd:
        each.send(post(b"abc")[:20])
    time.sleep(0.4)  # longer than an unfinished request is safe
    with small.caller() as caller:
        assert caller.ask(get("/")).code == 200
    assert crowd[0].answer().code == 408
    assert small.watcher.causes == ["slow"]
    for each in crowd[1:]:
        each.send(post(b"abc")[20:])
        assert each.answer().code == 200
    close(crowd)


def test_sender_that_has_just_begun_does_not_make_way(small: Running) -> None:
    crowd = [small.caller() for _ in range(8)]
    for each in crowd:
        each.send(post(b"abc")[:20])
    with small.caller() as caller:
        assert caller.ask(get("/")).code == 503
    for each in crowd:
        each.send(post(b"abc")[20:])
        assert each.answer().code == 200
    close(crowd)


def test_while_all_connections_are_busy_a_new_one_is_sent_away(small: Running) -> None:
    crowd = [small.caller() for _ in range(8)]
    for each in crowd:
        each.send(get("/hold"))
    small.eventually(lambda: len(small.held) == 8)
    for _ in range(3):
        with small.caller() as caller:
            answer = caller.ask(get("/"))
            assert answer.code == 503
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["connection"] == "close"
            assert caller.rest() == b""
    assert small.watcher.codes == [503] * 3
    for _ in range(8):
        small.release()
    assert all(each.answer().code == 200 for each in crowd)
    with small.caller() as caller:
        assert caller.ask(get("/")).code == 200
    close(crowd)


def test_those_sent_away_are_bounded_too(small: Running) -> None:
    crowd = [small.caller() for _ in range(8)]
    for each in crowd:
        each.send(get("/hold"))
    small.eventually(lambda: len(small.held) == 8)
    sent_away = [small.caller() for _ in range(200)]
    small.eventually(lambda: len(small.watcher.codes) == 200)
    small.eventually(lambda: small.server.connections <= 8 + 64)
    assert small.watcher.most_open <= 8 + 64 + 1
    close([*crowd, *sent_away])


def close(callers: list[Caller]) -> None:
    for each in callers:
        each.socket.close()


def test_a_caller_that_closed_its_sending_side_gets_its_answers(server: Running) -> None:
    for sent, answers in ((get("/later"), 1), (get("/later") * 20 + get("/"), 21)):
        with server.caller() as caller:
            caller.send(sent)
            caller.half_close()
            assert [caller.answer().code for _ in range(answers)] == [200] * answers
            assert caller.rest() == b""
    with server.caller() as caller:
        caller.send(get("/hold"))
        caller.half_close()
        server.eventually(lambda: bool(server.held))
        time.sleep(0.05)
        assert not server.held[0].gone
        server.release()
        assert caller.answer().headers["connection"] == "close"
        assert caller.rest() == b""


def test_a_caller_that_is_gone_is_known_to_be_and_sent_nothing(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caller = server.caller()
    caller.send(get("/hold"))
    server.eventually(lambda: bool(server.held))
    exchange = server.held[0]
    assert not exchange.gone
    caller.reset()
    server.eventually(lambda: exchange.gone)
    server.release()
    assert caplog.records == []


def test_a_caller_that_vanishes_unnoticed_breaks_nothing(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        caller = server.caller()
        caller.send(get("/hold"))
        caller.socket.close()
        server.release()
    server.eventually(lambda: server.server.connections == 0)
    assert caplog.records == []


def test_waiting_for_a_half_closed_caller_burns_no_time(server: Running) -> None:
    with server.caller() as caller:
        caller.send(get("/hold"))
        caller.half_close()
        server.eventually(lambda: bool(server.held))
        before = time.process_time()
        time.sleep(0.2)
        assert time.process_time() - before < 0.15
        server.release()


def test_a_drain_answers_what_is_in_flight_and_says_close(server: Running) -> None:
    with server.caller() as caller, server.caller() as begun:
        caller.send(get("/hold"))
        begun.send(post(b"abc")[:-1])
        server.eventually(lambda: bool(server.held) and server.server.connections == 2)
        ended = server.start_drain(linger_s=0.3)
        with pytest.raises(ConnectionRefusedError):
            server.caller()
        server.release()
        begun.send(b"c")
        for each in (caller, begun):
            assert each.answer().headers["connection"] == "close"
            assert each.rest() == b""
            each.socket.close()
        ended()
    assert server.server.connections == 0


def test_a_drain_answers_idle_connections_for_a_while(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with server.caller() as caller, server.caller() as silent:
        assert caller.ask(get("/")).code == 200
        assert silent.ask(get("/")).code == 200
        ended = server.start_drain(linger_s=0.5)
        time.sleep(0.1)
        assert caller.ask(get("/")).headers["connection"] == "close"
        assert caller.rest() == b""
        caller.socket.close()
        assert silent.rest() == b""
        ended()
    assert "cut off" not in caplog.text


def test_a_drain_answers_all_that_was_sent_before_an_answer(server: Running) -> None:
    with server.caller() as caller:
        caller.send(get("/hold") + get("/") * 5)
        server.eventually(lambda: bool(server.held))
        ended = server.start_drain(linger_s=0.0)
        server.release()
        answers = [caller.answer() for _ in range(6)]
        assert [each.code for each in answers] == [200] * 6
        assert ["connection" in each.headers for each in answers] == [False] * 5 + [True]
        assert caller.rest() == b""
        caller.socket.close()
        ended()


def test_a_drain_answers_connections_that_wait_to_be_accepted(server: Running) -> None:
    callers: list[Caller] = []

    def arrive() -> None:
        for _ in range(50):
            callers.append(server.caller())
            callers[-1].send(get("/"))
        server.server.stop_listening()

    server.call(arrive)  # while the loop stands, nothing is accepted
    assert [each.answer().code for each in callers] == [200] * 50
    close(callers)


def test_a_drain_ends_in_time_whatever_is_left(server: Running) -> None:
    with server.caller() as caller:
        caller.send(get("/hold"))
        server.eventually(lambda: bool(server.held))
        server.start_drain(linger_s=5.0, within_s=0.1)()
        assert caller.is_closed()
        exchange = server.held[0]
        server.eventually(lambda: exchange.gone)
        server.release()


def test_a_drain_may_be_told_twice(server: Running) -> None:
    first, second = server.start_drain(linger_s=0.1), server.start_drain(linger_s=0.0)
    server.call(server.server.stop_listening)
    first()
    second()


def test_nothing_is_lost_when_a_server_drains_under_load(server: Running) -> None:
    callers = [server.caller() for _ in range(20)]
    for _ in range(30):
        for each in callers:
            each.send(post(b"abc", path="/later"))
        assert [each.answer().code for each in callers] == [200] * 20
    for each in callers:
        each.send(post(b"abc", path="/later"))
    ended = server.start_drain(linger_s=0.3)
    assert [each.answer().code for each in callers] == [200] * 20
    close(callers)
    ended()


def test_a_listener_is_shared_with_another_server() -> None:
    with running() as first, running() as second:
        shared = first.listener.dup()
        second.call(lambda: second.server.listen(shared))
        callers = [Caller(first.address) for _ in range(60)]
        assert all(each.ask(get("/")).code == 200 for each in callers)
        assert first.server.connections + second.server.connections == 60
        close(callers)
        first.call(first.server.stop_listening)
        with Caller(first.address) as caller:
            assert caller.ask(get("/")).code == 200
        assert second.asked


def test_without_descriptors_connections_wait_and_nothing_spins(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    callers = [Caller(server.address) for _ in range(2)]
    assert all(each.ask(get("/")).code == 200 for each in callers)
    waiting = [socket.socket() for _ in range(2)]
    most = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    spare = []
    try:
        while True:
            try:
                spare.append(os.dup(0))
            except OSError:
                break
        before = time.process_time()
        for each in waiting:
            each.connect(server.address)
            each.sendall(get("/"))
        time.sleep(0.4)
        assert time.process_time() - before < 0.3
        assert all(each.ask(get("/")).code == 200 for each in callers)
    finally:
        for descriptor in spare:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for each in waiting:
        each.settimeout(20)
        assert each.recv(100).startswith(b"HTTP/1.1 200")
        each.close()
    close(callers)
    messages = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert 1 <= len(messages) <= 4
    assert "cannot take connections" in messages[0].getMessage()


def test_a_burst_is_taken_in_small_shares() -> None:
    async def taken() -> list[int]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            arrived: list[socket.socket] = []
            shares = []
            callers = [socket.create_connection(listener.getsockname()) for _ in range(6)]
            acceptor = Acceptor(listener, arrived.append, lambda: 2)
            while len(arrived) < 6:
                before = len(arrived)
                await asyncio.sleep(0)
                shares.append(len(arrived) - before)
            acceptor.close()
            for each in [*callers, *arrived]:
                each.close()
            return [share for share in shares if share]

    assert asyncio.run(taken()) == [2, 2, 2]
