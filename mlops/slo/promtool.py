"""The program that runs unit tests of rules, promtool; only this file starts it."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mlops.base.errors import UnavailableError

_LONGEST_S = 600


class RuleTester(Protocol):
    """What runs unit tests of rules."""

    def test(self, files: Mapping[str, str], tests: str) -> str:
        """Run a test file.

        Args:
            files: Text of the test file and of those that it names, by name.
            tests: Name of the test file.

        Returns:
            What failed; empty if nothing did.
        """
        ...


class Promtool:
    """The program, found in PATH.

    Raises:
        UnavailableError: It is not installed.
    """

    def __init__(self) -> None:
        found = shutil.which("promtool")
        if found is None:
            raise UnavailableError(
                "promtool is not installed, so nothing is proved",
                hint="it comes with Prometheus: apt-get install prometheus",
            )
        self._program = found

    def test(self, files: Mapping[str, str], tests: str) -> str:
        """Run a test file in a folder of its own; see `RuleTester.test`.

        Raises:
            UnavailableError: It did not end.
        """
        with tempfile.TemporaryDirectory(prefix="mlops-proof-") as folder:
            for name, text in files.items():
                (Path(folder) / name).write_text(text)
            try:
                done = subprocess.run(  # noqa: S603 - found in PATH, arguments of ours
                    [self._program, "test", "rules", tests],
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=_LONGEST_S,
                )
            except subprocess.TimeoutExpired as error:
                raise UnavailableError(f"promtool did not end within {_LONGEST_S} s") from error
        return "" if done.returncode == 0 else _told(done.stdout + done.stderr)


def _told(output: str) -> str:
    """Return what failed, without what promtool says around it."""
    lines = (" ".join(line.split()) for line in output.splitlines())
    around = ("Unit Testing:", "FAILED:", "SUCCESS")
    return "; ".join(line for line in lines if line and not line.startswith(around)) or "it failed"
