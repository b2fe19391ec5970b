"""A schedule: what the database does next, and when rows go to the spool."""

from mlops.decision_log.schedule import PATIENCE_S, Schedule, Task, View
from mlops.decision_log.store import DELETED_AT_ONCE

IDLE = View(None, full=False, spooled=0, stopping=False)
WAITING = View(10.0, full=False, spooled=0, stopping=False)
SPOOLED = View(None, full=False, spooled=100, stopping=False)
BOTH = View(10.0, full=False, spooled=100, stopping=False)


def schedule(*, up: bool | None = True, commit_s: float = 0.05) -> Schedule:
    made = Schedule(commit_s=commit_s)
    if up is True:
        made.succeeded(Task.CHECK, 10.0, more=False)
    elif up is False:
        made.failed(Task.CHECK, 10.0)
    return made


def test_rows_are_gathered_and_then_inserted() -> None:
    batched = schedule()
    assert batched.task(WAITING, 10.04) is None
    assert batched.due_in(WAITING, 10.04) > 0
    assert batched.task(WAITING, 10.06) is Task.INSERT


def test_a_full_batch_waits_for_no_more_rows() -> None:
    assert schedule().task(WAITING._replace(full=True), 10.0) is Task.INSERT


def test_group_commit_gathers_nothing() -> None:
    assert schedule(commit_s=0.0).task(WAITING, 10.0) is Task.INSERT


def test_spooled_and_new_rows_take_turns() -> None:
    made = schedule(commit_s=0.0)
    done = []
    for _ in range(4):
        task = made.task(BOTH, 10.0)
        assert task is not None
        made.succeeded(task, 10.0, more=False)
        done.append(task)
    assert done == [Task.INSERT, Task.DRAIN] * 2
    assert made.task(SPOOLED, 10.0) is Task.DRAIN


def test_failed_database_is_left_alone_for_longer_each_time_and_probed_by_the_oldest_rows() -> None:
    made = schedule(up=False)
    now, pauses = 10.0, []
    for _ in range(7):
        start = now
        while made.task(BOTH, now) is None:
            now += 0.01
        assert made.task(BOTH, now) is Task.DRAIN
        assert made.task(WAITING, now) is Task.INSERT
        assert made.task(IDLE, now) is Task.CHECK
        made.failed(Task.DRAIN, now)
        pauses.append(round(now - start, 1))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    made.succeeded(Task.DRAIN, now, more=False)
    made.failed(Task.INSERT, now)
    assert made.task(WAITING, now + 0.11) is Task.INSERT


def test_rows_go_to_the_spool_while_the_database_is_down_or_hangs() -> None:
    assert schedule(up=False).spools(WAITING, 11.0, busy_s=0.0)
    assert schedule().spools(WAITING, 11.0, busy_s=PATIENCE_S + 0.01)
    assert schedule(up=None).spools(WAITING, 11.0, busy_s=PATIENCE_S + 0.01)
    assert not schedule().spools(WAITING, 11.0, busy_s=PATIENCE_S - 0.01)
    assert not schedule(up=None).spools(WAITING, 11.0, busy_s=0.0)
    assert not schedule(up=False).spools(IDLE, 11.0, busy_s=0.0)


def test_failed_spool_is_tried_again_after_a_while() -> None:
    made = schedule(up=False)
    made.spool_failed(11.0)
    assert not made.spools(WAITING, 11.4, busy_s=0.0)
    assert made.spools(WAITING, 11.6, busy_s=0.0)


def test_old_rows_are_deleted_when_nothing_else_is_to_do_and_at_once_while_there_are_more() -> None:
    made = schedule()
    made.retain_at = 20.0
    assert made.task(IDLE, 19.0) is None
    assert made.task(IDLE, 20.0) is Task.RETAIN
    assert made.task(WAITING, 20.0) is Task.INSERT
    made.succeeded(Task.RETAIN, 20.0, more=True)
    assert made.task(IDLE, 21.1) is Task.RETAIN
    made.succeeded(Task.RETAIN, 21.1, more=False)
    assert made.task(IDLE, 100.0) is None


def test_deletion_keeps_up_with_thousands_of_decisions_a_second() -> None:
    made = schedule()
    made.retain_at, deleted = 20.0, 0
    for tick in range(1000):
        now = 20.0 + tick / 100
        if made.task(IDLE, now) is Task.RETAIN:
            made.succeeded(Task.RETAIN, now, more=True)
            deleted += DELETED_AT_ONCE
    assert deleted / 10.0 > 4000


def test_failed_deletion_says_nothing_of_new_rows() -> None:
    made = schedule()
    made.retain_at = 20.0
    made.failed(Task.RETAIN, 20.0)
    assert made.up
    assert made.task(IDLE, 21.0) is None


def test_writer_that_stops_inserts_at_once_drains_and_deletes_nothing() -> None:
    made = schedule()
    made.retain_at = 0.0
    assert made.task(WAITING._replace(stopping=True), 10.0) is Task.INSERT
    assert made.task(SPOOLED._replace(stopping=True), 10.0) is Task.DRAIN
    assert made.task(IDLE._replace(stopping=True), 10.0) is None
