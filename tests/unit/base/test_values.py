"""Digests, verdicts, targets and sections: the ground that all rooms stand on."""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from mlops.base import verdict
from mlops.base.digest import Json, canonical_json, of_bytes, of_file, of_json
from mlops.base.errors import ConfigError, ContractError, MlopsError, Place, UnavailableError
from mlops.base.section import Section, Target, contradiction
from mlops.base.target import load_class
from mlops.base.verdict import Finding, Status, Verdict, worst
from mlops.models.heuristics import Heuristic, Popularity

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=4), below),
    max_leaves=8,
)  # fmt: skip

# digests


def test_digest_is_sha256_by_name() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert of_bytes(b"") == f"sha256:{empty}"


@given(st.binary(max_size=5000))
def test_digest_of_a_file_is_that_of_its_bytes(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_bytes(content)
        assert of_file(path) == of_bytes(content)


@given(JSON)
def test_canonical_json_says_the_same(value: Json) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(max_size=4), JSON, min_size=2), st.randoms(use_true_random=False))
def test_order_of_members_does_not_change_the_digest(value: dict[str, Json], random: Any) -> None:
    names = list(value)
    random.shuffle(names)
    assert of_json({name: value[name] for name in names}) == of_json(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, -math.inf]])
def test_what_json_has_no_word_for_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


# verdicts

WORST = {
    (): Status.PASS,
    (Status.PASS, Status.PASS): Status.PASS,
    (Status.PASS, Status.WARN): Status.WARN,
    (Status.WARN, Status.UNKNOWN): Status.UNKNOWN,
    (Status.UNKNOWN, Status.FAIL, Status.PASS): Status.FAIL,
}


@pytest.mark.parametrize("states", WORST)
def test_worst_state_decides(states: tuple[Status, ...]) -> None:
    assert worst(states) is WORST[states]
    findings = tuple(Finding("c", state, "m") for state in states)
    assert Verdict("v", findings).status is WORST[states]


def test_verdict_comes_back_from_json() -> None:
    findings = (
        Finding("a.b", Status.FAIL, "too slow", value=12.5, limit=10.0, unit="ms"),
        Finding("a.c", Status.PASS, "well"),
    )
    it = Verdict("a", findings)
    document = verdict.to_json(it)
    assert json.loads(json.dumps(document)) == document
    assert verdict.from_json(document) == it


# errors


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("conf/a.yaml", 3, "x.y"), "conf/a.yaml:3"),
        (Place("override seed=x"), "override seed=x"),
        (Place("rows.csv", row=7), "rows.csv row 7"),
    ],
)
def test_place_reads_as_a_person_would_say_it(place: Place, text: str) -> None:
    assert str(place) == text


def test_only_what_is_unavailable_is_worth_another_try() -> None:
    kinds: list[type[MlopsError]] = [ConfigError, ContractError, UnavailableError]
    assert [kind.retryable for kind in kinds] == [False, False, True]


# targets


def test_allowed_class_is_loaded() -> None:
    path = "mlops.models.heuristics.Popularity"
    expected: Any = Heuristic
    assert load_class(path, expected, packages=("mlops",)) is Popularity


REFUSED = {
    "another package": ("os.system", "outside the allowed packages"),
    "a package with a similar name": ("mlopsx.a.B", "outside the allowed packages"),
    "the package itself": ("mlops", "outside the allowed packages"),
    "a relative path": (".mlops.a.B", "outside the allowed packages"),
    "a module": ("mlops.models.heuristics", "is not a Heuristic class"),
    "a module that is not there": ("mlops.nosuch.B", "cannot be imported"),
    "a class that is not there": ("mlops.models.heuristics.No", "cannot be imported"),
    "an empty name": ("mlops.", "cannot be imported"),
    "two dots": ("mlops..B", "cannot be imported"),
    "a function": ("mlops.models.heuristics.fit_heuristic", "is not a Heuristic class"),
    "an instance": ("mlops.base.telemetry.ALL", "is not a Heuristic class"),
    "another class": ("mlops.base.errors.Place", "is not a Heuristic class"),
    "a type alias": ("mlops.models.heuristics.Facts", "is not a Heuristic class"),
    "what an allowed module has imported": (
        "mlops.base.store.shutil.rmtree",
        "cannot be imported",
    ),
    "a module that an allowed one has imported": ("mlops.base.store.os", "is not a Heuristic"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_anything_else_is_refused(sentence: str) -> None:
    path, message = REFUSED[sentence]
    expected: Any = Heuristic
    with pytest.raises(ConfigError, match=message) as caught:
        load_class(path, expected, packages=("mlops", "sklearn"))
    assert path in caught.value.message
    assert caught.value.hint


def test_package_that_fails_while_it_is_imported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_project.py").write_text("import no_such_module_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    expected: Any = Heuristic
    with pytest.raises(ConfigError, match="no_such_module_at_all"):
        load_class("broken_project.Mine", expected, packages=("broken_project",))


@pytest.mark.parametrize("content", ["1 / 0\n", "def f(:\n", "raise SystemExit(3)\n"])
def test_package_whose_code_raises_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    name = f"raising_{abs(hash(content))}"
    (tmp_path / f"{name}.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    expected: Any = Heuristic
    with pytest.raises(ConfigError, match="cannot be imported"):
        load_class(f"{name}.Mine", expected, packages=(name,))


# sections


class Low(Section):
    count: Annotated[int, Field(ge=1)] = 1
    share: float = 0.5
    names: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> "Low":
        if self.low > self.high:
            raise contradiction("low lies above high", "low", "high")
        return self


STRICT = {
    "an unknown key": '{"coutn": 1}',
    "a text for a number": '{"count": "1"}',
    "a fraction for a whole number": '{"count": 1.5}',
    "a truth value for a number": '{"share": true}',
    "null for a number": '{"share": null}',
    "a number below its bound": '{"count": 0}',
    "a text for a list": '{"names": "a"}',
    "a contradiction": '{"low": 2.0}',
}


@pytest.mark.parametrize("sentence", STRICT)
def test_section_is_strict(sentence: str) -> None:
    with pytest.raises(ValidationError):
        Low.model_validate_json(STRICT[sentence])


def test_section_is_frozen_and_takes_what_json_can_say() -> None:
    it = Low.model_validate_json('{"share": 1, "names": ["a", "b"]}')
    assert (it.share, it.names) == (1.0, ("a", "b"))
    with pytest.raises(ValidationError, match="frozen"):
        it.count = 2  # type: ignore[misc] # that is the point


def test_contradiction_carries_its_keys() -> None:
    with pytest.raises(ValidationError) as caught:
        Low(low=3.0, high=2.0)
    (error,) = caught.value.errors()
    assert (error["type"], error["ctx"]["keys"]) == ("contradiction", ("low", "high"))


def test_target_takes_its_arguments_from_beside_it() -> None:
    it = Target.model_validate({"_target_": "a.B", "depth": 3, "path": "/data"})
    assert (it.path, it.arguments) == ("a.B", {"depth": 3, "path": "/data"})
    assert Target.model_validate_json(it.model_dump_json()) == it


@pytest.mark.parametrize("node", [{}, {"depth": 3}, {"_target_": 3}, {"_target_": None}, "a.B", 7])
def test_node_without_a_class_is_no_target(node: Any) -> None:
    with pytest.raises(ValidationError):
        Target.model_validate(node)
