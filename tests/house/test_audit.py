"""The audit of dependencies tells a finding from a check that could not be made."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "tools" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FINE: Any = {"name": "a", "version": "1", "vulns": []}
BAD: Any = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
UNFIXED: Any = {"name": "c", "version": "2", "vulns": [{"id": "CVE-2", "fix_versions": []}]}
SKIPPED: Any = {"name": "d", "skip_reason": "could not be audited"}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([FINE, FINE], 0, "the 2 locked"),
        ([FINE, BAD], 1, "b 2: CVE-1, fixed in 3"),
        ([SKIPPED, UNFIXED], 1, "c 2: CVE-2, fixed in no version yet"),
        ([SKIPPED, FINE], 3, "could not be audited, the service cannot be reached: d"),
        ([SKIPPED, SKIPPED], 3, "reached: the dependencies"),
        ([], 3, "could not be audited"),
        (None, 3, "could not be audited"),
    ],
)
def test_check_that_cannot_be_made_is_neither_passed_nor_a_finding(
    packages: Any, code: int, words: str
) -> None:
    found, lines = audit().judge(None if packages is None else {"dependencies": packages})
    assert found == code
    assert words in "\n".join(lines)


def test_ci_fails_on_a_finding_only() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert "tools/audit.py || [ $? -eq 3 ]" in script
    assert audit().LOCK.is_file()
