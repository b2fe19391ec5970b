"""A result: figures with the machine that they were measured on, in benchmarks/results."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from mlops.base.digest import Json

RESULTS = Path(__file__).parent / "results"


def write(name: str, report: dict[str, Json]) -> None:
    """Write a report to results/NAME.json, with the machine described."""
    RESULTS.mkdir(exist_ok=True)
    content = {"machine": describe(), **report}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


def describe() -> dict[str, Json]:
    """Return what the machine is, and how busy."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "scikit_learn": version("scikit-learn"),
        "load_1min": round(os.getloadavg()[0], 1),
    }
