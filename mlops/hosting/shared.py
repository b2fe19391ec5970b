"""Shared memory: what the processes of one service see of each other without asking.

It is one anonymous mapping, made before the first fork. Each value is eight aligned bytes with a
single writer, so that it is stored in one piece on x86-64 and ARM and never read half written:

- a member writes its numbers, its heartbeat and what it works on;
- the supervisor writes the poison list and its own vector of numbers, and clears what a dead
  member left before it starts the next one on the same seat;
- flags are written by whoever switches something, which is rare: the last one wins.

Values that belong together (a sum and its count) may be read one update apart.
"""

import mmap

import numpy as np
import numpy.typing as npt

_WORD = 8
_LINE = 8
"""Words of a cache line: members' words lie on lines of their own, or their writers would wait
for each other."""


class Shared:
    """The memory that all processes of a service share.

    Args:
        members: Number of members; the supervisor comes on top, as the last.
        numbers: Length of each vector of numbers.
        flags: Number of flags.
        poison: Most requests that are known as poison at a time.
    """

    def __init__(self, *, members: int, numbers: int, flags: int, poison: int = 16) -> None:
        self.members = members
        self.poison_room = poison
        seats = members + 1
        width = _lines(max(numbers, 1))
        parts = (seats * width, seats * _LINE, seats * _LINE, seats * _LINE, flags, 1 + poison)
        sizes = [_lines(words) for words in parts]
        whole = memoryview(mmap.mmap(-1, sum(sizes) * _WORD))
        views: list[memoryview] = []
        for size in sizes:
            views.append(whole[: size * _WORD])
            whole = whole[size * _WORD :]
        self._numbers = views[0].cast("d")
        self._width = width
        self._size = numbers
        table = np.frombuffer(views[0], dtype=np.float64).reshape(seats, width)
        self.table: npt.NDArray[np.float64] = table[:, :numbers]
        """All vectors, shape [members + 1, numbers]; only to read."""
        self._beats = views[1].cast("d")
        self._working = views[2].cast("q")
        self._told = views[3].cast("q")
        self.flags = views[4].cast("q")[:flags]
        """Whole numbers that all read, on each request."""
        listed = views[5].cast("q")
        self._poisoned = listed[:1]  # how many of the places after it are taken, or were
        self._poison = listed[1 : 1 + poison]

    def numbers(self, member: int) -> "memoryview[float]":
        """Return a member's vector of float64, which only that member writes.

        It lives on when the member dies; its successor goes on where it stopped.
        """
        start = member * self._width
        return self._numbers[start : start + self._size]

    def total(self, at: int) -> float:
        """Return the sum of one number over all members and the supervisor."""
        return float(self.table[:, at].sum())

    def totals(self) -> npt.NDArray[np.float64]:
        """Return the sums of all numbers over all members and the supervisor, shape [numbers]."""
        totals: npt.NDArray[np.float64] = self.table.sum(axis=0)
        return totals

    def beat(self, member: int, now: float) -> None:
        """Write a heartbeat.

        Args:
            member: Who is alive.
            now: Monotonic seconds, more than 0.
        """
        self._beats[member * _LINE] = now

    def last_beat(self, member: int) -> float:
        """Return monotonic seconds of the last heartbeat; 0 before the first."""
        beat: float = self._beats[member * _LINE]
        return beat

    def begin(self, member: int, fingerprint: int) -> None:
        """Write down what a member works on from now, in case that it ends it.

        Args:
            member: Who works.
            fingerprint: Of the request, 64 bits with sign; equal requests have equal ones. 0 says
                nothing.
        """
        self._working[member * _LINE] = fingerprint

    def end(self, member: int) -> None:
        """Write down that a member got through what it worked on."""
        self._working[member * _LINE] = 0

    def works_on(self, member: int) -> int:
        """Return the fingerprint of what a member works on, or died of; 0 for nothing."""
        fingerprint: int = self._working[member * _LINE]
        return fingerprint

    def tell_to_stop(self, member: int) -> None:
        """Write down that a member's turn to stop has come; a SIGTERM follows."""
        self._told[member * _LINE] = 1

    def is_told_to_stop(self, member: int) -> bool:
        """Tell whether a SIGTERM is the supervisor's, or came from somewhere else."""
        return bool(self._told[member * _LINE])

    def clear(self, member: int) -> None:
        """Forget the heartbeat, the work and the order to stop of a member that is dead.

        Its numbers stay.
        """
        self._beats[member * _LINE] = 0.0
        self._working[member * _LINE] = 0
        self._told[member * _LINE] = 0

    def is_poison(self, fingerprint: int) -> bool:
        """Tell whether equal requests ended processes lately; nearly free while none did."""
        taken: int = self._poisoned[0]
        if not taken or not fingerprint:
            return False
        return fingerprint in self._poison[:taken].tolist()

    def list_poison(self, fingerprints: list[int]) -> None:
        """Replace the poison list; the supervisor does.

        Args:
            fingerprints: Oldest first; of more than there is room for, the newest are kept.
        """
        kept = fingerprints[-self.poison_room :]
        # In rising places: a reader meets each that is kept at its old place or its new one.
        for at in range(self.poison_room):
            self._poison[at] = kept[at] if at < len(kept) else 0
        self._poisoned[0] = len(kept)


def _lines(words: int) -> int:
    """Return the words of the whole cache lines that hold so many."""
    return -(-words // _LINE) * _LINE
