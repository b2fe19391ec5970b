"""The page on the decision log: its example reads what a service wrote where it was started."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec

from mlops.decision_log.database import Database
from mlops.decision_log.target import SqliteTarget
from tests.components.decisions import row

PAGE = Path(__file__).parents[3] / "docs" / "decision-log.md"


def test_example_in_python_prints_the_decisions_of_a_service(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path / ".mlops" / "serving" / "search_ranking" / "decisions.sqlite"
    database = Database(SqliteTarget(path))
    database.insert([msgspec.structs.replace(row(7), service="search_ranking")])
    database.close()
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert "model ['item-0', 'item-1', 'item-2']" in done.stdout
