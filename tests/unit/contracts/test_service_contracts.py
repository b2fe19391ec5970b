"""Tests of the two services' contracts and of the section that names them."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from mlops.base.target import load_class
from mlops.contracts import open_bandit, search_ranking
from mlops.contracts.roles import Scope
from mlops.contracts.schema import DataFrameModel, Schema, read_domain
from mlops.contracts.spec import ContractsSpec

CONF = Path(__file__).parents[3] / "conf" / "contracts"
SERVICES = [
    (open_bandit.Request, open_bandit.Training, open_bandit.Output),
    (search_ranking.Request, search_ranking.Training, search_ranking.Output),
]


@pytest.mark.parametrize("name", ["open_bandit", "search_ranking"])
def test_shipped_config_names_the_three_classes(name: str) -> None:
    spec = ContractsSpec.model_validate(
        yaml.safe_load((CONF / f"{name}.yaml").read_text()), strict=False
    )
    for target in (spec.request, spec.training, spec.output):
        assert target.arguments == {}
        read_domain(load_class(target.path, DataFrameModel, packages=["mlops"]))


@pytest.mark.parametrize("candidates", [0, 201])
def test_page_size_has_limits(candidates: int) -> None:
    node = yaml.safe_load((CONF / "open_bandit.yaml").read_text())
    with pytest.raises(ValidationError):
        ContractsSpec.model_validate({**node, "max_candidates": candidates})


@pytest.mark.parametrize(("request_", "training", "output"), SERVICES)
def test_training_adds_what_the_request_cannot_know(
    request_: Schema, training: Schema, output: Schema
) -> None:
    asked, learnt, answered = read_domain(request_), read_domain(training), read_domain(output)
    assert learnt.columns[: len(asked.columns)] == asked.columns
    added = learnt.columns[len(asked.columns) :]
    assert {column.scope for column in added} == {Scope.LOGGED, Scope.OUTCOME}
    assert not any(column.feature for column in added)
    assert learnt.features == asked.features
    assert answered.identifier == asked.identifier.model_copy(update={"description": ""})


@pytest.mark.parametrize(("request_", "training", "output"), SERVICES)
def test_everything_that_a_bound_needs_is_declared(
    request_: Schema, training: Schema, output: Schema
) -> None:
    for column in read_domain(request_).request:
        assert column.description
        if column.kind.value in ("number", "integer"):
            assert column.minimum is not None
            assert column.maximum is not None
        assert column.opaque == ()
    score = read_domain(output).column("score")
    assert score.minimum is not None
    assert score.maximum is not None
    assert read_domain(training).opaque == ()
