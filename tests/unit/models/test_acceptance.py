"""A bundle comes into a service if there is nothing against it, and is refused by a word if not."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops.base.digest import canonical_json
from mlops.contracts.domain import Domain
from mlops.models.acceptance import Running, Wanted, accept
from mlops.models.artifact import FILES, Parts, load, write
from mlops.models.golden import make_golden
from mlops.models.manifest import MANIFEST, Manifest
from mlops.models.refusal import Refusal, RefusedBundleError
from mlops.models.signature import SIGNATURE, Signature, Trust
from tests.components.bundles import parts
from tests.components.releases import Keys, copied, signed_bundle

SERVICE = "search_ranking"
RUNNING_AT_S = 1000.0
MUTATIONS = 300


@dataclass(frozen=True)
class Bench:
    """A service with a running bundle, and a good newer one that mutations start from."""

    root: Path
    good: Path
    keys: Keys
    stranger: Keys
    running: Running
    domain: Domain

    @property
    def wanted(self) -> Wanted:
        return Wanted(SERVICE, domain=self.domain, running=self.running)

    def accept(self, path: Path, *, trust: Trust | None = None, **changed: Any) -> None:
        accept(path, replace(self.wanted, **changed), trust=trust or self.keys.trust())

    def refusal(self, path: Path, **changed: Any) -> Refusal:
        with pytest.raises(RefusedBundleError) as caught:
            self.accept(path, **changed)
        assert caught.value.message
        return caught.value.reason

    def release(self, changed: Parts, folder: Path, *, at_s: float = 2000.0) -> Path:
        """Write and sign a bundle by the trusted key."""
        ref = write(changed, folder)
        self.keys.sign(ref.path, at_s=at_s)
        return ref.path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    root = tmp_path_factory.mktemp("bench")
    keys, stranger = Keys.made(root / "keys"), Keys.made(root / "stranger")
    running = signed_bundle(SERVICE, root / "running", keys, at_s=RUNNING_AT_S)
    good = signed_bundle(SERVICE, root / "good", keys, at_s=2000.0)
    loaded = load(running.path, trust=keys.trust())
    return Bench(root, good.path, keys, stranger, Running.of(loaded), loaded.parts.domain)


def redigested(path: Path, **changed: bytes) -> Path:
    """Change files of a bundle and put its manifest in order again, as who has no key can."""
    stated = Manifest.model_validate_json((path / MANIFEST).read_bytes())
    names = {name.replace(".", "_"): name for name in FILES}
    for key, content in changed.items():
        (path / names[key]).write_bytes(content)
    files = {name: (path / name).read_bytes() for name in FILES}
    manifest = Manifest.of(
        service=stated.service, model=stated.model, heads=stated.heads, files=files
    )
    (path / MANIFEST).write_bytes(manifest.to_bytes())
    return path


def resigned(path: Path, **changed: Any) -> None:
    """Change what a signature states and leave its 64 bytes as they are."""
    found = Signature.model_validate_json((path / SIGNATURE).read_bytes())
    (path / SIGNATURE).write_bytes(found.model_copy(update=changed).to_bytes())


def digest_of(path: Path) -> str:
    return Manifest.model_validate_json((path / MANIFEST).read_bytes()).digest


def other_domain(domain: Domain, chance: random.Random) -> Domain:
    """Return a contract that differs in one column."""
    columns = list(domain.columns)
    at = chance.choice([i for i, c in enumerate(columns) if not c.is_category and c.feature])
    columns[at] = columns[at].model_copy(update={"nullable": not columns[at].nullable})
    return domain.model_copy(update={"columns": tuple(columns)})


Mutation = Callable[[Bench, Path, random.Random], None]


def cut(bench: Bench, path: Path, chance: random.Random) -> None:
    file = path / chance.choice([*FILES, MANIFEST, SIGNATURE])
    whole = file.read_bytes()
    file.write_bytes(whole[: chance.randrange(len(whole))])


def flip(bench: Bench, path: Path, chance: random.Random) -> None:
    file = path / chance.choice([*FILES, MANIFEST, SIGNATURE])
    whole = bytearray(file.read_bytes())
    whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    file.write_bytes(whole)


def unsign(bench: Bench, path: Path, chance: random.Random) -> None:
    (path / SIGNATURE).unlink()
    if chance.random() < 0.5:
        redigested(path, quality_json=b'{"auc":%d}' % chance.randrange(100))


def change_without_key(bench: Bench, path: Path, chance: random.Random) -> None:
    node = json.loads((path / "program.json").read_bytes())
    raw = node["heads"][0]["members"][0]["raw"]
    raw["intercept"] += chance.uniform(0.1, 9.0)
    redigested(path, program_json=canonical_json(node))
    if chance.random() < 0.7:
        resigned(path, digest=digest_of(path))


def sign_by_another_key(bench: Bench, path: Path, chance: random.Random) -> None:
    bench.stranger.sign(path, at_s=chance.uniform(0, 9000))
    if chance.random() < 0.5:
        resigned(path, key_id=bench.keys.signer.key_id)


def take_another_signature(bench: Bench, path: Path, chance: random.Random) -> None:
    redigested(path, quality_json=b'{"auc":%d}' % chance.randrange(100))
    (path / SIGNATURE).write_bytes((bench.good / SIGNATURE).read_bytes())


def postdate(bench: Bench, path: Path, chance: random.Random) -> None:
    found = Signature.model_validate_json((path / SIGNATURE).read_bytes())
    resigned(path, signed_at=found.signed_at + chance.randrange(1, 10**6))


def sign_before(bench: Bench, path: Path, chance: random.Random) -> None:
    bench.keys.sign(path, at_s=chance.uniform(0, RUNNING_AT_S - 1))


def take_another_contract(bench: Bench, path: Path, chance: random.Random) -> None:
    changed = replace(parts(SERVICE), domain=other_domain(bench.domain, chance), golden=None)
    copied(bench.release(changed, path.parent / "contract"), path)


def take_another_service(bench: Bench, path: Path, chance: random.Random) -> None:
    name = chance.choice(["open_bandit", "search_rankin", "search_ranking2", ""])
    changed = replace(parts(SERVICE), service=name or "x")
    copied(bench.release(changed, path.parent / "service"), path)


def add_a_file(bench: Bench, path: Path, chance: random.Random) -> None:
    name = chance.choice(["model.pkl", ".hidden", "program.json.bak", "manifest.json~"])
    (path / name).write_bytes(bytes(chance.randrange(3)))


def take_a_file(bench: Bench, path: Path, chance: random.Random) -> None:
    (path / chance.choice([*FILES, MANIFEST, SIGNATURE])).unlink()


def link_a_file(bench: Bench, path: Path, chance: random.Random) -> None:
    name = chance.choice([*FILES, MANIFEST, SIGNATURE])
    (path / name).unlink()
    (path / name).symlink_to(bench.good / name)


def link_the_folder(bench: Bench, path: Path, chance: random.Random) -> None:
    copied(path, path.parent / "elsewhere")
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    path.symlink_to(path.parent / chance.choice(["elsewhere", "nowhere"]))


def put_a_folder(bench: Bench, path: Path, chance: random.Random) -> None:
    file = path / chance.choice([*FILES, MANIFEST, SIGNATURE])
    file.unlink()
    file.mkdir()


ALL: dict[str, tuple[Mutation, set[Refusal]]] = {
    "truncated": (cut, {Refusal.CHANGED, Refusal.UNTRUSTED}),
    # Of `"version":2` one bit makes an older version, which is told to be trained again.
    "bit-flipped": (flip, {Refusal.CHANGED, Refusal.UNTRUSTED, Refusal.INVALID}),
    "unsigned": (unsign, {Refusal.UNSIGNED}),
    "changed without a key": (change_without_key, {Refusal.UNTRUSTED}),
    "signed by another key": (sign_by_another_key, {Refusal.UNTRUSTED}),
    "with another's signature": (take_another_signature, {Refusal.UNTRUSTED}),
    "postdated": (postdate, {Refusal.UNTRUSTED}),
    "older": (sign_before, {Refusal.OLDER}),
    "of another contract": (take_another_contract, {Refusal.CONTRACT}),
    "of another service": (take_another_service, {Refusal.SERVICE}),
    "with a file too many": (add_a_file, {Refusal.CHANGED}),
    "with a file missing": (take_a_file, {Refusal.MISSING, Refusal.UNSIGNED}),
    "with a linked file": (link_a_file, {Refusal.CHANGED}),
    "a link": (link_the_folder, {Refusal.MISSING}),
    "with a folder for a file": (put_a_folder, {Refusal.CHANGED}),
}
WEIGHTS = [3 if name in ("truncated", "bit-flipped") else 1 for name in ALL]


def test_of_300_mutations_of_a_good_bundle_none_is_accepted(bench: Bench, tmp_path: Path) -> None:
    chance = random.Random(20260101)
    drawn = [*ALL, *chance.choices([*ALL], WEIGHTS, k=MUTATIONS - len(ALL))]
    accepted: list[str] = []
    mistaken: list[str] = []
    for number, name in enumerate(drawn):
        mutate, expected = ALL[name]
        folder = tmp_path / str(number)
        path = copied(bench.good, folder / "bundle")
        mutate(bench, path, chance)
        try:
            bench.accept(path)
        except RefusedBundleError as refused:
            if refused.reason not in expected:
                mistaken.append(f"{number}: {name}: {refused.reason}: {refused.message}")
        else:
            accepted.append(f"{number}: {name}")
    assert accepted == []
    assert mistaken == []
    bench.accept(bench.good)


def test_each_kind_of_mutation_is_refused_by_its_own_word(bench: Bench, tmp_path: Path) -> None:
    for name, (mutate, expected) in ALL.items():
        path = copied(bench.good, tmp_path / name / "bundle")
        mutate(bench, path, random.Random(1))
        assert bench.refusal(path) in expected


@pytest.mark.parametrize(
    "name",
    [
        "unsigned", "changed without a key", "signed by another key", "with another's signature",
        "postdated", "older",
    ],
)  # fmt: skip
def test_without_the_signature_what_it_stops_comes_in(
    bench: Bench, tmp_path: Path, name: str
) -> None:
    path = copied(bench.good, tmp_path / "bundle")
    ALL[name][0](bench, path, random.Random(3))
    assert bench.refusal(path) in ALL[name][1]
    wanted = replace(bench.wanted, golden=False)
    assert accept(path, wanted, trust=None).signature is None


def test_good_bundle_is_accepted_with_its_signature(bench: Bench) -> None:
    bundle = accept(bench.good, bench.wanted, trust=bench.keys.trust())
    assert bundle.signature is not None
    assert bundle.signature.key_id == bench.keys.signer.key_id
    assert Running.of(bundle) == Running(bundle.ref.digest, bundle.signature.signed_at)


def test_optional_signature_may_be_missing_and_must_hold_where_it_is(
    bench: Bench, tmp_path: Path
) -> None:
    trust = bench.keys.trust(required=False)
    path = copied(bench.good, tmp_path / "bundle")
    bench.accept(path, trust=trust)
    bench.stranger.sign(path, at_s=5000.0)
    assert bench.refusal(path, trust=trust) is Refusal.UNTRUSTED
    (path / SIGNATURE).write_bytes(b"")
    assert bench.refusal(path, trust=trust) is Refusal.UNTRUSTED
    (path / SIGNATURE).unlink()
    assert bench.refusal(path, trust=trust) is Refusal.OLDER  # unsigned behind a signed one
    bench.accept(path, trust=trust, running=None)
    bench.accept(path, trust=trust, running=Running(bench.running.digest, None))


def test_without_a_trusted_key_a_signature_only_tells_the_time(
    bench: Bench, tmp_path: Path
) -> None:
    nobody = Trust.of([], required=False)
    path = copied(bench.good, tmp_path / "bundle")
    bench.stranger.sign(path, at_s=5000.0)
    bench.accept(path, trust=nobody)
    bench.stranger.sign(path, at_s=5.0)
    assert bench.refusal(path, trust=nobody) is Refusal.OLDER


def test_older_bundle_is_taken_on_purpose_or_when_it_is_released_again(
    bench: Bench, tmp_path: Path
) -> None:
    path = copied(bench.good, tmp_path / "bundle")
    bench.keys.sign(path, at_s=RUNNING_AT_S - 1)
    assert bench.refusal(path) is Refusal.OLDER
    bench.accept(path, allow_downgrade=True)
    bench.keys.sign(path, at_s=RUNNING_AT_S)
    bench.accept(path)  # in the same second is not earlier: reloading what runs goes through


def test_refusals_say_what_is_wrong(bench: Bench, tmp_path: Path) -> None:
    changed = other_domain(bench.domain, random.Random(5))
    column = next(
        theirs.name for ours, theirs in zip(bench.domain.columns, changed.columns, strict=True)
        if ours != theirs
    )  # fmt: skip
    contract = bench.release(replace(parts(SERVICE), domain=changed), tmp_path)
    service = bench.release(replace(parts(SERVICE), service="other"), tmp_path)
    older = copied(bench.good, tmp_path / "older")
    bench.keys.sign(older, at_s=RUNNING_AT_S - 60)
    stranger = copied(bench.good, tmp_path / "stranger")
    bench.stranger.sign(stranger)
    for path, words in (
        (contract, rf"another contract: column '{column}': m"),
        (service, "for service 'other', not for 'search_ranking'"),
        (older, "signed 60 s before bundle [0-9a-f]{12}, which served last"),
        (stranger, rf"by key {bench.stranger.signer.key_id}, which is not trusted"),
        (tmp_path / "nothing", "there is no bundle at"),
    ):
        with pytest.raises(RefusedBundleError, match=words):
            bench.accept(path)


def test_contract_of_another_name_only_is_another_contract(bench: Bench) -> None:
    renamed = bench.domain.model_copy(update={"name": "Renamed"})
    with pytest.raises(RefusedBundleError, match="not 'Renamed'") as caught:
        bench.accept(bench.good, domain=renamed)
    assert caught.value.reason is Refusal.CONTRACT
    bench.accept(bench.good, domain=None)


def test_program_that_gives_other_scores_than_where_it_was_made_is_refused(
    bench: Bench, tmp_path: Path
) -> None:
    whole = parts(SERVICE)
    golden = make_golden(whole.program, whole.domain, whole.heuristics)
    moved = golden.score.copy()
    moved[7] += max(1.0, abs(moved[7])) * 1e-6
    path = bench.release(replace(whole, golden=replace(golden, score=moved)), tmp_path)
    with pytest.raises(RefusedBundleError, match="1 of 64 rows of the golden batch") as caught:
        bench.accept(path)
    assert caught.value.reason is Refusal.GOLDEN
    bench.accept(path, golden=False)


def test_golden_batch_of_other_columns_or_heuristics_is_refused(
    bench: Bench, tmp_path: Path
) -> None:
    whole = parts(SERVICE)
    golden = make_golden(whole.program, whole.domain, whole.heuristics)
    column = next(c for c in whole.domain.request if not c.is_category)
    foreign = {**golden.table, "foreign": golden.table[column.name]}
    for number, changed in enumerate(
        (
            replace(golden, table=foreign),
            replace(golden, heuristics={"foreign": np.zeros(golden.rows)}),
        )
    ):
        path = bench.release(replace(whole, golden=changed), tmp_path / str(number))
        assert bench.refusal(path) is Refusal.INVALID
