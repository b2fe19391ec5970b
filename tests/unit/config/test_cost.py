"""A configuration's cost: for which machine, from how many rows, against which budgets."""

import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from mlops.base.digest import Json
from mlops.base.verdict import Finding, Status
from mlops.config.compose import Composed, compose
from mlops.config.cost import cost
from mlops.config.resolve import Contracts, contracts
from mlops.config.settings import Settings
from mlops.cost import host
from mlops.cost.baseline import BASELINE

ROOT = Path(__file__).parents[3]


@cache
def base(service: str) -> tuple[Composed, Contracts]:
    composed = compose([f"service={service}"], folder=ROOT)
    return composed, contracts(composed)


def look(folder: Path, service: str = "search_ranking", **sections: Json) -> tuple[Finding, ...]:
    """Return the cost findings of a packaged service, some sections' keys changed."""
    composed, loaded = base(service)
    tree = json.loads(composed.settings.model_dump_json(by_alias=True))
    for section, changes in sections.items():
        assert isinstance(changes, dict)
        tree[section] |= changes
    settings = Settings.model_validate_json(json.dumps(tree))
    return cost(replace(composed, settings=settings), loaded, folder).findings


def one(findings: tuple[Finding, ...], check: str) -> Finding:
    found = [each for each in findings if each.check == f"check.cost.{check}"]
    assert len(found) == 1, findings
    return found[0]


@pytest.mark.parametrize("service", ["search_ranking", "open_bandit"])
def test_packaged_services_fit_their_budgets(service: str, tmp_path: Path) -> None:
    found = look(tmp_path, service)
    assert {each.status for each in found} == {Status.PASS}
    assert "never timed" in one(found, "rows").message


def test_host_that_was_timed_is_predicted_with_its_own_figures(tmp_path: Path) -> None:
    slow = {unit: 10 * each for unit, each in BASELINE.seconds.items()}
    timed = BASELINE.model_copy(
        update={"name": host.THIS, "measured": True, "uncertainty": 1.5, "seconds": slow}
    )
    before = one(look(tmp_path), "cpu").value
    host.save(timed, host.place(tmp_path / ".mlops", host.machine()))
    found = look(tmp_path)
    after = one(found, "cpu").value
    assert before is not None
    assert after == pytest.approx(10 * before)
    assert "timed by `mlops check --calibrate`" in one(found, "rows").message


def test_declared_machine_is_slower_by_its_speed_and_named(tmp_path: Path) -> None:
    spot: Json = {"spot": {"speed": 0.25, "cores": 8, "memory_mb": 64_000}}
    here = one(look(tmp_path), "cpu").value
    found = one(look(tmp_path, cost={"host": "spot", "hosts": spot}), "cpu")
    assert here is not None
    assert found.value == pytest.approx(4 * here)
    assert "on spot" in found.message


def test_calibration_of_another_machine_is_read_from_its_file(tmp_path: Path) -> None:
    timed = BASELINE.model_copy(update={"measured": True, "uncertainty": 1.5, "memory_mb": 300.0})
    host.save(timed, tmp_path / "profiles" / "cluster.json")
    found = look(tmp_path, cost={"host": "profiles/cluster.json"})
    assert "on cluster" in one(found, "cpu").message
    assert one(found, "machine").status is Status.FAIL


@pytest.mark.parametrize(
    ("named", "says"),
    [("clustr", "known: this, cluster"), ("nowhere.json", "there is no host profile")],
)
def test_machine_that_nobody_described_is_refused(named: str, says: str, tmp_path: Path) -> None:
    cluster: Json = {"cluster": {"cores": 8, "memory_mb": 64_000}}
    found = look(tmp_path, cost={"host": named, "hosts": cluster})
    assert [(each.status, each.key) for each in found] == [(Status.FAIL, ("cost", "host"))]
    assert says in found[0].message


def test_budgets_fail_at_their_own_keys(tmp_path: Path) -> None:
    found = look(
        tmp_path,
        data={"expected_rows": 50_000_000},
        training={"budget_cpu_s": 100, "budget_memory_mb": 4096},
    )
    assert one(found, "cpu").key == ("training", "budget_cpu_s")
    assert one(found, "memory").key == ("training", "budget_memory_mb")
    for check in ("cpu", "memory"):
        assert one(found, check).status is Status.FAIL
        assert "rows would fit" in one(found, check).hint


def test_rows_of_a_file_come_from_the_last_run(tmp_path: Path) -> None:
    source: Json = {"kind": "csv", "path": "log.csv"}
    unknown = look(tmp_path, data={"source": source})
    assert [each.status for each in unknown] == [Status.UNKNOWN]
    assert "data.expected_rows" in unknown[0].hint
    runs = tmp_path / ".mlops" / "runs"
    runs.mkdir(parents=True)
    (runs / "20260101T000000-broken.json").write_text("{")
    for at, (path, rows) in enumerate((("log.csv", 5_000), ("log.csv", 7_000), ("x.csv", 9))):
        record = {
            "service": "search_ranking",
            "config": {"data": {"source": {"kind": "csv", "path": path}}},
            "data": {"rows": rows, "quarantined": 11},
        }
        (runs / f"2026010{at + 2}T000000-abc.json").write_text(json.dumps(record))
    found = look(tmp_path, data={"source": source})
    assert one(found, "rows").value == 7_011


def test_estimator_without_a_count_is_unknown_and_named(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "slo", tmp_path / "slo")
    model: Json = {"estimator": {"_target_": "sklearn.naive_bayes.GaussianNB"}}
    found = look(tmp_path, model=model)
    assert [each.status for each in found] == [Status.UNKNOWN]
    assert "GaussianNB" in found[0].message
