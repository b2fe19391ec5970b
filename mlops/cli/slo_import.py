"""`mlops slo import`: reads another tool's SLOs and writes them as OpenSLO."""

import sys
from pathlib import Path

import yaml

from mlops.base.errors import ConfigError
from mlops.base.store import write_file
from mlops.cli.slo_call import SloCall
from mlops.slo.imported import read_foreign, to_yaml


def import_foreign(call: SloCall) -> None:
    """Read files of sloth or pyrra; OpenSLO goes to `--out` or stdout, notes to stderr.

    Raises:
        ConfigError: No file is named, or one cannot be read.
    """
    if len(call.given.words) < 2:
        raise ConfigError("import needs files of sloth or pyrra", hint="mlops slo import FILE...")
    found = [read_foreign(path) for path in call.files]
    objects = [item for each in found for item in each.objects]
    tiers = [item for each in found for item in each.tiers]
    for each in found:
        for note in each.notes:
            call.console.say(f"note: {note}")
    if tiers:
        call.console.say("note: alert windows belong into the configuration, section `slo`:")
        for tier in tiers:
            text = yaml.safe_dump(tier, default_flow_style=True, sort_keys=False, width=200)
            call.console.say(f"  - {text.strip()}")
    if not objects:
        return
    text = to_yaml(objects)
    out = call.given.options.get("--out")
    if out is None:
        sys.stdout.write(text)
        return
    write_file(Path(out), text.encode())
    call.console.say(f"wrote {out}: {len(objects)} SLOs; hold it against ours: mlops slo validate")
