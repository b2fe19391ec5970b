"""A contracts section: which three classes say what a service is fed and what it answers."""

from pydantic import Field

from mlops.base.section import Section, Target


class ContractsSpec(Section):
    """The pandera models of one service, and how much broken training data a run forgives."""

    request: Target
    """Class of the request's columns: the context once, the candidates each. No arguments."""

    training: Target
    """Class of the training frame: the request's columns, what was logged, and the outcomes."""

    output: Target
    """Class of one answered candidate; its `score` column bounds what a model may say."""

    max_candidates: int = Field(default=200, ge=1, le=200)
    """Most candidates of one request. 200 is what the served model's cost is measured with."""

    max_bad_share: float = Field(default=0.01, ge=0, le=1)
    """Share of training rows that may break the contract, 0 to 1. Such rows are quarantined; with
    a larger share the run fails, since the rest is then hardly a fair sample of the traffic."""
