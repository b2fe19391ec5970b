"""`mlops serve`: what is served is said by the project, or by a bundle that is believed."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.base.digest import Digest, canonical_json
from mlops.cli.main import main
from mlops.models.artifact import FILES, BundleRef, point
from mlops.models.manifest import MANIFEST, Manifest
from mlops.models.signature import SIGNATURE
from tests.components.releases import Keys, copied, signed_bundle

SERVICE = "search_ranking"
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(ROOT)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def put_another_contract(good: BundleRef, bundles: Path) -> None:
    """Let `latest` name a bundle of another contract, as who writes the store can."""
    path = copied(good.path, bundles / SERVICE / "draft")
    (path / SIGNATURE).unlink()
    domain = json.loads((path / "domain.json").read_bytes())
    (path / "domain.json").write_bytes(canonical_json({**domain, "name": "Foreign"}))
    stated = Manifest.model_validate_json((path / MANIFEST).read_bytes())
    manifest = Manifest.of(
        service=stated.service,
        model=stated.model,
        heads=stated.heads,
        files={name: (path / name).read_bytes() for name in FILES},
    )
    (path / MANIFEST).write_bytes(manifest.to_bytes())
    there = path.rename(path.with_name(manifest.digest.removeprefix("sha256:")))
    point(BundleRef(Digest(manifest.digest), there), bundles, SERVICE)


def test_contract_of_a_bundle_that_is_not_believed_is_not_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys, bundles = Keys.made(tmp_path / "keys"), tmp_path / "store" / "bundles"
    good = signed_bundle(SERVICE, bundles, keys)
    put_another_contract(good, bundles)
    words = [f"service={SERVICE}", "serving=production", f"store.root={tmp_path / 'store'}"]
    assert main(["serve", "--dry-run", *words, f"serving.trust.keys=[{keys.public}]"]) == 0
    captured = capsys.readouterr()
    settings = json.loads(captured.out)
    assert settings["domain"] == json.loads((good.path / "domain.json").read_bytes())
    assert settings["bundle"]  # the server refuses it, and counts that
    assert "has no signature" in captured.err
