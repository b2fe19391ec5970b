"""The OpenSLO objects: the official files are accepted or refused as they must be."""

import json
from pathlib import Path

import pytest

from mlops.base.errors import ConfigError
from mlops.slo.catalog import read_catalog, read_entries
from mlops.slo.openslo import ADAPTER, KINDS

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "openslo"
CASES = FIXTURES / "schema-test"


def _cases() -> dict[str, str]:
    if not FIXTURES.is_dir():
        return {}
    expected: dict[str, str] = json.loads((CASES / "expected.json").read_text())
    cases = {str(CASES / "spec-files" / "v1" / name): verdict for name, verdict in expected.items()}
    cases |= {str(path): "accept" for path in FIXTURES.glob("examples/*/*.yaml")}
    # Not in the list; the specification's text says either good or bad.
    cases[str(CASES / "spec-files/v1/sli/sli-ratio-good-and-bad.yaml")] = "reject"
    return cases


OFFICIAL = _cases()


@pytest.mark.skipif(not OFFICIAL, reason="the official files are not beside the repository")
def test_the_official_files_are_found() -> None:
    assert len(OFFICIAL) > 40


@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: Path(path).name)
def test_an_official_file(path: str) -> None:
    if OFFICIAL[path] == "reject":
        with pytest.raises(ConfigError) as caught:
            read_entries(Path(path))
        for problem in caught.value.problems or (caught.value,):
            assert problem.place is not None
            assert problem.place.line is not None
        return
    for entry in read_entries(Path(path)):
        again = ADAPTER.validate_json(entry.item.model_dump_json(exclude_none=True))
        assert again == entry.item


def test_the_seven_kinds() -> None:
    assert set(KINDS) == {
        "DataSource", "Service", "SLI", "SLO", "AlertPolicy", "AlertCondition",
        "AlertNotificationTarget",
    }  # fmt: skip


@pytest.mark.parametrize(
    "path", [path for path in OFFICIAL if "examples" in path], ids=lambda path: Path(path).name
)
def test_the_official_examples_are_accepted_and_reported_as_not_generated(path: str) -> None:
    catalog = read_catalog([path])
    assert not catalog.objectives
    assert all("not compiled" in item.reason or "only" in item.reason for item in catalog.omitted)
    assert catalog.omitted
