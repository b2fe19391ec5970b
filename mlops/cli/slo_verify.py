"""`mlops slo verify`: proves the rules of definitions by running their unit tests."""

from mlops.base.verdict import Verdict, to_json
from mlops.cli.console import verdict_table
from mlops.cli.slo_call import SloCall
from mlops.slo.catalog import read_catalog
from mlops.slo.promtool import Promtool
from mlops.slo.verify import verify


def verify_rules(call: SloCall) -> Verdict:
    """Print for each alert whether it is proved, or why it cannot be.

    Raises:
        UnavailableError: promtool is not installed.
    """
    promtool = Promtool()
    found = verify(read_catalog(call.files), call.spec, promtool)
    call.console.result(to_json(found), lambda out: out.print(verdict_table("proof", (found,))))
    return found
