"""What a `${...}` may ask for, and how much it may stand for, before anything is resolved."""

import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from mlops.base.errors import ConfigError, Place
from mlops.cli.main import main
from mlops.config.compose import compose
from mlops.config.interpolation import MAX_STEPS, bound_interpolations, require_variable
from mlops.config.origin import Key


def nowhere(key: Key) -> Place | None:
    return Place("file.yaml", 1, ".".join(key))


def doubled(count: int, form: str = "${%s}${%s}") -> dict[str, object]:
    """Return values of which each names the one before twice."""
    names = [f"x{number}" for number in range(count)]
    tree: dict[str, object] = {names[0]: "lol"}
    for before, name in pairwise(names):
        tree[name] = form % (before, before)
    return tree


REFUSED: dict[str, tuple[object, str]] = {
    "values that name each other twice": (doubled(40), "larger than"),
    "the same, of nothing": ({**doubled(40), "x0": ""}, "larger than"),
    "the same in lists": (
        {"x0": [1], **{f"x{i}": [f"${{x{i - 1}}}", f"${{x{i - 1}}}"] for i in range(1, 40)}},
        "larger than",
    ),
    "the same in mappings": (
        {"x0": {}, **{f"x{i}": dict.fromkeys("ab", f"${{x{i - 1}}}") for i in range(1, 40)}},
        "larger than",
    ),
    "the same by relative names": (
        {"in": {**doubled(40, "${.%s}${.%s}")}},
        "larger than",
    ),
    "the same by brackets": (doubled(40, "${[%s]}${[%s]}"), "larger than"),
    "the same by oc.select": (doubled(40, "${oc.select:%s}${oc.select:%s,1}"), "larger than"),
    "the same in a default": (doubled(40, "${oc.env:MLOPS_X,${%s}}${%s}"), "larger than"),
    "the same by way of one value": (
        {"x0": {"a": "lol"}, **{f"x{i}": f"${{x{i - 1}.a}}${{x{i - 1}.a}}" for i in range(1, 40)}},
        "larger than",
    ),
    "a long way": (
        {f"x{i}": f"${{x{i + 1}}}" for i in range(MAX_STEPS + 9)},
        "more than 50 steps",
    ),
    "a name put together": ({"a": "b", "b": 1, "c": "${${a}}"}, "may hold no other"),
    "a path put together": ({"a": "b", "c": "${x.${a}}"}, "may hold no other"),
    "a resolver put together": ({"a": "env", "c": "${oc.${a}:HOME}"}, "may hold no other"),
    "a selection put together": ({"a": "b", "c": "${oc.select:${a}}"}, "may hold no other"),
    "a value made of a text": ({"a": "${oc.create:'{x: 1}'}"}, "'oc.create' is not used"),
    "a text read as a value": ({"a": "${oc.decode:'[1]'}"}, "'oc.decode' is not used"),
    "keys of a mapping": ({"a": "${oc.dict.keys:b}"}, "'oc.dict.keys' is not used"),
    "a variable that is not on the list": ({"a": "${oc.env:HOME}"}, "environment variable 'HOME'"),
    "the same, spelt apart": ({"a": "${ oc.env : HOME , x}"}, "environment variable 'HOME'"),
    "the same, in quotes": ({"a": "${oc.env:'HOME'}"}, "environment variable"),
    "the same, in a default": ({"a": "${oc.env:MLOPS_X,${oc.env:HOME}}"}, "variable 'HOME'"),
    "a variable put together": ({"b": "OME", "a": "${oc.env:H${b}}"}, "environment variable 'H'"),
    "a variable named elsewhere": ({"b": "HOME", "a": "${oc.env:${b}}"}, "may hold no other"),
    "a resolver of somebody's own": ({"a": {"b": ["${shell: ls}"]}}, "a.b.0: the resolver 'shell'"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_interpolations_that_ask_for_too_much_are_refused_with_their_place(sentence: str) -> None:
    tree, words = REFUSED[sentence]
    started = time.perf_counter()
    with pytest.raises(ConfigError, match=words) as caught:
        bound_interpolations(tree, nowhere, {})
    assert time.perf_counter() - started < 1
    assert caught.value.place is not None


TAKEN: dict[str, object] = {
    "none": {"a": 1, "b": [None, True, {"c": "text"}]},
    "a name": {"a": "${b.c}", "b": {"c": "x"}},
    "a name of nothing": {"a": "${nothing.here}"},
    "names that lead in a circle": {"a": "${b}", "b": "${a}${a}"},
    "one that is none": {"a": r"\${a b} $5 {x}"},
    "an environment variable with a default": {"a": "${oc.env:MLOPS_X,null}"},
    "a variable put together that begins well": {"a": "${oc.env:MLOPS_${b}}", "b": 1},
    "the time": {"a": "${now:%Y-%m-%d}"},
    "Hydra's choice": {"a": "${hydra:runtime.choices.model}"},
    "a value named a hundred times": {"a": "text", "b": ["${a}"] * 100},
}


@pytest.mark.parametrize("sentence", TAKEN)
def test_usual_interpolations_are_taken(sentence: str) -> None:
    bound_interpolations(TAKEN[sentence], nowhere, {})


@pytest.mark.parametrize(
    ("name", "environment", "allowed"),
    [
        ("MLOPS_DATA_DIR", {}, True),
        ("HOME", {}, False),
        ("AWS_SECRET_ACCESS_KEY", {"MLOPS_CONFIG_ENV": "HOME"}, False),
        ("HOME", {"MLOPS_CONFIG_ENV": "USER, HOME"}, True),
        ("HOME", {"MLOPS_CONFIG_ENV": "HOM"}, False),
        ("", {}, False),
        ("", {"MLOPS_CONFIG_ENV": "HOME"}, False),
        ("mlops_x", {}, False),
    ],
)
def test_environment_is_read_by_an_allow_list(
    name: str, environment: Mapping[str, str], allowed: bool
) -> None:
    if allowed:
        require_variable(name, environment)
        return
    with pytest.raises(ConfigError, match="may not read the environment variable") as caught:
        require_variable(name, environment)
    assert "MLOPS_CONFIG_ENV" in caught.value.hint


CONFIG = "defaults: [{service: open_bandit}, _self_]\n"
BOMB = "".join(f"  x{i}: ${{.x{i - 1}}}${{.x{i - 1}}}\n" for i in range(1, 40))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("owner: ${oc.env:AWS_SECRET_ACCESS_KEY}\n", "conf/config.yaml:2"),
        ("owner: ${oc.env:AWS_SECRET_ACCESS_KEY,none}\n", "conf/config.yaml:2"),
        ("owner: ${oc.decode:'${oc.env:AWS_SECRET_ACCESS_KEY}'}\n", "conf/config.yaml"),
        (f"hydra:\n  x0: lol\n{BOMB}  searchpath: ['${{.x39}}']\n", "conf/config.yaml"),
        (f"hydra:\n  x0: lol\n{BOMB}  job: {{name: '${{hydra.x39}}'}}\n", "conf/config.yaml"),
        ("hydra: {searchpath: ['pk${x}g://antigravity']}\nx: ''\n", "pkg://antigravity"),
    ],
)
@pytest.mark.parametrize("command", [("check",), ("gate", "--cfg", "job", "--resolve")])
def test_file_reads_no_secret_and_stands_for_no_more_than_it_may(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...], text: str, place: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    (project / "conf" / "config.yaml").write_text(CONFIG + text)
    assert main([*command]) == 2
    told = said(capsys)
    assert place in told
    assert "hunter2" not in told
    assert "Traceback" not in told


def test_override_reads_no_secret_either(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    override = "owner=${oc.env:AWS_SECRET_ACCESS_KEY}"
    assert main(["check", override]) == 2
    told = said(capsys)
    assert f"override {override}" in told
    assert "MLOPS_CONFIG_ENV" in told
    assert "hunter2" not in told
    monkeypatch.setenv("MLOPS_CONFIG_ENV", "AWS_SECRET_ACCESS_KEY")
    assert compose([override], folder=project).settings.owner == "hunter2"


SPREAD = {
    "a search path": ("", "hydra.searchpath=['file://${x.x39}']"),
    "a job's name": ("hydra: {job: {name: '${x.x39}'}}\n", "seed=1"),
    "a mode": ("hydra: {mode: '${x.x39}'}\n", "seed=1"),
    "a sweep's folder": ("hydra: {sweep: {dir: '${x.x39}'}}\n", "seed=1"),
    "a value": ("", "+y=${x.x39}"),
}


@pytest.mark.filterwarnings("ignore:provider=hydra.searchpath")
@pytest.mark.parametrize("sentence", SPREAD)
def test_bomb_of_several_files_ends_before_anything_resolves_it(
    project: Path, capsys: pytest.CaptureFixture[str], sentence: str
) -> None:
    text, override = SPREAD[sentence]
    conf = project / "conf"
    (conf / "x").mkdir()
    for number in range(4):  # each file stands for little by itself
        low, high = max(1, 10 * number), 10 * number + 10
        lines = [f"x{i}: ${{.x{i - 1}}}${{.x{i - 1}}}\n" for i in range(low, high)]
        (conf / "x" / f"{number}.yaml").write_text("x0: lol\n" * (low == 1) + "".join(lines))
    defaults = "defaults: [{service: open_bandit}, {x@x: ['0', '1', '2', '3']}, _self_]\n"
    (conf / "config.yaml").write_text(defaults + text)
    assert main(["gate", "--cfg", "hydra", "--resolve", override]) == 2
    assert "larger than" in said(capsys)


def test_override_that_is_nested_too_deeply_is_no_bug(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "seed=" + "[" * 3000 + "]" * 3000]) == 2
    assert "nested too deeply" in said(capsys)
