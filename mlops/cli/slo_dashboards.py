"""`mlops slo dashboards`: Grafana dashboards of all SLOs and of each service, as JSON files."""

from pathlib import Path

from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.base.store import write_file
from mlops.cli.slo_call import SloCall
from mlops.slo.catalog import Catalog, read_catalog

_FOLDER = "dashboards"


def write_dashboards(call: SloCall) -> None:
    """Write `UID.json` for each dashboard into `--out FOLDER`, by default `dashboards`.

    Raises:
        ConfigError: A definition is wrong, or there is no SLO to draw.
    """
    from mlops.dashboards.grafana import board_json  # the SDK takes a third of a second
    from mlops.dashboards.service import boards

    catalog = drawn_catalog(call)
    files = {
        f"{board.uid}.json": board_json(board) for board in boards(catalog.objectives, call.spec)
    }
    write_folder(call, Path(call.given.options.get("--out", _FOLDER)), files)


def drawn_catalog(call: SloCall) -> Catalog:
    """Read the definitions of a call, saying which SLOs are left out.

    Raises:
        ConfigError: A definition is wrong, or no SLO has rules.
    """
    catalog = read_catalog(call.files)
    for omitted in catalog.omitted:
        call.console.say(f"{omitted.place}: {omitted.slo} is left out: {omitted.reason}")
    if not catalog.objectives:
        raise ConfigError(
            "no SLO has rules, so there is nothing to show", hint="mlops slo validate"
        )
    return catalog


def write_folder(call: SloCall, folder: Path, files: dict[str, str]) -> None:
    """Write files into a folder, or with `--dry-run` only name them.

    Files that would not change are left alone.

    Args:
        call: Says with what to print.
        folder: Where.
        files: Their content by their path in it.
    """
    named: list[Json] = []
    for name, text in files.items():
        path = folder / name
        named.append(str(path))
        same = path.is_file() and path.read_text() == text
        if not same and "--dry-run" not in call.given.flags:
            write_file(path, text.encode())
    verb = "would write" if "--dry-run" in call.given.flags else "wrote"
    call.console.result(named, lambda out: out.print(f"{verb} " + ", ".join(map(str, named))))
