"""The house style, as far as a machine can tell."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tracked() -> list[Path]:
    """Return the files of the repository; where git cannot tell, those that look like them."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        return [
            path.relative_to(ROOT)
            for folder in ("mlops", "tests", "conf", "docs", "slo", "tools", "benchmarks")
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        ]
    return [Path(name) for name in listed if name and (ROOT / name).is_file()]


TRACKED = tracked()
PYTHON = [path for path in TRACKED if path.suffix == ".py"]
SOURCES = [path for path in PYTHON if path.parts[0] == "mlops"]
MOST_LINES = 400
MOST_STATEMENT_LINES = 40

# Put together here, so that this file is none that names them.
REGISTRIES = re.compile(
    "|".join(
        ("py" + r"pi\.org", "python" + r"hosted\.org", "ana" + r"conda\.org", "npm" + r"js\.org",
         "index" + "-url[ =]http", "crates" + r"\.io/api", "proxy.go" + r"lang\.org")
    )
)  # fmt: skip
FLOOR = re.compile(r"Floor [1-9]: .*\.")
NOUN = re.compile(r"(`mlops [\w-]+( [\w-]+)?`|[A-Z][\w' -]*?): .*[.?:]|The \w+.*[.:]")
IGNORE = re.compile(r"type:\s*ignore")
IGNORE_TOLD = re.compile(r"# type: ignore\[[a-z-]+(, [a-z-]+)*\] +# \S")
NOQA = re.compile(r"# noqa")
NOQA_TOLD = re.compile(r"# noqa: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)* - \S")

Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def read(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def test_first_line_of_a_module_defines_its_noun() -> None:
    wrong = []
    for path in SOURCES:
        first = (ast.get_docstring(ast.parse(read(path))) or "").partition("\n")[0]
        wanted = FLOOR if path.name == "__init__.py" and len(path.parts) > 2 else NOUN
        if not wanted.fullmatch(first):
            wrong.append(f"{path}: {first}")
    assert wrong == []


def test_modules_are_short() -> None:
    paths = [path for path in PYTHON if path.parts[0] != "tests"]
    lines = {str(path): read(path).count("\n") for path in paths}
    assert {path: n for path, n in lines.items() if n > MOST_LINES} == {}


def test_functions_are_short() -> None:
    long = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                if lines > MOST_STATEMENT_LINES:
                    long.append(f"{path}: {node.name} has {lines} lines")
    assert long == []


def test_whatever_is_public_is_documented() -> None:
    bare = [
        f"{path}:{node.lineno}: {node.name}"
        for path in SOURCES
        for node in public(ast.parse(read(path)))
        if not ast.get_docstring(node)
    ]
    assert bare == []


def public(owner: ast.Module | ast.ClassDef) -> Iterator[Documented]:
    for node in owner.body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def test_silenced_checks_say_which_and_why() -> None:
    silent = []
    for path in PYTHON:
        if path.name == Path(__file__).name:
            continue
        for number, line in enumerate(read(path).splitlines(), 1):
            ignored = IGNORE.search(line) and not IGNORE_TOLD.search(line)
            if ignored or (NOQA.search(line) and not NOQA_TOLD.search(line)):
                silent.append(f"{path}:{number}: {line.strip()}")
    assert silent == []


def test_no_file_names_a_registry() -> None:
    found = [str(path) for path in TRACKED if REGISTRIES.search(read(path))]
    assert found == []


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert [str(path) for path in PYTHON if path.stem in drawers] == []


def test_folders_are_at_most_two_deep() -> None:
    assert [str(path) for path in SOURCES if len(path.parts) > 3] == []
