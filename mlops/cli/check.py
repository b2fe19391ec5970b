"""`mlops check`: what is wrong in a configuration, before anything runs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from rich.console import Console as RichConsole

from mlops.base.digest import Json
from mlops.base.verdict import Status, Verdict, to_json
from mlops.cli.arguments import parse
from mlops.cli.console import Console, verdict_table
from mlops.config.compose import Composed, run_application


def run(arguments: Sequence[str]) -> int:
    """Run the command; `--schema` prints the JSON Schema of the configuration."""
    given = parse(arguments, flags=("--schema",))
    if "--schema" in given.flags:
        return _schema()
    console = Console(given.format)
    verdicts: list[Verdict] = []

    def job(composed: Composed) -> None:
        # Two seconds of scikit-learn, which `--help` and `--cfg` can do without.
        from mlops.config.check import check

        verdict = check(composed, Path.cwd())
        verdicts.append(verdict)

        def show(out: RichConsole) -> None:
            out.print(verdict_table(f"check of {composed.settings.name}", (verdict,)))

        console.result(_document(verdict), show)

    summary = "find what is wrong in a configuration, before anything runs"
    run_application("check", given.hydra, job, folder=Path.cwd(), summary=summary)
    return 2 if any(verdict.status is Status.FAIL for verdict in verdicts) else 0


def _document(verdict: Verdict) -> Json:
    """Return a verdict with the file and line, or override, of each finding."""
    document = cast("dict[str, Json]", to_json(verdict))
    findings = cast("list[dict[str, Json]]", document["findings"])
    for shown, finding in zip(findings, verdict.findings, strict=True):
        place = finding.place
        shown["place"] = None
        if place is not None:
            shown["place"] = {"origin": place.origin, "line": place.line, "key": place.key}
    return document


def _schema() -> int:
    import json

    from mlops.config.settings import Settings

    sys.stdout.write(json.dumps(Settings.model_json_schema(), indent=2) + "\n")
    return 0
