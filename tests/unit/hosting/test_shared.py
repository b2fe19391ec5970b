"""Shared memory: what one process writes, all see, and a successor goes on where it stopped."""

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlops.hosting.shared import Shared

FINGERPRINTS = st.integers(-(2**63), 2**63 - 1).filter(bool)


def test_vectors_of_members_and_supervisor_are_apart_and_summed() -> None:
    shared = Shared(members=3, numbers=5, flags=0)
    for member in range(4):
        numbers = shared.numbers(member)
        assert len(numbers) == 5
        for at in range(5):
            numbers[at] += 10.0**member * (at + 1)
    assert shared.totals().tolist() == [1111.0, 2222.0, 3333.0, 4444.0, 5555.0]
    assert shared.total(2) == 3333.0
    assert shared.table.shape == (4, 5)


def test_nothing_overlaps() -> None:
    shared = Shared(members=2, numbers=3, flags=3, poison=2)
    for member in range(3):
        shared.beat(member, 1.5 + member)
        shared.begin(member, 7 + member)
        shared.tell_to_stop(member)
        shared.numbers(member)[2] = 9.0
    shared.flags[2] = -5
    shared.list_poison([11, 12])
    assert [shared.last_beat(at) for at in range(3)] == [1.5, 2.5, 3.5]
    assert [shared.works_on(at) for at in range(3)] == [7, 8, 9]
    assert [shared.is_told_to_stop(at) for at in range(3)] == [True] * 3
    assert shared.flags.tolist() == [0, 0, -5]
    assert np.array_equal(shared.table, [[0, 0, 9.0]] * 3)


def test_clearing_a_seat_keeps_its_numbers_and_the_other_seats() -> None:
    shared = Shared(members=2, numbers=1, flags=0)
    for member in range(2):
        shared.numbers(member)[0] = 3.0
        shared.beat(member, 1.0)
        shared.begin(member, 5)
        shared.tell_to_stop(member)
    shared.clear(0)
    assert (shared.last_beat(0), shared.works_on(0), shared.is_told_to_stop(0)) == (0.0, 0, False)
    assert (shared.last_beat(1), shared.works_on(1), shared.is_told_to_stop(1)) == (1.0, 5, True)
    assert shared.total(0) == 6.0


def test_work_that_ended_is_nobodys_work() -> None:
    shared = Shared(members=1, numbers=1, flags=0)
    shared.begin(0, -(2**63))
    assert shared.works_on(0) == -(2**63)
    shared.end(0)
    assert shared.works_on(0) == 0


@given(st.lists(FINGERPRINTS, unique=True, max_size=8), FINGERPRINTS)
def test_poison_is_what_the_newest_of_the_list_are(listed: list[int], other: int) -> None:
    shared = Shared(members=1, numbers=1, flags=0, poison=4)
    shared.list_poison(listed)
    for fingerprint in listed[-4:]:
        assert shared.is_poison(fingerprint)
    for fingerprint in {*listed[:-4], other} - {*listed[-4:]}:
        assert not shared.is_poison(fingerprint)
    shared.list_poison(listed[:1])
    assert [shared.is_poison(each) for each in listed] == [at == 0 for at in range(len(listed))]
    assert not shared.is_poison(0)


SEEN = """
import os
from mlops.hosting.shared import Shared
shared = Shared(members=2, numbers=2, flags=1)
shared.flags[0] = 42
child = os.fork()
if child == 0:
    shared.numbers(1)[0] += shared.flags[0]
    shared.beat(1, 7.0)
    os._exit(0)
os.waitpid(child, 0)
print(shared.total(0), shared.last_beat(1))
"""


def test_forked_process_sees_and_is_seen() -> None:
    done = subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["42.0", "7.0"], done.stderr
