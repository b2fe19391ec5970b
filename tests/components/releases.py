"""Releases: keys, and bundles that were signed with them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from mlops.models.artifact import BundleRef, sign
from mlops.models.signature import PRIVATE_KEY, PUBLIC_KEY, Signature, Signer, Trust, keygen
from tests.components.bundles import write_bundle
from tests.fakes.clock import ManualClock


@dataclass(frozen=True)
class Keys:
    """A pair of keys in a folder."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "Keys":
        keygen(folder)
        return cls(folder)

    @property
    def private(self) -> Path:
        return self.folder / PRIVATE_KEY

    @property
    def public(self) -> Path:
        return self.folder / PUBLIC_KEY

    @property
    def signer(self) -> Signer:
        return Signer.read(self.private)

    def trust(self, *, required: bool = True) -> Trust:
        return Trust.of([self.public], required=required)

    def sign(self, path: Path, *, at_s: float = 0.0) -> Signature:
        """Sign a bundle, some seconds after the manual clock's start."""
        clock = ManualClock()
        clock.advance(at_s)
        return sign(path, self.signer, clock=clock)


def signed_bundle(
    service: str, root: Path, keys: Keys, *, model: str = "logistic", at_s: float = 0.0
) -> BundleRef:
    ref = write_bundle(service, root, model)
    keys.sign(ref.path, at_s=at_s)
    return ref


def copied(path: Path, to: Path) -> Path:
    """Return a copy of a bundle, links as links, in place of what is there."""
    shutil.rmtree(to, ignore_errors=True)
    return shutil.copytree(path, to, symlinks=True)
