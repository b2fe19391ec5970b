"""The search_ranking contract: a job board's search page, whose employers pay for a hire.

Times are seconds since 1970 in columns that end in `_s`: a plain number means the same to pandas,
to Parquet and to the arrays that a model reads. Salaries are gross, a year.
"""

from mlops.contracts.roles import candidate, context, logged, outcome
from mlops.contracts.schema import DataFrameModel, Field

OCCUPATIONS = (
    "accounting", "care", "cleaning", "construction", "customer_service", "design", "driving",
    "education", "engineering", "hospitality", "logistics", "management", "manufacturing",
    "nursing", "sales", "software",
)  # fmt: skip
AREAS = (
    "centre", "coast", "east", "harbour", "hills", "islands", "lakes", "north", "plains", "south",
    "valley", "west",
)  # fmt: skip
EMPLOYMENTS = ("full_time", "part_time", "contract", "temporary")

MAX_SALARY = 500_000.0
MAX_FEE = 20_000.0
MAX_COUNT = 1_000_000

_JOB_ID = r"^[A-Za-z0-9_-]{1,64}$"


class Request(DataFrameModel):
    """One search by one seeker, and the jobs that were retrieved for it."""

    # A seeker who is not signed in has no profile.
    seeker_occupation: str = Field(
        isin=list(OCCUPATIONS),
        nullable=True,
        description="What the seeker works as.",
        metadata=context(),
    )
    seeker_area: str = Field(
        isin=list(AREAS), nullable=True, description="Where they live.", metadata=context()
    )
    seeker_experience: float = Field(
        ge=0,
        le=60,
        nullable=True,
        description="Years of work in that occupation.",
        metadata=context(unit="years"),
    )
    seeker_desired_salary: float = Field(
        ge=0,
        le=MAX_SALARY,
        nullable=True,
        description="What they want to earn.",
        metadata=context(unit="EUR/year"),
    )
    query_occupation: str = Field(
        isin=list(OCCUPATIONS), description="What is searched for.", metadata=context()
    )
    query_area: str = Field(
        isin=list(AREAS), description="Where it is searched.", metadata=context()
    )
    query_remote: bool = Field(description="Whether remote work was asked for.", metadata=context())
    job_id: str = Field(
        str_matches=_JOB_ID,
        description="Names the job in the answer. No feature: jobs live for weeks.",
        metadata=candidate(identifier=True, feature=False),
    )
    job_occupation: str = Field(
        isin=list(OCCUPATIONS), description="What the job is.", metadata=candidate()
    )
    job_area: str = Field(isin=list(AREAS), description="Where it is.", metadata=candidate())
    job_employment: str = Field(
        isin=list(EMPLOYMENTS), description="How one is employed.", metadata=candidate()
    )
    job_remote: bool = Field(description="Whether it can be done remotely.", metadata=candidate())
    job_salary: float = Field(
        ge=0,
        le=MAX_SALARY,
        nullable=True,
        description="What it pays; many advertisements do not say.",
        metadata=candidate(unit="EUR/year"),
    )
    job_age: float = Field(
        ge=0,
        le=365,
        description="Time since it was advertised.",
        metadata=candidate(unit="days"),
    )
    text_relevance: float = Field(
        ge=0,
        le=1,
        description="How well the retrieval matched the query's text.",
        metadata=candidate(unit="ratio"),
    )
    impressions_7d: int = Field(
        ge=0,
        le=MAX_COUNT,
        description="How often the job was shown in the seven days before.",
        metadata=candidate(unit="impressions"),
    )
    clicks_7d: int = Field(
        ge=0,
        le=MAX_COUNT,
        description="How often it was clicked in the seven days before.",
        metadata=candidate(unit="clicks"),
    )
    applications_7d: int = Field(
        ge=0,
        le=MAX_COUNT,
        description="How many applied in the seven days before.",
        metadata=candidate(unit="applications"),
    )
    success_fee: float = Field(
        ge=0,
        le=MAX_FEE,
        description="What the employer pays for a hire. It weighs the score and is no feature.",
        metadata=candidate(feature=False, unit="EUR"),
    )


class Training(Request):
    """One logged impression of one job on one search page."""

    search_id: str = Field(
        str_matches=r"^[A-Za-z0-9_-]{1,64}$",
        description="Which search: the rows of one page share it.",
        metadata=logged(),
    )
    position: int = Field(
        ge=1,
        le=200,
        description="Place on the page, from 1. Clicks depend on it; it is no feature.",
        metadata=logged(),
    )
    at_s: float = Field(ge=0, description="When it was shown.", metadata=logged(unit="s"))
    observed_until_s: float = Field(
        ge=0,
        description="Until when outcomes are known: a hire after this time is not in the log.",
        metadata=logged(unit="s"),
    )
    clicked: int = Field(isin=[0, 1], description="Clicked.", metadata=outcome())
    applied: int = Field(isin=[0, 1], description="Applied for.", metadata=outcome())
    applied_at_s: float = Field(
        ge=0, nullable=True, description="When the seeker applied.", metadata=outcome(unit="s")
    )
    hired: int = Field(
        isin=[0, 1], description="Hired, as far as known by then.", metadata=outcome()
    )
    hired_at_s: float = Field(
        ge=0, nullable=True, description="When they were hired.", metadata=outcome(unit="s")
    )


class Output(DataFrameModel):
    """One candidate's answer."""

    job_id: str = Field(str_matches=_JOB_ID, metadata=candidate(identifier=True, feature=False))
    score: float = Field(
        ge=0,
        le=MAX_FEE,
        description="Expected fee: P(application) x P(hire | application) x success fee.",
        metadata=logged(unit="EUR"),
    )
