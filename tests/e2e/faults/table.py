"""The matrix's table: one line for each row, with and without its guard."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.faults.verdicts import Observed

_HEAD = (
    f"{'fault':<42} {'guard':<5} {'sent':>6} {'in time':>9} {'lost':>5} {'wrong':>5}"
    f" {'model':>6} {'cache':>6} {'heur.':>6} {'static':>6} {'detect':>7} {'recover':>7}"
    f" {'log lost':>8}  verdict"
)


@dataclass
class Table:
    """The lines so far, and the file that always holds them.

    Attributes:
        path: The file.
        lines: One for each playing.
    """

    path: Path
    lines: list[str] = field(default_factory=list)

    def add(self, fault: str, seen: Observed, misses: Sequence[str], *, guarded: bool) -> None:
        counts = seen.tally
        shares = " ".join(
            f"{counts.share(source):>6.1%}" for source in ("model", "cache", "heuristic", "static")
        )
        verdict = "reached" if not misses else "missed: " + "; ".join(misses)
        self.lines.append(
            f"{fault:<42} {'on' if guarded else 'off':<5} {counts.requests:>6}"
            f" {counts.share_in_time:>9.3%} {counts.lost:>5} {counts.wrong:>5} {shares}"
            f" {_seconds(seen.detect_s):>7} {_seconds(seen.recover_s):>7}"
            f" {'-' if seen.lost_rows is None else seen.lost_rows:>8}  {verdict}"
        )
        self.path.write_text(self.text() + "\n")

    def text(self) -> str:
        return "\n".join([_HEAD, *self.lines])


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
