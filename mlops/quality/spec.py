"""The quality section: what is measured on the evaluation rows, and what a model must reach."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from mlops.base.section import Section, contradiction

Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
ColumnName: TypeAlias = Annotated[str, Field(min_length=1)]
Where: TypeAlias = dict[str, str | int | float | bool]
Estimator: TypeAlias = Literal["ips", "snips", "dr"]


class BinaryEvaluation(Section):
    """Accuracy of one head that predicts whether something happens.

    Metrics: `auc` (model and heuristics, these by their score), `log_loss`, `log_loss_skill`,
    `calibration_error`, `calibration_ratio` (the model).
    """

    kind: Literal["binary"]
    """Selects this evaluation."""
    head: Name
    """The model's head, as training declares it."""
    outcome: ColumnName
    """Column with what happened, 0 or 1."""
    where: Where = Field(default_factory=dict)
    """Only rows in which each of these columns has this value (the random policy's log)."""
    given: str = ""
    """Only rows in which this outcome happened: `applied` for a head that predicts hires of
    applicants. Empty for all rows."""
    cluster: str = ""
    """Column whose equal values mark rows that depend on each other (a query): intervals are then
    wider and right. Empty if rows are independent."""
    bins: int = Field(default=10, ge=2, le=100)
    """Bins of equal mass of the calibration error; 10 is what papers compare with."""
    min_events: int = Field(default=10, ge=1)
    """Below so many events, or as many rows without one, every metric abstains: the intervals are
    approximations and are badly off below about ten."""

    def metrics(self) -> tuple[tuple[str, str], ...]:
        """Return each metric that this evaluation yields, with its head."""
        names = ("auc", "log_loss", "log_loss_skill", "calibration_error", "calibration_ratio")
        return tuple((name, self.head) for name in names)


class PolicyValueEvaluation(Section):
    """Mean reward that each subject's ranking would have earned, from a log with propensities.

    Metrics: `NAME_ips`, `NAME_snips`, `NAME_dr` for the estimators that are listed; for a logged
    policy all three are its own mean reward.
    """

    kind: Literal["policy_value"]
    """Selects this evaluation."""
    name: Name = "policy_value"
    """First part of the metrics' names."""
    item: ColumnName
    """Column that names the item that was shown."""
    position: ColumnName
    """Column with the slot that it was shown at."""
    first_position: int = 1
    """Number of the first slot, at which the ranking's first item stands."""
    propensity: ColumnName
    """Column with the logging policy's probability of this item at this slot."""
    reward: ColumnName
    """Column with what was earned: a click as 0 or 1."""
    where: Where = Field(default_factory=dict)
    """Only rows in which each of these columns has this value: the log to replay."""
    logged_policies: str = ""
    """Column that names the logging policy; each is valued by its own rows. Empty for none."""
    estimators: tuple[Estimator, ...] = ("ips", "snips", "dr")
    """Which estimates to make."""
    reward_head: str = ""
    """The model's head that predicts the reward, for `dr`."""
    min_effective_sample: float = Field(default=100.0, gt=0)
    """Abstain below so many effective rows; at 100 the error is a tenth of the rewards' spread."""
    max_weight_share: float = Field(default=0.1, gt=0, le=1)
    """Abstain if one row carries more than this share of the weight: the estimate is then the
    luck of that row."""
    min_events: int = Field(default=10, ge=1)
    """Abstain if the ranking agrees with fewer rewarded rows; at 10 the estimate is good to a
    third of itself."""
    unit: str = ""
    """Unit of the reward for each impression."""

    @model_validator(mode="after")
    def _reward_model_for_dr(self) -> "PolicyValueEvaluation":
        if "dr" in self.estimators and not self.reward_head:
            message = "`dr` among the estimators needs `reward_head`, the head that predicts it"
            raise ValueError(message)
        return self

    def metrics(self) -> tuple[tuple[str, str], ...]:
        """Return each metric that this evaluation yields, with an empty head."""
        return tuple((f"{self.name}_{estimator}", "") for estimator in self.estimators)


class RankingValueEvaluation(Section):
    """Gain that each subject's order of a query's logged impressions puts into the first places.

    Metrics: `NAME_ndcg_at_K`, `NAME_dcg_at_K`, and `NAME_per_1000_at_K`, the gain of the first K
    places for every 1,000 queries.
    """

    kind: Literal["ranking_value"]
    """Selects this evaluation."""
    name: Name
    """What the gain is (`revenue`, `applications`): first part of the metrics' names."""
    query: ColumnName
    """Column that names the query; its rows are ordered against each other."""
    gain: tuple[ColumnName, ...] = Field(min_length=1)
    """Columns whose product is the realised gain of a row: `[hired, success_fee]`."""
    k: int = Field(default=10, ge=1, le=1000)
    """Places that count: what a user sees without scrolling on."""
    where: Where = Field(default_factory=dict)
    """Only rows in which each of these columns has this value."""
    head: str = ""
    """If not empty, only rows whose outcome for this head can have arrived by now."""
    min_events: int = Field(default=10, ge=1)
    """Abstain below so many rows with a gain: a bootstrap of fewer queries is too sure."""
    unit: str = ""
    """Unit of the gain (`EUR`)."""

    def metrics(self) -> tuple[tuple[str, str], ...]:
        """Return each metric that this evaluation yields, with an empty head."""
        parts = ("ndcg_at", "dcg_at", "per_1000_at")
        return tuple((f"{self.name}_{part}_{self.k}", "") for part in parts)


Evaluation: TypeAlias = Annotated[
    BinaryEvaluation | PolicyValueEvaluation | RankingValueEvaluation,
    Field(discriminator="kind"),
]


class Floor(Section):
    """A figure that a metric must reach, or stay below."""

    metric: Name
    """Name of the metric (see the evaluations)."""
    subject: str = "model"
    """`model`, or the name of a heuristic or a logged policy."""
    head: str = ""
    """Head of the metric; empty for metrics of the ranking."""
    minimum: float | None = None
    """Least accepted value, in the metric's unit."""
    maximum: float | None = None
    """Largest accepted value; exactly one of the two is given."""
    min_events: int = Field(default=100, ge=1)
    """Below so many events the answer is unknown; 100 tell a rate to a fifth of itself."""

    @model_validator(mode="after")
    def _one_limit(self) -> "Floor":
        if (self.minimum is None) == (self.maximum is None):
            message = "a floor has either `minimum` or `maximum`"
            raise ValueError(message)
        return self


class Versus(Section):
    """A heuristic that the model must not be worse than."""

    metric: Name
    """Name of the metric; one for which higher or lower is better."""
    heuristic: str = Field(min_length=1)
    """Name of the heuristic, or of a logged policy."""
    head: str = ""
    """Head of the metric; empty for metrics of the ranking."""
    max_loss: float | None = Field(default=None, ge=0)
    """How much worse is tolerated, in the metric's unit."""
    max_loss_ratio: float | None = Field(default=None, ge=0, le=1)
    """How much worse is tolerated, as a share of the heuristic's value; exactly one of the two."""
    min_events: int = Field(default=100, ge=1)
    """Below so many events the answer is unknown."""

    @model_validator(mode="after")
    def _one_limit(self) -> "Versus":
        if (self.max_loss is None) == (self.max_loss_ratio is None):
            message = "a comparison has either `max_loss` or `max_loss_ratio`"
            raise ValueError(message)
        return self


class QualitySpec(Section):
    """What is measured, and what must be reached."""

    evaluations: tuple[Evaluation, ...] = Field(min_length=1)
    """The measurements, each for the model and for every heuristic that it can be made for."""
    floors: tuple[Floor, ...] = ()
    """Figures that must be reached. None by default: a floor is a decision about a product."""
    versus: tuple[Versus, ...] = ()
    """Heuristics that must not be better. Name at least one: it is what answers without a model."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of all intervals; 0.95 by convention."""
    bootstrap_replicates: int = Field(default=200, ge=50, le=10_000)
    """Resamples behind an interval of a ranking measure: 200 place its ends to about a tenth of
    its width, in a fifth of a second for 6,000 queries."""
    time: str = ""
    """Column with the time of a row, from which the rate of events is told when more are needed.
    Empty if there is none."""

    @model_validator(mode="after")
    def _metrics_exist(self) -> "QualitySpec":
        known = [metric for evaluation in self.evaluations for metric in evaluation.metrics()]
        twice = sorted({f"{m} of {h!r}" for m, h in known if known.count((m, h)) > 1})
        if twice:
            message = f"two evaluations yield {', '.join(twice)}; give one another name or head"
            raise contradiction(message, "evaluations")
        rules: dict[str, Floor | Versus] = {
            **{f"floors.{at}": floor for at, floor in enumerate(self.floors)},
            **{f"versus.{at}": versus for at, versus in enumerate(self.versus)},
        }
        for key, rule in rules.items():
            if (rule.metric, rule.head) not in known:
                shown = ", ".join(f"{m} of {h}" if h else m for m, h in known)
                asked = f"{rule.metric} of {rule.head}" if rule.head else rule.metric
                message = f"no evaluation yields {asked}; they yield: {shown}"
                raise contradiction(message, f"{key}.metric", "evaluations")
        return self
