"""The bundle: an immutable directory with all that serving loads. JSON and arrays, no pickle.

    manifest.json     what the bundle is, and the size and sha256 of every other file
    domain.json       the contract's domain
    program.json      inputs, heads and score of the compiled model
    program.npz       its trees
    heuristics.json   the fitted heuristics, the one that serves first
    heuristics.npz    their arrays
    certificate.json  what was proved about the program
    quality.json      what was measured, as training reports it
    golden.json       rows, with what the program and the heuristics gave for them
    golden.npz        their arrays
    signature.json    who released it and when; no part of the digest, and missing until then

The manifest names the digest of its own content, so no bit of any file can change unnoticed, and
the signature is over that digest. A bundle lies at ROOT/SERVICE/DIGEST; ROOT/SERVICE/latest is a
small file with a digest in it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from mlops.base.clock import Clock
from mlops.base.digest import Digest, Json, canonical_json
from mlops.base.errors import MlopsError
from mlops.base.store import publish_folder, write_file
from mlops.contracts.domain import Domain
from mlops.models.arrays import dump_arrays, load_arrays
from mlops.models.certificate import Certificate
from mlops.models.golden import Golden, golden_from, make_golden
from mlops.models.heuristics import FittedHeuristic, Heuristic
from mlops.models.heuristics_file import dump_heuristics, load_heuristics
from mlops.models.manifest import AGAIN, MANIFEST, Manifest, read_folder
from mlops.models.program import Program
from mlops.models.refusal import Refusal, RefusedBundleError
from mlops.models.signature import SIGNATURE, Signature, Signer, Trust

LATEST = "latest"

FILES = (
    "certificate.json", "domain.json", "golden.json", "golden.npz", "heuristics.json",
    "heuristics.npz", "program.json", "program.npz", "quality.json",
)  # fmt: skip
_POINTER_BYTES = 128
_POINTER = re.compile(r"[a-z][a-z0-9_-]*")
_PREFIX = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")
_NAME = re.compile(r"sha256:([0-9a-f]{64})\s*")

T = TypeVar("T")


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
        golden: Rows with their scores; None has `write` draw and score them.
    """

    service: str
    model: str
    domain: Domain
    program: Program
    heuristics: Mapping[str, FittedHeuristic]
    certificate: Certificate
    quality: Json
    golden: Golden | None = None


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
        signature: The signature that was believed; None if there is none or nobody asked.
    """

    ref: BundleRef
    parts: Parts
    signature: Signature | None = None

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
    heuristics_json, heuristics_npz = dump_heuristics(parts.heuristics)
    certificate = cast("Json", parts.certificate.model_dump(mode="json"))
    golden = parts.golden or make_golden(parts.program, parts.domain, parts.heuristics)
    return {
        **golden.to_files(),
        "certificate.json": canonical_json(certificate),
        "domain.json": canonical_json(cast("Json", parts.domain.model_dump(mode="json"))),
        "heuristics.json": heuristics_json,
        "heuristics.npz": heuristics_npz,
        "program.json": canonical_json(parts.program.to_json()),
        "program.npz": dump_arrays(parts.program.to_arrays()),
        "quality.json": canonical_json(parts.quality),
    }


def sign(path: Path, signer: Signer, *, clock: Clock) -> Signature:
    """Release a bundle: put a signature beside its manifest, in place of one that is there.

    Args:
        path: Its directory.
        signer: Who releases it.
        clock: Tells when.

    Raises:
        RefusedBundleError: It is not whole: nobody signs what nobody can load.
        UnavailableError: The disk is full, read-only or forbidden.
    """
    contents = read_folder(path, FILES)
    digest, service = Digest(contents.manifest.digest), contents.manifest.service
    made = signer.sign(digest, service, clock=clock)
    # Drafted outside: a server that reads the bundle meanwhile would find a file too many.
    write_file(path / SIGNATURE, made.to_bytes(), drafts=path.parent)
    return made


def load(path: Path, *, packages: Sequence[str] | None = (), trust: Trust | None = None) -> Bundle:
    """Read a bundle, trusting nothing: its signed manifest, then each file hashed, then parsed.

    Args:
        path: Its directory.
        packages: Where a custom heuristic's class may come from; None imports none of them and
            leaves such heuristics unopened.
        trust: Whose bundles are believed; None does not look at the signature.

    Raises:
        RefusedBundleError: It is not there, not whole, not what it claims to be, of another
            version, or not signed by whom it must be; the message names the file.
    """
    found = read_folder(path, FILES, trust=trust)
    manifest, contents = found.manifest, found.files

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
            "heuristics.json", lambda text: load_heuristics(text, heuristic_arrays, packages)
        ),
        certificate=parse("certificate.json", Certificate.model_validate_json),
        quality=parse("quality.json", _json),
        golden=parse("golden.json", lambda text: golden_from(text, contents["golden.npz"])),
    )
    _check_together(path, parts, manifest)
    return Bundle(BundleRef(Digest(manifest.digest), path), parts, found.signature)


def _parse(path: Path, content: bytes, parser: Callable[[bytes], T]) -> T:
    try:
        return parser(content)
    except MlopsError as error:
        raise _invalid(f"{path}: {error.message}", error.hint) from error
    except Exception as error:  # whatever a file makes a library raise: it is no bundle's
        lines = str(error).splitlines() or [type(error).__name__]
        raise _invalid(f"{path} is not valid: {' '.join(lines[:3])}", AGAIN) from error


def _invalid(message: str, hint: str = "") -> RefusedBundleError:
    return RefusedBundleError(message, reason=Refusal.INVALID, hint=hint)


def _json(content: bytes) -> Json:
    return cast("Json", json.loads(content))


def _check_together(path: Path, parts: Parts, manifest: Manifest) -> None:
    """Refuse files that are whole, but of different bundles."""
    known = {column.name: column for column in parts.domain.request}
    readers = [("the program", parts.program.columns)]
    readers += [("a heuristic", each.heuristic.columns) for each in parts.heuristics.values()]
    for who, columns in readers:
        for name in columns:
            if name not in known:
                raise _invalid(f"{path}: {who} reads {name!r}, which the contract lacks")
    score = parts.program.outline.score
    if score.kind == "expected_value" and known[score.value].is_category:
        raise _invalid(f"{path}: the score is multiplied with {score.value!r}, which is a text")
    for column in parts.program.outline.inputs:
        if known[column.name].is_category != (column.kind == "text"):
            raise _invalid(f"{path}: {column.name!r} has another kind in the contract")
    heads = parts.program.head_names
    if heads != manifest.heads or set(heads) != set(parts.certificate.heads):
        raise _invalid(f"{path}: manifest, program and certificate name different heads")
    if parts.golden is not None and not parts.golden.fits(known, parts.heuristics):
        raise _invalid(f"{path}: the golden batch is of another contract or other heuristics")


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
        RefusedBundleError: There is none, or more than one.
    """
    folder = root / service
    if "/" in reference:
        return _there(Path(reference), reference, Path(reference).parent)
    if _POINTER.fullmatch(reference) and (folder / reference).is_file():
        with (folder / reference).open("rb") as file:
            named = _NAME.fullmatch(file.read(_POINTER_BYTES).decode(errors="replace"))
        if named is None:
            raise RefusedBundleError(
                f"{folder / reference} names no digest",
                reason=Refusal.CHANGED,
                hint="train or point again",
            )
        return _there(folder / named[1], reference, folder)
    digits = _PREFIX.fullmatch(reference)
    if digits is not None and folder.is_dir():
        found = sorted(path for path in folder.iterdir() if path.name.startswith(digits[1]))
        if len(found) > 1:
            raise RefusedBundleError(
                f"{len(found)} bundles of {service} begin with {digits[1]}",
                reason=Refusal.MISSING,
                hint="give more digits",
            )
        if found:
            return _there(found[0], reference, folder)
    raise _absent(reference, folder)


def resolve_within(reference: str, root: Path, service: str) -> Path:
    """Return the directory of a bundle that somebody else names, which may lie nowhere but in root.

    Links are followed once, here; what is returned is the place itself.

    Args:
        reference: As for `resolve`.
        root: Folder of all bundles.
        service: The service.

    Raises:
        RefusedBundleError: There is none, or more than one, or it lies elsewhere.
    """
    try:
        found = resolve(reference, root, service).resolve(strict=True)
        inside = found.is_relative_to(root.resolve(strict=True))
    except (OSError, ValueError) as error:  # a name too long, a NUL in it, links in a circle
        raise _absent(reference, root / service) from error
    if not inside:
        raise RefusedBundleError(
            f"bundle {reference!r} lies outside {root}",
            reason=Refusal.MISSING,
            hint="copy it there first: a running service takes bundles from its own store only",
        )
    return found


def _there(path: Path, reference: str, looked: Path) -> Path:
    if not path.is_dir():
        raise _absent(reference, looked)
    return path


def _absent(reference: str, looked: Path) -> RefusedBundleError:
    return RefusedBundleError(
        f"there is no bundle {reference!r} in {looked}",
        reason=Refusal.MISSING,
        hint="`mlops train` makes `latest`; a digest takes six digits or more, a path a slash",
    )
