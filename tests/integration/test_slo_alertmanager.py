"""Alertmanager's part, read by amtool: it is valid, and each alert reaches whom it is for."""

import subprocess
from pathlib import Path

import pytest
import yaml

from mlops.slo.alertmanager import fragment
from mlops.slo.output import Yaml, yaml_text
from tests.components.prometheus import binary


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return an alertmanager.yml of a team that has put our pieces into its own."""
    pieces = yaml.safe_load(fragment())
    receivers: list[Yaml] = [{"name": name} for name in ("team", "slo-page", "slo-ticket")]
    path = tmp_path / "alertmanager.yml"
    path.write_text(
        yaml_text(
            {
                "route": {"receiver": "team", "routes": pieces["routes"]},
                "inhibit_rules": pieces["inhibit_rules"],
                "receivers": receivers,
            }
        )
    )
    return path


def amtool(*arguments: str) -> str:
    done = subprocess.run(
        [binary("amtool"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_alertmanager_accepts_the_pieces(config: Path) -> None:
    assert "SUCCESS" in amtool("check-config", str(config))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=SloBudgetBurn1h5m", "severity=page", "slo=a"), "slo-page"),
        (("alertname=SloBudgetBurn3d6h", "severity=ticket", "slo=a"), "slo-ticket"),
        (("alertname=SloDataAbsent", "severity=ticket", "slo=a"), "slo-ticket"),
        (("alertname=ServiceAbsent", "severity=page"), "slo-page"),
        (("alertname=DiskFull", "severity=page"), "team"),
    ],
)
def test_an_alert_reaches_whom_it_is_for(
    config: Path, labels: tuple[str, ...], receiver: str
) -> None:
    found = amtool("config", "routes", "test", f"--config.file={config}", *labels)
    assert found.strip() == receiver
