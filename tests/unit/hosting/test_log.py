"""Log lines: JSON, and few of them however often something fails."""

import io
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from mlops.hosting.log import ALWAYS, Descriptor, Lines, Throttle
from tests.fakes.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def written(clock: ManualClock) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines("shop"))
    handler.addFilter(Throttle(clock))
    logger = logging.getLogger("tests.hosting.log")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, stream
    logger.removeHandler(handler)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_line_is_json_with_service_level_and_event(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, stream = written
    logger.warning("the model failed: %s", 'a "quoted"\nreason')
    (line,) = lines(stream)
    assert line["service"] == "shop"
    assert line["level"] == "warning"
    assert line["event"] == 'the model failed: a "quoted"\nreason'


def test_failure_of_every_request_is_one_line_in_ten_seconds_that_counts_the_rest(
    written: tuple[logging.Logger, io.StringIO], clock: ManualClock
) -> None:
    logger, stream = written
    for number in range(100):
        logger.warning("the model failed: %s", number)
    assert len(lines(stream)) == 1
    clock.advance(10.0)
    logger.warning("the model failed: %s", "again")
    assert lines(stream)[1]["held_back"] == 99


def test_other_kinds_and_changes_of_state_are_not_held_back(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, stream = written
    for _ in range(3):
        logger.warning("breaker: %s", "open", extra=ALWAYS)
    logger.warning("one kind")
    logger.warning("another kind")
    assert len(lines(stream)) == 5


def test_exception_is_in_the_line(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = written
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logger.exception("heuristic %s failed", "popularity")
    (line,) = lines(stream)
    assert "ZeroDivisionError" in str(line["exception"])


def test_one_place_that_says_something_new_each_time_is_held_back_too(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, stream = written
    for address in range(100):
        logger.error(f"Exception in callback at {address:#x}")  # noqa: G004 - as an event loop does
    assert len(lines(stream)) == 1


def a_pipe() -> tuple[int, int]:
    return os.pipe()


def a_pair() -> tuple[int, int]:
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


@pytest.mark.parametrize("pair", [a_pipe, a_pair])
def test_log_that_nobody_reads_stops_nothing_and_says_what_was_lost(
    pair: Callable[[], tuple[int, int]],
) -> None:
    reader, writer = pair()
    handler = Descriptor(writer)
    handler.setFormatter(Lines("shop"))
    record = logging.LogRecord("x", logging.INFO, "x", 1, "y" * 1000, (), None)
    for _ in range(1000):
        handler.handle(record)
    assert os.get_blocking(writer)  # others write to it too
    os.set_blocking(reader, False)
    read = b""
    while len(part := _read(reader)):
        read += part
    whole = read.count(b"\n")
    handler.handle(record)
    last = _read(reader).splitlines()[-1]
    assert whole + json.loads(last)["lines_lost"] == 1000
    handler.handle(record)
    assert "lines_lost" not in json.loads(_read(reader))
    os.close(reader)
    handler.handle(record)  # nobody will ever read it
    handler.close()
    handler.close()
    os.close(writer)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 2**22)
    except BlockingIOError:
        return b""
