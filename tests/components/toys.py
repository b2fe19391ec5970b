"""Toys: the two services' contracts with rows that a model can learn something from."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mlops.contracts import open_bandit, search_ranking
from mlops.contracts.domain import Domain, Floats, Table
from mlops.contracts.sample import draw
from mlops.contracts.schema import read_domain
from mlops.models.lowering import lower
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import ExpectedValueScore, HeadScore, ModelSpec, ScoreSpec

CONF = Path(__file__).parents[2] / "conf" / "model"
MODELS = tuple(sorted(path.stem for path in CONF.glob("*.yaml")))
SERVICES = ("open_bandit", "search_ranking")


@dataclass(frozen=True)
class Toy:
    """A service with some training rows."""

    domain: Domain
    table: Table
    outcomes: dict[str, Floats]
    score: ScoreSpec


@cache
def toy(service: str, rows: int = 3000) -> Toy:
    if service == "open_bandit":
        domain = read_domain(open_bandit.Request)
        heads: tuple[str, ...] = ("click",)
        score: ScoreSpec = HeadScore(head="click")
    else:
        domain, heads = read_domain(search_ranking.Request), ("apply", "hire")
        score = ExpectedValueScore(heads=heads, value="success_fee")
    rng = np.random.default_rng(7)
    known = {
        column.name: [f"{i:032x}" for i in range(30)]
        if column.name != "item_id"
        else [str(i) for i in range(80)]
        for column in domain.request
    }
    table = draw(domain, rows, rng, known=known)
    return Toy(domain, table, {head: _outcome(domain, table, rng) for head in heads}, score)


def _outcome(domain: Domain, table: Table, rng: np.random.Generator) -> Floats:
    """Return an outcome that depends on every feature, missing values included."""
    rows = len(next(iter(table.values())))
    raw = np.full(rows, -0.5)
    for column in domain.features:
        values = table[column.name]
        if column.is_category:
            effects = {text: rng.normal() for text in sorted(set(values), key=str)}
            raw += np.array([effects[text] for text in values])
        else:
            numbers = np.asarray(values, dtype=np.float64)
            rank = np.argsort(np.argsort(numbers)) / rows
            raw += np.where(np.isnan(numbers), rng.normal(), rng.normal() * rank)
    outcome: Floats = (rng.random(rows) < 1 / (1 + np.exp(-raw))).astype(np.float64)
    return outcome


def spec_of(name: str) -> ModelSpec:
    """Return a shipped model, its trees made fewer and its leaves smaller for small tests."""
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    _quicken(node)
    return spec(node)


def spec(node: dict[str, Any]) -> ModelSpec:
    return ModelSpec.model_validate_json(json.dumps(node))


def _quicken(node: dict[str, Any]) -> None:
    if "max_leaf_nodes" in node:
        node.update(max_iter=30, min_samples_leaf=10, l2_regularization=0.0)
    for value in node.values():
        if isinstance(value, dict):
            _quicken(value)


@cache
def fitted(service: str, model: str) -> dict[str, SklearnPredictor]:
    it = toy(service)
    return {
        head: SklearnPredictor(spec_of(model), it.domain, seed=3).fit(it.table, outcome)
        for head, outcome in it.outcomes.items()
    }


@cache
def program(service: str, model: str) -> Program:
    it = toy(service)
    return lower(fitted(service, model), it.domain, it.score)


def rows_of(service: str, model: str, rows: int, seed: int = 11) -> Table:
    known = program(service, model).known
    return draw(toy(service).domain, rows, np.random.default_rng(seed), known=known)
