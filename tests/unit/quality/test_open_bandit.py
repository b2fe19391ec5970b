"""The shipped open_bandit evaluation on the real log: too few clicks to tell, and it says so."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import yaml

from mlops.base.verdict import Status
from mlops.data.open_bandit import OpenBandit
from mlops.quality.estimate import Floats
from mlops.quality.evaluate import evaluate
from mlops.quality.measure import Measurement, SubjectKind
from mlops.quality.spec import QualitySpec
from mlops.quality.verdicts import judge

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("MLOPS_DATA_DIR", ROOT.parent / "shared" / "data"))
SPEC = QualitySpec.model_validate_json(
    json.dumps(yaml.safe_load((ROOT / "conf/quality/open_bandit.yaml").read_text()))
)

pytestmark = pytest.mark.skipif(
    not (DATA / "open_bandit").is_dir(), reason=f"no Open Bandit data in {DATA}"
)


class _Rate:
    """Smoothed click rate of an item on the training rows."""

    def __init__(
        self, kind: Literal["model", "heuristic"], name: str, training: pd.DataFrame
    ) -> None:
        self.kind, self.name = kind, name
        sums = training.groupby("item_id")["click"].agg(["sum", "count"])
        prior = 200 if kind == "heuristic" else 2000
        rates = (sums["sum"] + 0.004 * prior) / (sums["count"] + prior)
        self._rates: dict[str, float] = dict(zip(rates.index, rates, strict=True))

    def score(self, frame: pd.DataFrame) -> Floats:
        return np.array([self._rates.get(item, 0.004) for item in frame["item_id"]])

    def heads(self, frame: pd.DataFrame) -> Mapping[str, Floats]:
        return {"click": self.score(frame)} if self.kind == "model" else {}


@pytest.fixture(scope="module")
def measured() -> tuple[Measurement, ...]:
    source = OpenBandit(DATA, "men", ("random", "bts"))
    frame = source.read().sort_values("at_s", kind="stable").reset_index(drop=True)
    training, test = frame.iloc[:12_000], frame.iloc[12_000:]
    subjects = (_Rate("model", "rate", training), _Rate("heuristic", "popularity", training))
    return evaluate(SPEC, test, subjects, crossing=source.cross, rng=np.random.default_rng(1))


def test_every_rule_is_unknown_with_the_number_needed(measured: tuple[Measurement, ...]) -> None:
    verdict = judge(SPEC, measured)
    assert {finding.status for finding in verdict.findings} == {Status.UNKNOWN}
    auc = verdict.findings[0]
    assert auc.check == "quality.click.auc"
    assert "events are there, 136 are needed" in auc.message
    assert "days, at the present rate" in auc.message


def test_logged_policies_have_the_values_that_can_be_counted(
    measured: tuple[Measurement, ...],
) -> None:
    logged = [m for m in measured if m.kind is SubjectKind.LOGGED]
    assert {m.subject for m in logged} == {"random", "bts"}
    for m in logged:
        assert m.value is not None
        assert m.value == m.events / m.rows
        assert m.high is not None
        assert 0.002 < m.value < m.high < 0.02


def test_the_rankings_value_abstains_for_want_of_agreeing_clicks(
    measured: tuple[Measurement, ...],
) -> None:
    table = {(m.metric, m.subject, m.reference): m for m in measured}
    model = table["policy_value_snips", "rate", ""]
    assert model.value is None
    assert "fewer than" in model.abstained
    assert model.events < 10
