"""An audit: known vulnerabilities of the locked dependencies, and whether that could be told.

`pip-audit` says "no known vulnerabilities" and exits 0 where it could ask about no package at all.
A check that cannot be made is not a check passed, so each package that it skipped is counted.

Exit codes: 0 nothing is known, 1 something is, 3 it could not be told.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements" / "dev.txt"
CLEAN, FOUND, UNTOLD = 0, 1, 3

_FLAGS = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")
_LONGEST_S = 600


def judge(document: Mapping[str, Any] | None) -> tuple[int, Sequence[str]]:
    """Return the exit code and what is told, a line each.

    Args:
        document: What `pip-audit --format json` wrote; None if it wrote nothing.
    """
    packages = [] if document is None else document.get("dependencies", [])
    known = [(each, found) for each in packages for found in each.get("vulns", ())]
    if known:
        return FOUND, [
            f"{each['name']} {each['version']}: {found['id']}, fixed in"
            f" {', '.join(found.get('fix_versions', ())) or 'no version yet'}"
            for each, found in known
        ]
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    if not packages or skipped:
        some = "the dependencies" if len(skipped) == len(packages) else ", ".join(skipped)
        return UNTOLD, [f"could not be audited, the service cannot be reached: {some}"]
    return CLEAN, [f"nothing is known against the {len(packages)} locked dependencies"]


def ask(lock: Path) -> Mapping[str, Any] | None:
    """Return what the service knows about a lock file's packages; None if it cannot be asked."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "audit.json"
        command = [sys.executable, "-m", "pip_audit", "-r", str(lock), *_FLAGS, "-o", str(file)]
        try:
            subprocess.run(command, capture_output=True, timeout=_LONGEST_S, check=False)  # noqa: S603 - a fixed program
            found: Mapping[str, Any] = json.loads(file.read_bytes())
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None
    return found


def main() -> int:
    """Audit the lock and return the exit code."""
    code, lines = judge(ask(LOCK))
    for line in lines:
        sys.stdout.write(f"audit: {line}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
