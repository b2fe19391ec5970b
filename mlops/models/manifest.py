"""A manifest: what a bundle says about itself, and the size and digest of each of its files."""

import errno
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlops.base.digest import Digest, Json, canonical_json, of_bytes
from mlops.models.refusal import Refusal, RefusedBundleError
from mlops.models.signature import SIGNATURE, SIGNATURE_BYTES, Signature, Trust

MANIFEST = "manifest.json"
AGAIN = "copy the bundle again from where it was made, or train it again"

VERSION: Final = 2

_MANIFEST_BYTES = 1 << 20
_FILE_BYTES = 1 << 29
_VERSION = re.compile(rb'"version":([0-9]{1,4})}?\Z')  # the last key of the canonical text


class FileEntry(BaseModel):
    """One file of a bundle.

    Attributes:
        size_bytes: Its length.
        digest: `sha256:` and 64 digits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    size_bytes: int = Field(ge=0)
    digest: str


class Manifest(BaseModel):
    """What a bundle says about itself.

    Attributes:
        version: Format of the bundle.
        service: Service that it was trained for.
        model: The model's name.
        heads: Names of the model's heads.
        files: Every other file, by name.
        digest: Digest of the rest of the manifest, which is the bundle's name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[2] = VERSION
    service: str
    model: str
    heads: tuple[str, ...]
    files: dict[str, FileEntry]
    digest: str

    @classmethod
    def of(
        cls, *, service: str, model: str, heads: tuple[str, ...], files: Mapping[str, bytes]
    ) -> Self:
        """Return the manifest of some files."""
        entries = {
            name: FileEntry(size_bytes=len(content), digest=of_bytes(content))
            for name, content in files.items()
        }
        draft = cls(service=service, model=model, heads=heads, files=entries, digest="")
        return draft.model_copy(update={"digest": draft.own_digest()})

    def own_digest(self) -> str:
        """Return the digest of everything but `digest`."""
        return of_bytes(canonical_json(cast("Json", self.model_dump(exclude={"digest"}))))

    def to_bytes(self) -> bytes:
        """Return the one text of this manifest."""
        return canonical_json(cast("Json", self.model_dump(mode="json")))


@dataclass(frozen=True, slots=True)
class Contents:
    """What was read of a bundle's folder, all of it as the manifest says.

    Attributes:
        manifest: The manifest.
        signature: The signature that was believed; None if there is none or nobody asked.
        files: Each file's content, by name.
    """

    manifest: Manifest
    signature: Signature | None
    files: Mapping[str, bytes]


def read_folder(path: Path, wanted: Sequence[str], *, trust: Trust | None = None) -> Contents:
    """Read a bundle's files, each of them once: the manifest, its signature, then what it names.

    Args:
        path: The bundle's directory.
        wanted: Names of the files that it must hold beside the manifest, and no other but a
            signature.
        trust: Whose bundles are believed; None does not look at the signature.

    Raises:
        RefusedBundleError: Something is missing, changed, too much, a link, of another version, or
            not signed by whom it must be; the message names the file.
    """
    if path.is_symlink() or not path.is_dir():
        raise RefusedBundleError(
            f"there is no bundle at {path}",
            reason=Refusal.MISSING,
            hint="train one, or check the `bundle` setting",
        )
    manifest = read_manifest(path)
    signature = None
    if trust is not None:
        signed = path / SIGNATURE
        content = _read(signed, SIGNATURE_BYTES) if _is_there(signed) else None
        digest = Digest(manifest.digest)
        signature = trust.believe(content, digest, manifest.service, path=signed)
    if set(manifest.files) != set(wanted):
        raise _changed(f"{path / MANIFEST} does not name a bundle's files")
    present = {entry.name for entry in path.iterdir()} - {SIGNATURE}
    for name in sorted(present - {*wanted, MANIFEST}):
        raise _changed(f"{path / name} does not belong to the bundle")
    files = {name: _read_stated(path / name, manifest.files[name]) for name in wanted}
    return Contents(manifest, signature, files)


def read_manifest(path: Path) -> Manifest:
    """Read a bundle's manifest, which names its own digest.

    Args:
        path: The bundle's directory.

    Raises:
        RefusedBundleError: It is missing, changed, or of another version.
    """
    file = path / MANIFEST
    content = _read(file, _MANIFEST_BYTES)
    _refuse_older(content, file)
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _changed(f"{file} is not valid: {where}: {first['msg']}") from error
    if manifest.own_digest() != manifest.digest or manifest.to_bytes() != content:
        raise _changed(f"{file} was changed: its digest does not hold")
    return manifest


def _refuse_older(content: bytes, file: Path) -> None:
    found = _VERSION.search(content)
    if found is not None and int(found[1]) < VERSION:
        raise RefusedBundleError(
            f"{file} has version {int(found[1])}, and this mlops reads version {VERSION}",
            reason=Refusal.INVALID,
            hint="train again with `mlops train`: a bundle now carries a golden batch",
        )


def _read_stated(path: Path, entry: FileEntry) -> bytes:
    content = _read(path, min(entry.size_bytes, _FILE_BYTES))
    if len(content) != entry.size_bytes or of_bytes(content) != entry.digest:
        raise _changed(f"{path} was changed: its digest does not hold")
    return content


def _read(path: Path, limit: int) -> bytes:
    """Return a regular file's content; of one that is longer than allowed only that much is read.

    A link is refused, so that nothing outside the bundle can stand for a part of it.
    """
    try:
        with open(path, "rb", opener=_open_regular) as file:
            content = file.read(limit + 1)
    except FileNotFoundError as error:
        raise RefusedBundleError(
            f"{path} is missing", reason=Refusal.MISSING, hint=AGAIN
        ) from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EINVAL):
            raise _changed(f"{path} is no regular file") from error
        raise _changed(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > limit:
        raise _changed(f"{path} is longer than the {limit} bytes allowed")
    return content


def _open_regular(path: str, flags: int) -> int:
    """Open a file that is one: what takes its place meanwhile is no link and keeps nobody waiting.

    Raises:
        OSError: It is none (ELOOP, EINVAL), or cannot be opened.
    """
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    return handle


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _changed(message: str) -> RefusedBundleError:
    return RefusedBundleError(message, reason=Refusal.CHANGED, hint=AGAIN)
