"""A model's spec: which estimator on which columns, how heads become a score, which heuristic."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlops.base.section import Section, Target, contradiction


class ColumnStep(Section):
    """Transformers that some columns pass before the estimator sees them."""

    name: str = Field(min_length=1)
    """Name of the step, unique within the model."""
    select: Literal["categorical", "numeric"] | Annotated[tuple[str, ...], Field(min_length=1)]
    """Which of the contract's features: those of a kind, or the ones named."""
    steps: tuple[Target, ...] = ()
    """scikit-learn transformers, first to last. None: the columns pass as they are."""


class ModelSpec(Section):
    """A scikit-learn pipeline. The same one is fitted for each head of a service."""

    name: str = Field(min_length=1)
    """What the model is called in records, tables and metrics."""
    columns: tuple[ColumnStep, ...] = ()
    """Column steps; features that none selects are dropped. Empty: the estimator gets the frame
    of all features as it is, categories as pandas `category` columns."""
    estimator: Target
    """The scikit-learn estimator; a nested one stands in its arguments, as a `_target_` too."""


class Clip(Section):
    """Ends that a score is held to: what lies beyond becomes the end, and ties with it.

    It makes the declared range a certainty where the model alone keeps none. What is no number
    (NaN) stays none, so that the guard sees it.
    """

    low: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Least score, in the score's unit. None: no lower end."""
    high: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Largest score, in the score's unit. None: no upper end."""

    @model_validator(mode="after")
    def _some_range(self) -> Self:
        if self.low is None and self.high is None:
            raise contradiction("a clip needs a low or a high end", "low", "high")
        if self.low is not None and self.high is not None and self.low >= self.high:
            message = f"no score lies between {self.low:g} and {self.high:g}"
            raise contradiction(message, "low", "high")
        return self


class HeadScore(Section):
    """The score is one head's output."""

    kind: Literal["head"] = "head"
    head: str
    """Name of the head."""
    clip: Clip | None = None
    """Ends that the score is held to. None: it is what the head gives."""


class ExpectedValueScore(Section):
    """The score is the product of some heads and what the request says the outcome is worth."""

    kind: Literal["expected_value"] = "expected_value"
    heads: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of the heads, multiplied in this order."""
    value: str
    """Number column of the request that they are multiplied with, such as a fee."""
    clip: Clip | None = None
    """Ends that the product is held to. None: it is what the product gives."""


ScoreSpec = Annotated[HeadScore | ExpectedValueScore, Field(discriminator="kind")]


class PopularitySpec(Section):
    """Rank by how often the outcome followed for this key, recent events counting more."""

    kind: Literal["popularity"] = "popularity"
    key: str
    """Request column whose values are counted, such as the item's id."""
    outcome: str
    """Training column with the outcome, 0 or 1."""
    half_life_days: Annotated[float, Field(gt=0)] = 14.0
    """Age at which an event counts half. Two weeks: a shop's season moves within a month."""
    prior_strength: Annotated[float, Field(gt=0)] = 100.0
    """Events at the overall rate that every key is given beforehand, so that one lucky click does
    not lead the list. 100: about what a rate of one in a hundred needs to show at all."""


class FeeWeightedPopularitySpec(Section):
    """Popularity times what the request says the outcome is worth."""

    kind: Literal["fee_weighted_popularity"] = "fee_weighted_popularity"
    key: str
    """Request column whose values are counted."""
    outcome: str
    """Training column with the outcome, 0 or 1."""
    value: str
    """Number column of the request that the rate is multiplied with."""
    half_life_days: Annotated[float, Field(gt=0)] = 14.0
    """Age at which an event counts half."""
    prior_strength: Annotated[float, Field(gt=0)] = 100.0
    """Events at the overall rate that every key is given beforehand."""


class StaticSpec(Section):
    """Keep the candidates in the order in which the caller gave them."""

    kind: Literal["static"] = "static"


class CustomSpec(Section):
    """A heuristic that the user brings."""

    kind: Literal["custom"] = "custom"
    heuristic: Target
    """A subclass of `mlops.models.heuristics.Heuristic`; the arguments go to its `fit`."""


HeuristicSpec = Annotated[
    PopularitySpec | FeeWeightedPopularitySpec | StaticSpec | CustomSpec,
    Field(discriminator="kind"),
]
