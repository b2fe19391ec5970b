"""Whose turn it is in a worker, and who is refused."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.serving.admission import (
    Admission,
    Job,
    Priority,
    parse_deadline_ms,
    parse_priority,
)
from mlops.serving.limiter import Limiter
from mlops.serving.spec import LimitSpec
from tests.fakes.clock import ManualClock
from tests.fakes.exchange import FakeExchange
from tests.fakes.watcher import FakeWatcher

SHEDDABLE, NORMAL, CRITICAL = Priority


class Named(FakeExchange):
    """A request with a name."""

    def __init__(self, name: str, *, gone: bool = False) -> None:
        super().__init__(gone=gone)
        self.name = name


@dataclass
class Worker:
    """An admission whose loop a test turns by hand.

    Attributes:
        spec: Its limits.
        takes_s: Time that each piece of work takes.
        acts: Whether there is a limiter.
        model_s: Time that the model adds to it.
    """

    spec: LimitSpec = field(default_factory=lambda: LimitSpec(start=2, most=2, queue=100))
    takes_s: float = 0.0
    acts: bool = True
    model_s: float = 0.0

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.watcher = FakeWatcher()
        self.soon: list[Callable[[], None]] = []
        self.done: list[str] = []
        self.by_heuristic: list[str] = []
        self.refused: list[str] = []
        self.admission = Admission(
            self.spec, self, limiter=Limiter(self.spec, 0.04, self.clock, acts=self.acts),
            clock=self.clock, call_soon=self.soon.append, watcher=self.watcher,
        )  # fmt: skip

    def work(self, job: Job, use_model: bool) -> None:
        self.clock.advance(self.takes_s + self.model_s * use_model)
        self.done.append(_name(job))
        if not use_model:
            self.by_heuristic.append(_name(job))

    def shed(self, job: Job) -> None:
        self.refused.append(_name(job))

    def offer(
        self, name: str, priority: Priority = NORMAL, *, deadline_s: float = 0.05,
        gone: bool = False,
    ) -> None:  # fmt: skip
        now = self.clock.monotonic()
        exchange = Named(name, gone=gone)
        self.admission.offer(Job(exchange, now, now + deadline_s, priority))

    def iterate(self) -> None:
        """Let the loop go round once."""
        due, self.soon[:] = list(self.soon), []
        for each in due:
            each()

    def idle(self) -> None:
        while self.soon:
            self.iterate()


def _name(job: Job) -> str:
    assert isinstance(job.exchange, Named)
    return job.exchange.name


def test_first_request_is_worked_on_in_the_same_call() -> None:
    it = Worker()
    it.offer("a")
    assert it.done == ["a"]
    it.idle()
    it.offer("b")
    assert it.done == ["a", "b"]
    assert it.admission.waiting == 0


def test_what_arrives_in_the_same_iteration_waits_for_its_turn_by_priority() -> None:
    it = Worker()
    for name, priority in (
        ("first", SHEDDABLE), ("n1", NORMAL), ("s1", SHEDDABLE), ("c1", CRITICAL), ("n2", NORMAL),
        ("c2", CRITICAL),
    ):  # fmt: skip
        it.offer(name, priority)
    assert (it.done, it.admission.waiting) == (["first"], 5)
    it.iterate()
    assert it.done == ["first", "c1", "c2", "n1", "n2", "s1"]


def test_turn_is_short_so_that_the_loop_goes_on_reading() -> None:
    it = Worker(takes_s=0.001)
    for at in range(6):
        it.offer(str(at))
    it.iterate()
    assert it.done == ["0", "1", "2"]
    it.offer("late but critical", CRITICAL)
    it.iterate()
    assert it.done[3] == "late but critical"
    it.idle()
    assert len(it.done) == 7
    assert it.soon == []


def test_what_is_too_late_is_never_worked_on() -> None:
    it = Worker()
    it.offer("now")
    it.offer("hasty", deadline_s=0.01)
    it.offer("patient", deadline_s=1.0)
    it.clock.advance(0.02)
    it.idle()
    assert (it.done, it.refused) == (["now", "patient"], ["hasty"])
    assert it.watcher.counts == {"shed normal expired": 1}


def test_what_gets_too_late_during_a_turn_is_not_worked_on_either() -> None:
    it = Worker(takes_s=0.0015)
    it.offer("now")
    it.offer("before")
    it.offer("hasty", deadline_s=0.0014)
    it.iterate()
    assert (it.done, it.refused) == (["now", "before"], ["hasty"])
    assert it.watcher.counts == {"shed normal expired": 1}


def test_what_expires_behind_more_important_work_is_refused_without_waiting_for_its_turn() -> None:
    it = Worker(takes_s=0.0)
    it.offer("now")
    it.takes_s = 0.003
    it.offer("low", SHEDDABLE)
    for at in range(20):
        it.offer(f"c{at}", CRITICAL, deadline_s=1.0)
    while "low" not in it.refused:
        it.iterate()
    assert len(it.done) < 21
    assert "low" not in it.done


def test_caller_that_is_gone_is_not_worked_for() -> None:
    it = Worker()
    it.offer("now")
    it.offer("gone", gone=True)
    it.offer("stays")
    it.idle()
    assert (it.done, it.refused) == (["now", "stays"], [])
    assert it.admission.waiting == 0


def test_of_a_full_queue_the_least_important_and_of_those_the_youngest_goes() -> None:
    it = Worker(LimitSpec(start=2, most=2, queue=4))
    it.offer("now")
    offered = [
        ("s1", SHEDDABLE), ("s2", SHEDDABLE), ("n1", NORMAL), ("n2", NORMAL),
        ("n3", NORMAL), ("c1", CRITICAL), ("c2", CRITICAL), ("c3", CRITICAL), ("n4", NORMAL),
        ("c4", CRITICAL), ("c5", CRITICAL),
    ]  # fmt: skip
    for name, priority in offered:
        it.offer(name, priority)
    assert it.refused == ["s2", "s1", "n3", "n2", "n4", "n1", "c5"]
    it.idle()
    assert it.done == ["now", "c1", "c2", "c3", "c4"]
    assert it.watcher.counts == {
        "shed sheddable queue_full": 2,
        "shed normal queue_full": 4,
        "shed critical queue_full": 1,
    }


def test_what_would_wait_for_more_than_half_of_its_time_is_refused_at_once() -> None:
    it = Worker(takes_s=0.001)
    for _ in range(60):
        it.offer("quiet")
        it.idle()
    for at in range(100):
        it.offer(str(at))
    assert it.done[60:] == ["0"]
    assert it.refused[0] == "27"  # 26 of a millisecond each would have been ahead
    assert len(it.refused) == 73
    it.offer("critical", CRITICAL)
    assert "critical" not in it.refused


def test_slow_first_request_is_not_taken_for_what_others_take() -> None:
    it = Worker(takes_s=0.3)
    it.offer("fills caches")
    it.takes_s = 0.0002
    for at in range(20):
        it.offer(str(at))
    assert it.refused == []


def test_short_rush_is_answered_by_the_heuristic_and_nobody_refused() -> None:
    it = Worker()
    it.takes_s = 0.001
    for _ in range(300):  # busy by half, so that the heuristic's share is unused
        it.offer("quiet")
        it.clock.advance(0.001)
        it.idle()
    it.model_s, it.takes_s = 0.0009, 0.0001
    for at in range(4):
        it.offer(f"learns {at}")
    it.idle()
    for at in range(100):
        it.offer(str(at))
    it.idle()
    assert it.refused == []
    assert len(it.by_heuristic) > 50


def test_when_the_first_of_many_has_waited_long_no_more_are_let_in() -> None:
    it = Worker()
    for name in ("now", "first", "second"):
        it.offer(name)
    it.clock.advance(0.026)
    it.offer("third")
    it.offer("other", CRITICAL)
    assert it.refused == ["third"]


def test_pause_of_the_whole_worker_is_no_reason_to_refuse() -> None:
    it = Worker()
    it.offer("now")
    it.offer("first")
    it.clock.advance(0.026)
    it.offer("second")
    it.idle()
    assert (it.done, it.refused) == (["now", "first", "second"], [])


def test_when_too_many_wait_the_heuristic_answers_a_share() -> None:
    it = Worker(takes_s=0.001)
    for at in range(20):
        it.offer(str(at))
    it.idle()
    assert it.done == [str(at) for at in range(20)]
    assert 2 <= len(it.by_heuristic) <= 4  # a fifth of the time, until no more than two wait
    assert "0" not in it.by_heuristic
    assert "19" not in it.by_heuristic


def test_when_someone_waits_for_long_the_heuristic_answers_others_but_no_critical_one() -> None:
    it = Worker(LimitSpec(start=50, most=50), takes_s=0.001)
    it.offer("now")
    it.offer("patient", SHEDDABLE)
    it.clock.advance(0.013)
    it.offer("critical", CRITICAL)
    it.offer("normal")
    it.idle()
    assert it.done == ["now", "critical", "normal", "patient"]
    assert it.by_heuristic == ["normal"]


def test_critical_request_gets_the_model_whatever_else_waits() -> None:
    it = Worker(takes_s=0.001)
    it.offer("now", CRITICAL)
    for at in range(20):
        it.offer(f"n{at}")
    it.offer("critical", CRITICAL)
    it.idle()
    assert it.done[1] == "critical"
    assert "critical" not in it.by_heuristic
    assert it.by_heuristic != []


def test_what_waits_is_refused_when_the_worker_stops() -> None:
    it = Worker()
    for name, priority in (("now", NORMAL), ("a", NORMAL), ("b", CRITICAL)):
        it.offer(name, priority)
    it.admission.drain()
    it.idle()
    assert (it.done, it.refused) == (["now"], ["b", "a"])
    assert it.admission.waiting == 0
    assert it.watcher.counts == {"shed critical draining": 1, "shed normal draining": 1}


def test_work_that_raises_all_the_same_does_not_stop_the_others() -> None:
    it = Worker()
    it.offer("now")
    it.offer("broken")
    it.offer("next")
    work, it.work = it.work, lambda job, use_model: 1 / 0  # type: ignore[method-assign, assignment] # breaks the port's promise
    with pytest.raises(ZeroDivisionError):
        it.iterate()
    it.work = work  # type: ignore[method-assign] # puts the method back
    it.idle()
    assert it.done == ["now", "next"]


def test_without_the_limiter_all_is_worked_on_as_it_comes() -> None:
    it = Worker(takes_s=0.1, acts=False)
    for at in range(5):
        it.offer(str(at))
    assert it.done == ["0", "1", "2", "3", "4"]
    assert it.by_heuristic == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Priority),
            st.sampled_from([0.0, 0.0005, 0.03]),
            st.sampled_from(["offer", "iterate", "pass"]),
        ),
        max_size=60,
    )
)
def test_every_request_is_answered_or_refused_once(
    steps: list[tuple[Priority, float, str]],
) -> None:
    it = Worker(LimitSpec(start=1, most=4, queue=5), takes_s=0.0007)
    offered = []
    for at, (priority, seconds, what) in enumerate(steps):
        it.clock.advance(seconds)
        if what == "iterate":
            it.iterate()
        elif what == "offer":
            offered.append(str(at))
            it.offer(str(at), priority)
        waiting = len(offered) - len(it.done) - len(it.refused)
        assert it.admission.waiting == waiting <= 5
    it.idle()
    assert sorted(it.done + it.refused) == sorted(offered)
    assert sum(it.watcher.counts.values()) == len(it.refused)


# headers


@pytest.mark.parametrize(
    ("value", "allowed", "wanted"),
    [
        (b"critical", True, CRITICAL),
        (b" Critical ", True, CRITICAL),
        (b"critical", False, NORMAL),
        (b"normal", True, NORMAL),
        (b"sheddable", False, SHEDDABLE),
    ],
)
def test_priority_is_read(value: bytes, allowed: bool, wanted: Priority) -> None:
    assert parse_priority(value, allowed=allowed) is wanted


@pytest.mark.parametrize("value", [b"", b"high", b"critical, normal", b"2", b"\xff"])
def test_other_priorities_are_refused_with_what_is_allowed(value: bytes) -> None:
    with pytest.raises(ValueError, match="critical, normal or sheddable"):
        parse_priority(value, allowed=True)


@pytest.mark.parametrize(
    ("value", "wanted"), [(b"50", 50.0), (b" 12.5 ", 12.5), (b"0.25", 0.25), (b"600000", 6e5)]
)
def test_deadline_is_read(value: bytes, wanted: float) -> None:
    assert parse_deadline_ms(value) == wanted


@pytest.mark.parametrize(
    "value",
    [b"", b"0", b"-1", b"+1", b"nan", b"inf", b"1e3", b"1_0", b"0x10", b"600001", b"9" * 400,
     b"1.2.3", b".", b"50ms", b"50, 60", "٣".encode()],
)  # fmt: skip
def test_other_deadlines_are_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="X-Deadline-Ms must be a number of milliseconds"):
        parse_deadline_ms(value)
