"""A spool: what was appended comes back in order, whatever was torn, damaged or full."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops.base.errors import UnavailableError
from mlops.decision_log.spool import Spool, frame, frames

PARCELS = st.lists(st.binary(max_size=50), min_size=1, max_size=6)
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def opened(folder: Path, *, most_bytes: int = 2**26, fsync: bool = False) -> Spool:
    return Spool(folder, most_bytes=most_bytes, fsync=fsync)


def drained(spool: Spool, *, most_bytes: int = 1000) -> list[bytes]:
    found: list[bytes] = []
    while (chunk := spool.peek(most_bytes)) is not None:
        assert chunk == spool.peek(most_bytes)
        found += chunk.parcels
        spool.drop(chunk)
    return found


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as a full disk does: the write takes a part, then fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@given(PARCELS)
def test_frames_give_back_what_is_in_them(parcels: list[bytes]) -> None:
    content = b"".join(map(frame, parcels))
    assert [rows for rows, _ in frames(content)] == parcels
    assert [end for _, end in frames(content)][-1] == len(content)


@given(PARCELS, st.data())
def test_a_torn_frame_costs_itself_only(parcels: list[bytes], data: st.DataObject) -> None:
    last = frame(b"torn")
    cut = data.draw(st.integers(1, len(last) - 1))
    content = b"".join(map(frame, parcels)) + last[:cut] + frame(b"next")
    found = [rows for rows, _ in frames(content)]
    assert found[: len(parcels)] == parcels
    assert found[-1] == b"next"
    assert None in found


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=3, max_size=5), st.data())
def test_a_flipped_bit_costs_one_frame(parcels: list[bytes], data: st.DataObject) -> None:
    content = bytearray(b"".join(map(frame, parcels)))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    found = [rows for rows, _ in frames(bytes(content)) if rows is not None]
    assert len(found) == len(parcels) - 1
    rest = list(parcels)
    for rows in found:
        rest.remove(rows)


@given(st.binary(max_size=80))
def test_nonsense_holds_no_frame(content: bytes) -> None:
    assert {rows for rows, _ in frames(b"\0" + content)} <= {None}


def test_parcels_come_back_in_order(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool")
    assert (spool.size, spool.peek(1000)) == (0, None)
    spool.append([b"a", b"b"])
    spool.append([b"c"])
    assert spool.size == 3 * 13
    assert drained(spool) == [b"a", b"b", b"c"]
    assert (spool.size, spool.peek(1000)) == (0, None)
    assert list((tmp_path / "spool").iterdir()) == []


@SAME_FOLDER
@given(st.lists(st.tuples(st.sampled_from(["append", "drain", "restart"]), PARCELS), max_size=12))
def test_nothing_is_lost_nor_out_of_order_over_restarts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[bytes]]]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool, sent, seen = opened(folder), list[bytes](), list[bytes]()
    for step, parcels in steps:
        if step == "append":
            spool.append(parcels)
            sent += parcels
        elif step == "restart":
            spool = opened(folder)
        else:
            seen += drained(spool)
    seen += drained(opened(folder))
    assert seen == sent


def test_a_restart_repeats_what_of_a_segment_was_taken_already(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append([b"a", b"b"])
    chunk = spool.peek(1)
    assert chunk is not None
    assert chunk.parcels == (b"a",)
    spool.drop(chunk)
    assert drained(opened(tmp_path)) == [b"a", b"b"]  # the database takes no row twice


def test_new_rows_go_on_a_new_segment_while_an_old_one_is_read(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append([b"a", b"b"])
    chunk = spool.peek(1)
    assert chunk is not None
    spool.append([b"c"])
    spool.drop(chunk)
    assert drained(spool) == [b"b", b"c"]


def test_long_spools_are_many_segments_and_each_is_removed_when_it_is_read(tmp_path: Path) -> None:
    spool = opened(tmp_path, fsync=True)
    parcels = [bytes([number]) * 300_000 for number in range(12)]
    spool.append(parcels)
    assert len(list(tmp_path.iterdir())) == 3
    chunk = spool.peek(2**30)
    assert chunk is not None
    assert len(chunk.parcels) == 4
    spool.drop(chunk)
    assert len(list(tmp_path.iterdir())) == 2
    assert drained(spool) == parcels[4:]


def test_a_full_spool_takes_nothing_and_stays_whole(tmp_path: Path) -> None:
    spool = opened(tmp_path, most_bytes=100)
    spool.append([b"x" * 50])
    with pytest.raises(UnavailableError, match="full: 100 bytes"):
        spool.append([b"y", b"z" * 50])
    spool.append([b"w"])
    assert drained(spool) == [b"x" * 50, b"w"]


@pytest.mark.parametrize("fsync", [False, True])
def test_a_full_disk_takes_all_of_an_append_or_nothing(tmp_path: Path, fsync: bool) -> None:
    spool = opened(tmp_path, fsync=fsync)
    spool.append([b"a" * 100])
    with files_up_to(400):
        with pytest.raises(UnavailableError, match="File too large"):
            spool.append([b"b" * 100, b"c" * 1000])
        assert spool.size == 112
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 112
        spool.append([b"d" * 100])
    spool.append([b"e" * 1000])
    assert drained(spool) == [b"a" * 100, b"d" * 100, b"e" * 1000]


def test_a_frame_left_half_written_by_a_killed_writer_is_cut(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append([b"a", b"b"])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    again = opened(tmp_path)
    again.append([b"c"])
    chunk = again.peek(1000)
    assert chunk is not None
    assert (chunk.parcels, chunk.damaged) == ((b"a",), 1)
    assert drained(again) == [b"a", b"c"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool = opened(tmp_path / "file" / "spool")
    with pytest.raises(UnavailableError, match="cannot be written: Not a directory"):
        spool.append([b"a"])
    assert spool.size == 0


def test_a_segment_that_somebody_removed_is_passed_over(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append([b"a"])
    (path,) = tmp_path.iterdir()
    path.unlink()
    assert spool.peek(1000) is None
    assert spool.size == 0


def test_a_segment_that_cannot_be_read_is_left_there_and_keeps_no_other_waiting(
    tmp_path: Path,
) -> None:
    tmp_path.joinpath(f"{1:016d}.rows").mkdir()  # as unreadable as another account's file
    spool = opened(tmp_path)
    spool.append([b"a"])
    assert drained(spool) == [b"a"]
    assert spool.size == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"{1:016d}.rows"]


def test_files_are_for_the_service_alone(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool")
    spool.append([b"a"])
    (path,) = (tmp_path / "spool").iterdir()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
