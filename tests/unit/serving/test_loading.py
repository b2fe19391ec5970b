"""Settings and bundles are read again while the service runs, and what may not serve is refused."""

import os
from pathlib import Path
from typing import Any

import pytest

from mlops.base.errors import ConfigError
from mlops.models.artifact import load
from mlops.models.manifest import MANIFEST
from mlops.models.refusal import RefusedBundleError
from mlops.models.signature import Trust
from mlops.serving.loading import FileLoader, read_settings, trained_at, trust_of
from mlops.serving.plan import Plan
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import HoldoutSpec, Protection, ServingSpec
from tests.components.bundles import write_bundle
from tests.components.policies import burn_rule, model_served, within
from tests.components.releases import Keys, signed_bundle
from tests.fakes.clock import ManualClock

SERVICE = "open_bandit"


class Place:
    """A store with one bundle and the settings of a service."""

    def __init__(self, folder: Path) -> None:
        self.ref = write_bundle(SERVICE, folder / "bundles")
        self.folder = folder
        self.path = folder / "settings.json"
        self.settings = self.made()
        self.write(self.settings)
        self.loader = FileLoader(
            self.path, trust=Trust(required=False, keys={}), clock=ManualClock()
        )

    def made(self, *, bundle: str | None = None, **changes: Any) -> ServeSettings:
        values: dict[str, Any] = {"deadline_ms": 50.0, "fallback": ("popularity",), **changes}
        return ServeSettings(
            service=SERVICE,
            bundle=str(self.ref.path) if bundle is None else bundle,
            bundles=str(self.folder / "bundles"),
            state=str(self.folder / "state"),
            max_candidates=20,
            serving=ServingSpec(**values),
        )

    def write(self, settings: ServeSettings) -> None:
        self.path.write_text(settings.model_dump_json())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_settings_are_read_again(place: Place) -> None:
    changed = place.made(deadline_ms=80.0)
    place.write(changed)
    assert place.loader.reread(place.settings) == changed


@pytest.mark.parametrize(
    ("change", "named"),
    [({"port": 9}, "serving.port"), ({"workers": 3}, "serving.workers")],
)
def test_what_only_a_restart_can_change_is_refused(
    place: Place, change: dict[str, Any], named: str
) -> None:
    place.write(place.made(**change))
    with pytest.raises(ConfigError, match=f"{named} cannot change"):
        place.loader.reread(place.settings)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"service": "x"}'])
def test_broken_settings_are_refused(place: Place, text: str) -> None:
    place.path.write_text(text)
    with pytest.raises(ConfigError, match=r"settings\.json"):
        place.loader.reread(place.settings)


def test_missing_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(tmp_path / "none.json")


def test_first_plan_serves_the_configured_bundle(place: Place) -> None:
    plan, refused = place.loader.first(place.settings)
    assert (plan.epoch, plan.digest, refused) == (1, place.ref.digest, [])


def test_first_plan_without_a_bundle_serves_none(place: Place) -> None:
    plan, refused = place.loader.first(place.made(bundle=""))
    assert (plan.bundle, refused) == (None, [])


def test_broken_bundle_is_told_and_not_served(place: Place) -> None:
    (place.ref.path / "program.npz").write_bytes(b"broken")
    plan, refused = place.loader.first(place.settings)
    assert plan.bundle is None
    assert isinstance(refused[0], RefusedBundleError)
    assert refused[0].reason == "changed"


def test_last_good_bundle_serves_where_the_configured_one_is_broken(place: Place) -> None:
    good, _ = place.loader.first(place.settings)
    place.loader.keep(good)
    broken = place.folder / "bundles" / SERVICE / ("0" * 64)
    broken.mkdir()
    plan, refused = place.loader.first(place.made(bundle=str(broken)))
    assert plan.digest == place.ref.digest
    assert len(refused) == 1
    assert Path(plan.settings.bundle).name == place.ref.path.name


def test_note_of_the_last_good_bundle_that_cannot_be_written_is_no_failure(place: Place) -> None:
    good, _ = place.loader.first(place.settings)
    (place.folder / "state").write_text("a file where a folder should be")
    place.loader.keep(good)


def test_start_takes_no_release_before_the_one_that_proved_itself(
    place: Place, tmp_path: Path
) -> None:
    keys = Keys.made(tmp_path / "keys")
    loader = FileLoader(place.path, trust=keys.trust(), clock=ManualClock())
    keys.sign(place.ref.path, at_s=2000.0)
    newest, _ = loader.first(place.settings)
    loader.keep(newest)
    older = write_bundle(SERVICE, place.folder / "bundles", "hist_gradient_boosting")
    keys.sign(older.path, at_s=1000.0)
    settings = place.made(bundle=str(older.path))
    plan, refused = loader.first(settings)
    assert plan.digest == place.ref.digest
    assert isinstance(refused[0], RefusedBundleError)
    assert refused[0].reason == "older"
    going_back = loader.accept(older.path, plan, allow_downgrade=True, golden=True)
    loader.keep(Plan(2, settings, going_back))
    assert loader.first(settings)[0].digest == older.digest


def test_start_that_knows_of_no_release_takes_what_is_configured(
    place: Place, tmp_path: Path
) -> None:
    keys = Keys.made(tmp_path / "keys")
    loader = FileLoader(place.path, trust=keys.trust(), clock=ManualClock())
    keys.sign(place.ref.path)
    for note in (None, b"", b"sha256:abc 1\n", b"\xff" * 1000):
        if note is not None:
            (place.folder / "state").mkdir(exist_ok=True)
            (place.folder / "state" / "last_release").write_bytes(note)
        assert loader.first(place.settings)[0].digest == place.ref.digest


def test_time_of_a_signature_that_nobody_held_against_a_key_is_not_noted(
    place: Place, tmp_path: Path
) -> None:
    Keys.made(tmp_path / "keys").sign(place.ref.path, at_s=9e9)
    plan, _ = place.loader.first(place.settings)
    place.loader.keep(plan)
    assert not (place.folder / "state" / "last_release").exists()


def test_bundle_outside_the_store_is_not_taken(place: Place, tmp_path: Path) -> None:
    elsewhere = write_bundle(SERVICE, tmp_path / "elsewhere")
    with pytest.raises(RefusedBundleError, match="outside"):
        place.loader.locate(str(elsewhere.path), place.settings)


def test_bundle_of_another_contract_is_refused(place: Place) -> None:
    other = write_bundle("search_ranking", place.folder / "bundles")
    plan, _ = place.loader.first(place.settings)
    with pytest.raises(RefusedBundleError) as caught:
        place.loader.accept(other.path, plan, allow_downgrade=False, golden=True)
    assert caught.value.reason in ("service", "contract")


def test_signatures_are_looked_at_unless_a_drill_takes_that_away(place: Place) -> None:
    assert trust_of(place.settings.serving) is not None
    drill = place.made(faults_allowed=True, without=(Protection.SIGNATURE,))
    assert trust_of(drill.serving) is None


def test_missing_key_is_told(place: Place) -> None:
    trust = {"signatures": "required", "keys": ("nowhere.pem",)}
    values = {"deadline_ms": 50.0, "fallback": ("popularity",), "trust": trust}
    with pytest.raises(ConfigError, match=r"nowhere\.pem"):
        trust_of(ServingSpec.model_validate(values, strict=False))


def test_plan_without_a_bundle_takes_the_settings_contract(place: Place) -> None:
    assert Plan(1, place.settings, None).domain is None
    plan, _ = place.loader.first(place.settings)
    bare = place.settings.model_copy(update={"domain": plan.domain})
    assert Plan(1, bare, None).domain == plan.domain


# When a model was trained


def test_without_a_bundle_no_model_was_trained(place: Place) -> None:
    assert trained_at(Plan(1, place.settings, None)) == 0.0


def test_model_was_trained_when_its_files_were_written(place: Place) -> None:
    os.utime(place.ref.path / MANIFEST, (5e8, 6e8))
    plan, _ = place.loader.first(place.settings)
    assert trained_at(plan) == 6e8


@pytest.mark.parametrize("later_s", [-100, 100])
def test_copy_of_a_signed_bundle_is_as_old_as_its_signature(tmp_path: Path, later_s: int) -> None:
    keys, place = Keys.made(tmp_path / "keys"), Place(tmp_path / "place")
    path = signed_bundle(SERVICE, tmp_path / "bundles", keys).path
    bundle = load(path, trust=keys.trust())
    assert bundle.signature is not None
    signed_at = bundle.signature.signed_at
    os.utime(path / MANIFEST, (signed_at + later_s, signed_at + later_s))
    assert trained_at(Plan(1, place.settings, bundle)) == signed_at + min(0, later_s)


# Policies that no server can keep

UNKEPT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a series of another program": (
        {"slos": (model_served().model_copy(
            update={"total": within("0.05").total.model_copy(update={"metric": "up"})}
        ),)},
        {}, "cannot work out how fast model-served burns: the server counts no `up`",
    ),
    "a rate that no failure reaches": (
        {"slos": (model_served(budget=0.1),)}, {}, "never burns that fast",
    ),
    "nothing to fall back to": (
        {}, {"fallback": ("error",)}, "nothing to fall back to",
    ),
    "a person who has no door": (
        {"recovery": "person", "after_s": 0.0}, {"admin_port": None},
        "`serving.admin_port` is null",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", UNKEPT)
def test_policy_that_cannot_be_kept_is_refused(place: Place, sentence: str) -> None:
    rule, serving, told = UNKEPT[sentence]
    given = place.made(**{**serving, "holdout": HoldoutSpec(share=0.0)})
    place.write(given.model_copy(update={"policy": (burn_rule(**rule),)}))
    with pytest.raises(ConfigError, match=told):
        place.loader.reread(place.settings)


def test_policy_that_can_be_kept_is_read(place: Place) -> None:
    rules = (burn_rule(slos=(model_served(), within("0.05"))),)
    place.write(place.settings.model_copy(update={"policy": rules}))
    assert place.loader.reread(place.settings).policy == rules
