"""`mlops certify` proves, shows, and writes a new bundle only when it is told to."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.cli.main import main
from mlops.models.artifact import load, point, resolve
from mlops.models.certificate import Certificate
from tests.components.bundles import write_bundle

SERVICE = "search_ranking"
CLAIMS = (
    "proofs.monotone={success_fee:{},text_relevance:{}}",
    "proofs.independent={job_id:{}}",
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "store"
    ref = write_bundle(SERVICE, root / "bundles", "logistic")
    point(ref, root / "bundles", SERVICE)
    monkeypatch.chdir(Path(__file__).parents[3])
    before = dict(os.environ)
    yield root
    os.environ.clear()
    os.environ.update(before)


def certify(store: Path, *more: str) -> int:
    return main(["certify", f"service={SERVICE}", f"store.root={store}", "proofs.bound_s=1", *more])


def test_refuted_claim_is_shown_by_two_rows_and_is_a_no(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = certify(store, *CLAIMS)
    text = " ".join(capsys.readouterr().out.split())
    assert code == 1
    assert "a higher success_fee never lowers the score proven" in text
    assert "job_id never changes the score proven score does not read job_id" in text
    assert "fail certificate.monotone.text_relevance" in text


def test_machines_get_all_of_it_and_nothing_is_written(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(store.rglob("*"))
    assert certify(store, "--format", "json", "--write", "--dry-run") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["written"] is None
    found = Certificate.model_validate_json(json.dumps(document["certificate"]))
    assert found.finite
    assert found.bound_s == 1.0
    assert sorted(store.rglob("*")) == before


def test_written_bundle_is_a_new_one_with_the_certificate(store: Path) -> None:
    old = resolve("latest", store / "bundles", SERVICE)
    assert certify(store, "--write", "proofs.independent={job_id:{}}") == 0
    new = resolve("latest", store / "bundles", SERVICE)
    assert new != old
    assert load(old).parts.certificate.properties == ()
    claims = [each.name for each in load(new).parts.certificate.properties]
    assert claims == ["finite", "interval", "independent.job_id"]


def test_bundle_named_by_its_path_does_not_move_the_pointer_of_another(
    store: Path, tmp_path: Path
) -> None:
    latest = resolve("latest", store / "bundles", SERVICE)
    elsewhere = write_bundle(SERVICE, tmp_path / "elsewhere", "calibrated_logistic")
    assert certify(store, f"bundle={elsewhere.path}", "--write") == 0
    assert resolve("latest", store / "bundles", SERVICE) == latest
