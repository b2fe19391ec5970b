"""`mlops data`: fetch a public data set, or show what a service's source gives."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import msgspec
from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table as RichTable

from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.cli.arguments import parse
from mlops.cli.console import Console
from mlops.config.compose import Composed, run_application
from mlops.config.resolve import contracts, plan
from mlops.config.settings import folders
from mlops.contracts.schema import Validated, validate
from mlops.data.card import DataCard, describe
from mlops.data.open_bandit_fetch import fetch

_USAGE = "mlops data fetch open_bandit | mlops data show [service=NAME]"
_SUMMARY = """\
fetch a public data set, or show what a source gives

  fetch open_bandit     60,000 real impressions, pinned by sha256, to data/ of the store
  show                  rows, time span, outcomes, what is missing, what breaks the contract; the
                        default, of the service that is configured
  --format text|json    for people or programs
Exit code 0: done. 2: used or configured wrongly. 3: the data cannot be reached."""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    given = parse(arguments, words=2)
    console = Console(given.format)

    def job(composed: Composed) -> None:
        match given.words:
            case ("fetch", "open_bandit"):
                _fetch(console, composed)
            case ("show",) | ():
                _show(console, composed)
            case _:
                raise ConfigError(f"data {' '.join(given.words)} is not known", hint=_USAGE)

    run_application("data", given.hydra, job, folder=Path.cwd(), summary=_SUMMARY)
    return 0


def _fetch(console: Console, composed: Composed) -> None:
    target = folders(composed.settings, Path.cwd()).data
    with console.steps() as announce:
        announce("fetching the Open Bandit sample")
        fetched = fetch(target, environment=os.environ)
    document: Json = {"folder": str(fetched.folder), "written": list(fetched.written)}
    text = f"{len(fetched.written)} files written to" if fetched.written else "already in"
    console.result(document, lambda out: out.print(f"{text} {escape(str(fetched.folder))}"))


def _show(console: Console, composed: Composed) -> None:
    loaded = contracts(composed)
    with console.steps() as announce:
        announce("reading")
        frame = plan(composed, loaded, Path.cwd()).source.read()
        validated = validate(loaded.schema, frame)
    time_column = composed.settings.data.split.column
    card = describe(frame, loaded.training.columns, time_column=time_column)
    document = cast("dict[str, Json]", msgspec.to_builtins(card))
    document["bad_rows"] = len(validated.bad)
    console.result(document, lambda out: _card(out, composed.settings.name, card, validated))


def _card(out: RichConsole, name: str, card: DataCard, validated: Validated) -> None:
    table = RichTable(title=f"data of {name}", title_justify="left", show_header=False)
    table.add_row("rows", f"{card.rows:,}")
    table.add_row("columns", f"{card.columns}")
    if card.first_s is not None and card.last_s is not None:
        table.add_row("time", f"{_day(card.first_s)} to {_day(card.last_s)}")
    for outcome, count in card.outcomes.items():
        table.add_row(outcome, f"{count.count:,} ({count.rate:.3%})")
    for column, share in card.missing.items():
        table.add_row(f"missing {column}", f"{share:.1%}")
    table.add_row("rows that break the contract", f"{len(validated.bad):,}")
    out.print(table)
    for violation in validated.violations:
        out.print(
            f"[yellow]{escape(violation.column)}[/]: {escape(violation.rule)} in"
            f" {len(violation.rows)} rows, first {violation.rows[0]}"
        )


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
