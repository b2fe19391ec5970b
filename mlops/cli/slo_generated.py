"""A generated file: written only where it would change, or held against what is there."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlops.base.digest import Json
from mlops.base.store import write_file
from mlops.base.verdict import Finding, Status, Verdict, to_json
from mlops.cli.console import verdict_table
from mlops.cli.slo_call import SloCall


def write_changed(call: SloCall, files: Mapping[Path, str]) -> None:
    """Write files and name them all; those that would not change are left alone.

    With `--dry-run` they are named only.

    Args:
        call: Says whether to write, and with what to print.
        files: Their content by their path.

    Raises:
        UnavailableError: The disk is full, read-only or forbidden.
    """
    dry = "--dry-run" in call.given.flags
    for path, text in files.items():
        if not dry and _content(path) != text:
            write_file(path, text.encode())
    named: list[Json] = [str(path) for path in files]
    verb = "would write" if dry else "wrote"
    call.console.result(named, lambda out: out.print(f"{verb} " + ", ".join(map(str, named))))


def compare(call: SloCall, files: Mapping[Path, str]) -> Verdict:
    """Print and return the verdict `slo.generated`, which fails where a file would change.

    Args:
        call: Its word is what would write them.
        files: What they should hold, by their path.
    """
    verdict = Verdict("slo.generated", tuple(_compared(files, call.given.words[0])))
    call.console.result(
        to_json(verdict), lambda out: out.print(verdict_table("generated files", (verdict,)))
    )
    return verdict


def _compared(files: Mapping[Path, str], word: str) -> Iterator[Finding]:
    for path, text in files.items():
        found = _content(path)
        if found == text:
            yield Finding("slo.generated", Status.PASS, f"{path} is up to date")
        else:
            what = "is missing" if found is None else "would change"
            hint = f"run `mlops slo {word}` and commit what it writes"
            yield Finding("slo.generated", Status.FAIL, f"{path} {what}", hint=hint)


def _content(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
