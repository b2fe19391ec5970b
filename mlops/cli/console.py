"""A console: results on stdout, as tables for people or JSON for machines; words on stderr."""

import json
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.box import SIMPLE_HEAD
from rich.console import Console as RichConsole
from rich.markup import escape
from rich.status import Status as Spinner
from rich.table import Table as RichTable

from mlops.base.digest import Json
from mlops.base.errors import ConfigError, MlopsError
from mlops.base.verdict import Finding, Status, Verdict
from mlops.cli.arguments import Format

_WIDEST_NAME = 44
STYLES = {
    Status.PASS: "green",
    Status.WARN: "yellow",
    Status.UNKNOWN: "yellow",
    Status.FAIL: "bold red",
}


class Console:
    """What a command prints with. rich honours NO_COLOR and drops styles where no terminal is.

    Args:
        format: `text`, or one for machines.
    """

    def __init__(self, format: Format) -> None:  # noqa: A002 - the flag's name
        self.format = format
        self._out = RichConsole(file=sys.stdout, highlight=False, width=width(sys.stdout.isatty()))
        self._err = RichConsole(file=sys.stderr, highlight=False, width=width(sys.stderr.isatty()))

    def result(self, document: Json, show: Callable[[RichConsole], None]) -> None:
        """Print a command's result.

        Args:
            document: For machines, one JSON document.
            show: Prints it for people.
        """
        if self.format == "json":
            sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        else:
            show(self._out)

    def say(self, text: str) -> None:
        """Tell a person something, on stderr; square brackets are shown as they are."""
        self._err.print(escape(text))

    def error(self, error: MlopsError) -> None:
        """Say what is wrong, where, and what to do."""
        problems = error.problems if isinstance(error, ConfigError) and error.problems else (error,)
        if len(problems) > 1:
            self._err.print(f"[bold red]error[/] {escape(error.message)}")
        for problem in problems:
            where = f"{problem.place}: " if problem.place else ""
            self._err.print(f"[bold red]error[/] {escape(where)}{escape(problem.message)}")
            if problem.hint:
                self._err.print(f"      {escape(problem.hint)}")

    def steps(self) -> "Steps":
        """Return a display of a long job's steps."""
        return Steps(self._err)


class Steps:
    """Tells which step a job is at: a spinner on a terminal, a line a step elsewhere.

    Args:
        console: Where.
    """

    def __init__(self, console: RichConsole) -> None:
        self._console = console
        self._spinner: Spinner | None = None
        if console.is_terminal:
            self._spinner = console.status("starting")

    def __enter__(self) -> Self:
        if self._spinner is not None:
            self._spinner.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._spinner is not None:
            self._spinner.stop()

    def __call__(self, step: str) -> None:
        """Begin a step."""
        if self._spinner is not None:
            self._spinner.update(escape(step))
        else:
            self._console.print(escape(step))


def width(terminal: bool) -> int | None:
    """Return how wide to print: the terminal's own width, or 110 where there is none."""
    return None if terminal else 110


def verdict_table(title: str, verdicts: tuple[Verdict, ...]) -> RichTable:
    """Return a table of verdicts' findings."""
    table = RichTable(title=escape(title), title_justify="left", box=SIMPLE_HEAD)
    names = [finding.check for verdict in verdicts for finding in verdict.findings]
    widest = min(max(map(len, names), default=0), _WIDEST_NAME)
    table.add_column("check", overflow="fold", min_width=widest)
    table.add_column("verdict", no_wrap=True)
    table.add_column("what was seen", overflow="fold")
    for verdict in verdicts:
        for finding in verdict.findings:
            style = STYLES[finding.status]
            table.add_row(
                escape(finding.check),
                f"[{style}]{finding.status.value}[/]",
                escape(_told(finding)),
            )
    return table


def _told(finding: Finding) -> str:
    return f"{finding.place}: {finding.message}" if finding.place else finding.message
