"""An acceptance: the one door through which a bundle comes into a service, and why not.

In this order: its signed manifest, its hashes, its parts, the service and the contract that it is
for, its place after the running one, and its golden batch. Nothing of a bundle is parsed before
its signature and its hashes hold.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from mlops.base.digest import Digest
from mlops.base.verdict import Finding, Status
from mlops.contracts.diff import diff
from mlops.contracts.domain import Domain
from mlops.models.artifact import FILES, Bundle, load
from mlops.models.manifest import read_folder
from mlops.models.refusal import Refusal, RefusedBundleError
from mlops.models.signature import Trust

_NOTE = re.compile(r"(sha256:[0-9a-f]{64}) ([0-9]{1,16})\n")
_DOWNGRADE = 'to go back to it on purpose, reload with "allow_downgrade": true, or sign it again'


@dataclass(frozen=True, slots=True)
class Running:
    """The bundle that serves now, or that served last.

    Attributes:
        digest: Its name.
        signed_at: When it was released, seconds since 1970; None if it is unsigned.
    """

    digest: Digest
    signed_at: int | None

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """Return what has to be known of a bundle that begins to serve."""
        signature = bundle.signature
        return cls(bundle.ref.digest, None if signature is None else signature.signed_at)

    def note(self) -> bytes:
        r"""Return what a later start has to know of a signed bundle, as `noted` reads it.

        >>> Running.noted(Running(Digest("sha256:" + "0" * 64), 7).note()).signed_at
        7
        """
        return f"{self.digest} {self.signed_at}\n".encode()

    @classmethod
    def noted(cls, content: bytes) -> Self | None:
        """Read a note back; None if it is none."""
        found = _NOTE.fullmatch(content.decode(errors="replace"))
        return None if found is None else cls(Digest(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a service takes.

    Attributes:
        service: Its name.
        domain: The contract that it serves; None takes that of the bundle.
        running: The bundle that serves now or, at a start, served last; None if none is known.
        allow_downgrade: Whether one that was released before it is taken.
        golden: Whether the golden batch is played.
    """

    service: str
    domain: Domain | None = None
    running: Running | None = None
    allow_downgrade: bool = False
    golden: bool = True


def accept(
    path: Path, wanted: Wanted, *, trust: Trust | None, packages: Sequence[str] | None = ()
) -> Bundle:
    """Read a bundle that may serve.

    Args:
        path: Its directory.
        wanted: What the service takes.
        trust: Whose bundles are believed; None looks at no signature, so that no bundle counts as
            older than another.
        packages: Where a custom heuristic's class may come from; None imports none of them and
            leaves such heuristics unopened.

    Raises:
        RefusedBundleError: It may not; `reason` says in a word why.
    """
    bundle = load(path, packages=packages, trust=trust)
    if bundle.parts.service != wanted.service:
        message = f"{path} is for service {bundle.parts.service!r}, not for {wanted.service!r}"
        raise RefusedBundleError(message, reason=Refusal.SERVICE)
    if wanted.domain is not None and bundle.parts.domain != wanted.domain:
        raise RefusedBundleError(
            f"{path} is for another contract: {_change(wanted.domain, bundle.parts.domain)}",
            reason=Refusal.CONTRACT,
            hint="train again for the contract that is served, or start the service with the other",
        )
    if trust is not None and wanted.running is not None and not wanted.allow_downgrade:
        _refuse_older(bundle, wanted.running)
    if wanted.golden:
        play(bundle)
    return bundle


def play(bundle: Bundle) -> None:
    """Play a bundle's golden batch.

    Raises:
        RefusedBundleError: It does not give here what it gave where it was made.
    """
    parts = bundle.parts
    if parts.golden is None:
        return
    told = parts.golden.difference(parts.program, parts.heuristics)
    if told is not None:
        raise RefusedBundleError(
            f"{bundle.ref.path}: {told}",
            reason=Refusal.GOLDEN,
            hint="train it again with this version of mlops; if it is the same, test this host",
        )


def judge_signature(path: Path, trust: Trust) -> Finding:
    """Tell whether a bundle is released, and by whom.

    Args:
        path: Its directory.
        trust: Whose bundles are believed.

    Returns:
        `gate.signature`: fails where serving would refuse it; warns where nothing says whose it
        is: it has no signature, or there is no key to hold it against.
    """
    check = "gate.signature"
    try:
        signature = read_folder(path, FILES, trust=trust).signature
    except RefusedBundleError as refused:
        return Finding(check, Status.FAIL, refused.message, hint=refused.hint)
    if signature is None:
        message = "the bundle is unsigned: whoever can write the store can release"
        hint = "`mlops bundle keygen`, then `mlops bundle sign` or release.signing_key"
        return Finding(check, Status.WARN, message, hint=hint)
    when = datetime.fromtimestamp(signature.signed_at, UTC)
    message = f"signed by key {signature.key_id} at {when:%Y-%m-%d %H:%M:%S} UTC"
    if not trust.keys:
        unknown = f"{message}, and serving.trust.keys names no key to hold that against"
        return Finding(check, Status.WARN, unknown)
    return Finding(check, Status.PASS, message)


def judge_golden(bundle: Bundle) -> Finding:
    """Tell whether a bundle computes here what it computed where it was made: `gate.golden`."""
    try:
        play(bundle)
    except RefusedBundleError as refused:
        return Finding("gate.golden", Status.FAIL, refused.message, hint=refused.hint)
    return Finding("gate.golden", Status.PASS, "the golden batch gives the scores it was made with")


def _refuse_older(bundle: Bundle, running: Running) -> None:
    if running.signed_at is None:
        return
    name = running.digest.removeprefix("sha256:")[:12]
    if bundle.signature is None:
        raise RefusedBundleError(
            f"{bundle.ref.path} is unsigned, and bundle {name}, which served last, is signed",
            reason=Refusal.OLDER,
            hint=_DOWNGRADE,
        )
    before = running.signed_at - bundle.signature.signed_at
    if before > 0:
        raise RefusedBundleError(
            f"{bundle.ref.path} was signed {before} s before bundle {name}, which served last",
            reason=Refusal.OLDER,
            hint=_DOWNGRADE,
        )


def _change(served: Domain, other: Domain) -> str:
    """Return the first difference of two contracts that are not the same."""
    for change in diff(served, other):
        about = f"column {change.column!r}" if change.column else "the whole"
        return f"{about}: {change.message}"
    return f"it is named {other.name!r}, not {served.name!r}"
