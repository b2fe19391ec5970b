"""A job board: a simulated log of searches, with clicks, applications, and hires weeks later.

Its employers pay a fee for a hire, and fees run against conversion: the posts that pay most are
the hardest to get hired into. So a model that predicts applications better can still lose revenue.

The log is made day by day, since what was popular in the seven days before decides what is shown
today. The logging policy is a plausible heuristic with a random part, so that positions do not
follow from the features.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from mlops.contracts.domain import Floats
from mlops.contracts.search_ranking import AREAS, EMPLOYMENTS, MAX_COUNT, OCCUPATIONS
from mlops.data import jobboard_faults, jobboard_market
from mlops.data.jobboard_behaviour import (
    Baseline,
    Pairs,
    Wishes,
    calibrate,
    chance,
    examination,
    wishes,
)
from mlops.data.jobboard_market import ADVERTISED_DAYS, Codes, Flags, Market
from mlops.data.spec import JobBoardSource

START_S = 1_767_225_600.0  # 1 January 2026, 00:00 UTC
DAY_S = 86_400.0

_DELAY_SIGMA = 0.7
_WEEK = 7
# The log is a sample of one search in 20: the popularity counts are those of the whole traffic.
_SAMPLED = 20
# Random part of the logging policy, in the units of its score (about 0 to 3).
_EXPLORATION = 0.35
_PILOT_SEARCHES = 2_000
# Searches at a time while candidates are drawn: 256 x 4,000 jobs are 8 MB of keys.
_CHUNK = 256


class Batch(NamedTuple):
    """Some searches: `at` in days since the log's start, all of shape (searches,)."""

    at: Floats
    seeker: Codes
    occupation: Codes
    area: Codes
    remote: Flags


class Counts(NamedTuple):
    """Popularity of each job in the seven days before, shape (jobs,) each."""

    impressions: Codes
    clicks: Codes
    applications: Codes


class Day(NamedTuple):
    """One day's impressions, flat: `searches` x `candidates` rows."""

    at: Floats
    pairs: Pairs
    position: Codes
    counts: Counts
    clicked: Flags
    applied: Flags
    applied_at: Floats
    hired_at: Floats


@dataclass(frozen=True, slots=True)
class JobBoard:
    """The simulator as a source of rows.

    Attributes:
        spec: Size, rates, seed and what goes wrong on purpose.
    """

    spec: JobBoardSource

    def read(self) -> pd.DataFrame:
        """Return the log in the columns of the search_ranking training contract.

        Rows are in time order; with `bad_row_share` some break the contract.
        """
        seeds = np.random.SeedSequence(self.spec.seed).spawn(3)
        market_rng, log_rng, fault_rng = (np.random.default_rng(seed) for seed in seeds)
        market = jobboard_market.found(self.spec, market_rng)
        day = _joined(list(_days(self.spec, market, log_rng)))
        frame = _frame(self.spec, market, day)
        for drift in self.spec.drift:
            frame = jobboard_faults.drifted(frame, drift, START_S, fault_rng)
        return jobboard_faults.broken(frame, self.spec.bad_row_share, fault_rng)


def _days(spec: JobBoardSource, market: Market, rng: np.random.Generator) -> Iterator[Day]:
    baseline = _pilot(spec, market, rng)
    per_day = rng.multinomial(spec.searches, np.full(spec.days, 1 / spec.days))
    week = np.zeros((3, _WEEK, spec.jobs), dtype=np.int64)
    for number, searches in enumerate(per_day):
        counts = Counts(*np.minimum(week.sum(axis=1), MAX_COUNT))
        batch = _draw_searches(int(searches), number, market, rng)
        day = _simulate(spec, market, batch, counts=counts, baseline=baseline, rng=rng)
        yield day
        for row, happened in enumerate((None, day.clicked, day.applied)):
            jobs = day.pairs.job if happened is None else day.pairs.job[happened]
            seen = np.bincount(jobs, minlength=spec.jobs)
            week[row, number % _WEEK] = rng.poisson(_SAMPLED * seen)


def _pilot(spec: JobBoardSource, market: Market, rng: np.random.Generator) -> Baseline:
    """Return the constants that bring the rates about, from searches over the whole time."""
    batches = [
        _draw_searches(max(1, _PILOT_SEARCHES // 20), int(number), market, rng)
        for number in np.linspace(0, spec.days - 1, 20)
    ]
    batch = Batch(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))
    none = np.zeros(spec.jobs, dtype=np.int64)
    pairs = _retrieve(spec, market, batch, rng)
    position = _rank(market, pairs, Counts(none, none, none), spec.candidates, rng)
    rates = (spec.click_rate, spec.apply_rate, spec.hire_rate)
    return calibrate(wishes(market, pairs), examination(position.astype(np.float64)), rates)


def _draw_searches(count: int, day: int, market: Market, rng: np.random.Generator) -> Batch:
    seekers = market.seekers
    hour = np.sort(np.clip(rng.normal(0.6, 0.2, count), 0, 0.99999))
    seeker = rng.integers(0, len(seekers.occupation), count)
    elsewhere = rng.random(count) < 0.25
    occupation = np.where(
        elsewhere,
        _neighbours(seekers.occupation[seeker], market.occupation_nearness, rng),
        seekers.occupation[seeker],
    )
    away = rng.random(count) < 0.2
    area = np.where(
        away, _neighbours(seekers.area[seeker], market.area_nearness, rng), seekers.area[seeker]
    )
    return Batch(day + hour, seeker, occupation, area, rng.random(count) < 0.2)


def _neighbours(codes: Codes, nearness: Floats, rng: np.random.Generator) -> Codes:
    """Return another code for each, near ones more often."""
    cumulated = np.cumsum(nearness / nearness.sum(axis=1, keepdims=True), axis=1)
    drawn = rng.random(len(codes))[:, None] > cumulated[codes]
    return np.asarray(np.minimum(drawn.sum(axis=1), len(nearness) - 1))


def _retrieve(
    spec: JobBoardSource, market: Market, batch: Batch, rng: np.random.Generator
) -> Pairs:
    """Return each search's candidates: jobs near in occupation and area, without repetition."""
    picked = [
        _pick(spec, market, batch, slice(start, start + _CHUNK), rng)
        for start in range(0, len(batch.at), _CHUNK)
    ]
    job = np.concatenate(picked) if picked else np.zeros(0, dtype=np.int64)
    search = np.repeat(np.arange(len(batch.at)), len(job) // max(len(batch.at), 1))
    suits = market.occupation_nearness[batch.occupation[search], market.jobs.occupation[job]]
    noise = rng.normal(0, 0.12, len(job))
    return Pairs(
        seeker=batch.seeker[search],
        query_occupation=batch.occupation[search],
        query_area=batch.area[search],
        query_remote=batch.remote[search],
        job=job,
        age=np.maximum(batch.at[search] - market.jobs.posted_day[job], 0.0),
        relevance=np.clip(0.15 + 0.65 * suits + noise, 0.0, 1.0),
    )


def _pick(
    spec: JobBoardSource, market: Market, batch: Batch, part: slice, rng: np.random.Generator
) -> Codes:
    """Return the picked jobs of some searches, flat, by exponential races.

    Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir", Information
    Processing Letters 97 (2006): the k least of E_i / w_i are a weighted sample of k.
    """
    jobs = market.jobs
    at = batch.at[part, None]
    table = (market.occupation_nearness**2)[:, jobs.occupation].astype(np.float32)
    areas = (0.15 + market.area_nearness)[:, jobs.area].astype(np.float32)
    weight = table[batch.occupation[part]] * areas[batch.area[part]]
    age = at - jobs.posted_day
    weight[(age < 0) | (age > ADVERTISED_DAYS)] = 1e-9  # taken only if too few are advertised
    keys = rng.standard_exponential(weight.shape, dtype=np.float32) / np.maximum(weight, 1e-9)
    wanted = min(spec.candidates, keys.shape[1])
    if wanted == keys.shape[1]:
        return np.tile(np.arange(wanted), len(keys))
    chosen = np.argpartition(keys, wanted - 1, axis=1)[:, :wanted]
    return chosen.astype(np.int64).ravel()


def _rank(
    market: Market, pairs: Pairs, counts: Counts, candidates: int, rng: np.random.Generator
) -> Codes:
    """Return the positions, from 1, that the logging policy gives to each page's candidates."""
    score = (
        1.5 * pairs.relevance
        + 0.25 * np.log1p(counts.applications[pairs.job])
        + 0.06 * market.jobs.fee[pairs.job] / 1_000.0
        - 0.3 * np.log1p(pairs.age / 7.0)
        + _EXPLORATION * rng.gumbel(0, 1, len(pairs.job))
    )
    width = min(candidates, len(market.jobs.fee))
    order = np.argsort(-score.reshape(-1, width), axis=1, kind="stable")
    position = np.empty_like(order)
    np.put_along_axis(position, order, np.arange(1, width + 1)[None, :], axis=1)
    return position.ravel()


def _simulate(
    spec: JobBoardSource,
    market: Market,
    batch: Batch,
    *,
    counts: Counts,
    baseline: Baseline,
    rng: np.random.Generator,
) -> Day:
    pairs = _retrieve(spec, market, batch, rng)
    position = _rank(market, pairs, counts, spec.candidates, rng)
    drawn: Wishes = wishes(market, pairs)
    rows = len(pairs.job)
    at = np.repeat(batch.at, rows // max(len(batch.at), 1))
    seen = examination(position.astype(np.float64))
    clicked = rng.random(rows) < seen * chance(drawn.click + baseline.click)
    applied = clicked & (rng.random(rows) < chance(drawn.application + baseline.application))
    hired = applied & (rng.random(rows) < chance(drawn.hire + baseline.hire))
    applied_at = at + rng.exponential(0.01, rows)  # a quarter of an hour
    delay = spec.hire_delay_days * np.exp(_DELAY_SIGMA * rng.normal(0, 1, rows))
    return Day(
        at=at,
        pairs=pairs,
        position=position,
        counts=Counts(*(count[pairs.job] for count in counts)),
        clicked=clicked,
        applied=applied,
        applied_at=np.where(applied, applied_at, np.nan),
        hired_at=np.where(hired, applied_at + delay, np.nan),
    )


def _joined(days: list[Day]) -> Day:
    return Day(
        at=np.concatenate([day.at for day in days]),
        pairs=Pairs(*map(np.concatenate, zip(*(day.pairs for day in days), strict=True))),
        position=np.concatenate([day.position for day in days]),
        counts=Counts(*map(np.concatenate, zip(*(day.counts for day in days), strict=True))),
        clicked=np.concatenate([day.clicked for day in days]),
        applied=np.concatenate([day.applied for day in days]),
        applied_at=np.concatenate([day.applied_at for day in days]),
        hired_at=np.concatenate([day.hired_at for day in days]),
    )


def _frame(spec: JobBoardSource, market: Market, day: Day) -> pd.DataFrame:
    """Return what the board's log records of the impressions, in the contract's order."""
    jobs, seekers, pairs = market.jobs, market.seekers, day.pairs
    job, seeker = pairs.job, pairs.seeker
    known = seekers.signed_in[seeker]
    until = spec.days + spec.follow_up_days
    applied = day.applied_at <= until  # NaN, no application, is False
    hired = day.hired_at <= until
    width = min(spec.candidates, spec.jobs)
    return pd.DataFrame(
        {
            "seeker_occupation": _named(seekers.occupation[seeker], OCCUPATIONS, known),
            "seeker_area": _named(seekers.area[seeker], AREAS, known),
            "seeker_experience": np.where(known, seekers.experience[seeker], np.nan),
            "seeker_desired_salary": np.where(known, seekers.desired_salary[seeker], np.nan),
            "query_occupation": _named(pairs.query_occupation, OCCUPATIONS),
            "query_area": _named(pairs.query_area, AREAS),
            "query_remote": pairs.query_remote,
            "job_id": _numbered("j", job),
            "job_occupation": _named(jobs.occupation[job], OCCUPATIONS),
            "job_area": _named(jobs.area[job], AREAS),
            "job_employment": _named(jobs.employment[job], EMPLOYMENTS),
            "job_remote": jobs.remote[job],
            "job_salary": np.where(jobs.salary_said[job], jobs.salary[job], np.nan),
            "job_age": np.minimum(pairs.age, 365.0),
            "text_relevance": pairs.relevance,
            "impressions_7d": day.counts.impressions,
            "clicks_7d": day.counts.clicks,
            "applications_7d": day.counts.applications,
            "success_fee": jobs.fee[job],
            "search_id": _numbered("s", np.arange(len(job)) // width),
            "position": day.position,
            "at_s": START_S + DAY_S * day.at,
            "observed_until_s": np.full(len(job), START_S + DAY_S * until),
            "clicked": day.clicked.astype(np.int64),
            "applied": applied.astype(np.int64),
            "applied_at_s": START_S + DAY_S * np.where(applied, day.applied_at, np.nan),
            "hired": hired.astype(np.int64),
            "hired_at_s": START_S + DAY_S * np.where(hired, day.hired_at, np.nan),
        }
    )


def _named(codes: Codes, names: tuple[str, ...], known: Flags | None = None) -> "pd.Series[str]":
    # The last place holds "missing", so that -1 finds it.
    texts = pd.Series([*names, None], dtype="str")
    places = codes if known is None else np.where(known, codes, -1)
    return texts.take(places).reset_index(drop=True)


def _numbered(letter: str, codes: Codes) -> "pd.Series[str]":
    # Texts are made once for each number, not once for each row: there are a million rows.
    numbers, places = np.unique(codes, return_inverse=True)
    texts = pd.Series([f"{letter}{number}" for number in numbers], dtype="str")
    return texts.take(places).reset_index(drop=True)
