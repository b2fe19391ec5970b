"""A behaviour: how seekers of the simulated job board click, apply and are hired.

A click needs that the job was looked at, which falls with its position, and that it appeals;
an application needs that it suits the seeker; a hire needs that the seeker suits the post.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlops.contracts.domain import Floats
from mlops.data.jobboard_market import Codes, Flags, Market

# Positions are looked at with probability position ** -0.5, a mild bias that a page of 40 with
# long scrolling shows.
_POSITION_POWER = 0.5
_BISECTIONS = 40


class Pairs(NamedTuple):
    """A batch of impressions: which seeker searched what, and which job was shown.

    All arrays have shape (n,).
    """

    seeker: Codes
    query_occupation: Codes
    query_area: Codes
    query_remote: Flags
    job: Codes
    age: Floats
    relevance: Floats


class Wishes(NamedTuple):
    """Log-odds, up to a constant, of each step; arrays of shape (n,)."""

    click: Floats
    application: Floats
    hire: Floats


@dataclass(frozen=True, slots=True)
class Baseline:
    """The constants that bring the log to its configured rates.

    Attributes:
        click: Added to a click's log-odds.
        application: Added to an application's.
        hire: Added to a hire's.
    """

    click: float
    application: float
    hire: float


def wishes(market: Market, pairs: Pairs) -> Wishes:
    """Return how much each pair of seeker and job draws towards each step."""
    jobs, seekers = market.jobs, market.seekers
    job, seeker = pairs.job, pairs.seeker
    suits = market.occupation_nearness[pairs.query_occupation, jobs.occupation[job]]
    near = market.area_nearness[pairs.query_area, jobs.area[job]]
    near = np.where(jobs.remote[job] & pairs.query_remote, 1.0, near)
    pay = np.log(jobs.salary[job] / seekers.desired_salary[seeker])
    shown_pay = np.where(jobs.salary_said[job], pay, -0.15)
    own_trade = market.occupation_nearness[seekers.occupation[seeker], jobs.occupation[job]]
    experience = np.minimum(seekers.experience[seeker], 20.0) / 10.0
    appeal, hardness = jobs.appeal[job], jobs.hardness[job]
    return Wishes(
        click=2.4 * suits
        + 1.8 * near
        + 1.5 * pairs.relevance
        + 1.6 * np.clip(shown_pay, -0.8, 0.5)
        - 0.7 * np.log1p(pairs.age / 7.0)
        + 0.5 * appeal,
        application=1.4 * near
        + 1.2 * own_trade
        + 1.8 * np.clip(pay, -0.8, 0.5)
        + 0.5 * np.where(jobs.employment[job] == 0, 1.0, 0.0)
        + 0.4 * appeal,
        hire=1.5 * own_trade + 0.7 * experience - 1.1 * hardness - 0.3 * experience * hardness,
    )


def examination(position: Floats) -> Floats:
    """Return the probability that a position, from 1, is looked at."""
    return position**-_POSITION_POWER


def chance(log_odds: Floats) -> Floats:
    """Return the probability of some log-odds."""
    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -30, 30)))


def calibrate(drawn: Wishes, looked_at: Floats, rates: tuple[float, float, float]) -> Baseline:
    """Return the constants with which a pilot's expected rates are the given ones.

    Args:
        drawn: The pilot's wishes, shape (n,).
        looked_at: Probability that each was looked at, shape (n,).
        rates: Clicks an impression, applications a click, hires an application.
    """
    click = _solve(drawn.click, looked_at, rates[0])
    clicks = looked_at * chance(drawn.click + click)
    application = _solve(drawn.application, clicks, rates[1] * float(clicks.mean()))
    applications = clicks * chance(drawn.application + application)
    hire = _solve(drawn.hire, applications, rates[2] * float(applications.mean()))
    return Baseline(click, application, hire)


def _solve(wish: Floats, weights: Floats, rate: float) -> float:
    """Return the constant that makes the weighted mean chance the rate, by bisection."""
    low, high = -30.0, 30.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if float((weights * chance(wish + middle)).mean()) < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2
