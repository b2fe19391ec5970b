"""The store: the one place that writes files, whole or not at all.

Content lies in immutable folders or files, written beside their place and renamed into it, so a
reader sees all of it or none. A pointer is a small file that names the current content.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from mlops.base.errors import UnavailableError


def write_file(
    path: Path, content: bytes, *, mode: int = 0o644, drafts: Path | None = None
) -> None:
    """Write a file whole or not at all, creating its folder.

    Args:
        path: Where; an existing file is replaced in one step.
        content: What.
        mode: Who may read it; a private key is for its owner only.
        drafts: Folder on the same disk in which it is written first; None takes its own folder,
            whose readers then may see the draft.

    Raises:
        UnavailableError: The disk is full, read-only or forbidden.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=drafts or path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, mode)  # mkstemp gives 0600, which another user's server cannot read
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error


def publish_folder(target: Path, fill: Callable[[Path], None]) -> bool:
    """Create an immutable folder whole or not at all.

    Args:
        target: Its final path; if it is already there with any content, it is left as it is.
        fill: Writes the content into the temporary folder that it is given.

    Returns:
        True if this call created it, False if it was there before.

    Raises:
        UnavailableError: The disk is full, read-only or forbidden.
    """
    if _holds_something(target):
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            fill(draft)
            draft.chmod(0o755)
            draft.rename(target)
        except OSError:
            if _holds_something(target):  # another writer published the same content first
                return False
            raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise _unwritable(target, error) from error
    return True


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())  # a rename takes an empty folder's place


def _unwritable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"cannot write {path}: {error.strerror or error}",
        hint="check the disk's free space and the folder's permissions, or set store.root",
    )
