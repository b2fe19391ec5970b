"""The corpus: every fault is found where it stems from, and a right configuration is left alone."""

import json
from collections import Counter
from pathlib import Path

import pytest

from mlops.cli.main import main
from tests.corpus.case import Case, cases, examine, faults, inside

KINDS = {"config": 30, "flow": 20, "cost": 10}
MOST_NOT_FOUND, MOST_INEXACT = 3, 6

NOT_FOUND: dict[str, str] = {}
"""Faults that are known not to be found, with the reason."""
INEXACT: dict[str, str] = {}
"""Faults that are known to be found at another line than the one that a person would mend."""
FURTHER_NOT_FOUND: dict[str, str] = {}
"""As `NOT_FOUND`, of those beyond the sixty."""

FAULTS = {case.name: case for case in (*faults(), *cases("more"))}
RIGHT = {case.name: case for case in cases("right")}
EXPECTED_OF_COMMAND = (
    "a deadline is written with its unit",
    "a learning rate has lost its sign",
    "a calibration with a single fold",
    "a user's attribute that was never seen breaks the ordinal encoder",
    "a heuristic counts a column that no request has",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all cases share: mypy's cache and the calibration of this machine."""
    return tmp_path_factory.mktemp("store")


def told(case: Case, folder: Path, store: Path) -> list[str]:
    findings = examine(case, folder, store=store).findings
    return [f"{f.check} {f.status} {f.place}: {f.message}" for f in findings]


def test_the_corpus_is_whole() -> None:
    assert Counter(case.kind for case in faults()) == KINDS
    assert len(RIGHT) == 20
    assert len(FAULTS) == sum(KINDS.values()) + len(cases("more"))
    assert all(case.says for case in FAULTS.values())


def test_few_are_declared_as_not_found() -> None:
    counted = {case.name for case in faults()}
    assert NOT_FOUND.keys() <= counted
    assert len(NOT_FOUND) <= MOST_NOT_FOUND
    assert len((NOT_FOUND | INEXACT).keys() & counted) <= MOST_INEXACT


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_where_it_stems_from(name: str, tmp_path: Path, store: Path) -> None:
    case = FAULTS[name]
    findings = examine(case, tmp_path, store=store).findings
    found = case.found(findings)
    if name in NOT_FOUND | FURTHER_NOT_FOUND:
        assert not found, f"it is found now: {found}"
        return
    assert found, f"nothing names {case.says!r} in {findings}"
    exact = any(map(case.exact, found))
    assert exact is (name not in INEXACT), f"{[str(f.place) for f in found]}, not {case.here}"


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_configuration_is_left_alone(name: str, tmp_path: Path, store: Path) -> None:
    assert told(RIGHT[name], tmp_path, store) == []


@pytest.mark.parametrize("name", EXPECTED_OF_COMMAND)
def test_the_command_says_so(
    name: str, tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = FAULTS[name]
    case.write(tmp_path)
    with inside(tmp_path):
        code = main(["check", *case.arguments, f"store.root={store}", "--format", "json"])
    captured = capsys.readouterr()
    assert code == 2, captured
    assert "Traceback" not in captured.err
    here = case.here[0]
    if captured.out:
        places = [f["place"] for f in json.loads(captured.out)["findings"] if f["place"]]
        assert (here.origin, here.line) in [(p["origin"], p["line"]) for p in places]
    else:  # what cannot be composed has no verdict
        assert str(here) in captured.err.replace("\n", "")
