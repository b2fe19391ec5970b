"""A verify section: what is checked before anything runs, and what is proved about a model."""

from mlops.base.section import Section


class VerifySpec(Section):
    """What is checked and proved, and for how long one may look for a proof."""

    probe: bool = True
    """Whether `check` fits and asks the pipeline once on some 200 rows drawn from the contract.
    It runs none of your data, and finds what no signature tells; switch it off for estimators
    that are slow or heavy to build."""
