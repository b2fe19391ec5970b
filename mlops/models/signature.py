"""A signature: who released a bundle and when, by Ed25519 over its digest.

    signature.json  {version, digest, service, signed_at, key_id, signature}

It lies beside the manifest and is no part of the digest, so that the same parts give the same
bundle whoever releases it. Signing is the act of release: `signed_at` orders releases, and signing
an old bundle anew releases it again. The only file that names `cryptography`, which is imported
when a key is first used (10 ms).
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlops.base.clock import Clock
from mlops.base.digest import Digest, Json, canonical_json
from mlops.base.errors import ConfigError
from mlops.base.store import write_file
from mlops.models.refusal import Refusal, RefusedBundleError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE = "signature.json"
SIGNATURE_BYTES = 4096
"""Largest signature file that is read."""
PRIVATE_KEY, PUBLIC_KEY = "signing-key.pem", "signing-key.public.pem"

_PURPOSE = b"mlops bundle signature 1\n"  # a key's signatures mean this and nothing else
_KEY_BYTES = 16_384
_RESIGN = "sign it with `mlops bundle sign`, or copy it again from where it was signed"


class Signature(BaseModel):
    """What stands in `signature.json`.

    Attributes:
        version: Format.
        digest: The bundle.
        service: Service that it was released for.
        signed_at: When, seconds since 1970, UTC.
        key_id: First 16 hexadecimal digits of the sha256 of the public key's 32 bytes.
        signature: Base64 of the 64 bytes of Ed25519 over all the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1] = 1
    digest: str
    service: str
    signed_at: int = Field(ge=0, lt=2**53)
    key_id: str
    signature: str = ""

    def statement(self) -> bytes:
        """Return the bytes that are signed."""
        return _PURPOSE + canonical_json(cast("Json", self.model_dump(exclude={"signature"})))

    def to_bytes(self) -> bytes:
        """Return the one text of this signature."""
        return canonical_json(cast("Json", self.model_dump(mode="json")))


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody who may release bundles.

    Attributes:
        key: The private key.
        key_id: The name of its public half.
    """

    key: "Ed25519PrivateKey"
    key_id: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a private key from a file (PEM, PKCS8, no password).

        Raises:
            ConfigError: It cannot be read, or holds no such key; the message names the file.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        content = _read_key(path)
        try:
            key = load_pem_private_key(content, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _no_key(path, "private") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _no_key(path, "private")
        return cls(key, key_id(key.public_key().public_bytes_raw()))

    def sign(self, digest: Digest, service: str, *, clock: Clock) -> Signature:
        """Release a bundle.

        Args:
            digest: The bundle.
            service: The service that it is for.
            clock: Tells when.
        """
        draft = Signature(
            digest=digest,
            service=service,
            signed_at=int(clock.now().timestamp()),
            key_id=self.key_id,
        )
        made = base64.b64encode(self.key.sign(draft.statement())).decode()
        return draft.model_copy(update={"signature": made})


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose bundles are believed.

    Attributes:
        required: Whether a bundle without a signature is refused.
        keys: The 32 bytes of each trusted public key, by its id. Where there is none, and none is
            required, a signature only tells when a bundle was released.
    """

    required: bool
    keys: Mapping[str, bytes]

    @classmethod
    def of(cls, paths: Sequence[Path], *, required: bool) -> Self:
        """Read trusted public keys from their files (PEM).

        Args:
            paths: One file a key.
            required: Whether a bundle without a signature is refused.

        Raises:
            ConfigError: A file cannot be read or holds no Ed25519 public key, which the message
                names; or signatures are required and there is no key.
        """
        if required and not paths:
            raise ConfigError(
                "signatures are required and no key is named", hint="name one in serving.trust.keys"
            )
        raws = [_read_public(path) for path in paths]
        return cls(required, {key_id(raw): raw for raw in raws})

    def believe(
        self, content: bytes | None, digest: Digest, service: str, *, path: Path
    ) -> Signature | None:
        """Return the signature of a bundle that is believed.

        Args:
            content: Its signature file; None if it has none.
            digest: What the bundle is.
            service: What its manifest says it is for.
            path: The signature file, for messages.

        Raises:
            RefusedBundleError: There is none although one is required, or it does not hold.
        """
        if content is None:
            if self.required:
                message = f"{path.parent} has no signature, and one is required"
                raise RefusedBundleError(message, reason=Refusal.UNSIGNED, hint=_RESIGN)
            return None
        found = _parse(content, path)
        if (found.digest, found.service) != (digest, service):
            raise _untrusted(f"{path} is the signature of another bundle")
        if not self.keys:
            return found
        if found.key_id not in self.keys:
            known = ", ".join(sorted(self.keys))
            message = f"{path} is by key {found.key_id}, which is not trusted; trusted: {known}"
            raise _untrusted(message)
        if not _holds(found, self.keys[found.key_id]):
            raise _untrusted(f"{path} does not hold: it was changed or forged")
        return found


def stated(path: Path) -> Signature | None:
    """Return what a signature file says, which nobody has held against a key.

    Args:
        path: The file.

    Returns:
        None if there is none.

    Raises:
        RefusedBundleError: It is no signature.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return _parse(file.read(SIGNATURE_BYTES), path)


def key_id(public: bytes) -> str:
    """Return the name of a public key: 16 hexadecimal digits.

    Args:
        public: Its 32 bytes.

    >>> key_id(bytes(32))
    '66687aadf862bd77'
    """
    return hashlib.sha256(public).hexdigest()[:16]


def keygen(folder: Path) -> str:
    """Make a pair of keys, `signing-key.pem` (mode 0600) and `signing-key.public.pem`.

    Args:
        folder: Where; it is created.

    Returns:
        The key's id.

    Raises:
        ConfigError: There is a key already; a lost key is lost for good.
        UnavailableError: The folder cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for name in (PRIVATE_KEY, PUBLIC_KEY):
        if (folder / name).exists():
            raise ConfigError(f"{folder / name} is there already", hint="name another folder")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    public = key.public_key().public_bytes(
        form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo
    )
    write_file(folder / PRIVATE_KEY, private, mode=0o600)
    write_file(folder / PUBLIC_KEY, public)
    return key_id(key.public_key().public_bytes_raw())


def _parse(content: bytes, path: Path) -> Signature:
    try:
        found = Signature.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _untrusted(f"{path} is no signature: {where}: {first['msg']}") from error
    if found.to_bytes() != content:  # one signature has one text: no bit of it is free
        raise _untrusted(f"{path} was changed")
    return found


def _holds(found: Signature, public: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = base64.b64decode(found.signature, validate=True)
        if base64.b64encode(raw).decode() != found.signature:  # its last letter has idle bits
            return False
        Ed25519PublicKey.from_public_bytes(public).verify(raw, found.statement())
    except (binascii.Error, InvalidSignature, ValueError):
        return False
    return True


def _untrusted(message: str) -> RefusedBundleError:
    return RefusedBundleError(message, reason=Refusal.UNTRUSTED, hint=_RESIGN)


def _read_public(path: Path) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _read_key(path)
    if b"PRIVATE KEY" in content:
        raise ConfigError(
            f"{path} holds a private key, which a server must not have",
            hint=f"name the public one, which `mlops bundle keygen` wrote as {PUBLIC_KEY}",
        )
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "public") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "public")
    return key.public_bytes_raw()


def _read_key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_KEY_BYTES)
    except OSError as error:
        raise ConfigError(
            f"key {path} cannot be read: {error.strerror}",
            hint="`mlops bundle keygen DIR` makes a pair of keys",
        ) from error


def _no_key(path: Path, half: str) -> ConfigError:
    return ConfigError(
        f"{path} holds no Ed25519 {half} key in PEM",
        hint="`mlops bundle keygen DIR` makes a pair of keys",
    )
