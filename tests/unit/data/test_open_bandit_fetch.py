"""Tests of fetching the Open Bandit data, with archives of our own in place of the real one."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mlops.base.errors import UnavailableError
from mlops.data.open_bandit_fetch import OBP, Archive, fetch, pip_download, read_members

FILES = [f"{p}/men/{f}" for p in ("random", "bts") for f in ("men.csv", "item_context.csv")]


def pack(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> Archive:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return replace(OBP, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), file_limit=100)


def entry(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info, b""


def good() -> list[tuple[tarfile.TarInfo, bytes]]:
    return [entry(f"{OBP.data}/{file}", file.encode()) for file in FILES]


class FakeDownload:
    """Hands out a local archive and counts how often it was asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls = 0

    def __call__(self, archive: Archive, folder: Path, environment: Mapping[str, str]) -> Path:
        self.calls += 1
        return self.path


def test_data_files_are_put_where_the_source_looks(tmp_path: Path) -> None:
    evil = [entry("/etc/evil"), entry("../../evil"), entry("obp-0.5.7/setup.py")]
    archive = pack(tmp_path / "a.tar.gz", good() + evil)
    download = FakeDownload(tmp_path / "a.tar.gz")
    target = tmp_path / "data"
    done = fetch(target, environment={}, campaigns=("men",), archive=archive, download=download)
    assert sorted(done.written) == sorted(FILES)
    found = [str(p.relative_to(done.folder)) for p in done.folder.rglob("*") if p.is_file()]
    assert sorted(found) == sorted(FILES)
    assert (done.folder / "bts/men/men.csv").read_bytes() == b"bts/men/men.csv"


def test_second_fetch_downloads_nothing(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.tar.gz", good())
    download = FakeDownload(tmp_path / "a.tar.gz")
    for expected in (4, 0):
        done = fetch(
            tmp_path / "data",
            environment={},
            campaigns=("men",),
            archive=archive,
            download=download,
        )
        assert len(done.written) == expected
    assert download.calls == 1


def test_only_what_is_missing_is_written(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.tar.gz", good())
    mine = tmp_path / "data/open_bandit/random/men/men.csv"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    done = fetch(
        tmp_path / "data",
        environment={},
        campaigns=("men",),
        archive=archive,
        download=FakeDownload(tmp_path / "a.tar.gz"),
    )
    assert mine.read_text() == "mine"
    assert len(done.written) == 3


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        (good()[1:], "lacks"),
        ([link(f"{OBP.data}/{FILES[0]}", "/etc/passwd"), *good()[1:]], "no regular file"),
        ([entry(f"{OBP.data}/{FILES[0]}", b"x" * 101), *good()[1:]], "has 101 bytes"),
    ],
    ids=["a file is missing", "a file is a link", "a file is too large"],
)
def test_odd_archive_is_refused_and_nothing_written(
    tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]], complaint: str
) -> None:
    archive = pack(tmp_path / "a.tar.gz", entries)
    with pytest.raises(UnavailableError, match=complaint):
        fetch(
            tmp_path / "data",
            environment={},
            campaigns=("men",),
            archive=archive,
            download=FakeDownload(tmp_path / "a.tar.gz"),
        )
    assert not (tmp_path / "data").exists()


def test_another_archive_is_not_even_opened(tmp_path: Path) -> None:
    pack(tmp_path / "a.tar.gz", good())
    with pytest.raises(UnavailableError, match="not the pinned one"):
        read_members(tmp_path / "a.tar.gz", OBP, FILES)


def test_cut_off_archive_is_refused(tmp_path: Path) -> None:
    pack(tmp_path / "a.tar.gz", good())
    path = tmp_path / "a.tar.gz"
    path.write_bytes(path.read_bytes()[:-30])
    archive = replace(OBP, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(UnavailableError, match=r"cannot read a\.tar\.gz"):
        read_members(path, archive, FILES)


def test_failing_pip_says_what_to_do_instead(tmp_path: Path) -> None:
    nowhere = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "none"),
        "PIP_CONFIG_FILE": "/dev/null",
    }
    with pytest.raises(UnavailableError) as caught:
        pip_download(OBP, tmp_path, nowhere)
    assert "No matching distribution" in caught.value.message
    assert "MLOPS_DATA_DIR" in caught.value.hint
