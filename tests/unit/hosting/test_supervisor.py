"""A supervisor over real processes: it replaces the dead and the silent, and stops in order."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.components.supervised import PATIENCE_S, Supervised, all_dead, is_alive

Start = Callable[..., Supervised]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a service; all are gone after the test."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Supervised(tmp_path / "log", **options))


@pytest.mark.parametrize(
    ("how", "cause", "told"),
    [
        ("segfault", "died", "signal SIGSEGV"),
        ("raise", "died", "exit status 1"),
        ("exit", "died", "exit status 7"),
        ("hang", "silent", "signal SIGKILL"),
        ("stop", "silent", "signal SIGKILL"),
        ("mute", "silent", "signal SIGKILL"),
    ],
)
def test_member_that_fails_is_replaced_and_its_count_goes_on(
    start: Start, how: str, cause: str, told: str
) -> None:
    service = start()
    before = service.wait_up()
    service.send(0, "count 3")
    service.send(1, "count 4")
    service.send(0, how)
    assert service.wait("ended", member=0)["cause"] == cause
    assert service.wait_started(0) != before[0]
    assert is_alive(before[1])
    service.send(0, "count 5")
    service.send(0, "is_poison 1")  # answered after the count, as messages keep their order
    service.wait("message", content="poison False")
    service.order("total")
    assert service.wait("total")["value"] == 12.0
    log = service.log.read_text()
    assert f"worker 0 (process {before[0]}) ended: {cause}, {told}, after " in log
    assert ("RuntimeError: told to" in log) == (how == "raise")
    assert service.stop() == 0


def test_stopped_member_is_replaced_long_before_its_silence_would_tell(start: Start) -> None:
    service = start(silent_ms=20_000.0)
    before = service.wait_up()
    began = time.monotonic()
    os.kill(before[0], signal.SIGSTOP)
    assert service.wait("ended", member=0)["cause"] == "silent"
    assert time.monotonic() - began < 15.0
    service.wait_started(0)
    assert service.stop() == 0


def test_member_that_is_stopped_for_a_moment_lives_on(start: Start) -> None:
    service = start(silent_ms=20_000.0)
    before = service.wait_up()
    os.kill(before[0], signal.SIGSTOP)
    time.sleep(0.1)
    os.kill(before[0], signal.SIGCONT)
    time.sleep(1.2)
    service.order("members", role="worker")
    assert service.wait("members")["members"] == [0, 1]
    assert service.pids() == before
    assert service.stop() == 0


def test_killed_member_is_replaced_while_the_other_answers(start: Start) -> None:
    service = start()
    before = service.wait_up()
    os.kill(before[0], signal.SIGKILL)
    assert service.ask() == before[1]
    after = service.wait_started(0)
    answered = {service.ask() for _ in range(200)}
    assert answered <= {after, before[1]}
    assert service.stop() == 0


def test_all_members_killed_at_once_are_back(start: Start) -> None:
    service = start()
    before = service.wait_up()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    after = service.wait_replaced(before)
    assert service.ask() in after.values()
    assert service.stop() == 0


def test_member_that_never_beats_is_given_its_time_and_then_replaced(start: Start) -> None:
    service = start(boot_s=1.0, unborn=True)
    service.wait("ended", member=0, cause="not_started")
    assert service.wait_started(0)
    assert service.stop() == 0


def test_nobody_outlives_a_killed_supervisor(start: Start) -> None:
    service = start()
    pids = service.wait_up()
    service.process.kill()
    assert all_dead([*pids.values()])
    with pytest.raises(ConnectionRefusedError):
        service.ask()


def test_without_the_death_signal_members_outlive_a_killed_supervisor(start: Start) -> None:
    service = start(die_together=False)
    pids = service.wait_up()
    service.process.kill()
    service.process.wait()
    time.sleep(0.3)
    assert service.ask() in pids.values()


def test_what_a_member_started_dies_with_it(start: Start) -> None:
    service = start()
    pids = service.wait_up()
    service.send(0, "leave_child")
    child = int(service.wait("message", member=0)["content"].split()[1])
    assert is_alive(child)
    os.kill(pids[0], signal.SIGKILL)
    service.wait_started(0)
    assert all_dead([child])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_drains_role_by_role_and_refuses_new_connections(
    start: Start, number: signal.Signals
) -> None:
    service = start(lasts_s=0.5)
    pids = service.wait_up()
    assert service.stop(number) == 0
    ended = [each for each in service.events if each["event"] == "ended"]
    assert [each["role"] for each in ended] == ["worker", "worker", "writer"]
    assert {each["cause"] for each in ended} == {"stopped"}
    assert all_dead([*pids.values()])
    with pytest.raises(ConnectionRefusedError):
        service.ask()


def test_port_is_closed_as_soon_as_the_workers_have_ended(start: Start) -> None:
    service = start(workers=1, drain_s=20.0)
    service.wait_up()
    service.send(1, "hang")  # the writer: it neither ends nor beats, and is being waited for
    service.process.send_signal(signal.SIGTERM)
    service.wait("ended", role="worker", cause="stopped")
    with pytest.raises(ConnectionRefusedError):
        service.ask()


def test_signal_to_the_whole_group_drains_too(start: Start) -> None:
    service = start(lasts_s=0.3)
    service.wait_up()
    os.killpg(service.process.pid, signal.SIGTERM)
    assert service.end() == 0
    roles = [each["role"] for each in service.events if each["event"] == "ended"]
    assert roles == ["worker", "worker", "writer"]


def test_signal_to_each_process_drains_too(start: Start) -> None:
    service = start(lasts_s=0.3)
    for pid in (*service.wait_up().values(), service.process.pid):
        os.kill(pid, signal.SIGTERM)
    assert service.end() == 0
    roles = [each["role"] for each in service.events if each["event"] == "ended"]
    assert roles[-1] == "writer"


def test_member_that_does_not_end_in_time_is_killed_and_told_by_the_exit_code(
    start: Start,
) -> None:
    service = start(drain_s=0.3, lasts_s=60.0)
    pids = service.wait_up()
    assert service.stop() == 1
    assert all_dead([*pids.values()])
    log = service.log.read_text()
    assert f"(process {pids[0]}) ended: stopped, signal SIGKILL" in log
    assert f"(process {pids[2]}) ended: stopped, exit status 0" in log, "the writer had its time"


def test_second_signal_kills_and_one_that_comes_twice_at_once_does_not(start: Start) -> None:
    service = start(drain_s=60.0, lasts_s=60.0)
    pids = service.wait_up()
    service.process.send_signal(signal.SIGTERM)
    service.process.send_signal(signal.SIGINT)
    time.sleep(0.8)
    assert is_alive(pids[0])
    assert service.stop() == 1
    assert all_dead([*pids.values()])


def test_pause_of_everything_kills_nobody(start: Start) -> None:
    service = start(silent_ms=300.0)
    pids = service.wait_up()
    everyone = (service.process.pid, *pids.values())
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.0)
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    time.sleep(1.0)
    assert service.stop() == 0
    assert [each["cause"] for each in service.events if each["event"] == "ended"] == ["stopped"] * 3
    assert "this process was paused" in service.log.read_text()


def test_hung_overseer_kills_nobody(start: Start) -> None:
    service = start(silent_ms=300.0)
    service.wait_up()
    service.order("pause", s=1.0)
    service.order("members", role="worker")
    assert service.wait("members")["members"] == [0, 1]
    assert service.stop() == 0


@pytest.mark.parametrize("how", ["segfault", "hang"])
def test_second_death_on_an_equal_request_makes_it_poison_for_all(start: Start, how: str) -> None:
    service = start()
    service.wait_up()
    for member, poison in ((0, "False"), (1, "True")):
        service.send(member, "work -77")
        service.send(member, how)
        service.wait("ended", member=member)
        service.wait_started(member)
        service.send(0, "is_poison -77")
        service.wait("message", content=f"poison {poison}")
    service.send(1, "is_poison 77")
    service.wait("message", content="poison False")
    assert service.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_work_is_not_blamed_for_what_somebody_did_to_its_process(
    start: Start, number: signal.Signals
) -> None:
    service = start()
    service.wait_up()
    for _ in range(2):
        service.send(0, "work 5")
        service.send(0, "is_poison 1")
        service.wait("message", content="poison False")
        os.kill(service.pids()[0], number)
        service.wait_started(0)
    service.send(1, "is_poison 5")
    service.wait("message", content="poison False")
    assert service.stop() == 0


def test_member_that_keeps_ending_young_does_not_keep_the_supervisor_busy(start: Start) -> None:
    service = start(longest_pause_s=0.4)
    service.wait_up()
    ended = []
    for _ in range(6):
        service.send(0, "exit")
        service.wait("ended", member=0)
        ended.append(time.monotonic())
        service.wait_started(0)
    assert ended[-1] - ended[0] > 0.05 + 0.1 + 0.2 + 0.4
    assert service.stop() == 0


def test_member_that_dies_right_after_its_first_heartbeat_is_left_alone_for_longer_each_time(
    start: Start,
) -> None:
    service = start(longest_pause_s=0.4)
    service.wait_up()
    service.send(0, "brittle 6")
    ended = []
    for _ in range(7):
        assert service.wait("ended", member=0)["cause"] == "died"
        ended.append(time.monotonic())
    assert ended[-1] - ended[0] > 0.05 + 0.1 + 0.2 + 0.4
    service.wait_started(0)
    assert service.stop() == 0


@pytest.mark.parametrize(
    ("how", "within_s", "size"),
    [
        pytest.param("answer", 20.0, 65536, id="an answer"),
        pytest.param("segfault", 20.0, None, id="a crash"),
        pytest.param("raise", 20.0, None, id="an exception"),
        pytest.param("hang", 0.3, None, id="too late"),
        pytest.param("none", 20.0, None, id="an end without an answer"),
    ],
)
def test_trial_gives_what_it_sent_or_nothing(
    start: Start, how: str, within_s: float, size: int | None
) -> None:
    service = start(workers=1)
    pids = service.wait_up()
    service.order("try_out", how=how, within_s=within_s)
    assert service.wait("tried")["size"] == size
    until = time.monotonic() + PATIENCE_S
    while service.children() != {*pids.values()} and time.monotonic() < until:
        time.sleep(0.05)
    assert service.children() == {*pids.values()}, "the trial's process is gone, and only that"
    assert service.stop() == 0


def test_stop_gives_up_a_trial_under_way(start: Start) -> None:
    service = start(workers=1)
    service.wait_up()
    service.order("try_out", how="hang", within_s=60.0)
    service.order("members", role="worker")
    service.wait("members")
    assert service.stop() == 0
    assert [each["size"] for each in service.events if each["event"] == "tried"] == [None]


def test_hangup_reaches_the_overseer_and_its_failure_changes_nothing(start: Start) -> None:
    service = start()
    pids = service.wait_up()
    service.process.send_signal(signal.SIGHUP)
    service.wait("hangup")
    service.order("members", role="worker")
    assert service.wait("members")["members"] == [0, 1]
    assert service.pids() == pids
    assert "an overseer may be broken" in service.log.read_text()
    assert service.stop() == 0


def test_member_holds_nothing_that_is_another_ones(start: Start) -> None:
    service = start(workers=3)
    pids = service.wait_up()
    os.kill(pids[0], signal.SIGKILL)
    service.wait_started(0)

    def sockets(member: int) -> set[str]:
        folder = Path(f"/proc/{service.pids()[member]}/fd")
        held = {str(each.readlink()) for each in folder.iterdir()}
        return {each for each in held if each.startswith("socket:")}

    workers, writer = [sockets(member) for member in range(3)], sockets(3)
    listener = workers[0] & workers[1]
    assert len(listener) == 1
    assert [each & listener for each in workers] == [listener] * 3
    assert [len(each) for each in workers] == [2, 2, 2], "the listener and a way to the supervisor"
    assert len(writer) == 1
    assert not writer & set().union(*workers)


def test_member_that_does_not_read_does_not_hold_up_the_supervisor(start: Start) -> None:
    service = start(silent_ms=60_000.0)
    pids = service.wait_up()
    os.kill(pids[0], signal.SIGSTOP)
    service.order("flood", member=0)
    service.wait("flooded")
    assert "is lost" in service.log.read_text()
    os.kill(pids[0], signal.SIGCONT)
    assert service.stop() == 0


def test_hundred_deaths_leave_no_descriptor_and_no_zombie(start: Start) -> None:
    service = start(workers=4, longest_pause_s=0.05)
    service.wait_up()

    def state() -> tuple[int, int]:
        descriptors = list(Path(f"/proc/{service.process.pid}/fd").iterdir())
        return len(descriptors), len(service.children())

    before = state()
    pids = service.pids()
    for _ in range(20):
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        pids = service.wait_replaced(pids)
    until = time.monotonic() + PATIENCE_S
    while state() != before and time.monotonic() < until:
        time.sleep(0.05)
    assert state() == before
    assert service.stop() == 0
