"""A spool: files that keep rows while the database cannot be written, then give them back.

A segment is a file of frames; a frame is a mark, a length, a checksum and the rows of one parcel.
A segment that an ended process left behind is only read, never written on, and a frame that is
torn or damaged is skipped at the next mark: what comes after it is not lost with it.
"""

import errno
import logging
import os
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mlops.base.errors import UnavailableError

_MARK = b"\xf1DLR"
_FRAME = struct.Struct("<4sII")
_SEGMENT_BYTES = 2**20
_SUFFIX = ".rows"
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_log = logging.getLogger(__name__)


class Chunk(NamedTuple):
    """Rows that come next.

    Attributes:
        parcels: The rows of some parcels, oldest first.
        damaged: Number of damaged places that were skipped on the way.
        segment: Number of the file that they are in.
        end: Where in it the next ones begin.
    """

    parcels: tuple[bytes, ...]
    damaged: int
    segment: int
    end: int


class Spool:
    """Keeps parcels in a folder; any thread may call it.

    Args:
        folder: Where; it is created when the first parcel comes.
        most_bytes: Most bytes of all files together.
        fsync: Whether what was appended survives a power cut.
    """

    def __init__(self, folder: Path, *, most_bytes: int, fsync: bool) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._fsync = fsync
        self._lock = threading.Lock()
        self._sizes = dict(sorted(_segments(folder)))
        self._next = max(self._sizes, default=0) + 1
        self._file: int | None = None
        self._reading: tuple[int, bytes] | None = None
        self._at = 0

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self._sizes.copy().values())

    @property
    def room(self) -> int:
        """Bytes that are left."""
        return self._most_bytes - self.size

    def append(self, parcels: Sequence[bytes]) -> None:
        """Keep the rows of some parcels: all of them, or none.

        Raises:
            UnavailableError: There is no room for them, or the disk does not take them.
        """
        frames = [frame(rows) for rows in parcels]
        with self._lock:
            if self.size + sum(map(len, frames)) > self._most_bytes:
                raise UnavailableError(f"the spool is full: {self._most_bytes} bytes are waiting")
            try:
                self._write(frames)
            except OSError as error:
                reason = error.strerror or str(error)
                raise UnavailableError(f"the spool cannot be written: {reason}") from error

    def peek(self, most_bytes: int) -> Chunk | None:
        """Return the oldest rows, and again the same until they are dropped; None if empty.

        A file that cannot be read stays where it is, for the next process that finds it: it must
        keep neither the files after it nor the database waiting.

        Args:
            most_bytes: Where to stop; at least one parcel is returned.

        Raises:
            UnavailableError: No file can be read now.
        """
        with self._lock:
            while self._sizes:
                oldest = next(iter(self._sizes))
                try:
                    content = self._content(oldest)
                except FileNotFoundError:
                    _log.error("a file of the spool is gone: somebody removed it with its rows")
                    self._remove(oldest)
                    continue
                except OSError as error:
                    if error.errno in _PASSING:
                        raise UnavailableError(f"the spool cannot be read: {error}") from error
                    _log.error("a file of the spool is left aside until a restart: %s", error)
                    del self._sizes[oldest]
                    continue
                chunk = _chunk(content, self._at, oldest, most_bytes)
                if chunk is not None:
                    return chunk
                self._remove(oldest)
            return None

    def drop(self, chunk: Chunk) -> None:
        """Forget rows that were returned last, since they are elsewhere now."""
        with self._lock:
            self._at = chunk.end
            if chunk.end >= self._sizes.get(chunk.segment, 0):
                self._remove(chunk.segment)

    def _write(self, frames: Iterable[bytes]) -> None:
        """Append frames, or put everything back as it was."""
        before = dict(self._sizes)
        try:
            for content in frames:
                number = self._segment()
                assert self._file is not None
                _write_all(self._file, content)
                self._sizes[number] += len(content)
                if self._sizes[number] >= _SEGMENT_BYTES:
                    self._close()
            if self._file is not None and self._fsync:
                os.fsync(self._file)
        except OSError:
            self._put_back(before)
            raise

    def _segment(self) -> int:
        """Return the number of the segment that is open for appending."""
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            number, self._next = self._next, self._next + 1
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._file = os.open(self._path(number), flags, 0o600)
            self._sizes[number] = 0
            if self._fsync:
                _fsync_folder(self._folder)
                _fsync_folder(self._folder.parent)
        return self._next - 1

    def _put_back(self, before: dict[int, int]) -> None:
        """Cut off what was written in part; where even that fails, its frame is no valid one."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        for number in list(self._sizes):
            try:
                if number not in before:
                    self._path(number).unlink()
                    del self._sizes[number]
                elif self._sizes[number] != before[number] or number == self._next - 1:
                    os.truncate(self._path(number), before[number])
                    self._sizes[number] = before[number]
            except OSError:
                self._sizes[number] = _size(self._path(number))

    def _close(self) -> None:
        if self._file is None:
            return
        if self._fsync:
            os.fsync(self._file)
        os.close(self._file)
        self._file = None

    def _content(self, number: int) -> bytes:
        if self._reading is None or self._reading[0] != number:
            if number == self._next - 1:
                self._close()  # what comes now goes to a new one, so this one is whole
            self._reading = number, self._path(number).read_bytes()
            self._at = 0
        return self._reading[1]

    def _remove(self, number: int) -> None:
        self._sizes.pop(number, None)
        self._reading = None
        self._at = 0
        try:
            self._path(number).unlink(missing_ok=True)
        except OSError:
            return  # found again by the next process, and stored no second time

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:016d}{_SUFFIX}"


def frame(rows: bytes) -> bytes:
    """Return the frame of a parcel's rows."""
    return _FRAME.pack(_MARK, len(rows), zlib.crc32(rows)) + rows


def frame_size(rows: bytes) -> int:
    """Return the bytes of a parcel's frame."""
    return _FRAME.size + len(rows)


def frames(content: bytes, start: int = 0) -> Iterator[tuple[bytes | None, int]]:
    """Yield the rows of each frame and where it ends; None for a damaged place.

    >>> list(frames(frame(b"a") + frame(b"b")[:-1] + frame(b"c")))
    [(b'a', 13), (None, 25), (b'c', 38)]
    """
    at = start
    while at < len(content):
        rows = _rows_at(content, at)
        if rows is None:
            found = content.find(_MARK, at + 1)
            at = len(content) if found < 0 else found
        else:
            at += _FRAME.size + len(rows)
        yield rows, at


def _rows_at(content: bytes, at: int) -> bytes | None:
    if len(content) - at < _FRAME.size:
        return None
    mark, length, checksum = _FRAME.unpack_from(content, at)
    rows = content[at + _FRAME.size : at + _FRAME.size + length]
    whole = mark == _MARK and len(rows) == length and zlib.crc32(rows) == checksum
    return rows if whole else None


def _chunk(content: bytes, start: int, segment: int, most_bytes: int) -> Chunk | None:
    parcels: list[bytes] = []
    damaged = held = 0
    end = start
    for rows, after in frames(content, start):
        if rows is None:
            damaged += 1
        elif parcels and held + len(rows) > most_bytes:
            break
        else:
            parcels.append(rows)
            held += len(rows)
        end = after
    return Chunk(tuple(parcels), damaged, segment, end) if end > start else None


def _segments(folder: Path) -> Iterator[tuple[int, int]]:
    for path in folder.glob(f"*{_SUFFIX}"):
        if path.stem.isdecimal():
            yield int(path.stem), _size(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _write_all(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
