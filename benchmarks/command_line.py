"""The command line's benchmark: how long a person waits, beside a bare interpreter's start.

    python -m benchmarks.command_line

Prints a table and writes benchmarks/results/command_line.json. The limit of `mlops --help` is
0.3 s. Takes under a minute.
"""

import subprocess
import sys
import time
from statistics import median

from benchmarks.machine import write
from mlops.base.digest import Json

RUNS = 7
HELP_LIMIT_S = 0.3
CASES = {
    "a bare interpreter": ["-c", "pass"],
    "mlops --help": ["-m", "mlops.cli.main", "--help"],
    "import of the server": ["-c", "import mlops.serving.server"],
    "mlops check --cfg job": ["-m", "mlops.cli.main", "check", "--cfg", "job"],
    "mlops check": ["-m", "mlops.cli.main", "check"],
}


def main() -> None:
    """Measure, print, write."""
    results: list[Json] = []
    bare_s = 0.0
    print(f"{'what':<24} {'median s':>9} {'times bare':>11}")
    for name, arguments in CASES.items():
        taken_s = median(_seconds(arguments) for _ in range(RUNS))
        bare_s = bare_s or taken_s
        print(f"{name:<24} {taken_s:>9.3f} {taken_s / bare_s:>11.1f}")
        results.append({"what": name, "median_s": round(taken_s, 3),
                        "times_bare": round(taken_s / bare_s, 1)})  # fmt: skip
    write("command_line", {"runs": RUNS, "help_limit_s": HELP_LIMIT_S, "results": results})


def _seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
