"""Typed calls: mypy finds what signatures and constraints rule out, at the argument's own key."""

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import JsonValue

from mlops.base.section import Target
from mlops.base.verdict import Finding, Status
from mlops.config.typed_calls import Call, Script
from mlops.config.typed_check import TypeErrors, check_types

AT = ("model", "estimator")
HGB = "sklearn.ensemble.HistGradientBoostingClassifier"
CALIBRATED = "sklearn.calibration.CalibratedClassifierCV"
PIPELINE = "sklearn.pipeline.Pipeline"
SCALER = {"_target_": "sklearn.preprocessing.StandardScaler"}
OWN = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

class Mine(ClassifierMixin, BaseEstimator):
    def __init__(self, *, alpha: float = 1.0, names: list[str] | None = None, loose=3):
        self.alpha, self.names, self.loose = alpha, names, loose

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Mine":
        return self.broken + 1

    def predict(self, x):
        return x

    def predict_proba(self, x):
        return x
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store that all tests share: stubs take seconds to write."""
    return tmp_path_factory.mktemp("check")


def types(folder: Path, target: Mapping[str, object], *, method: str = "") -> list[Finding]:
    script = Script()
    node = Target.model_validate(dict(target))
    script.add(0, [Call(node, AT, method)], lambda path: "absent" not in path)
    return checked(script, folder).findings.get(0, [])


def checked(script: Script, folder: Path, *packages: str) -> TypeErrors:
    found = check_types(script, folder, ("sklearn", "mlops", *packages))
    assert found.trouble == ""
    return found


@dataclass(frozen=True)
class Case:
    """A node, and what is told of it.

    Attributes:
        node: The node.
        key: Where below the node it is told.
        check: Rule.
        says: Parts of the message and hint.
        method: Method that is called instead of the class.
    """

    node: Mapping[str, object]
    key: tuple[str, ...]
    check: str
    says: tuple[str, ...]
    method: str = field(default="")


WRONG = {
    "a text for a number": Case(
        {"_target_": HGB, "max_iter": "100"}, ("max_iter",), "check.types",
        ("takes int for 'max_iter', not str",),
    ),
    "a fraction for a whole number": Case(
        {"_target_": HGB, "max_iter": 1e3}, ("max_iter",), "check.types", ("not float",)
    ),
    "an option that there is not": Case(
        {"_target_": CALIBRATED, "method": "platt"}, ("method",), "check.types",
        ("one of 'isotonic', 'sigmoid', 'temperature'", "'platt'"),
    ),
    "an argument that there is not": Case(
        {"_target_": HGB, "max_itr": 1}, ("max_itr",), "check.arguments.unknown",
        ("no argument 'max_itr'", "did you mean max_iter"),
    ),
    "an argument that lacks": Case(
        {"_target_": "sklearn.multiclass.OneVsRestClassifier"}, (), "check.arguments.missing",
        ("needs an argument 'estimator'",),
    ),
    "an object of the wrong kind": Case(
        {"_target_": CALIBRATED, "estimator": SCALER}, ("estimator", "_target_"), "check.types",
        ("an object with fit and predict_proba", "not StandardScaler"),
    ),
    "something inside a nested object": Case(
        {"_target_": CALIBRATED, "estimator": {"_target_": HGB, "learning_rate": "slow"}},
        ("estimator", "learning_rate"), "check.types", ("not str",),
    ),
    "something inside a list of a list": Case(
        {"_target_": PIPELINE, "steps": [["a", {**SCALER, "with_mean": 1}]]},
        ("steps", "0", "1", "with_mean"), "check.types", ("takes bool",),
    ),
    "a heuristic's argument": Case(
        {"_target_": "mlops.models.heuristics.Popularity", "key": 1, "outcome": "click"},
        ("key",), "check.types", ("takes str for 'key', not int",), method="fit",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", WRONG)
def test_wrong_node_is_told_at_its_key(sentence: str, folder: Path) -> None:
    case = WRONG[sentence]
    (found,) = types(folder, case.node, method=case.method)
    assert found.status is Status.FAIL
    assert (found.key, found.check) == ((*AT, *case.key), case.check)
    for part in case.says:
        assert part in f"{found.message} {found.hint}"


RIGHT: dict[str, Mapping[str, object]] = {
    "values of every kind": {
        "_target_": HGB, "loss": "log_loss", "learning_rate": 1, "max_leaf_nodes": None,
        "categorical_features": ["a", "b"], "monotonic_cst": {"a": 1}, "early_stopping": "auto",
        "class_weight": {"0": 1.0}, "interaction_cst": [[0, 1], [2]],
    },
    "a list for a pair": {
        "_target_": "sklearn.preprocessing.MinMaxScaler", "feature_range": [0, 1],
    },
    "numbers that are none": {
        "_target_": "sklearn.impute.SimpleImputer", "missing_values": float("nan"),
        "fill_value": float("inf"),
    },
    "a class that cannot be loaded, which others tell": {"_target_": "absent.Thing", "a": 1},
    "the same inside another": {"_target_": CALIBRATED, "estimator": {"_target_": "absent.X"}},
    "an argument whose name is no name": {"_target_": HGB, "max iter": 1, "class": 2},
    "texts that look like code": {
        "_target_": PIPELINE, "steps": [["a\nimport os #", SCALER], ['"""', SCALER]],
    },
}  # fmt: skip


@pytest.mark.parametrize("sentence", RIGHT)
def test_right_node_is_left_alone(sentence: str, folder: Path) -> None:
    assert types(folder, RIGHT[sentence]) == []


def test_defaults_of_every_estimator_are_left_alone(folder: Path) -> None:
    script = Script()
    names: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = import_module("sklearn.utils").all_estimators()
    for name, each in found:
        given: dict[str, JsonValue] = {
            parameter.name: parameter.default
            for parameter in inspect.signature(each).parameters.values()
            if isinstance(parameter.default, bool | int | float | str | None)
        }
        target = Target(path=f"{each.__module__}.{name}", arguments=given)
        script.add(len(names), [Call(target, AT)], lambda _: True)
        names.append(name)
    told = {
        (names[at], ".".join(finding.key), finding.check)
        for at, findings in checked(script, folder).findings.items()
        for finding in findings
        if finding.check != "check.arguments.missing"
    }
    assert len(names) > 200
    # It must be given, and its default says so.
    assert told == {("SelfTrainingClassifier", "model.estimator.estimator", "check.types")}


def test_class_of_ones_own_is_held_to_its_own_signature(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_code").mkdir()
    (tmp_path / "own_code" / "__init__.py").touch()
    (tmp_path / "own_code" / "mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    script = Script()
    mine = {"_target_": "own_code.mine.Mine", "alpha": "x", "names": [1], "loose": "anything"}
    node = {"_target_": CALIBRATED, "estimator": mine}
    script.add(7, [Call(Target.model_validate(node), AT)], lambda _: True)
    found = checked(script, folder, "own_code").findings
    assert found.keys() == {7}
    told = {finding.key[2:]: finding.message for finding in found[7]}
    # What is wrong inside the class is its owner's business.
    assert told.keys() == {("estimator", "alpha"), ("estimator", "names", "0")}


def test_code_without_annotations_and_a_class_named_where_it_is_imported_are_no_fault(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "untyped_code").mkdir()
    (tmp_path / "untyped_code" / "__init__.py").write_text(
        "from untyped_code.mine import Mine, Rule\n"
    )
    (tmp_path / "untyped_code" / "mine.py").write_text(
        "class Mine:\n    def __init__(self, alpha=1.0):\n        self.alpha = alpha\n\n\n"
        "class Rule:\n    @classmethod\n    def fit(cls, history, *, strength=1.0):\n"
        "        return cls()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    script = Script()
    for at, (path, method) in enumerate(
        [("mine.Mine", ""), ("mine.Rule", "fit"), ("Mine", ""), ("Rule", "fit")]
    ):
        node = Target.model_validate({"_target_": f"untyped_code.{path}"})
        script.add(at, [Call(node, AT, method)], lambda _: True)
    wrong = Target.model_validate({"_target_": "untyped_code.Mine", "alhpa": 2.0})
    script.add(4, [Call(wrong, AT)], lambda _: True)
    found = checked(script, folder, "untyped_code").findings
    assert {at: [f.check for f in each] for at, each in found.items()} == {
        4: ["check.arguments.unknown"]
    }


def test_store_that_cannot_be_written_is_trouble_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = check_types(Script(), tmp_path / "file" / "check", ("sklearn",))
    assert "cannot write" in found.trouble
    assert found.findings == {}


def test_a_file_that_does_not_parse_is_no_fault_of_the_calls(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "unparsable_own"
    package.mkdir()
    package.joinpath("__init__.py").write_text("def f(:\n" * 40)
    monkeypatch.syspath_prepend(str(tmp_path))
    script = Script()
    for service in range(3):
        node = Target.model_validate({"_target_": "unparsable_own.Mine"})
        script.add(service, [Call(node, AT, "")], lambda _: True)
    found = check_types(script, folder, ("sklearn", "mlops", "unparsable_own"))
    assert found.findings == {}
    assert "unparsable_own/__init__.py:1: " in found.trouble
