"""A data section: where a service's training rows come from and how they are split by time."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlops.base.section import Section

DriftColumn = Literal[
    "seeker_experience", "seeker_desired_salary", "job_salary", "job_age", "text_relevance",
    "query_occupation", "query_area", "job_employment",
]  # fmt: skip
Campaign = Literal["all", "men", "women"]
Policy = Literal["random", "bts"]


class OpenBanditSource(Section):
    """The public log of a fashion shop's recommendation slots, 10,000 impressions a file."""

    kind: Literal["open_bandit"]

    campaign: Campaign = "all"
    """Whose items: `all` has 80, `men` 34, `women` 46."""

    policies: tuple[Policy, ...] = Field(default=("random", "bts"), min_length=1)
    """Which logging policies' rows to read, each with its propensities."""

    folder: str | None = None
    """Folder that holds `open_bandit/`; null means MLOPS_DATA_DIR, or the store's own `data/`."""


class Drift(Section):
    """A change that is put into the simulated log on purpose, to see whether it is noticed."""

    column: DriftColumn
    """Which column changes. What the seekers do stays as it was: only the record drifts."""

    from_day: float = Field(ge=0)
    """When it starts, in days since the log's first."""

    distance: float = Field(ge=-100, le=100)
    """How far: numbers move by so many standard deviations (and stay inside the contract), of a
    category this share of rows (0 to 1) turns into its first value."""


class JobBoardSource(Section):
    """A simulated job board: searches, clicks, applications, and hires that arrive weeks later."""

    kind: Literal["jobboard"]

    seed: int = Field(default=7, ge=0)
    """The same seed gives the same log, to the last bit on one machine."""

    searches: int = Field(default=10_000, ge=1, le=10_000_000)
    """How many searches are logged. With the defaults they bring some 900 hires in 6 seconds."""

    candidates: int = Field(default=40, ge=1, le=200)
    """Jobs on each search's page."""

    jobs: int = Field(default=4_000, ge=1, le=1_000_000)
    """Jobs over the whole time; each is advertised for up to 60 days."""

    seekers: int = Field(default=20_000, ge=1, le=10_000_000)
    """People who search."""

    days: int = Field(default=90, ge=1, le=3650)
    """Length of the log."""

    follow_up_days: float = Field(default=45, ge=0, le=3650)
    """Days from the log's end until its outcomes are read; later hires are not in it. 45 sees
    19 of 20 hires of the last day."""

    hire_delay_days: float = Field(default=14, gt=0, le=3650)
    """Median time from an application to the hire (lognormal, sigma 0.7)."""

    click_rate: float = Field(default=0.06, gt=0, lt=0.3)
    """Clicks an impression that the log is set to have, about, over all positions."""

    apply_rate: float = Field(default=0.4, gt=0, lt=1)
    """Applications a click, about."""

    hire_rate: float = Field(default=0.1, gt=0, lt=1)
    """Hires an application, in the end, about."""

    drift: tuple[Drift, ...] = ()
    """Changes put in on purpose; none by default."""

    bad_row_share: float = Field(default=0.0, ge=0, le=1)
    """Share of rows that are broken on purpose: out of range, missing, unknown, infinite."""


class CsvSource(Section):
    """A file of one's own, with a header row and at least the training contract's columns."""

    kind: Literal["csv"]

    path: str
    """The file: `.csv`, `.csv.gz` or `.parquet`; relative paths start where the command runs."""


SourceSpec = Annotated[OpenBanditSource | JobBoardSource | CsvSource, Field(discriminator="kind")]


class SplitSpec(Section):
    """How rows are divided: the past trains, the future tests."""

    column: str = "at_s"
    """The time column, in seconds since 1970."""

    test_share: float = Field(default=0.25, gt=0, lt=1)
    """Share of rows, the latest, that test; rows of one instant stay together."""

    observed_until: str | None = None
    """Column that says until when outcomes are known (its largest value counts); null means that
    they are known at once, so the time of the last row. Late labels are judged by it."""


class DataSpec(Section):
    """One service's data."""

    source: SourceSpec
    """Where the rows come from."""

    split: SplitSpec = SplitSpec()
    """How they are divided by time."""

    expected_rows: int | None = Field(default=None, ge=1)
    """Rows that a run will read, from which its cost is predicted before anything is read. None:
    what the source knows, a former run's record, or the file's size; declare it where those tell
    nothing, or where the data will grow."""

    @model_validator(mode="after")
    def _drift_inside_the_log(self) -> "DataSpec":
        if isinstance(self.source, JobBoardSource):
            for drift in self.source.drift:
                if drift.from_day >= self.source.days:
                    message = (
                        f"drift of {drift.column} starts on day {drift.from_day:g}, "
                        f"the log ends on day {self.source.days}"
                    )
                    raise ValueError(message)
        return self
