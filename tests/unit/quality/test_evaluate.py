"""An evaluation: every metric for the model and the heuristics, in one table."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from mlops.base.digest import Json
from mlops.base.errors import BundleError, ConfigError, ContractError, MlopsError
from mlops.quality import measure
from mlops.quality.crossing import Cross
from mlops.quality.estimate import Floats
from mlops.quality.evaluate import evaluate
from mlops.quality.measure import Measurement, SubjectKind
from mlops.quality.spec import QualitySpec
from mlops.quality.subject import Subject

ITEMS = 6
BINARY: dict[str, Json] = {"kind": "binary", "head": "click", "outcome": "click"}
POLICY: dict[str, Json] = {
    "kind": "policy_value",
    "item": "item_id",
    "position": "position",
    "propensity": "propensity",
    "reward": "click",
    "reward_head": "click",
    "where": {"policy": "random"},
    "logged_policies": "policy",
}
REVENUE: dict[str, Json] = {
    "kind": "ranking_value",
    "name": "revenue",
    "query": "query",
    "gain": ["click", "fee"],
    "k": 2,
    "unit": "EUR",
}


@dataclass(frozen=True)
class Column:
    """A subject that scores by one column."""

    name: str
    column: str
    kind: Literal["model", "heuristic"] = "model"

    def score(self, frame: pd.DataFrame) -> Floats:
        return np.asarray(frame[self.column].to_numpy(np.float64), dtype=np.float64)

    def heads(self, frame: pd.DataFrame) -> Mapping[str, Floats]:
        return {"click": self.score(frame)} if self.kind == "model" else {}


MODEL = Column("boosting", "chance")
POPULARITY = Column("popularity", "noise", "heuristic")


def _frame(rows: int = 6000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    item = rng.integers(0, ITEMS, rows)
    chance = 0.1 + 0.1 * item
    return pd.DataFrame(
        {
            "item_id": item.astype(str),
            "position": rng.integers(1, 4, rows),
            "propensity": 1 / ITEMS,
            "policy": np.where(rng.random(rows) < 0.8, "random", "bts"),
            "query": np.arange(rows) // 6,
            "chance": chance,
            "noise": rng.random(rows),
            "fee": rng.gamma(2, 100, rows),
            "click": (rng.random(rows) < chance).astype(int),
            "at_s": np.arange(rows) * 86_400.0 * 10 / rows,
        }
    )


def _cross(frame: pd.DataFrame) -> pd.DataFrame:
    rows = len(frame)
    item = np.tile(np.arange(ITEMS), rows)
    return pd.DataFrame(
        {
            "impression": np.repeat(np.arange(rows), ITEMS),
            "item_id": item.astype(str),
            "chance": 0.1 + 0.1 * item,
            "noise": 0.5,
        }
    )


def _evaluate(
    *evaluations: dict[str, Json],
    subjects: tuple[Subject, ...] = (POPULARITY, MODEL),
    frame: pd.DataFrame | None = None,
    crossing: Cross | None = _cross,
    mature: Mapping[str, "np.typing.NDArray[np.bool_]"] | None = None,
) -> dict[tuple[str, str, str], Measurement]:
    document = {"evaluations": list(evaluations), "time": "at_s"}
    found = evaluate(
        QualitySpec.model_validate_json(json.dumps(document)),
        _frame() if frame is None else frame,
        subjects,
        crossing=crossing,
        rng=np.random.default_rng(2),
        mature=mature,
    )
    table = {(m.metric, m.subject, m.reference): m for m in found}
    assert len(table) == len(found)
    return table


def test_binary_measures_the_model_and_by_their_score_the_heuristics() -> None:
    table = _evaluate(BINARY)
    assert set(table) == {
        ("auc", "boosting", ""),
        ("auc", "popularity", ""),
        ("auc", "boosting", "popularity"),
        ("log_loss", "boosting", ""),
        ("log_loss_skill", "boosting", ""),
        ("calibration_error", "boosting", ""),
        ("calibration_ratio", "boosting", ""),
    }
    auc = table["auc", "boosting", ""]
    assert auc.value is not None
    assert auc.low is not None
    assert 0.62 < auc.low < auc.value < 0.72
    assert (auc.kind, auc.head, auc.rows) == (SubjectKind.MODEL, "click", 6000)
    assert auc.days == pytest.approx(10, abs=0.01)
    assert table["auc", "popularity", ""].value == pytest.approx(0.5, abs=0.03)
    ratio = table["calibration_ratio", "boosting", ""]
    assert ratio.value == pytest.approx(1, abs=0.06)
    assert ratio.higher_is_better is None
    assert table["log_loss", "boosting", ""].higher_is_better is False


def test_where_given_and_mature_choose_the_rows() -> None:
    frame = _frame()
    frame["seen"] = (frame.index % 2 == 0).astype(int)
    mature = {"click": np.arange(6000) < 3000}
    where: dict[str, Json] = {"policy": "random", "position": 2}
    spec: dict[str, Json] = {**BINARY, "where": where, "given": "seen"}
    chosen = frame[(frame.policy == "random") & (frame.position == 2) & (frame.seen == 1)]
    chosen = chosen[chosen.index < 3000]
    auc = _evaluate(spec, frame=frame, mature=mature)["auc", "boosting", ""]
    assert auc.rows == len(chosen)
    assert auc.events == chosen.click.sum()


def test_an_index_of_its_own_changes_nothing() -> None:
    shuffled = _frame().set_index(pd.Index(range(6000, 0, -1)))
    assert _evaluate(BINARY, POLICY, REVENUE, frame=shuffled) == _evaluate(BINARY, POLICY, REVENUE)


def test_datetimes_tell_days_as_seconds_do() -> None:
    frame = _frame()
    frame["at_s"] = pd.to_datetime(frame["at_s"], unit="s", utc=True)
    auc = _evaluate(BINARY, frame=frame)["auc", "boosting", ""]
    assert auc.days == pytest.approx(10, abs=0.01)


def test_few_events_abstain_and_say_how_few() -> None:
    frame = _frame()
    frame["click"] = (frame.index < 9).astype(int)
    table = _evaluate(BINARY, REVENUE, frame=frame)
    auc = table["auc", "boosting", ""]
    assert auc.value is None
    assert auc.abstained == "9 events in 6,000 rows, fewer than 10"
    assert {m.abstained != "" for m in table.values()} == {True}
    assert "9 rows with a gain" in table["revenue_dcg_at_2", "boosting", ""].abstained


def test_few_rows_without_an_event_abstain_too() -> None:
    frame = _frame()
    frame["click"] = (frame.index >= 9).astype(int)
    auc = _evaluate(BINARY, frame=frame)["auc", "boosting", ""]
    assert auc.abstained == "9 rows without an event of 6,000, fewer than 10"


def test_ranking_values_leave_out_what_cannot_be_known_yet() -> None:
    mature = {"click": np.arange(6000) < 3000}
    table = _evaluate({**REVENUE, "head": "click"}, mature=mature)
    assert table["revenue_dcg_at_2", "boosting", ""].rows == 500
    assert _evaluate(REVENUE, mature=mature)["revenue_dcg_at_2", "boosting", ""].rows == 1000


def test_no_rows_left_abstain() -> None:
    nowhere: dict[str, Json] = {"where": {"policy": "nobody"}}
    found = _evaluate(BINARY | nowhere, POLICY | nowhere, REVENUE | nowhere)
    assert all(m.abstained for m in found.values() if m.kind is not SubjectKind.LOGGED)


def test_policy_values_stand_beside_the_logged_policies() -> None:
    table = _evaluate(POLICY)
    # The model shows items 5, 4, 3, whose rates are 0.6, 0.5, 0.4.
    for estimator in ("ips", "snips", "dr"):
        model = table[f"policy_value_{estimator}", "boosting", ""]
        assert model.low is not None
        assert model.high is not None
        assert model.low < 0.5 < model.high
    dr = table["policy_value_dr", "boosting", ""]
    ips = table["policy_value_ips", "boosting", ""]
    assert dr.high is not None
    assert dr.low is not None
    assert ips.high is not None
    assert ips.low is not None
    assert dr.high - dr.low < ips.high - ips.low
    # Popularity is all ties here: it shows every item alike, as the random policy does.
    tied = table["policy_value_snips", "popularity", ""].value
    random = table["policy_value_snips", "random", ""]
    assert tied == pytest.approx(random.value)
    assert random.kind is SubjectKind.LOGGED
    gap = table["policy_value_snips", "boosting", "popularity"]
    assert gap.value == pytest.approx(0.5 - 0.35, abs=0.05)
    assert gap.low is not None
    assert gap.low > 0.05


def test_useless_weights_abstain_for_the_subject_and_its_difference() -> None:
    frame = _frame()
    frame.loc[frame.index[frame.policy == "random"][5], "propensity"] = 1e-6
    table = _evaluate(POLICY, frame=frame)
    tied = table["policy_value_snips", "popularity", ""]
    assert tied.value is None
    assert "of the weight" in tied.abstained
    gap = table["policy_value_snips", "boosting", "popularity"]
    assert gap.abstained.startswith("no estimate for")


def test_rewards_that_are_amounts_are_valued_too() -> None:
    frame = _frame()
    frame["click"] = frame["click"] * frame["fee"]
    spec = POLICY | {"estimators": ["snips"], "reward_head": ""}
    found = _evaluate(spec, frame=frame)["policy_value_snips", "random", ""]
    assert found.value == pytest.approx(0.35 * 200, rel=0.1)
    assert found.low is not None
    assert found.low < 70


def test_ranking_values_are_told_per_query_and_compared() -> None:
    table = _evaluate(REVENUE)
    for metric in ("revenue_ndcg_at_2", "revenue_dcg_at_2", "revenue_per_1000_at_2"):
        model, gap = table[metric, "boosting", ""], table[metric, "boosting", "popularity"]
        other = table[metric, "popularity", ""]
        assert model.rows == 1000
        assert model.value is not None
        assert other.value is not None
        assert gap.value == pytest.approx(model.value - other.value)
        assert gap.low is not None
        assert gap.low > 0
    assert table["revenue_per_1000_at_2", "boosting", ""].unit == "EUR"
    # A second reading by hand: fees clicked in the two likeliest rows of each query.
    frame = _frame()
    frame["gain"] = frame.click * frame.fee
    frame["key"] = frame.chance * 1e6 - frame.noise  # no ties
    by_noise = Column("boosting", "key")
    frame2 = frame.sort_values(["query", "key"], ascending=[True, False])
    by_hand = frame2.groupby("query").head(2).gain.sum()
    found = _evaluate(REVENUE, subjects=(by_noise,), frame=frame)
    assert found["revenue_per_1000_at_2", "boosting", ""].value == pytest.approx(by_hand)


WRONG: dict[str, tuple[type[MlopsError], str, dict[str, Json]]] = {
    "a column that is not there": (ConfigError, "column 'clack'", {"outcome": "clack"}),
    "a condition on no column": (ConfigError, "column 'arm'", {"where": {"arm": 1}}),
    "a head that is not there": (ConfigError, "head 'buy'", {"head": "buy"}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_rows_lack_is_named(case: str) -> None:
    error, message, change = WRONG[case]
    with pytest.raises(error, match=message):
        _evaluate(BINARY | change)


def test_subjects_are_one_model_and_names_of_their_own() -> None:
    for subjects in [
        (),
        (POPULARITY,),
        (MODEL, MODEL),
        (MODEL, replace(POPULARITY, name="boosting")),
    ]:
        with pytest.raises(ConfigError, match="one model"):
            _evaluate(BINARY, subjects=subjects)


def test_scores_that_are_no_numbers_are_refused() -> None:
    frame = _frame()
    frame.loc[3, "noise"] = np.nan
    with pytest.raises(ContractError, match="popularity"):
        _evaluate(BINARY, frame=frame)


def test_policy_value_needs_a_complete_crossing_and_propensities() -> None:
    with pytest.raises(ConfigError, match="cannot join"):
        _evaluate(POLICY, crossing=None)
    with pytest.raises(ContractError, match="exactly once"):
        _evaluate(POLICY, crossing=lambda f: _cross(f).query("item_id != '3'"))
    with pytest.raises(ContractError, match="exactly once"):
        _evaluate(POLICY, crossing=lambda f: pd.concat([_cross(f), _cross(f)]))
    with pytest.raises(ContractError, match="lacks impression"):
        _evaluate(POLICY, crossing=lambda f: _cross(f).drop(columns="impression"))
    with pytest.raises(ConfigError, match="propensities"):
        _evaluate(POLICY, frame=_frame().assign(propensity=0.0))


def test_json_round_trip_keeps_every_bit() -> None:
    found = tuple(_evaluate(BINARY, POLICY, REVENUE).values())
    text = json.dumps(measure.to_json(found), allow_nan=False)
    assert measure.from_json(json.loads(text)) == found


def test_json_of_something_else_is_refused_with_its_place() -> None:
    with pytest.raises(BundleError, match=r"0\.kind"):
        measure.from_json([{"metric": "auc", "subject": "m", "kind": "oracle"}])
    with pytest.raises(BundleError, match="either a value or a reason"):
        measure.from_json([{"metric": "auc", "subject": "m", "kind": "model"}])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_measurement_is_a_finite_value_or_a_reason(value: float | None) -> None:
    with pytest.raises(ValueError, match="auc of m"):
        Measurement("auc", "m", SubjectKind.MODEL, value=value)
