"""The page on fallback names tests and rows of the fault matrix that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fallback.md").read_text()
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
MATRIX = "\n".join(path.read_text() for path in (ROOT / "tests/e2e/faults").glob("*.py"))


def test_tests_named_on_the_page_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 20
    assert {name for name in named if f"def {name}(" not in TESTS} == set()


def test_rows_named_on_the_page_exist() -> None:
    (*lists,) = re.findall(r"\brows?\s((?:`[^`]+`[,\s]*)+)", PAGE)
    named = set(re.findall(r"`([^`]+)`", " ".join(lists)))
    assert len(named) > 5
    assert {name for name in named if f'"{name}"' not in MATRIX} == set()
