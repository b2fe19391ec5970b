"""The bundle: an immutable directory with all that serving loads. JSON and arrays, no pickle.

    manifest.json     what the bundle is, and the size and sha256 of every other file
    domain.json       the contract's domain
    program.json      inputs, heads and score of the compiled model
    program.npz       its trees
    heuristics.json   the fitted heuristics, the one that serves first
    heuristics.npz    their arrays
    certificate.json  what was proved about the program
    quality.json      what was measured, as training reports it

The manifest names the digest of its own content, so no bit of any file can change unnoticed. A
bundle lies at ROOT/SERVICE/DIGEST; ROOT/SERVICE/latest is a small file with a digest in it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter

from mlops.base.digest import Digest, Json, canonical_json
from mlops.base.errors import BundleError, MlopsError
from mlops.base.store import publish_folder, write_file
from mlops.contracts.domain import Domain, Floats
from mlops.models.arrays import dump_arrays, load_arrays
from mlops.models.certificate import Certificate
from mlops.models.heuristics import FittedHeuristic, Heuristic, State
from mlops.models.manifest import AGAIN, MANIFEST, Manifest, read_folder
from mlops.models.program import Program

LATEST = "latest"

FILES = (
    "certificate.json", "domain.json", "heuristics.json", "heuristics.npz", "program.json",
    "program.npz", "quality.json",
)  # fmt: skip
_POINTER = re.compile(r"[a-z][a-z0-9_-]*")
_PREFIX = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")
_NAME = re.compile(r"sha256:([0-9a-f]{64})\s*")

T = TypeVar("T")


class _HeuristicEntry(BaseModel):
    """One heuristic in `heuristics.json`; its arrays lie beside it under `name.`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    kind: str
    path: str
    facts: dict[str, JsonValue]


_ENTRIES = TypeAdapter(list[_HeuristicEntry])


@dataclass(frozen=True, slots=True)
class Parts:
    """What a bundle is made of.

    Attributes:
        service: Service that it is for.
        model: The model's name.
        domain: The contract.
        program: The compiled model.
        heuristics: Fitted heuristics by name; the first one serves.
        certificate: What was proved.
        quality: What was measured; any JSON.
    """

    service: str
    model: str
    domain: Domain
    program: Program
    heuristics: Mapping[str, FittedHeuristic]
    certificate: Certificate
    quality: Json


@dataclass(frozen=True, slots=True)
class BundleRef:
    """Where a bundle is.

    Attributes:
        digest: Its name.
        path: Its directory.
    """

    digest: Digest
    path: Path


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and found whole.

    Attributes:
        ref: Where it is.
        parts: What it holds.
    """

    ref: BundleRef
    parts: Parts

    @property
    def heuristic(self) -> Heuristic:
        """The heuristic that serves."""
        return next(iter(self.parts.heuristics.values())).heuristic


def write(parts: Parts, root: Path) -> BundleRef:
    """Write a bundle; the same parts give the same bytes and the same digest.

    Args:
        parts: What it holds; at least one heuristic.
        root: Folder of all bundles.

    Raises:
        UnavailableError: The disk is full, read-only or forbidden.
        ValueError: There is no heuristic, one has a dot in its name, or a value is no JSON.
    """
    if not parts.heuristics or any("." in name for name in parts.heuristics):
        message = "a bundle needs a heuristic, and no heuristic's name has a dot"
        raise ValueError(message)
    files = _contents(parts)
    manifest = Manifest.of(
        service=parts.service, model=parts.model, heads=parts.program.head_names, files=files
    )
    files[MANIFEST] = manifest.to_bytes()
    digest = Digest(manifest.digest)
    path = root / parts.service / digest.removeprefix("sha256:")

    def fill(folder: Path) -> None:
        for name, content in files.items():
            write_file(folder / name, content)

    publish_folder(path, fill)
    return BundleRef(digest, path)


def _contents(parts: Parts) -> dict[str, bytes]:
    heuristics: list[Json] = []
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, fitted in parts.heuristics.items():
        state = fitted.heuristic.state()
        heuristics.append(
            {"name": name, "kind": fitted.kind, "path": fitted.path, "facts": state.facts}
        )
        arrays |= {f"{name}.{key}": array for key, array in state.arrays.items()}
    certificate = cast("Json", parts.certificate.model_dump(mode="json"))
    return {
        "certificate.json": canonical_json(certificate),
        "domain.json": canonical_json(cast("Json", parts.domain.model_dump(mode="json"))),
        "heuristics.json": canonical_json(heuristics),
        "heuristics.npz": dump_arrays(arrays),
        "program.json": canonical_json(parts.program.to_json()),
        "program.npz": dump_arrays(parts.program.to_arrays()),
        "quality.json": canonical_json(parts.quality),
    }


def load(path: Path, *, packages: Sequence[str] = ()) -> Bundle:
    """Read a bundle, trusting nothing: each file is read once, hashed, and then parsed.

    Args:
        path: Its directory.
        packages: Where a custom heuristic's class may come from.

    Raises:
        BundleError: It is not there, not whole, not what it claims to be, or of another version;
            the message names the file.
    """
    manifest, contents = read_folder(path, FILES)

    def parse(name: str, parser: Callable[[bytes], T]) -> T:
        return _parse(path / name, contents[name], parser)

    arrays = parse("program.npz", load_arrays)
    program = parse("program.json", lambda text: Program.from_parts(text, arrays))
    heuristic_arrays = parse("heuristics.npz", load_arrays)
    parts = Parts(
        service=manifest.service,
        model=manifest.model,
        domain=parse("domain.json", Domain.model_validate_json),
        program=program,
        heuristics=parse(
            "heuristics.json", lambda text: _heuristics(text, heuristic_arrays, packages)
        ),
        certificate=parse("certificate.json", Certificate.model_validate_json),
        quality=parse("quality.json", _json),
    )
    _check_together(path, parts, manifest)
    return Bundle(BundleRef(Digest(manifest.digest), path), parts)


def _parse(path: Path, content: bytes, parser: Callable[[bytes], T]) -> T:
    try:
        return parser(content)
    except MlopsError as error:
        raise BundleError(f"{path}: {error.message}", hint=error.hint) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise BundleError(f"{path} is not valid: {' '.join(lines[:3])}", hint=AGAIN) from error


def _json(content: bytes) -> Json:
    return cast("Json", json.loads(content))


def _heuristics(
    content: bytes, arrays: Mapping[str, npt.NDArray[np.generic]], packages: Sequence[str]
) -> dict[str, FittedHeuristic]:
    if any(array.dtype != np.float64 for array in arrays.values()):
        message = "a heuristic's array is not of float64"
        raise ValueError(message)
    entries = _ENTRIES.validate_json(content)
    names = [entry.name for entry in entries]
    if not names or len(set(names)) < len(names):
        message = "there is no heuristic, or two share a name"
        raise ValueError(message)
    found: dict[str, FittedHeuristic] = {}
    for entry in entries:
        own = {
            key.removeprefix(f"{entry.name}."): cast("Floats", array)
            for key, array in arrays.items()
            if key.startswith(f"{entry.name}.")
        }
        found[entry.name] = FittedHeuristic.restored(
            entry.kind, entry.path, State(entry.facts, own), packages=packages
        )
    if not {key.partition(".")[0] for key in arrays} <= set(names):
        message = "an array belongs to no heuristic"
        raise ValueError(message)
    return found


def _check_together(path: Path, parts: Parts, manifest: Manifest) -> None:
    """Refuse files that are whole, but of different bundles."""
    known = {column.name: column for column in parts.domain.request}
    for name in parts.program.columns:
        if name not in known:
            raise BundleError(f"{path}: the program reads {name!r}, which the contract lacks")
    score = parts.program.outline.score
    if score.kind == "expected_value" and known[score.value].is_category:
        raise BundleError(f"{path}: the score is multiplied with {score.value!r}, which is a text")
    for fitted in parts.heuristics.values():
        for name in fitted.heuristic.columns:
            if name not in known:
                raise BundleError(f"{path}: a heuristic reads {name!r}, which the contract lacks")
    for column in parts.program.outline.inputs:
        if known[column.name].is_category != (column.kind == "text"):
            raise BundleError(f"{path}: {column.name!r} has another kind in the contract")
    heads = parts.program.head_names
    if heads != manifest.heads or set(heads) != set(parts.certificate.heads):
        raise BundleError(f"{path}: manifest, program and certificate name different heads")


def point(ref: BundleRef, root: Path, service: str, *, name: str = LATEST) -> None:
    """Let a pointer name a bundle, in one step.

    Args:
        ref: The bundle.
        root: Folder of all bundles.
        service: The service.
        name: The pointer.

    Raises:
        UnavailableError: The disk is full, read-only or forbidden.
    """
    write_file(root / service / name, f"{ref.digest}\n".encode())


def resolve(reference: str, root: Path, service: str) -> Path:
    """Return the directory of the bundle that a person means.

    Args:
        reference: A pointer's name such as `latest`; a digest or its first six or more digits; or
            a path, which has a slash in it.
        root: Folder of all bundles.
        service: The service.

    Raises:
        BundleError: There is none, or more than one.
    """
    folder = root / service
    if "/" in reference:
        return _there(Path(reference), reference)
    if _POINTER.fullmatch(reference) and (folder / reference).is_file():
        named = _NAME.fullmatch((folder / reference).read_text(errors="replace"))
        if named is None:
            raise BundleError(f"{folder / reference} names no digest", hint="train or point again")
        return _there(folder / named[1], reference)
    digits = _PREFIX.fullmatch(reference)
    if digits is not None and folder.is_dir():
        found = sorted(path for path in folder.iterdir() if path.name.startswith(digits[1]))
        if len(found) > 1:
            raise BundleError(
                f"{len(found)} bundles of {service} begin with {digits[1]}", hint="give more digits"
            )
        if found:
            return _there(found[0], reference)
    raise _absent(reference)


def _there(path: Path, reference: str) -> Path:
    if not path.is_dir():
        raise _absent(reference)
    return path


def _absent(reference: str) -> BundleError:
    return BundleError(
        f"there is no bundle {reference!r}",
        hint="`mlops train` makes `latest`; a digest takes six digits or more, a path a slash",
    )
