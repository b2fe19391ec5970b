"""A hand: a thread that does one task at a time, so that one that hangs holds up nothing else."""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Hand(Generic[T]):
    """Does tasks in a thread of its own; all methods are called by its owner's thread.

    A task that never ends does not keep the process from ending.

    Args:
        name: Name of the thread.
        wake: Called in that thread when a task has ended.
        clock: Monotonic seconds.
    """

    def __init__(self, name: str, *, wake: Callable[[], None], clock: Callable[[], float]) -> None:
        self._wake = wake
        self._clock = clock
        self._tasks: queue.SimpleQueue[Callable[[], T]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[T | Exception] = queue.SimpleQueue()
        self._since: float | None = None
        threading.Thread(target=self._work, name=name, daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether a task runs or its result was not taken."""
        return self._since is not None

    def busy_s(self) -> float:
        """Return for how many seconds the task has been running; 0 without one."""
        return 0.0 if self._since is None else self._clock() - self._since

    def start(self, task: Callable[[], T]) -> None:
        """Begin a task; there must be none."""
        assert not self.busy
        self._since = self._clock()
        self._tasks.put(task)

    def take(self) -> T | Exception | None:
        """Return what the task returned or raised, once; None while it runs or without one."""
        try:
            result = self._done.get_nowait()
        except queue.Empty:
            return None
        self._since = None
        return result

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                result: T | Exception = task()
            except Exception as error:  # handed to the owner, whatever it is
                result = error
            self._done.put(result)
            self._wake()
