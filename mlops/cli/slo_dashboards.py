"""`mlops slo dashboards`: Grafana dashboards of all SLOs and of each service, as JSON files."""

from collections.abc import Mapping
from pathlib import Path

from mlops.base.errors import ConfigError
from mlops.base.verdict import Verdict
from mlops.cli.slo_call import SloCall
from mlops.cli.slo_generated import compare, write_changed
from mlops.slo.catalog import Catalog, read_catalog

_FOLDER = "dashboards"


def write_dashboards(call: SloCall) -> Verdict | None:
    """Write `UID.json` for each dashboard into `--out FOLDER`, by default `dashboards`.

    Returns:
        With `--check` the verdict `slo.generated`, which fails where a file would change.

    Raises:
        ConfigError: A definition is wrong, or there is no SLO to draw.
    """
    from mlops.dashboards.grafana import board_json  # the SDK takes a third of a second
    from mlops.dashboards.service import boards

    catalog = drawn_catalog(call)
    files = {
        f"{board.uid}.json": board_json(board) for board in boards(catalog.objectives, call.spec)
    }
    return write_folder(call, Path(call.given.options.get("--out", _FOLDER)), files)


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


def write_folder(call: SloCall, folder: Path, files: Mapping[str, str]) -> Verdict | None:
    """Write files into a folder, name them with `--dry-run`, or `--check` what is there.

    Args:
        call: Its flags say which of them.
        folder: Where.
        files: Their content by their path in it.

    Returns:
        With `--check` the verdict `slo.generated`.
    """
    placed = {folder / name: text for name, text in files.items()}
    if "--check" in call.given.flags:
        return compare(call, placed)
    write_changed(call, placed)
    return None
