"""Files and folders appear whole or not at all, whatever happens on the way."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mlops.base.errors import UnavailableError
from mlops.base.store import publish_folder, write_file

ROOT = Path(__file__).parents[3]


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.json"
    write_file(path, b"one")
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert everything(tmp_path) == ["a", "a/b", "a/b/c.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_file_is_for_whom_it_says_and_its_draft_where_it_says(tmp_path: Path) -> None:
    plain, private = tmp_path / "a" / "plain", tmp_path / "a" / "private"
    write_file(plain, b"x")
    write_file(private, b"y", mode=0o600, drafts=tmp_path)
    assert [stat.S_IMODE(file.stat().st_mode) for file in (plain, private)] == [0o644, 0o600]
    with pytest.raises(UnavailableError):
        write_file(private, b"z", drafts=tmp_path / "nowhere")
    assert private.read_bytes() == b"y"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "plain", "private"]


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    path = tmp_path / "f"
    write_file(path, b"old")

    def fail(*arguments: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises((UnavailableError, KeyboardInterrupt)):
            write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert everything(tmp_path) == ["f"]


def test_what_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match=r"cannot write .*file/f: ") as caught:
        write_file(tmp_path / "file" / "f", b"")
    assert "store.root" in caught.value.hint
    assert caught.value.retryable
    with pytest.raises(UnavailableError, match="cannot write"):
        publish_folder(tmp_path / "file" / "folder", lambda draft: None)


def test_folder_is_published_once(tmp_path: Path) -> None:
    target = tmp_path / "x" / "abc"
    assert publish_folder(target, lambda draft: write_file(draft / "f", b"1"))
    assert not publish_folder(target, lambda draft: write_file(draft / "f", b"2"))
    assert (target / "f").read_bytes() == b"1"
    assert everything(tmp_path) == ["x", "x/abc", "x/abc/f"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


def test_empty_folder_in_its_place_is_taken(tmp_path: Path) -> None:
    target = tmp_path / "abc"
    target.mkdir()
    assert publish_folder(target, lambda draft: write_file(draft / "f", b"1"))
    assert everything(tmp_path) == ["abc", "abc/f"]


FAILURES: dict[str, Callable[[], BaseException]] = {
    "a bug": lambda: RuntimeError("bug"),
    "a full disk": lambda: OSError(28, "No space left on device"),
    "a person's Ctrl-C": KeyboardInterrupt,
}


@pytest.mark.parametrize("sentence", FAILURES)
def test_exception_inside_fill_leaves_nothing(tmp_path: Path, sentence: str) -> None:
    error = FAILURES[sentence]()

    def fill(draft: Path) -> None:
        write_file(draft / "half", b"1")
        raise error

    wanted = UnavailableError if isinstance(error, OSError) else type(error)
    with pytest.raises(wanted):
        publish_folder(tmp_path / "abc", fill)
    assert everything(tmp_path) == []


def test_process_that_dies_inside_fill_publishes_nothing(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from mlops.base.store import publish_folder\n"
        "def fill(draft):\n"
        "    (draft / 'half').write_text('1'); os._exit(9)\n"
        f"publish_folder(Path({str(tmp_path / 'abc')!r}), fill)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 9
    assert not (tmp_path / "abc").exists()
    assert publish_folder(tmp_path / "abc", lambda draft: write_file(draft / "f", b"1"))


def test_concurrent_publishers_agree_on_one(tmp_path: Path) -> None:
    target = tmp_path / "abc"
    together = threading.Barrier(8)

    def publish(number: int) -> bool:
        def fill(draft: Path) -> None:
            for at in range(20):
                write_file(draft / f"{at}", f"{number}".encode())
            together.wait()

        return publish_folder(target, fill)

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(publish, range(8)))
    assert created.count(True) == 1
    assert len({(target / f"{at}").read_bytes() for at in range(20)}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]


def test_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pointer"
    contents = [b"a" * 100_000, b"b" * 100_000]
    write_file(path, contents[0])
    stop = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for at in range(60):
        write_file(path, contents[at % 2])
    stop.set()
    reader.join()
    assert seen <= set(contents)
