"""`mlops bundle`: keys, signatures and what they say, with the documented exit codes."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops.base.verdict import Status
from mlops.cli.main import main
from mlops.models.acceptance import judge_golden, judge_signature
from mlops.models.artifact import LATEST, load, point, resolve
from mlops.models.signature import PRIVATE_KEY, PUBLIC_KEY, SIGNATURE, Trust
from tests.components.bundles import write_bundle
from tests.components.releases import Keys

SERVICE = "search_ranking"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "store"
    point(write_bundle(SERVICE, root / "bundles"), root / "bundles", SERVICE)
    monkeypatch.chdir(ROOT)
    before = dict(os.environ)
    yield root
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.made(tmp_path / "keys")


def bundle(store: Path, *words: str) -> int:
    return main(["bundle", *words, f"service={SERVICE}", f"store.root={store}"])


def told(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def latest(store: Path) -> Path:
    return resolve(LATEST, store / "bundles", SERVICE)


def test_keys_sign_and_verify_and_show_who_it_was(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    assert main(["bundle", "keygen", str(folder), "--format", "json"]) == 0
    made = document(capsys)
    key, public = f"key={folder / PRIVATE_KEY}", f"keys={folder / PUBLIC_KEY}"
    assert bundle(store, "verify", "latest", public) == 1
    assert "fail" in told(capsys)
    assert bundle(store, "show", "latest") == 0
    assert "nobody has signed it" in told(capsys)
    assert bundle(store, "sign", "latest", key) == 0
    assert f"signed by key {made['key_id']}" in told(capsys)
    assert bundle(store, "verify", "latest", public) == 0
    assert f"whole, signed by key {made['key_id']}" in told(capsys)
    assert bundle(store, "show", "latest", "--format", "json") == 0
    shown = document(capsys)
    assert shown["signature"]["key_id"] == made["key_id"]
    assert shown["manifest"]["service"] == SERVICE


def test_verify_says_no_to_what_may_not_serve(
    store: Path, keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = Keys.made(tmp_path / "stranger")
    path = latest(store)
    public = f"keys={keys.public}"
    stranger.sign(path)
    assert bundle(store, "verify", "latest", public) == 1
    assert "bundle.untrusted" in told(capsys)
    keys.sign(path)
    assert bundle(store, "verify", "latest", f"{public},{stranger.public}") == 0
    (path / "quality.json").write_bytes(b"[]")
    capsys.readouterr()
    assert bundle(store, "verify", "latest", public, "--format", "json") == 1
    assert document(capsys)["findings"][0]["check"] == "bundle.changed"


def test_keys_may_stand_in_the_configuration(
    store: Path, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle(store, "sign", "latest", f"release.signing_key={keys.private}") == 0
    assert bundle(store, "verify", "latest", f"serving.trust.keys=[{keys.public}]") == 0
    capsys.readouterr()
    assert bundle(store, "sign", "latest", "release.signing_key=nowhere.pem") == 2
    assert "override release.signing_key=nowhere.pem" in told(capsys)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sign", "latest"), "no key is named to sign with"),
        (("verify", "latest"), "no key is named to verify with"),
        (("verify", "latest", "keys="), "no key is named"),
        (("verify", "latest", "keys=nowhere.pem"), "nowhere.pem cannot be read"),
        (("show", "abcdef"), "there is no bundle 'abcdef'"),
        (("show",), "show needs a REFERENCE"),
        (("sing", "latest"), "bundle sing latest is not known"),
        (("keygen",), "keygen needs the folder"),
        (("keygen", "keys"), "keygen takes no service="),
        ((), "bundle needs a word"),
    ],
)
def test_wrong_use_is_exit_code_2_and_says_how(
    store: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert bundle(store, *words) == 2
    assert says in told(capsys)


def test_dry_run_writes_nothing(
    store: Path, keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert bundle(store, "sign", "latest", f"key={keys.private}", "--dry-run") == 0
    assert "would be signed" in told(capsys)
    assert main(["bundle", "keygen", str(tmp_path / "new"), "--dry-run"]) == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_flag_that_was_mistyped_makes_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle", "keygen", str(tmp_path / "new"), "--dryrun"]) == 2
    assert "keygen takes no --dryrun" in told(capsys)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("words", [(), ("keygen",), ("keygen", "keys"), ("sign", "latest")])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_tells_the_words_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    flag: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bundle", *words, flag]) == 0
    said = told(capsys)
    for part in ("keygen DIR", "sign REFERENCE", "keys=FILE", "--dry-run", "Exit code 0"):
        assert part in said
    assert list(tmp_path.iterdir()) == []


def test_key_that_is_there_is_kept(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    before = keys.private.read_bytes()
    assert main(["bundle", "keygen", str(keys.folder)]) == 2
    assert "is there already" in told(capsys)
    assert keys.private.read_bytes() == before


def test_gate_tells_whether_it_is_signed_and_by_whom(
    store: Path, keys: Keys, tmp_path: Path
) -> None:
    path = latest(store)
    required, optional = keys.trust(), keys.trust(required=False)
    nobody = Trust.of([], required=False)
    assert judge_signature(path, required).status is Status.FAIL
    assert judge_signature(path, optional).status is Status.WARN
    assert judge_signature(path, nobody).status is Status.WARN
    keys.sign(path)
    for trust in (required, optional):
        found = judge_signature(path, trust)
        assert found.status is Status.PASS
        assert keys.signer.key_id in found.message
    assert judge_signature(path, nobody).status is Status.WARN
    Keys.made(tmp_path / "stranger").sign(path)
    for trust in (required, optional):
        assert judge_signature(path, trust).status is Status.FAIL
    assert judge_golden(load(path)).status is Status.PASS


def test_certificate_is_not_put_into_a_signed_bundle_by_nobody(
    store: Path, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.sign(latest(store))
    before = latest(store)
    call = ["certify", f"service={SERVICE}", f"store.root={store}", "proofs.bound_s=1", "--write"]
    call.append("proofs.monotone={success_fee:{}}")
    assert main(call) == 2
    assert "the new one would not be" in told(capsys)
    assert latest(store) == before
    assert main([*call, f"release.signing_key={keys.private}"]) == 0
    assert latest(store) != before
    assert load(latest(store), trust=keys.trust()).signature is not None


def test_unsigned_copy_shows_what_its_file_says_only(
    store: Path, keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(latest(store), tmp_path / "copy")
    (copy / SIGNATURE).write_bytes(b"{}")
    assert bundle(store, "show", str(copy)) == 2
    assert "is no signature" in told(capsys)
