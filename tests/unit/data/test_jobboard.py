"""Tests of the simulated job board."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from mlops.contracts.schema import read_domain, validate
from mlops.contracts.search_ranking import Training
from mlops.data.jobboard import DAY_S, START_S, JobBoard
from mlops.data.jobboard_behaviour import Wishes, calibrate, chance, examination
from mlops.data.snapshot import content_digest
from mlops.data.spec import Drift, DriftColumn, JobBoardSource


def spec(**changes: object) -> JobBoardSource:
    small: dict[str, object] = {"searches": 600, "candidates": 20, "jobs": 500, "seekers": 800}
    node = {"kind": "jobboard", **small, "days": 30, **changes}
    return JobBoardSource.model_validate(node)


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    return JobBoard(spec(searches=5000)).read()


def test_log_keeps_its_contract(log: pd.DataFrame) -> None:
    assert validate(Training, log).violations == ()
    assert list(log.columns) == list(Training.to_schema().columns)
    assert len(log) == 5000 * 20


def test_same_seed_gives_the_same_bits_and_another_seed_does_not() -> None:
    first = content_digest(JobBoard(spec()).read())
    assert content_digest(JobBoard(spec()).read()) == first
    assert content_digest(JobBoard(spec(seed=8)).read()) != first


def test_rates_are_about_those_configured(log: pd.DataFrame) -> None:
    assert log["clicked"].mean() == pytest.approx(0.06, rel=0.15)
    assert log["applied"].sum() / log["clicked"].sum() == pytest.approx(0.4, rel=0.15)
    assert 0.06 < log["hired"].sum() / log["applied"].sum() < 0.14


def test_each_step_needs_the_one_before(log: pd.DataFrame) -> None:
    assert (log["applied"] <= log["clicked"]).all()
    assert (log["hired"] <= log["applied"]).all()
    assert (log["applied_at_s"].notna() == (log["applied"] == 1)).all()
    assert (log["hired_at_s"].notna() == (log["hired"] == 1)).all()
    hired = log[log["hired"] == 1]
    assert (hired["at_s"] < hired["applied_at_s"]).all()
    assert (hired["applied_at_s"] < hired["hired_at_s"]).all()


def test_hires_take_weeks_and_later_ones_are_not_known(log: pd.DataFrame) -> None:
    hired = log[log["hired"] == 1]
    days = (hired["hired_at_s"] - hired["applied_at_s"]) / DAY_S
    assert 11 < days.median() < 17
    assert (hired["hired_at_s"] <= hired["observed_until_s"]).all()
    soon = JobBoard(spec(searches=5000, follow_up_days=0)).read()
    assert soon["hired"].sum() < 0.8 * log["hired"].sum()
    assert (soon["clicked"] == log["clicked"]).all()  # only what is known differs


def test_a_page_shows_each_job_once_at_positions_from_one(log: pd.DataFrame) -> None:
    pages = log.groupby("search_id", sort=False)
    assert (pages["job_id"].nunique() == 20).all()
    assert (pages["position"].max() == 20).all()
    assert (pages["position"].nunique() == 20).all()
    assert (pages["at_s"].nunique() == 1).all()
    assert log["at_s"].is_monotonic_increasing
    assert log["at_s"].between(START_S, START_S + 30 * DAY_S).all()


def test_clicks_fall_with_position(log: pd.DataFrame) -> None:
    rate = log.groupby("position")["clicked"].mean()
    assert rate.loc[1:3].mean() > 2 * rate.loc[15:20].mean()


def test_alike_jobs_are_clicked_less_further_down(log: pd.DataFrame) -> None:
    # Among the best matches only, so that what is left is the position's own effect.
    alike = log[(log["text_relevance"] > 0.75) & (log["job_occupation"] == log["query_occupation"])]
    top, bottom = alike[alike["position"] <= 3], alike[alike["position"] >= 12]
    assert top["clicked"].mean() > 2 * bottom["clicked"].mean()
    np.testing.assert_allclose(examination(np.array([1.0, 4.0])), [1.0, 0.5])


def test_position_is_partly_random(log: pd.DataFrame) -> None:
    correlation = log["position"].corr(log["text_relevance"], method="spearman")
    assert -0.9 < correlation < -0.1


def test_fees_run_against_hires(log: pd.DataFrame) -> None:
    applied = log[log["applied"] == 1]
    costly = applied["success_fee"] > applied["success_fee"].median()
    assert applied["hired"][costly].mean() < 0.6 * applied["hired"][~costly].mean()


def test_popularity_knows_the_past_only(log: pd.DataFrame) -> None:
    first_day = log["at_s"] < START_S + DAY_S
    counts = log[["impressions_7d", "clicks_7d", "applications_7d"]]
    assert (counts[first_day] == 0).all().all()
    assert (counts[~first_day].sum() > 0).all()
    assert 0.5 < roc_auc_score(log["applied"], log["applications_7d"]) < 0.8


def test_popularity_counts_the_whole_traffic_of_seven_days(log: pd.DataFrame) -> None:
    day = np.floor((log["at_s"] - START_S) / DAY_S)
    before = log[(day >= 8) & (day < 15)]["job_id"].value_counts()
    shown = log[day == 15].drop_duplicates("job_id").set_index("job_id")["impressions_7d"]
    sampled = before.reindex(shown.index, fill_value=0)
    assert shown.sum() == pytest.approx(20 * sampled.sum(), rel=0.02)  # one search in 20 is logged


@pytest.mark.parametrize(
    "changes",
    [
        {"searches": 1},
        {"jobs": 5},
        {"candidates": 1},
        {"days": 1},
        {"days": 400},
        {"seekers": 1},
        {"candidates": 200},
    ],
    ids=[
        "one search",
        "fewer jobs than a page holds",
        "one candidate",
        "one day",
        "more than a year, with days that nobody searches",
        "one seeker",
        "the largest page",
    ],
)
def test_odd_sizes_keep_the_contract(changes: dict[str, object]) -> None:
    frame = JobBoard(spec(**{"searches": 40, **changes})).read()
    assert len(frame) > 0
    assert validate(Training, frame).violations == ()


def test_bad_rows_are_as_many_as_asked_and_all_are_found() -> None:
    clean, dirty = JobBoard(spec()).read(), JobBoard(spec(bad_row_share=0.02)).read()
    validated = validate(Training, dirty)
    assert len(validated.bad) == round(0.02 * len(dirty))
    rules = {(v.column, v.rule.split("(")[0]) for v in validated.violations}
    assert {
        ("text_relevance", "less_than_or_equal_to"),
        ("text_relevance", "not_nullable"),
        ("job_occupation", "not_nullable"),
        ("job_area", "isin"),
        ("job_age", "finite"),
        ("success_fee", "greater_than_or_equal_to"),
    } <= rules
    broken = sorted({row for v in validated.violations for row in v.rows})
    kept = clean.drop(index=broken).reset_index(drop=True)
    pd.testing.assert_frame_equal(validated.good, kept)  # the rest is as without the switch


@pytest.mark.parametrize(
    "column",
    ["seeker_experience", "seeker_desired_salary", "job_salary", "job_age", "text_relevance"],
)
def test_numbers_drift_from_the_day_on_and_stay_allowed(column: DriftColumn) -> None:
    drift = Drift(column=column, from_day=20, distance=1)
    clean, moved = JobBoard(spec()).read(), JobBoard(spec(drift=(drift,))).read()
    late = clean["at_s"] >= START_S + 20 * DAY_S
    assert validate(Training, moved).violations == ()
    assert moved[~late].equals(clean[~late])
    gap = (moved[column] - clean[column])[late].mean() / clean[column].std(ddof=0)
    assert 0.3 < gap < 1.01
    assert moved.drop(columns=column).equals(clean.drop(columns=column))


def test_categories_drift_by_the_share_of_rows() -> None:
    drift = Drift(column="query_area", from_day=0, distance=0.5)
    clean, moved = JobBoard(spec()).read(), JobBoard(spec(drift=(drift,))).read()
    before = (clean["query_area"] == "centre").mean()
    after = (moved["query_area"] == "centre").mean()
    assert after == pytest.approx(before + 0.5 * (1 - before), abs=0.02)


def test_drift_can_reach_every_declared_column() -> None:
    names = {column.name for column in read_domain(Training).features}
    assert set(DriftColumn.__args__) <= names  # type: ignore[attr-defined] # an alias


def test_calibration_brings_the_rates_about() -> None:
    rng = np.random.default_rng(3)
    drawn = Wishes(*(rng.normal(0, 1.5, 20_000) for _ in range(3)))
    seen = rng.uniform(0.2, 1, 20_000)
    found = calibrate(drawn, seen, (0.06, 0.4, 0.1))
    clicks = seen * chance(drawn.click + found.click)
    applications = clicks * chance(drawn.application + found.application)
    hires = applications * chance(drawn.hire + found.hire)
    assert clicks.mean() == pytest.approx(0.06)
    assert applications.mean() / clicks.mean() == pytest.approx(0.4)
    assert hires.mean() / applications.mean() == pytest.approx(0.1)
