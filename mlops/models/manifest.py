"""A manifest: what a bundle says about itself, and the size and digest of each of its files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from mlops.base.digest import Json, canonical_json, of_bytes
from mlops.base.errors import BundleError

MANIFEST = "manifest.json"
AGAIN = "copy the bundle again from where it was made, or train it again"

_MANIFEST_BYTES = 1 << 20
_FILE_BYTES = 1 << 29


class FileEntry(BaseModel):
    """One file of a bundle.

    Attributes:
        size_bytes: Its length.
        digest: `sha256:` and 64 digits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    size_bytes: int
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

    version: Literal[1] = 1
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


def read_folder(path: Path, wanted: Sequence[str]) -> tuple[Manifest, dict[str, bytes]]:
    """Read a bundle's files, each of them once, and check them against its manifest.

    Args:
        path: The bundle's directory.
        wanted: Names of the files that it must hold beside the manifest, and no other.

    Returns:
        The manifest, and each file's content by name.

    Raises:
        BundleError: Something is missing, changed, too much, a link, or of another version; the
            message names the file.
    """
    if path.is_symlink() or not path.is_dir():
        raise BundleError(
            f"there is no bundle at {path}", hint="train one, or check the `bundle` setting"
        )
    manifest = _read_manifest(path / MANIFEST)
    if set(manifest.files) != set(wanted):
        raise BundleError(f"{path / MANIFEST} does not name a bundle's files", hint=AGAIN)
    present = {entry.name for entry in path.iterdir()}
    for name in sorted(present ^ {*wanted, MANIFEST}):
        what = "does not belong to the bundle" if name in present else "is missing"
        raise BundleError(f"{path / name} {what}", hint=AGAIN)
    return manifest, {name: _read_stated(path / name, manifest.files[name]) for name in wanted}


def _read_manifest(path: Path) -> Manifest:
    content = _read(path, _MANIFEST_BYTES)
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{path} is not valid: {where}: {first['msg']}", hint=AGAIN) from error
    if manifest.own_digest() != manifest.digest or manifest.to_bytes() != content:
        raise BundleError(f"{path} was changed: its digest does not hold", hint=AGAIN)
    return manifest


def _read_stated(path: Path, entry: FileEntry) -> bytes:
    content = _read(path, min(entry.size_bytes, _FILE_BYTES))
    if len(content) != entry.size_bytes or of_bytes(content) != entry.digest:
        raise BundleError(f"{path} was changed: its digest does not hold", hint=AGAIN)
    return content


def _read(path: Path, limit: int) -> bytes:
    """Return a regular file's content; of one that is longer than allowed only that much is read.

    A link is refused, so that nothing outside the bundle can stand for a part of it.
    """
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{path} is missing or no regular file", hint=AGAIN)
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}", hint=AGAIN) from error
    if len(content) > limit:
        raise BundleError(f"{path} is longer than the {limit} bytes allowed", hint=AGAIN)
    return content
