"""`mlops slo generate`: compiles definitions to Prometheus rules."""

import sys

from mlops.base.digest import Json
from mlops.base.store import write_file
from mlops.cli.slo_call import SloCall
from mlops.slo.catalog import read_catalog
from mlops.slo.rules import generate


def generate_rules(call: SloCall) -> None:
    """Write a rule file beside each definition, or print it with `--dry-run`."""
    written: list[Json] = []
    for path in call.files:
        text = generate(read_catalog([path]).objectives, call.spec)
        target = path.with_suffix(".rules.yml")
        if "--dry-run" in call.given.flags:
            sys.stdout.write(text)  # rich would wrap its lines
        else:
            write_file(target, text.encode())
            written.append(str(target))
    if written:
        call.console.result(written, lambda out: out.print("wrote " + ", ".join(map(str, written))))
