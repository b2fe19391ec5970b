"""`mlops slo stack`: a folder by which Docker Compose runs Prometheus, Alertmanager, Grafana."""

from pathlib import Path

from mlops.base.verdict import Verdict
from mlops.cli.slo_call import SloCall
from mlops.cli.slo_dashboards import drawn_catalog, write_folder

_FOLDER = "stack"


def write_stack(call: SloCall) -> Verdict | None:
    """Write the stack into `--out FOLDER`, by default `stack`.

    Returns:
        With `--check` the verdict `slo.generated`, which fails where a file would change.

    Raises:
        ConfigError: A definition is wrong, or there is no SLO to watch.
    """
    from mlops.dashboards.stack import stack_files  # Grafana's SDK takes a third of a second

    catalog = drawn_catalog(call)
    folder = Path(call.given.options.get("--out", _FOLDER))
    files = stack_files(catalog.objectives, call.spec, omitted=catalog.omitted)
    verdict = write_folder(call, folder, files)
    for severity, url in (
        ("pages", call.spec.receivers.page),
        ("tickets", call.spec.receivers.ticket),
    ):
        if not url:
            call.console.say(f"{severity} go nowhere: slo.receivers.{severity[:-1]} is empty")
    if not {"--check", "--dry-run"} & call.given.flags:
        call.console.say(f"start it with: docker compose --project-directory {folder} up --detach")
    return verdict
