"""The runbooks: each heading that a generated alert links to is there."""

import re
from pathlib import Path
from typing import Any

import yaml

from mlops.slo.catalog import read_catalog
from mlops.slo.rules import generate
from mlops.slo.spec import SloSpec

ROOT = Path(__file__).parents[2]


def alerts(path: Path) -> list[dict[str, Any]]:
    """Return the alerts that are generated from a file, those that stand for every service too."""
    groups = yaml.safe_load(generate(read_catalog([path]).objectives, SloSpec()))["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def headings(page: Path) -> set[str]:
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in found}


def test_every_alert_links_to_a_heading_that_is_there() -> None:
    files = sorted((ROOT / "slo").glob("*.yaml"))
    found = [alert for path in files for alert in alerts(path)]
    assert {"SloDataAbsent", "ServiceAbsent"} <= {alert["alert"] for alert in found}
    for alert in found:
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert anchor in headings(ROOT / page), alert["alert"]
