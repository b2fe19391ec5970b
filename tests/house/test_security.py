"""What no module may do, and that each threat of docs/security.md names tests that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "mlops").rglob("*.py"))
TABLE = (ROOT / "docs" / "security.md").read_text()

RUNS_WHAT_IT_READS = {"cloudpickle", "dill", "marshal", "pickle", "shelve", "code", "runpy"}
FETCHES = {"aiohttp", "ftplib", "http.client", "httpx", "requests", "smtplib", "urllib.request",
           "urllib3", "xmlrpc", "websockets"}  # fmt: skip
CALLS = {
    "eval", "exec", "compile", "os.system", "os.popen", "__import__", "joblib.load", "np.load",
    "numpy.load", "yaml.load", "yaml.unsafe_load",
}  # fmt: skip
REQUEST_PATH = ("serving", "hosting", "decision_log", "contracts", "models")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of(modules: Iterator[str], forbidden: set[str]) -> set[str]:
    return {m for m in modules if m in forbidden or m.partition(".")[0] in forbidden}


def called(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_no_module_runs_what_it_reads() -> None:
    found = []
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        found += [f"{path}: {name}" for name in of(imported(tree), RUNS_WHAT_IT_READS)]
        for name, call in called(tree):
            values = {each.arg: ast.unparse(each.value) for each in call.keywords}
            opened = {values.get("shell", "False"), values.get("allow_pickle", "False")}
            if name in CALLS or opened != {"False"}:
                found.append(f"{path}:{call.lineno}: {name}")
    assert found == []


@pytest.mark.parametrize("room", REQUEST_PATH)
def test_nothing_on_the_request_path_can_fetch_a_url(room: str) -> None:
    for path in (ROOT / "mlops" / room).glob("*.py"):
        assert of(imported(ast.parse(path.read_text())), FETCHES) == set(), path


def rows() -> list[str]:
    threats = TABLE.partition("## Threats")[2]
    lines = [line for line in threats.splitlines() if line.startswith("|")]
    return [line for line in lines if not re.match(r"\|( asset |-)", line)]


def test_every_threat_names_a_test() -> None:
    assert len(rows()) >= 25
    assert [row for row in rows() if not NAMED.search(row)] == []


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(TABLE))))
def test_every_test_that_a_threat_names_exists(file: str, name: str) -> None:
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
