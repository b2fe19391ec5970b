"""Bundles: a small trained one of each service, written to disk as training would."""

from pathlib import Path

import numpy as np

from mlops.models.artifact import BundleRef, Parts, write
from mlops.models.heuristics import FittedHeuristic, History, fit_heuristic
from mlops.models.spec import FeeWeightedPopularitySpec, HeuristicSpec, PopularitySpec, StaticSpec
from mlops.proofs.bounds import certify
from tests.components.toys import program, toy

OUTCOMES = {"open_bandit": ("click", "click"), "search_ranking": ("apply", "applied")}


def parts(service: str, model: str = "logistic") -> Parts:
    it = toy(service)
    head, outcome = OUTCOMES[service]
    rows = len(it.outcomes[head])
    past = History({**it.table, outcome: it.outcomes[head]}, np.linspace(0, 1e6, rows), as_of_s=1e6)
    key = it.domain.identifier.name
    specs: dict[str, HeuristicSpec] = {
        "popularity": PopularitySpec(key=key, outcome=outcome),
        "static": StaticSpec(),
    }
    if service == "search_ranking":
        specs["fees"] = FeeWeightedPopularitySpec(key=key, outcome=outcome, value="success_fee")
    heuristics: dict[str, FittedHeuristic] = {
        name: fit_heuristic(spec, past) for name, spec in specs.items()
    }
    compiled = program(service, model)
    return Parts(
        service=service,
        model=model,
        domain=it.domain,
        program=compiled,
        heuristics=heuristics,
        certificate=certify(compiled, it.domain),
        quality={},
    )


def write_bundle(service: str, root: Path, model: str = "logistic") -> BundleRef:
    return write(parts(service, model), root)
