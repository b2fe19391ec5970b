"""What a killed worker and a killed writer cost, with real processes and files."""

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from mlops.decision_log.read import decisions
from mlops.decision_log.settings import DecisionLogSettings, Durability
from tests.components.decisions import SERVICE
from tests.components.log_processes import Lab, Process, log_lab
from tests.components.prometheus import eventually

WITHIN_S = 60.0
MANY = 300


def stored(lab: Lab) -> Counter[str]:
    found = decisions(lab.settings.url, service=SERVICE, folder=lab.folder)
    return Counter(row.decision_id for row in found)


def ids(process: Process, kind: str) -> list[str]:
    return [str(event[1]) for event in process.events(kind)]


def until_many(process: Process, kind: str, *, beyond: int = 0) -> None:
    eventually(
        lambda: len(process.events(kind)) > MANY + beyond, within_s=WITHIN_S, what=f"many {kind}"
    )


def test_group_commit_keeps_every_acknowledged_row_of_a_killed_worker(tmp_path: Path) -> None:
    settings = DecisionLogSettings(durability=Durability.GROUP_COMMIT)
    with log_lab(tmp_path, settings) as lab:
        writer, worker = lab.writer(), lab.worker()
        until_many(worker, "durable")
        worker.kill()
        writer.kill()
        lab.writer().stop()  # what was acknowledged while the first one booted is in its spool
        found = stored(lab)
    assert set(ids(worker, "durable")) <= set(found)
    assert set(found.values()) == {1}


def test_batched_loses_only_the_last_rows_of_a_killed_worker(tmp_path: Path) -> None:
    flush_s = 0.1
    settings = DecisionLogSettings(flush_ms=1000 * flush_s)
    with log_lab(tmp_path, settings) as lab:
        writer, worker = lab.writer(), lab.worker()
        until_many(worker, "written")
        worker.kill()
        writer.stop()
        found = stored(lab)
    events = worker.events("written")
    end = float(str(events[-1][0]))
    missing = [(float(str(at)), str(name)) for at, name in events if name not in found]
    # A busy machine runs the worker's timer late, but a flush takes all that was written before.
    assert all(at > end - flush_s - 0.5 for at, _ in missing)
    assert [name for _, name in missing] == ids(worker, "written")[len(events) - len(missing) :]
    assert set(found.values()) == {1}


@pytest.mark.parametrize("durability", list(Durability))
def test_killed_writer_costs_no_row_and_doubles_none(
    durability: Durability, tmp_path: Path
) -> None:
    said = {"batched": "written", "group_commit": "durable"}[durability]
    with log_lab(tmp_path, DecisionLogSettings(durability=durability)) as lab:
        writer, worker = lab.writer(), lab.worker()
        for _ in range(3):
            until_many(worker, said, beyond=len(worker.events(said)))
            eventually(partial(writer.counted, "stored"), within_s=WITHIN_S, what="stored rows")
            writer.kill()
            writer = lab.writer()
        until_many(worker, said, beyond=len(worker.events(said)))
        last = ids(worker, said)[-1]
        eventually(lambda: last in stored(lab), within_s=WITHIN_S, what="the last row stored")
        worker.kill()
        writer.stop()
        found = stored(lab)
    sent = ids(worker, said)
    assert set(sent[: sent.index(last) + 1]) <= set(found)
    assert set(found.values()) == {1}
    assert worker.counted("lost") == 0


def test_rows_of_a_worker_that_died_before_the_writer_came_are_stored(tmp_path: Path) -> None:
    with log_lab(tmp_path, DecisionLogSettings(flush_ms=0.5)) as lab:
        worker = lab.worker()
        eventually(lambda: len(worker.events("written")) > 30, within_s=WITHIN_S, what="rows")
        worker.kill()
        second = lab.worker()
        eventually(lambda: len(second.events("written")) > 30, within_s=WITHIN_S, what="rows")
        writer = lab.writer()
        eventually(lambda: writer.counted("stored") > 60, within_s=WITHIN_S, what="stored rows")
        second.kill()
        writer.stop()
        found = stored(lab)
    for each in (worker, second):
        assert set(ids(each, "written")[:25]) <= set(found)
