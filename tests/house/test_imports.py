"""What is imported when: the door is light, the server is lean, heavy libraries face one file."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "mlops").rglob("*.py"))

HEAVY = (
    "evidently", "grafana_foundation_sdk", "hydra", "jinja2", "matplotlib", "mlflow",
    "mlops.budgets", "mlops.dashboards", "mlops.config", "mlops.data", "mlops.release",
    "mlops.training", "mlops.verify", "mlops.proofs", "mlops.cost", "mlops.algorithms",
    "omegaconf", "pandas", "pandera", "pyarrow", "ray", "rich",
    "scipy", "sklearn",
)  # fmt: skip

# Swapping one of these libraries touches these files.
FACING = {
    "pandera": {"contracts/schema.py"},
    "hydra": {"config/compose.py", "config/reading.py"},
    "omegaconf": {"config/compose.py", "config/reading.py"},
    "cryptography": {"models/signature.py"},
    "prometheus_client": {"serving/exposition.py"},
    "sqlalchemy": {"decision_log/database.py"},
    "rich": {"cli"},
    "sklearn": {"models", "algorithms", "cost"},
    "ctypes": {"hosting/lifeline.py"},
    "grafana_foundation_sdk": {"dashboards/grafana.py"},
    "jinja2": {"budgets/page.py"},
    "matplotlib": {"budgets/plot.py"},
    "promql_parser": {"slo/promql.py"},
}


def modules_after(statements: str) -> set[str]:
    """Return the modules that a fresh interpreter has after some statements, beyond its own."""
    program = (
        "import sys; before = set(sys.modules)\n"
        f"{statements}\n"
        "print('\\nMODULES', *sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return set(done.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize("arguments", [["--help"], [], ["version"], ["chek"], ["completion"]])
def test_door_imports_no_third_party_module(arguments: list[str]) -> None:
    found = modules_after(f"from mlops.cli.main import main; main({arguments!r})")
    own = {name.partition(".")[0] for name in found}
    assert own - set(sys.stdlib_module_names) == {"mlops"}


@pytest.mark.parametrize("module", ["mlops.serving.server", "mlops.serving.model_worker"])
def test_server_is_lean(module: str) -> None:
    found = modules_after(f"import {module}")
    assert module in found
    heavy = {name for name in found if any(f"{name}.".startswith(f"{h}.") for h in HEAVY)}
    assert heavy == set()


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("library", FACING)
def test_library_faces_its_files_only(library: str) -> None:
    found = {
        path.relative_to(ROOT / "mlops").as_posix()
        for path in SOURCES
        if any(name.partition(".")[0] == library for name in imports(path))
    }
    allowed = FACING[library]
    stray = {name for name in found if not {name, name.partition("/")[0]} & allowed}
    assert found, f"{library} is no longer used: take it out of the table"
    assert stray == set()


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_inner_packages_hold_a_docstring_only() -> None:
    for path in SOURCES:
        if path.name == "__init__.py":
            (only,) = ast.parse(path.read_text()).body
            assert isinstance(only, ast.Expr), path
