"""A market: the jobs and the seekers of the simulated job board, and how near they are.

Besides what the log records, jobs and seekers have traits that nobody logs (appeal, hardness):
they bound what any model can learn, as in a real market.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Floats
from mlops.contracts.search_ranking import AREAS, EMPLOYMENTS, MAX_FEE, OCCUPATIONS
from mlops.data.spec import JobBoardSource

Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ADVERTISED_DAYS = 60.0

# Of a year's salary the employer pays about this share for a hire.
_FEE_SHARE = 0.06
# The fee rises with how hard the post is to fill: employers pay for what does not fill by itself.
_FEE_BY_HARDNESS = 0.45


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs, one place in each array a job.

    Attributes:
        occupation: Index into `OCCUPATIONS`.
        area: Index into `AREAS`.
        employment: Index into `EMPLOYMENTS`.
        remote: Whether it can be done remotely.
        salary: Gross EUR a year; what it pays, said or not.
        salary_said: Whether the advertisement says the salary.
        posted_day: Days since the log's start; negative if it was advertised before.
        fee: EUR for a hire.
        appeal: Unlogged attractiveness, standard normal.
        hardness: Unlogged difficulty to be hired into, about standard normal.
    """

    occupation: Codes
    area: Codes
    employment: Codes
    remote: Flags
    salary: Floats
    salary_said: Flags
    posted_day: Floats
    fee: Floats
    appeal: Floats
    hardness: Floats


@dataclass(frozen=True, slots=True)
class Seekers:
    """Seekers, one place in each array a person.

    Attributes:
        occupation: Index into `OCCUPATIONS`.
        area: Index into `AREAS`.
        experience: Years.
        desired_salary: Gross EUR a year.
        signed_in: Whether the board knows the profile.
    """

    occupation: Codes
    area: Codes
    experience: Floats
    desired_salary: Floats
    signed_in: Flags


@dataclass(frozen=True, slots=True)
class Market:
    """Jobs and seekers.

    Attributes:
        jobs: Over the whole time of the log.
        seekers: Everyone who may search.
        occupation_nearness: Shape (16, 16), 0 to 1, 1 on the diagonal.
        area_nearness: Shape (12, 12), 0 to 1, 1 on the diagonal.
    """

    jobs: Jobs
    seekers: Seekers
    occupation_nearness: Floats
    area_nearness: Floats


def found(spec: JobBoardSource, rng: np.random.Generator) -> Market:
    """Return a market drawn at random.

    Args:
        spec: Its size and time.
        rng: Source of randomness.
    """
    pay = 28_000.0 * np.exp(rng.normal(0.25, 0.35, len(OCCUPATIONS)))
    scarcity = rng.normal(0, 0.7, len(OCCUPATIONS))
    return Market(
        jobs=_draw_jobs(spec, pay, scarcity, rng),
        seekers=_draw_seekers(spec.seekers, pay, rng),
        occupation_nearness=_nearness(len(OCCUPATIONS), 0.45, rng),
        area_nearness=_nearness(len(AREAS), 0.35, rng),
    )


def _nearness(size: int, reach: float, rng: np.random.Generator) -> Floats:
    places = rng.uniform(0, 1, (size, 2))
    apart = np.sqrt(((places[:, None, :] - places[None, :, :]) ** 2).sum(axis=2))
    return np.asarray(np.exp(-((apart / reach) ** 2) * 2.0))


def _popular(size: int, rows: int, rng: np.random.Generator) -> Codes:
    weights = 1.0 / (np.arange(size) + 3.0)
    return rng.choice(size, rows, p=weights / weights.sum())


def _draw_jobs(
    spec: JobBoardSource, pay: Floats, scarcity: Floats, rng: np.random.Generator
) -> Jobs:
    count = spec.jobs
    occupation = _popular(len(OCCUPATIONS), count, rng)
    employment = rng.choice(len(EMPLOYMENTS), count, p=[0.6, 0.2, 0.12, 0.08])
    level = rng.normal(0, 0.22, count)
    salary = np.clip(pay[occupation] * np.exp(level), 14_000, 250_000)
    # Well paid posts, scarce occupations and contracts are hard to get hired into; a part of the
    # hardness is nowhere in the log.
    hardness = (
        scarcity[occupation]
        + 2.2 * level
        + np.array([0.0, -0.6, 0.5, -0.9])[employment]
        + rng.normal(0, 0.5, count)
    )
    fee = _FEE_SHARE * salary * np.exp(_FEE_BY_HARDNESS * hardness + rng.normal(0, 0.25, count))
    return Jobs(
        occupation=occupation,
        area=_popular(len(AREAS), count, rng),
        employment=employment,
        remote=rng.random(count) < 0.25,
        salary=np.round(salary, -2),
        salary_said=rng.random(count) > 0.25,
        posted_day=rng.uniform(-ADVERTISED_DAYS, spec.days, count),
        fee=np.clip(np.round(fee, -1), 100, MAX_FEE),
        appeal=rng.normal(0, 1, count),
        hardness=hardness,
    )


def _draw_seekers(count: int, pay: Floats, rng: np.random.Generator) -> Seekers:
    occupation = _popular(len(OCCUPATIONS), count, rng)
    experience = np.clip(rng.gamma(1.6, 5.0, count), 0, 45)
    desired = pay[occupation] * np.exp(rng.normal(0.05, 0.2, count) + 0.008 * experience)
    return Seekers(
        occupation=occupation,
        area=_popular(len(AREAS), count, rng),
        experience=np.round(experience, 1),
        desired_salary=np.asarray(np.round(np.clip(desired, 14_000, 250_000), -3)),
        signed_in=rng.random(count) < 0.8,
    )
