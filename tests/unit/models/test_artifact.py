"""A bundle comes back as it was written, or not at all."""

import io
import json
import os
import re
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops.base.digest import canonical_json
from mlops.base.errors import BundleError
from mlops.models.arrays import dump_arrays, load_arrays
from mlops.models.artifact import (
    FILES,
    BundleRef,
    Parts,
    load,
    point,
    resolve,
    resolve_within,
    write,
)
from mlops.models.heuristics import History, fit_heuristic
from mlops.models.manifest import MANIFEST, Manifest
from mlops.models.spec import FeeWeightedPopularitySpec, StaticSpec
from mlops.proofs.bounds import certify
from tests.components.toys import program, rows_of, toy


def parts(service: str = "search_ranking", **quality: Any) -> Parts:
    it = toy(service)
    model = program(service, "hist_gradient_boosting")
    rows = len(it.table["job_id"])
    past = History(
        {**it.table, "applied": it.outcomes["apply"]}, np.linspace(0, 1e6, rows), as_of_s=1e6
    )
    by_fee = FeeWeightedPopularitySpec(key="job_occupation", outcome="applied", value="success_fee")
    return Parts(
        service=service,
        model="hist_gradient_boosting",
        domain=it.domain,
        program=model,
        heuristics={
            "popular": fit_heuristic(by_fee, past),
            "static": fit_heuristic(StaticSpec(), past),
        },
        certificate=certify(model, it.domain),
        quality={"auc": 0.75, "rows": 3000, **quality},
    )


@pytest.fixture(scope="module")
def ref(tmp_path_factory: pytest.TempPathFactory) -> BundleRef:
    return write(parts(), tmp_path_factory.mktemp("bundles"))


def copy_of(ref: BundleRef, tmp_path: Path) -> Path:
    return shutil.copytree(ref.path, tmp_path / "copy")


def test_bundle_comes_back(ref: BundleRef) -> None:
    bundle = load(ref.path)
    wanted = parts()
    table = rows_of("search_ranking", "hist_gradient_boosting", 200)
    assert bundle.ref == ref
    assert bundle.parts.domain == wanted.domain
    assert bundle.parts.certificate == wanted.certificate
    assert bundle.parts.quality == wanted.quality
    assert list(bundle.parts.heuristics) == ["popular", "static"]
    assert bundle.parts.program.score(table).tolist() == wanted.program.score(table).tolist()
    mine = next(iter(wanted.heuristics.values())).heuristic
    assert bundle.heuristic.score(table, 200).tolist() == mine.score(table, 200).tolist()


def test_same_parts_give_the_same_bytes(ref: BundleRef, tmp_path: Path) -> None:
    again = write(parts(), tmp_path)
    assert again.digest == ref.digest
    for name in (*FILES, MANIFEST):
        assert (again.path / name).read_bytes() == (ref.path / name).read_bytes()
    assert write(parts(), tmp_path) == again
    assert write(parts(auc=0.76), tmp_path).digest != ref.digest


def test_digest_is_the_folders_name_and_holds_in_another_place(
    ref: BundleRef, tmp_path: Path
) -> None:
    assert ref.path.name == ref.digest.removeprefix("sha256:")
    assert load(copy_of(ref, tmp_path)).ref.digest == ref.digest


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_bit_can_change_unnoticed(ref: BundleRef, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "copy"
    if not path.exists():
        copy_of(ref, tmp_path)
    file = path / data.draw(st.sampled_from([*FILES, MANIFEST]))
    whole = file.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(changed)
    try:
        with pytest.raises(BundleError, match=str(file)) as caught:
            load(path)
        assert caught.value.hint
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_file_that_is_missing_cut_or_a_link_is_refused(
    ref: BundleRef, tmp_path: Path, name: str
) -> None:
    path = copy_of(ref, tmp_path)
    whole = (path / name).read_bytes()
    for content in (b"", whole[: len(whole) // 2], whole + b"\n"):
        (path / name).write_bytes(content)
        with pytest.raises(BundleError, match=name):
            load(path)
    (path / name).unlink()
    with pytest.raises(BundleError, match=name):
        load(path)
    (path / name).symlink_to(ref.path / name)
    with pytest.raises(BundleError, match=name):
        load(path)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_pipe_in_the_place_of_a_file_keeps_nobody_waiting(
    ref: BundleRef, tmp_path: Path, name: str
) -> None:
    path = copy_of(ref, tmp_path)
    (path / name).unlink()
    os.mkfifo(path / name)
    with pytest.raises(BundleError, match=rf"{name} is no regular file"):
        load(path)


def test_file_that_a_pipe_replaces_at_the_last_moment_keeps_nobody_waiting(
    ref: BundleRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy_of(ref, tmp_path)
    for name in ("program.npz", "quality.json"):
        (path / name).unlink()
    os.mkfifo(path / "program.npz")
    (path / "quality.json").symlink_to(ref.path / "quality.json")
    monkeypatch.setattr(Path, "is_file", lambda self: True)
    monkeypatch.setattr(Path, "is_symlink", lambda self: False)
    with pytest.raises(BundleError, match="is no regular file"):
        load(path)
    shutil.copy(ref.path / "program.npz", tmp_path / "file")
    (tmp_path / "file").replace(path / "program.npz")
    with pytest.raises(BundleError, match=r"quality\.json is no regular file"):
        load(path)


def test_file_of_a_size_below_zero_is_refused(ref: BundleRef, tmp_path: Path) -> None:
    path = copy_of(ref, tmp_path)
    stated = Manifest.model_validate_json((path / MANIFEST).read_bytes())
    entry = stated.files["quality.json"].model_copy(update={"size_bytes": -2})
    files = {**stated.files, "quality.json": entry}
    changed = stated.model_copy(update={"files": files})
    changed = changed.model_copy(update={"digest": changed.own_digest()})
    (path / MANIFEST).write_bytes(changed.to_bytes())
    with pytest.raises(BundleError, match="size_bytes"):
        load(path)


def test_name_of_a_file_that_is_no_text_can_be_told(ref: BundleRef, tmp_path: Path) -> None:
    path = copy_of(ref, tmp_path)
    (path / os.fsdecode(b"\xff\x1b[2J\n")).write_bytes(b"")
    with pytest.raises(BundleError, match="does not belong") as caught:
        load(path)
    assert caught.value.message.isprintable()
    assert json.loads(msgspec.json.encode(caught.value.message)) == caught.value.message


def test_file_too_many_is_refused(ref: BundleRef, tmp_path: Path) -> None:
    path = copy_of(ref, tmp_path)
    (path / "model.pkl").write_bytes(b"")
    with pytest.raises(BundleError, match=r"model\.pkl does not belong"):
        load(path)


def test_folder_that_is_not_there_or_a_link_is_refused(ref: BundleRef, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle at"):
        load(tmp_path / "nothing")
    (tmp_path / "link").symlink_to(ref.path)
    with pytest.raises(BundleError, match="no bundle at"):
        load(tmp_path / "link")


def forge(ref: BundleRef, tmp_path: Path, **changed: bytes) -> Path:
    """Return a bundle with other contents whose manifest is in order."""
    path = copy_of(ref, tmp_path)
    names = {name.replace(".", "_"): name for name in FILES}
    for key, content in changed.items():
        (path / names[key]).write_bytes(content)
    files = {name: (path / name).read_bytes() for name in FILES}
    stated = Manifest.model_validate_json((path / MANIFEST).read_bytes())
    manifest = Manifest.of(
        service=stated.service, model=stated.model, heads=stated.heads, files=files
    )
    (path / MANIFEST).write_bytes(manifest.to_bytes())
    return path


def headed(header: bytes) -> bytes:
    """Return an array file whose one array has a given header."""
    file = io.BytesIO()
    member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("cut.npy", member)
    return file.getvalue()


def heuristic(*, times: int = 1, **changed: object) -> bytes:
    entry = {"name": "static", "kind": "static", "path": "", "facts": {}, **changed}
    return json.dumps([entry] * times).encode()


def multiplied_with(ref: BundleRef, value: str) -> bytes:
    node: Any = json.loads((ref.path / "program.json").read_bytes())
    node["score"]["value"] = value
    return json.dumps(node).encode()


def twice(content: bytes) -> bytes:
    """Return an array file with a second member of the same name, which numpy would overlook."""
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        archive.writestr(archive.namelist()[0], archive.read(archive.namelist()[0]))
    return file.getvalue()


def test_well_signed_nonsense_is_refused_by_the_file_that_holds_it(
    ref: BundleRef, tmp_path: Path
) -> None:
    other = program("open_bandit", "hist_gradient_boosting")
    arrays = dict(other.to_arrays())
    arrays["left"] = np.zeros_like(arrays["left"])
    deep = b"[" * 100_000
    cases: list[tuple[dict[str, bytes], str]] = [
        ({"program_json": b"{}"}, r"program\.json"),
        ({"program_json": deep}, r"program\.json"),
        ({"program_npz": dump_arrays(arrays)}, r"program\.json"),
        ({"program_npz": b"PK"}, r"program\.npz"),
        ({"program_npz": headed(b"{'descr': ((((")}, r"program\.npz"),
        ({"program_npz": headed(b"'''")}, r"program\.npz"),
        ({"program_npz": headed(b"-" * 9000 + b"1")}, r"program\.npz"),
        ({"heuristics_json": b"[]"}, r"heuristics\.json"),
        ({"heuristics_json": b"[{}]"}, r"heuristics\.json"),
        ({"heuristics_json": deep}, r"heuristics\.json"),
        ({"heuristics_json": heuristic(facts=[])}, r"heuristics\.json.*facts"),
        ({"heuristics_json": heuristic(facts=None)}, r"heuristics\.json.*facts"),
        ({"heuristics_json": heuristic(facts={"keys": [{}]})}, r"heuristics\.json"),
        ({"heuristics_json": heuristic(path=7)}, r"heuristics\.json.*path"),
        ({"heuristics_json": heuristic(times=2)}, "share a name"),
        ({"heuristics_json": heuristic()}, "array belongs to no"),
        ({"heuristics_npz": twice(dump_arrays({"popular.rates": np.zeros(4)}))}, r"npz.*share"),
        ({"program_json": multiplied_with(ref, "job_id")}, "'job_id', which is a text"),
        ({"quality_json": deep}, r"quality\.json"),
        ({"certificate_json": b"null"}, r"certificate\.json"),
        ({"domain_json": b"\xff"}, r"domain\.json"),
        (
            {
                "program_json": canonical_json(other.to_json()),
                "program_npz": dump_arrays(other.to_arrays()),
            },
            "contract lacks",
        ),
    ]
    for number, (changed, words) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(BundleError, match=words):
            load(forge(ref, folder, **changed))


def test_custom_heuristic_of_a_package_that_is_not_allowed_is_refused(
    ref: BundleRef, tmp_path: Path
) -> None:
    entry = {"name": "x", "kind": "custom", "path": "os.system", "facts": {}}
    path = forge(ref, tmp_path, heuristics_json=json.dumps([entry]).encode())
    with pytest.raises(BundleError, match="outside the allowed"):
        load(path)


def test_other_version_is_refused(ref: BundleRef, tmp_path: Path) -> None:
    path = copy_of(ref, tmp_path)
    whole = (path / MANIFEST).read_text()
    for version, hint in (("1", "train again"), ("3", "copy the bundle again")):
        (path / MANIFEST).write_text(whole.replace('"version":2', f'"version":{version}'))
        with pytest.raises(BundleError, match="version") as caught:
            load(path)
        assert hint in caught.value.hint


def test_reference_finds_a_bundle(tmp_path: Path) -> None:
    root = tmp_path / "bundles"
    first, second = write(parts(), root), write(parts(auc=0.9), root)
    service = "search_ranking"
    with pytest.raises(BundleError, match="'latest'"):
        resolve("latest", root, service)
    point(first, root, service)
    point(second, root, service, name="previous")
    assert resolve("latest", root, service) == first.path
    assert resolve("previous", root, service) == second.path
    point(second, root, service)
    assert resolve("latest", root, service) == second.path
    assert resolve(first.digest, root, service) == first.path
    assert resolve(first.path.name[:8], root, service) == first.path
    assert resolve(str(first.path), root, "other") == first.path


@pytest.mark.parametrize(
    "reference", ["", ".", "..", "abc", "abcdef", "lates", "./nowhere", "sha256:"]
)
def test_reference_to_nothing_is_refused(tmp_path: Path, reference: str) -> None:
    (tmp_path / "search_ranking").mkdir()
    looked = "." if "/" in reference else str(tmp_path / "search_ranking")
    with pytest.raises(BundleError, match=rf"no bundle .* in {re.escape(looked)}(\n|$)"):
        resolve(reference, tmp_path, "search_ranking")


@pytest.fixture
def store(ref: BundleRef, tmp_path: Path) -> Path:
    """A store with one bundle, and beside it, outside, another copy and secrets."""
    service = tmp_path / "bundles" / "search_ranking"
    shutil.copytree(ref.path, service / ref.path.name)
    shutil.copytree(ref.path, tmp_path / "elsewhere" / ref.path.name)
    (service / "latest").write_text(f"{ref.digest}\n")
    (service / "link").symlink_to(tmp_path / "elsewhere" / ref.path.name)
    (service / ("a" * 64)).symlink_to(tmp_path / "elsewhere" / ref.path.name)
    (service / "circle").symlink_to(service / "circle")
    return tmp_path / "bundles"


def test_reference_within_the_store_finds_what_lies_there(ref: BundleRef, store: Path) -> None:
    wanted = store / "search_ranking" / ref.path.name
    around = f"{store}/../bundles/search_ranking/{ref.path.name}"
    for reference in ("latest", ref.digest, ref.path.name[:6], str(wanted), around):
        assert resolve_within(reference, store, "search_ranking") == wanted


@pytest.mark.parametrize(
    "reference",
    [
        "STORE/search_ranking/../../elsewhere/DIGEST", "STORE/../elsewhere/DIGEST",
        "STORE/search_ranking/link", "STORE/search_ranking/aaaaaaaa", "aaaaaaaa", "/", "/etc",
        "STORE/search_ranking/circle", "../../../../etc", "./", "x/\0", "\0", "/" + "x" * 5000,
        "x" * 5000, "file:///etc", "http://127.0.0.1/bundle", "~/bundle", "STORE/..",
    ],
)  # fmt: skip
def test_reference_that_leaves_the_store_is_refused(
    ref: BundleRef, store: Path, reference: str
) -> None:
    typed = reference.replace("STORE", str(store)).replace("DIGEST", ref.path.name)
    with pytest.raises(BundleError, match=r"outside|no bundle") as caught:
        resolve_within(typed, store, "search_ranking")
    assert caught.value.hint


def test_store_that_is_itself_a_link_is_a_store(
    ref: BundleRef, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "linked").symlink_to(store)
    found = resolve_within("latest", tmp_path / "linked", "search_ranking")
    assert found == store / "search_ranking" / ref.path.name


def test_ambiguous_digits_and_broken_pointers_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    for tail in "ab":
        (folder / f"{'0' * 63}{tail}").mkdir(parents=True)
    with pytest.raises(BundleError, match="2 bundles"):
        resolve("000000", tmp_path, "s")
    with (folder / "latest").open("wb") as file:
        file.truncate(1 << 30)  # a hole of which no more than a pointer is read
    with pytest.raises(BundleError, match="names no digest"):
        resolve("latest", tmp_path, "s")
    (folder / "latest").write_text("../../etc")
    with pytest.raises(BundleError, match="names no digest"):
        resolve("latest", tmp_path, "s")


arrays_of = st.dictionaries(
    st.sampled_from(["a", "b.c", "d"]),
    st.sampled_from([np.float64, np.int32, np.uint64, np.uint8]).flatmap(
        lambda dtype: st.lists(st.integers(0, 200), max_size=5).map(
            lambda values: np.array(values, dtype=dtype)
        )
    ),
)


@given(arrays=arrays_of)
def test_array_file_comes_back_and_numpy_reads_it(
    arrays: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = dump_arrays(arrays)
    assert content == dump_arrays(dict(reversed(arrays.items())))
    found = load_arrays(content)
    assert set(found) == set(arrays)
    file = tmp_path_factory.mktemp("npz") / "a.npz"
    file.write_bytes(content)
    with np.load(file, allow_pickle=False) as numpys:
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)
            assert np.array_equal(numpys[name], array)


def test_array_file_with_objects_compression_or_a_false_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="plain"):
        dump_arrays({"x": np.array([None])})
    file = tmp_path / "x.npz"
    np.savez(file, x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="plain"):
        load_arrays(file.read_bytes())
    np.savez_compressed(file, x=np.zeros(1000))
    with pytest.raises(ValueError, match="compressed"):
        load_arrays(file.read_bytes())
    whole = dump_arrays({"x": np.zeros(4)})
    for forged in (whole.replace(b"(4,)", b"(9,)"), whole[:-10], b"", b"PK\x03\x04"):
        with pytest.raises(ValueError, match=r"file|plain"):
            load_arrays(forged)


@pytest.mark.parametrize("shape", ["(9,)", "(2,)", "(-4,)", "(2, 2)", "()"])
def test_array_of_another_length_than_it_says_is_refused(shape: str) -> None:
    member = io.BytesIO()
    np.lib.format.write_array(member, np.zeros(4), (1, 0))
    head, body = member.getvalue()[:-32], member.getvalue()[-32:]
    forged = head.rstrip().replace(b"(4,)", shape.encode()).ljust(len(head) - 1) + b"\n"
    assert load_arrays(dump_arrays({"x": np.zeros(4)}))["x"].shape == (4,)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", forged + body)
    with pytest.raises(ValueError, match=r"plain|shape"):
        load_arrays(file.getvalue())


def test_bundle_without_a_heuristic_is_not_written(tmp_path: Path) -> None:
    whole = parts()
    bare = Parts(whole.service, whole.model, whole.domain, whole.program, {}, whole.certificate, {})
    with pytest.raises(ValueError, match="heuristic"):
        write(bare, tmp_path)
