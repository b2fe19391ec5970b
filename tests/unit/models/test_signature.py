"""Only who has a key releases, and what a key file lacks is said with its name."""

import base64
import json
import stat
import threading
from pathlib import Path

import pytest

from mlops.base.digest import Digest, canonical_json
from mlops.base.errors import ConfigError
from mlops.models.artifact import load, sign
from mlops.models.refusal import RefusedBundleError
from mlops.models.signature import (
    PRIVATE_KEY,
    PUBLIC_KEY,
    SIGNATURE,
    Signature,
    Signer,
    Trust,
    keygen,
)
from tests.components.bundles import write_bundle
from tests.components.releases import Keys, copied, signed_bundle
from tests.fakes.clock import START, ManualClock

DIGEST = Digest("sha256:" + "1" * 64)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.made(tmp_path_factory.mktemp("keys") / "own")


def test_private_key_is_for_its_owner_only_and_is_never_overwritten(tmp_path: Path) -> None:
    name = keygen(tmp_path / "keys")
    private = tmp_path / "keys" / PRIVATE_KEY
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert private.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert Signer.read(private).key_id == name
    before = private.read_bytes()
    with pytest.raises(ConfigError, match="is there already"):
        keygen(tmp_path / "keys")
    private.unlink()
    with pytest.raises(ConfigError, match=PUBLIC_KEY):
        keygen(tmp_path / "keys")
    assert before not in (tmp_path / "keys" / PUBLIC_KEY).read_bytes()


def test_signature_comes_back_and_states_who_what_and_when(keys: Keys) -> None:
    clock = ManualClock()
    clock.advance(61.9)
    made = keys.signer.sign(DIGEST, "shop", clock=clock)
    assert made.signed_at == int(START.timestamp()) + 61
    path = Path("bundle") / SIGNATURE
    assert keys.trust().believe(made.to_bytes(), DIGEST, "shop", path=path) == made
    assert json.loads(made.to_bytes())["key_id"] == keys.signer.key_id


def test_signature_is_of_one_bundle_and_one_service(keys: Keys) -> None:
    made = keys.signer.sign(DIGEST, "shop", clock=ManualClock()).to_bytes()
    other = Digest("sha256:" + "2" * 64)
    for digest, service in ((other, "shop"), (DIGEST, "shop2")):
        with pytest.raises(RefusedBundleError, match="of another bundle"):
            keys.trust().believe(made, digest, service, path=Path(SIGNATURE))


def test_no_other_text_of_a_signature_holds(keys: Keys) -> None:
    made = keys.signer.sign(DIGEST, "shop", clock=ManualClock())
    whole = made.to_bytes()
    # Base64's last letter of 64 bytes has four idle bits: 15 more letters decode to the same.
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = letters.index(made.signature[-3])
    twin = made.signature[:-3] + letters[at ^ 1] + "=="
    texts = [
        whole + b"\n",
        b" " + whole,
        json.dumps(json.loads(whole)).encode(),
        whole.replace(b'"version":1', b'"version":2'),
        whole[:-1] + b',"more":1}',
        made.model_copy(update={"signature": twin}).to_bytes(),
        made.model_copy(update={"signature": ""}).to_bytes(),
        made.model_copy(update={"signature": "!"}).to_bytes(),
        made.model_copy(update={"signed_at": made.signed_at + 1}).to_bytes(),
        b"[" * 4000,
        b"",
    ]
    for text in texts:
        with pytest.raises(RefusedBundleError) as caught:
            keys.trust().believe(text, DIGEST, "shop", path=Path(SIGNATURE))
        assert caught.value.reason == "untrusted"


def test_signature_for_another_purpose_does_not_hold(keys: Keys) -> None:
    made = keys.signer.sign(DIGEST, "shop", clock=ManualClock())
    bare = canonical_json(made.model_dump(exclude={"signature"}))
    forged = base64.b64encode(keys.signer.key.sign(bare)).decode()
    text = made.model_copy(update={"signature": forged}).to_bytes()
    with pytest.raises(RefusedBundleError, match="does not hold"):
        keys.trust().believe(text, DIGEST, "shop", path=Path(SIGNATURE))


RSA = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAM==\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("", "holds no Ed25519 public key"),
        ("ssh-ed25519 AAAA", "holds no Ed25519 public key"),
        (RSA, "holds no Ed25519 public key"),
    ],
)
def test_file_that_is_no_public_key_is_named(
    tmp_path: Path, content: str | None, words: str
) -> None:
    file = tmp_path / "their.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=rf"their\.pem.*{words}") as caught:
        Trust.of([file], required=False)
    assert "keygen" in caught.value.hint


def test_server_is_given_no_private_key(keys: Keys) -> None:
    with pytest.raises(ConfigError, match="private key, which a server must not have"):
        Trust.of([keys.public, keys.private], required=True)
    with pytest.raises(ConfigError, match="holds no Ed25519 private key"):
        Signer.read(keys.public)


def test_requiring_signatures_of_nobody_is_refused() -> None:
    with pytest.raises(ConfigError, match="no key is named"):
        Trust.of([], required=True)


def test_each_of_several_keys_is_trusted(keys: Keys, tmp_path: Path) -> None:
    second = Keys.made(tmp_path / "second")
    trust = Trust.of([keys.public, second.public], required=True)
    ref = signed_bundle("open_bandit", tmp_path / "b", second)
    assert load(ref.path, trust=trust).signature is not None
    keys.sign(ref.path)
    assert load(ref.path, trust=trust).signature is not None


def test_signing_changes_no_other_file_and_not_the_digest(keys: Keys, tmp_path: Path) -> None:
    ref = write_bundle("open_bandit", tmp_path)
    before = {path.name: path.read_bytes() for path in ref.path.iterdir()}
    keys.sign(ref.path)
    after = {path.name: path.read_bytes() for path in ref.path.iterdir()}
    assert after.pop(SIGNATURE)
    assert after == before
    assert load(ref.path).ref.digest == ref.digest
    assert sorted(path.name for path in ref.path.parent.iterdir()) == [ref.path.name]


def test_broken_bundle_is_not_signed(keys: Keys, tmp_path: Path) -> None:
    ref = write_bundle("open_bandit", tmp_path)
    path = copied(ref.path, tmp_path / "copy")
    (path / "quality.json").write_bytes(b"[]")
    with pytest.raises(RefusedBundleError, match=r"quality\.json was changed"):
        sign(path, keys.signer, clock=ManualClock())
    assert not (path / SIGNATURE).exists()


def test_reader_beside_a_signer_never_sees_a_file_too_many(keys: Keys, tmp_path: Path) -> None:
    ref = signed_bundle("open_bandit", tmp_path, keys)
    stop = threading.Event()

    def release_again() -> None:
        while not stop.is_set():
            keys.sign(ref.path)

    signer = threading.Thread(target=release_again)
    signer.start()
    try:
        for _ in range(40):
            load(ref.path, trust=keys.trust())
    finally:
        stop.set()
        signer.join()


def test_signature_file_is_canonical(keys: Keys) -> None:
    made = keys.signer.sign(DIGEST, "shop", clock=ManualClock())
    assert Signature.model_validate_json(made.to_bytes()).to_bytes() == made.to_bytes()
