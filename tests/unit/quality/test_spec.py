"""The quality section: contradictions are found before anything is measured."""

import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from mlops.quality.spec import QualitySpec

CONF = Path(__file__).parents[3] / "conf" / "quality"
BINARY = {"kind": "binary", "head": "click", "outcome": "click"}
POLICY = {
    "kind": "policy_value", "item": "i", "position": "p", "propensity": "q", "reward": "r",
    "reward_head": "click",
}  # fmt: skip
FLOOR = {"metric": "auc", "head": "click", "minimum": 0.5}
VERSUS = {"metric": "auc", "head": "click", "heuristic": "popularity", "max_loss": 0}


def _validate(document: object) -> QualitySpec:
    return QualitySpec.model_validate_json(json.dumps(document))


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configuration_is_valid(path: Path) -> None:
    spec = _validate(yaml.safe_load(path.read_text()))
    assert spec.floors


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "an unknown kind": ({"evaluations": [{**BINARY, "kind": "regression"}]}, "regression"),
    "a misspelt key": ({"evaluations": [{**BINARY, "outcom": "x"}]}, "outcom"),
    "nothing to measure": ({"evaluations": []}, "at least 1"),
    "two limits": (
        {"evaluations": [BINARY], "floors": [{**FLOOR, "maximum": 1}]}, "either `minimum`"),
    "no limit": (
        {"evaluations": [BINARY], "floors": [{"metric": "auc", "head": "click"}]}, "either"),
    "a floor for a metric that nothing yields": (
        {"evaluations": [BINARY], "floors": [{**FLOOR, "metric": "auk"}]},
        "no evaluation yields auk of click; they yield: auc of click"),
    "a floor without its head": (
        {"evaluations": [BINARY], "floors": [{"metric": "auc", "minimum": 0.5}]}, "yields auc;"),
    "a comparison on a metric that nothing yields": (
        {"evaluations": [BINARY], "versus": [{**VERSUS, "head": "buy"}]}, "auc of buy"),
    "two tolerances": (
        {"evaluations": [BINARY], "versus": [{**VERSUS, "max_loss_ratio": 0.1}]}, "max_loss_ratio"),
    "two evaluations of one name": ({"evaluations": [BINARY, BINARY]}, "two evaluations yield"),
    "dr without a reward model": ({"evaluations": [{**POLICY, "reward_head": ""}]}, "reward_head"),
    "a share above one": ({"evaluations": [{**POLICY, "max_weight_share": 1.5}]}, "less than"),
    "a number as text": ({"evaluations": [{**BINARY, "bins": "10"}]}, "valid integer"),
    "a confidence of one": ({"evaluations": [BINARY], "confidence": 1.0}, "less than 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_configuration_is_refused(case: str) -> None:
    document, message = WRONG[case]
    with pytest.raises(ValidationError, match=message):
        _validate(document)
