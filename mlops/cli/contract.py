"""`mlops contract`: show a service's contracts in other languages, or tell what a change breaks."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table as RichTable

from mlops.base.digest import Json
from mlops.base.errors import ConfigError, ContractError
from mlops.base.target import load_class
from mlops.cli.arguments import Arguments, parse
from mlops.cli.console import Console
from mlops.config.compose import Composed, run_application
from mlops.config.resolve import contracts
from mlops.config.settings import allowed_packages, folders
from mlops.contracts.diff import Change, Direction, Impact, diff, impacts
from mlops.contracts.domain import Domain
from mlops.contracts.json_schema import domain_schema
from mlops.contracts.markdown import allowed, use
from mlops.contracts.markdown import document as markdown
from mlops.contracts.odcs import document as odcs
from mlops.contracts.odcs import to_yaml
from mlops.contracts.opaque import uncompiled
from mlops.contracts.schema import as_schema, read_domain
from mlops.models.artifact import load, resolve

_USAGE = (
    "mlops contract show [request|training|output] [--as text|json|json-schema|odcs|markdown]"
    " | diff OLD NEW [--output]; OLD and NEW are each `request`, `training` or `output` as"
    " configured, a bundle, a file of JSON, or package.module:Class"
)
_FORMS = ("text", "json", "json-schema", "odcs", "markdown")
_ROLES = ("request", "training", "output")
_SUMMARY = """\
show contracts in other languages, or tell what a change breaks

  show [request|training|output]      one contract, that of requests by default
    --as text|json|json-schema|odcs|markdown       in which language; text by default
  diff OLD NEW                        what changed, and whom it breaks: callers or bundles
    --output                          read it as a contract of answers, not of requests
OLD and NEW are each request, training or output as configured, a bundle (latest, a digest, a folder
with a slash in it), a file of JSON by `show --as json`, or package.module:Class.
  --format text|json                  for people or programs
Exit code 0: shown, or nothing breaks. 1: the change breaks callers or bundles. 2: used or
configured wrongly."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; a change that breaks someone is exit code 1."""
    form, rest = _take_form(arguments)
    given = parse(rest, flags=("--output",), words=3)
    console = Console(given.format)
    broken: list[Impact] = []

    def job(composed: Composed) -> None:
        match given.words:
            case ("show", *roles) if len(roles) < 2:
                _show(console, composed, roles[0] if roles else "request", form)
            case ("diff", old, new):
                broken.extend(_diff(console, composed, given, old, new))
            case _:
                raise ConfigError(f"contract {' '.join(given.words)} is not known", hint=_USAGE)

    run_application("contract", given.hydra, job, folder=Path.cwd(), summary=_SUMMARY)
    return 1 if broken else 0


def _take_form(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Take `--as FORM` out of the arguments."""
    rest = list(arguments)
    form = "text"
    for at, argument in enumerate(rest):
        if argument == "--as" or argument.startswith("--as="):
            separate = argument == "--as"
            form = "".join(rest[at + 1 : at + 2]) if separate else argument.partition("=")[2]
            del rest[at : at + 1 + separate]
            break
    if form not in _FORMS:
        raise ConfigError(f"--as {form!r} is no form", hint=f"one of: {', '.join(_FORMS)}")
    return form, rest


def _show(console: Console, composed: Composed, role: str, form: str) -> None:
    domain = _configured(composed, role)
    document = cast("Json", domain.model_dump(mode="json"))
    match form:
        case "text":
            console.result(document, lambda out: _table(out, domain, role))
        case "odcs":
            made = odcs(domain, service=composed.settings.name, role=role)
            sys.stdout.write(to_yaml(made))
        case "markdown":
            sys.stdout.write(markdown(domain))
        case _:
            shown = domain_schema(domain) if form == "json-schema" else document
            sys.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")


def _configured(composed: Composed, role: str) -> Domain:
    loaded = contracts(composed)
    match role:
        case "request":
            return loaded.request
        case "training":
            return loaded.training
        case "output":
            return loaded.output
        case _:
            raise ConfigError(f"there is no contract {role!r}", hint=f"one of: {', '.join(_ROLES)}")


def _table(out: RichConsole, domain: Domain, role: str) -> None:
    table = RichTable(
        title=f"contract {escape(domain.name)}", title_justify="left", box=SIMPLE_HEAD
    )
    for name in ("column", "kind", "from", "allowed", "missing", "use"):
        table.add_column(name, overflow="fold")
    for column in domain.columns:
        table.add_row(
            escape(column.name),
            column.dtype or column.kind.value,
            column.scope.value,
            escape(allowed(column)),
            "yes" if column.nullable else "",
            use(column),
        )
    out.print(table)
    for finding in uncompiled({role: domain}):
        out.print(f"[yellow]{finding.status.value}[/] {escape(finding.message)}")


def _diff(
    console: Console, composed: Composed, given: Arguments, old: str, new: str
) -> tuple[Impact, ...]:
    direction = Direction.OUTPUT if "--output" in given.flags else Direction.REQUEST
    changes = diff(_named(composed, old), _named(composed, new), direction=direction)
    broken = impacts(changes)
    document: Json = {
        "old": old,
        "new": new,
        "direction": direction.value,
        "breaks_callers": Impact.CALLERS in broken,
        "breaks_bundles": Impact.BUNDLES in broken,
        "changes": [_change(change) for change in changes],
    }
    console.result(document, lambda out: _changes(out, old, new, changes))
    return broken


def _change(change: Change) -> Json:
    return {
        "column": change.column,
        "facet": change.facet,
        "message": change.message,
        "impacts": [impact.value for impact in change.impacts],
    }


def _changes(out: RichConsole, old: str, new: str, changes: tuple[Change, ...]) -> None:
    if not changes:
        out.print(f"{escape(old)} and {escape(new)} say the same")
        return
    table = RichTable(
        title=f"{escape(old)} to {escape(new)}", title_justify="left", box=SIMPLE_HEAD
    )
    table.add_column("column", overflow="fold")
    table.add_column("impact")
    table.add_column("what changed", overflow="fold")
    for change in changes:
        style, words = "green", "compatible"
        if change.impacts:
            style, words = "bold red", ", ".join(impact.value for impact in change.impacts)
        table.add_row(escape(change.column), f"[{style}]{words}[/]", escape(change.message))
    out.print(table)
    broken = impacts(changes)
    if Impact.CALLERS in broken:
        out.print("callers must change before this is released, or it needs a path of its own")
    if Impact.BUNDLES in broken:
        out.print("bundles must be trained again: theirs is another contract")


def _named(composed: Composed, name: str) -> Domain:
    """Return the contract that a word means.

    Raises:
        ConfigError: There is no such class or file.
        ContractError: The file or class is no contract.
        BundleError: There is no such bundle.
    """
    settings = composed.settings
    if name in _ROLES:
        return _configured(composed, name)
    if name.endswith(".json"):
        return _read(Path(name))
    module, colon, attribute = name.partition(":")
    if "/" not in name and (colon or "." in name):
        path = f"{module}.{attribute}" if colon else name
        packages = allowed_packages(settings)
        return read_domain(as_schema(load_class(path, object, packages=packages)))
    path_of_bundle = resolve(name, folders(settings, Path.cwd()).bundles, settings.name)
    return load(path_of_bundle, packages=allowed_packages(settings)).parts.domain


def _read(path: Path) -> Domain:
    try:
        return Domain.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint=_USAGE) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ContractError(
            f"{path} is no contract: {where}: {first['msg']}",
            hint="write one with `mlops contract show request --as json`",
        ) from error
