"""Forks: children begin clean, and whoever ends is found, also as a container's first process."""

import json
import subprocess
import sys

import pytest

ADOPTS = """
import ctypes, json, os, sys, time
from mlops.hosting.forking import begin, fork, reap

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)

def leave_an_orphan():
    begin()
    orphan = os.fork()
    if orphan == 0:
        time.sleep(0.2)
        os._exit(5)
    os.setpgid(orphan, orphan)  # or it would be killed as something that the child left behind

child = fork(leave_an_orphan, die_together=True)
found = []
while len(found) < 2:
    found += [(pid == child, status) for pid, status in reap({child})]
    time.sleep(0.01)
print(json.dumps([found, list(reap(()))]))
"""

ENDS = """
import os, signal, sys
from mlops.hosting.forking import begin, ending, fork, reap

def run():
    begin()
    {body}

sys.stdout.write("once\\n")
fork(run, die_together=True)
found = []
while not found:
    found = list(reap(()))
print(ending(found[0][1]))
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )


def test_orphans_of_others_are_reaped_too() -> None:
    found, none_left = json.loads(run(ADOPTS).stdout)
    assert found == [[True, 0], [False, 5]]
    assert none_left == []


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        ("pass", "exit status 0"),
        ("sys.exit(3)", "exit status 3"),
        ("sys.exit()", "exit status 0"),
        ("sys.exit('no')", "exit status 1"),
        ("raise ValueError('why')", "exit status 1"),
        ("raise KeyboardInterrupt", "exit status 1"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "signal SIGTERM"),
        ("os.kill(os.getpid(), signal.SIGRTMIN)", "signal SIGRTMIN"),
        ("os.kill(os.getpid(), signal.SIGINT)", "exit status 0"),
        ("os.kill(os.getpid(), signal.SIGHUP)", "exit status 0"),
        ("os.killpg(os.getpgrp(), signal.SIGKILL)", "signal SIGKILL"),
    ],
)
def test_end_of_a_child_is_told_in_words_and_its_output_is_not_written_twice(
    body: str, ending: str
) -> None:
    done = run(ENDS.format(body=body))
    assert done.stdout.splitlines() == ["once", ending]
    if "ValueError" in body:
        assert "ValueError: why" in done.stderr
