"""A run: bad rows go aside, the same rows give the same bundle, and its record tells all."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops.base.errors import BundleError, ConfigError, ContractError
from mlops.base.verdict import Status
from mlops.config.compose import compose
from mlops.config.resolve import contracts, plan
from mlops.data.jobboard import JobBoard
from mlops.data.snapshot import read
from mlops.data.spec import JobBoardSource, SplitSpec
from mlops.data.split import by_time
from mlops.models.artifact import load, resolve
from mlops.quality.measure import SubjectKind
from mlops.training import record
from mlops.training.heads import known_by, usable
from mlops.training.plan import Plan
from mlops.training.record import RunRecord
from mlops.training.run import Trained, measure, train
from mlops.training.spec import HeadSpec
from tests.components.releases import Keys
from tests.fakes.clock import ManualClock
from tests.fakes.source import FakeSource

QUICK = ("model=logistic", "training.parity_rows=200", "quality.bootstrap_replicates=50")


@cache
def _rows() -> pd.DataFrame:
    spec = JobBoardSource(kind="jobboard", searches=250, candidates=20, jobs=300, seekers=500)
    return JobBoard(spec).read()


def rows(**changes: Any) -> pd.DataFrame:
    """Return rows of the job board, some cells changed: a column's name to place and value."""
    frame = _rows().copy()
    for name, (at, value) in changes.items():
        frame.loc[at, name] = value
    return frame


def plan_of(folder: Path, frame: pd.DataFrame, *overrides: str) -> Plan:
    composed = compose(["service=search_ranking", *QUICK, *overrides], folder=folder)
    return replace(plan(composed, contracts(composed), folder), source=FakeSource(frame))


def run(folder: Path, frame: pd.DataFrame, *overrides: str) -> Trained:
    steps: list[str] = []
    done = train(plan_of(folder, frame, *overrides), clock=ManualClock(), announce=steps.append)
    assert steps == ["read", "validate", "fit", "compile", "certify", "evaluate", "bundle"]
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def trained(folder: Path) -> Trained:
    return run(folder, rows())


def test_bundle_and_pointer_lie_where_serving_looks(folder: Path, trained: Trained) -> None:
    bundles = folder / ".mlops" / "bundles"
    assert resolve("latest", bundles, "search_ranking") == trained.bundle.path
    parts = load(trained.bundle.path).parts
    assert (parts.service, parts.model) == ("search_ranking", "logistic")
    assert set(parts.heuristics) == {"fee_weighted_popularity", "popularity", "static"}
    assert parts.program.head_names == ("apply", "hire")


def test_bundle_is_measured_under_its_own_name_whatever_would_be_trained_now(
    folder: Path, trained: Trained
) -> None:
    now = plan_of(folder, rows(), "model=hist_gradient_boosting")
    split = by_time(rows(), now.split)
    parts = load(trained.bundle.path).parts
    found = measure(now, split, parts.program, parts.heuristics, model=parts.model)
    models = {each.subject for each in found if each.kind is SubjectKind.MODEL}
    assert models == {"logistic"}


def test_same_rows_give_the_same_bundle_whatever_the_folder(
    trained: Trained, tmp_path: Path
) -> None:
    again = run(tmp_path, rows())
    assert again.bundle.digest == trained.bundle.digest
    assert again.record.data.snapshot == trained.record.data.snapshot
    assert again.record.measurements == trained.record.measurements


def test_bundle_is_signed_before_latest_names_it(trained: Trained, tmp_path: Path) -> None:
    keys = Keys.made(tmp_path / "keys")
    plan = plan_of(tmp_path, rows())
    done = train(plan, clock=ManualClock(), announce=lambda step: None, signer=keys.signer)
    assert done.signature is not None
    assert done.bundle.digest == trained.bundle.digest
    assert trained.signature is None
    path = resolve("latest", plan.folders.bundles, "search_ranking")
    assert load(path, trust=keys.trust()).signature == done.signature


def test_one_cell_changes_snapshot_and_bundle(trained: Trained, tmp_path: Path) -> None:
    other = run(tmp_path, rows(job_salary=(17, 1234.5)))
    assert other.record.data.snapshot != trained.record.data.snapshot
    assert other.bundle.digest != trained.bundle.digest


def test_record_tells_the_run_and_comes_back(folder: Path, trained: Trained) -> None:
    found = record.of_bundle(trained.bundle.digest, folder / ".mlops" / "runs")
    assert found == trained.record
    assert RunRecord.model_validate_json(found.model_dump_json()) == found
    assert found.run_id.startswith("20260101T000000-")
    assert found.started_at == "2026-01-01T00:00:00+00:00"
    assert found.data.split.train_rows + found.data.split.test_rows == len(_rows())
    assert isinstance(found.config, dict)
    assert found.config["name"] == "search_ranking"
    assert "subject_salt" not in found.model_dump_json()
    assert set(found.cost.steps_s) == {
        "read",
        "validate",
        "fit",
        "compile",
        "certify",
        "evaluate",
        "bundle",
    }
    assert found.cost.peak_memory_mb > 50
    assert isinstance(found.environment, dict)
    packages = found.environment["packages"]
    assert isinstance(packages, dict)
    assert "not installed" not in packages.values()


def test_snapshot_holds_the_rows_that_were_learned_from(folder: Path, trained: Trained) -> None:
    frame = read(trained.intake.snapshot.digest, folder / ".mlops" / "snapshots")
    pd.testing.assert_frame_equal(frame, trained.intake.frame)


def test_what_was_proved_and_spent_is_judged(trained: Trained) -> None:
    assert [verdict.name for verdict in trained.verdicts] == ["parity", "certificate", "cost"]
    assert {verdict.status for verdict in trained.verdicts} == {Status.PASS}


def test_model_and_heuristics_stand_in_one_table(trained: Trained) -> None:
    subjects = {m.subject for m in trained.measurements if m.metric == "revenue_per_1000_at_10"}
    assert {"logistic", "fee_weighted_popularity", "popularity", "static"} <= subjects


def test_run_over_budget_fails_its_verdict_and_keeps_its_bundle(tmp_path: Path) -> None:
    done = run(tmp_path, rows(), "training.budget_memory_mb=1", "training.budget_cpu_s=1e-6")
    cost = done.verdicts[-1]
    assert [finding.status for finding in cost.findings] == [Status.FAIL, Status.FAIL]
    assert done.bundle.path.is_dir()


# bad rows

BAD = {"job_salary": (5, -1.0), "query_area": (9, "Atlantis"), "text_relevance": (40, np.inf)}


def test_bad_rows_go_aside_with_their_place_and_rule(tmp_path: Path) -> None:
    done = run(tmp_path, rows(**BAD))
    assert done.intake.bad_rows == 3
    assert done.record.data.quarantined == 3
    assert done.record.data.rows == len(_rows()) - 3
    found = {(each.column, each.rows) for each in done.intake.violations}
    assert {("job_salary", (5,)), ("query_area", (9,)), ("text_relevance", (40,))} <= found
    assert done.intake.quarantine is not None
    assert done.record.data.quarantine == str(done.intake.quarantine)
    aside = pd.read_csv(done.intake.quarantine, index_col="row")
    assert aside.index.tolist() == [5, 9, 40]
    assert aside["violations"].str.partition(":")[0].tolist() == [
        "job_salary",
        "query_area",
        "text_relevance",
    ]


def test_good_rows_of_a_bad_file_train_what_they_train_alone(tmp_path: Path) -> None:
    whole = run(tmp_path / "a", rows(**BAD))
    alone = run(tmp_path / "b", rows().drop(index=[5, 9, 40]).reset_index(drop=True))
    assert whole.bundle.digest == alone.bundle.digest


def test_too_many_bad_rows_end_the_run(tmp_path: Path) -> None:
    frame = rows(job_salary=(slice(0, 99), -1.0))
    with pytest.raises(ContractError) as caught:
        run(tmp_path, frame)
    error = caught.value
    assert "100 of 5000 rows break contract Training" in error.message
    assert "contracts.max_bad_share=0.01" in error.message
    assert "job_salary" in error.message
    assert "(0, 1, 2, 3, 4, ...)" in error.message
    (file,) = (tmp_path / ".mlops" / "quarantine").iterdir()
    assert str(file) in error.hint
    assert len(pd.read_csv(file)) == 100
    assert not (tmp_path / ".mlops" / "bundles").exists()


@pytest.mark.parametrize(("bad", "fails"), [(50, False), (51, True)])
def test_share_itself_is_still_allowed(tmp_path: Path, bad: int, fails: bool) -> None:
    frame = rows(job_salary=(slice(0, bad - 1), -1.0))
    if fails:
        with pytest.raises(ContractError, match="51 of 5000 rows"):
            run(tmp_path, frame)
    else:
        assert run(tmp_path, frame).intake.bad_rows == 50


def test_no_good_row_is_never_enough(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="5000 of 5000 rows"):
        run(tmp_path, rows(job_age=(slice(None), -1.0)), "contracts.max_bad_share=1")


def test_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="lack columns of contract Training: job_age"):
        run(tmp_path, rows().drop(columns="job_age"))


# heads


def test_head_with_one_outcome_cannot_be_learned(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"head hire .* rows are usable, with 1 .*'hired'"):
        run(tmp_path, rows(hired=(slice(None), 0)))


def test_head_that_no_row_is_old_enough_for(tmp_path: Path) -> None:
    heads = (
        "training.heads=[{name: apply, outcome: applied},"
        " {name: hire, outcome: hired, given: applied, matures_days: 3650}]"
    )
    with pytest.raises(ContractError, match="0 rows are usable") as caught:
        run(tmp_path, rows(), heads)
    assert "matures_days" in caught.value.hint


DAY = 86_400.0
FRAME = pd.DataFrame(
    {
        "at_s": [0.0, 1.0, 5.0, 9.0, 0.0],
        "applied": [1, 0, 1, 1, 1],
        "applied_at_s": [0.5, np.nan, 9.5, 9.0, 9.0],
        "hired": [1, 0, 0, 1, 0],
    }
).assign(at_s=lambda f: f.at_s * DAY, applied_at_s=lambda f: f.applied_at_s * DAY)
HEADS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "every row counts": ({}, [1, 1, 1, 1, 1]),
    "only rows in which what it is given happened": ({"given": "applied"}, [1, 0, 1, 1, 1]),
    "only rows that are old enough": ({"matures_days": 5}, [1, 1, 1, 0, 1]),
    "old enough to the second": ({"matures_days": 9}, [1, 1, 0, 0, 1]),
    "the age counts from when what it is given happened": (
        {"given": "applied", "given_at": "applied_at_s", "matures_days": 1},
        [1, 0, 0, 1, 1],
    ),
}


@pytest.mark.parametrize("sentence", HEADS)
def test_rows_that_a_head_learns_from(sentence: str) -> None:
    fields, wanted = HEADS[sentence]
    head = HeadSpec.model_validate({"name": "h", "outcome": "hired", **fields})
    as_of_s = 10 * DAY
    found = usable(head, FRAME, time="at_s", as_of_s=as_of_s)
    assert found.astype(int).tolist() == wanted
    known = known_by(head, FRAME, time="at_s", as_of_s=as_of_s)
    assert (found <= known).all()


# records


def test_record_of_a_bundle_that_nobody_trained_here(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no run record for bundle sha256:abcdef") as caught:
        record.of_bundle("sha256:abcdef", tmp_path)
    assert "mlops train" in caught.value.hint


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"version": 2}'])
def test_record_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "20260101T000000-abcdef.json").write_text(content)
    with pytest.raises(BundleError, match=r"20260101T000000-abcdef.json cannot be read"):
        record.of_bundle("sha256:abcdef", tmp_path)


def test_newest_record_is_taken(tmp_path: Path, trained: Trained) -> None:
    first = trained.record.model_copy(update={"run_id": "20260101T000000-abcdef"})
    second = first.model_copy(update={"run_id": "20260102T000000-abcdef", "seed": 5})
    record.write(second, tmp_path)
    record.write(first, tmp_path)
    assert record.of_bundle("sha256:abcdef", tmp_path).seed == 5


def test_heuristics_never_see_the_future(tmp_path: Path) -> None:
    """Whatever happens after the boundary, the heuristics of the bundle stay the same."""
    frame = rows()
    start = frame["at_s"].quantile(0.9)
    late = frame["at_s"] > start
    changed = frame.assign(applied=np.where(late, 1 - frame["applied"], frame["applied"]))
    facts = [
        load(run(tmp_path / name, each).bundle.path).parts.heuristics["popularity"]
        for name, each in (("a", frame), ("b", changed))
    ]
    first, second = (fitted.heuristic.state() for fitted in facts)
    assert first.facts == second.facts
    np.testing.assert_array_equal(first.arrays["rates"], second.arrays["rates"])


def test_split_needs_a_time_that_moves(tmp_path: Path) -> None:
    it = plan_of(tmp_path, rows(at_s=(slice(None), 5.0)))
    assert it.split == SplitSpec(observed_until="observed_until_s")
    with pytest.raises(ContractError, match="all rows have the same time"):
        train(it, clock=ManualClock(), announce=lambda step: None)


def test_estimator_that_cannot_be_compiled_is_told(tmp_path: Path) -> None:
    override = "model.estimator._target_=sklearn.naive_bayes.BernoulliNB"
    with pytest.raises(ConfigError, match="BernoulliNB"):
        run(tmp_path, rows(), override, "~model.estimator.C", "~model.estimator.max_iter")
