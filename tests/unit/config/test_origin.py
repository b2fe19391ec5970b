"""Places: each key is brought back to the line or the override that set it last."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlops.config.compose import compose, service_names

CONFIG = "defaults:\n  - service: open_bandit\n  - _self_\n"
MINE = "defaults:\n  - service: open_bandit\n  - override /model: mine\n  - _self_\n"
MODEL = """\
name: mine
columns:
  - name: a
    select: [item_id, affinity]
    steps:
      - _target_: sklearn.preprocessing.OneHotEncoder
        handle_unknown: ignore
  - {name: b, select: numeric}
estimator:
  _target_: sklearn.linear_model.LogisticRegression
  C: 0.5
  class_weight:
    0: 1.0
"""


@dataclass(frozen=True)
class Case:
    """A key in a project, and where it comes from.

    Attributes:
        key: The key, dotted.
        place: `file:line`, or `override ...`; the end of a path for packaged files.
        overrides: What is typed.
        files: The project's files.
    """

    key: str
    place: str
    overrides: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def mine(key: str, place: str, *overrides: str, more: str = "", model: str = MODEL) -> Case:
    """A project with a model of its own."""
    files = {"conf/config.yaml": MINE + more, "conf/model/mine.yaml": model}
    return Case(key, place, overrides, files)


PLACES = {
    "a key of a packaged group": Case(
        "model.estimator.max_iter", "conf/model/hist_gradient_boosting.yaml:9"
    ),
    "a key of a group of one's own": mine("model.estimator.C", "conf/model/mine.yaml:11"),
    "a key of a list's item": mine(
        "model.columns.0.steps.0.handle_unknown", "conf/model/mine.yaml:7"
    ),
    "an item of a list in one line": mine("model.columns.0.select.1", "conf/model/mine.yaml:4"),
    "an item that is a mapping in one line": mine(
        "model.columns.1.select", "conf/model/mine.yaml:8"
    ),
    "a class inside a list": mine("model.columns.0.steps.0._target_", "conf/model/mine.yaml:6"),
    "a key whose name is a number": mine(
        "model.estimator.class_weight.0", "conf/model/mine.yaml:13"
    ),
    "a key that nobody set is that of what holds it": mine(
        "model.estimator.penalty", "conf/model/mine.yaml:9"
    ),
    "a section that nobody set below a group is the file's": mine(
        "model.nothing", "conf/model/mine.yaml:1"
    ),
    "the project's file wins over a group": mine(
        "model.estimator.C", "conf/config.yaml:7", more="model:\n  estimator:\n    C: 0.1\n"
    ),
    "what the project's file leaves stays the group's": mine(
        "model.estimator._target_", "conf/model/mine.yaml:10",
        more="model:\n  estimator:\n    C: 0.1\n",
    ),
    "a list replaces a list": mine(
        "model.columns.0.steps.0._target_", "conf/config.yaml:6", more="model:\n  columns: []\n"
    ),
    "an override wins over files": mine(
        "model.estimator.C", "override model.estimator.C=1", "model.estimator.C=1"
    ),
    "the last of two overrides wins": mine(
        "seed", "override seed=2", "seed=1", "seed=2"
    ),
    "an override that adds a key": mine(
        "model.estimator.tol", "override +model.estimator.tol=1", "+model.estimator.tol=1"
    ),
    "an override of an item of a list": mine(
        "model.columns.0.select", "override model.columns.0.select=numeric",
        "model.columns.0.select=numeric",
    ),
    "what an override of a list's item leaves": mine(
        "model.columns.1.select", "conf/model/mine.yaml:8", "model.columns.0.select=numeric"
    ),
    "an override by a mapping sets what it names": mine(
        "model.estimator.C", "override model.estimator={C:2}", "model.estimator={C:2}"
    ),
    "an override by a mapping leaves what it does not name": mine(
        "model.estimator._target_", "conf/model/mine.yaml:10", "model.estimator={C:2}"
    ),
    "an override by a list replaces what is in it": mine(
        "model.columns.0.name", "override model.columns=[]", "model.columns=[]"
    ),
    "a key below an override is the override's": mine(
        "model.columns.0.select", "override model.columns=[{name:x,select:numeric}]",
        "model.columns=[{name:x,select:numeric}]",
    ),
    "a choice of a group has the lines of its file": Case(
        "model.estimator.C", "conf/model/logistic.yaml:17", ("model=logistic",)
    ),
    "a key set beside a choice": Case(
        "model.estimator.C", "override model.estimator.C=3",
        ("model=logistic", "model.estimator.C=3"),
    ),
    "an anchor's mapping that is merged in": mine(
        "model.estimator.tol", "conf/model/mine.yaml:3",
        model="name: mine\nestimator:\n  <<: &more {tol: 0.1}\n"
        "  _target_: sklearn.linear_model.LogisticRegression\n",
    ),
    "an own key wins over what is merged in": mine(
        "model.estimator.tol", "conf/model/mine.yaml:5",
        model="name: mine\nestimator:\n  <<: &more {tol: 0.1}\n"
        "  _target_: sklearn.linear_model.LogisticRegression\n  tol: 0.2\n",
    ),
    "a value that comes from elsewhere is where it is asked for": mine(
        "owner", "conf/config.yaml:5", more="owner: ${name}\n"
    ),
    "a group placed elsewhere by its header": Case(
        "serving.deadline_ms", "conf/tuning/slow.yaml:3", ("+tuning=slow",),
        {
            "conf/config.yaml": CONFIG,
            "conf/tuning/slow.yaml": "# @package _global_\nserving:\n  deadline_ms: 90\n",
        },
    ),
    "a group placed elsewhere by the defaults list": Case(
        "model.estimator.estimator.C", "conf/part/linear.yaml:2", (),
        {
            "conf/config.yaml": "defaults:\n  - service: open_bandit\n"
            "  - /part@model.estimator.estimator: linear\n"
            "  - override /model: calibrated_logistic\n  - _self_\n",
            "conf/part/linear.yaml": "_target_: sklearn.linear_model.LogisticRegression\nC: 0.25\n",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", PLACES)
def test_place(sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = PLACES[sentence]
    for name, text in case.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    composed = compose(case.overrides, folder=tmp_path)
    place = composed.origins.place(tuple(case.key.split(".")))
    assert place is not None
    assert str(place).endswith(case.place)
    assert place.key == case.key
    if case.files:
        assert str(place) == case.place


def test_services_are_the_project_s_own_or_ours(tmp_path: Path) -> None:
    assert service_names(tmp_path) == ("open_bandit", "search_ranking")
    for name in ("shop", "team/late"):
        path = tmp_path / "conf" / "service" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert service_names(tmp_path) == ("shop", "team/late")
