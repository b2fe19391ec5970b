"""A notice: once for each change, and not three times a second of a database that is slow."""

import logging

import pytest

from mlops.base.errors import ConfigError, UnavailableError
from mlops.decision_log.notices import Notices
from tests.components.decisions import Watcher


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records]


def test_outage_is_told_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watcher = Watcher()
    notices = Notices(watcher)
    for now, takes_rows in ((0.0, False), (0.1, True), (20.0, False), (20.1, False), (50.0, True)):
        notices.available(takes_rows, now)
    assert watcher.states == [False, True, False, True]
    assert lines(caplog)[-2:] == [
        "the decision database takes no rows for now", "the decision database takes rows",
    ]  # fmt: skip


def test_slow_database_is_told_of_now_and_then_and_at_last_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    watcher = Watcher()
    notices = Notices(watcher)
    notices.available(True, 0.0)
    for at in range(1, 300):  # a minute of commits of 400 ms
        notices.available(at % 2 == 0, at / 5)
    assert len(watcher.states) == 300
    assert len(lines(caplog)) <= 8
    notices.available(False, 60.0)
    notices.available(False, 61.1)
    assert lines(caplog)[-1] == "the decision database takes no rows for now"
    notices.available(True, 61.2)
    notices.available(True, 62.3)
    assert lines(caplog)[-1] == "the decision database takes rows"


def test_reasons_of_database_and_spool_do_not_hold_each_other_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notices = Notices(Watcher())
    notices.failure(ConfigError("no such role", hint="check the url"))
    notices.spool_failure(UnavailableError("the spool is full"))
    assert lines(caplog) == [
        "the decision log has to wait: no such role (check the url)",
        "the decision log's spool takes no rows: the spool is full",
    ]
    assert len({each.lineno for each in caplog.records}) == 2
