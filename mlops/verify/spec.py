"""A verify section: what is tried before anything runs."""

from mlops.base.section import Section


class VerifySpec(Section):
    """What `mlops check` does besides reading the configuration."""

    probe: bool = True
    """Whether `check` fits and asks the pipeline, and heuristics of your own, once on some 200 rows
    drawn from the contract. It runs none of your data, and finds what no signature tells; switch it
    off for estimators that are slow or heavy to build."""
