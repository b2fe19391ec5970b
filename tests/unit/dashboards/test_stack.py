"""The stack: its parts find each other, none is open to others, and each is of a fixed version."""

import json
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from mlops.dashboards.stack import alertmanager_config, stack_files
from mlops.slo.catalog import read_catalog
from mlops.slo.spec import Receivers, SloSpec
from tests.components.objectives import rules_of
from tests.components.prometheus import binary

ROOT = Path(__file__).parents[3]
OBJECTIVES = read_catalog(sorted((ROOT / "slo").glob("*.yaml"))).objectives
SPEC = SloSpec(
    targets=("127.0.0.1:8080", "shop.internal:80"),
    prometheus_url="http://127.0.0.1:9091",
    receivers=Receivers(page="http://127.0.0.1:5001/page?to=a&b"),
)
FILES = stack_files(OBJECTIVES, SPEC)
COMPOSE = yaml.safe_load(FILES["docker-compose.yml"])
SERVICES: dict[str, Any] = COMPOSE["services"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_the_same_definitions_give_the_same_stack() -> None:
    assert stack_files(OBJECTIVES, SPEC) == FILES


def test_promtool_and_amtool_accept_what_is_theirs(folder: Path) -> None:
    for command in (
        ["promtool", "check", "config", "prometheus/prometheus.yml"],
        ["amtool", "check-config", "alertmanager/alertmanager.yml"],
    ):
        done = subprocess.run(
            [binary(command[0]), *command[1:]],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_scrapes_the_servers_and_tells_alertmanager() -> None:
    config = yaml.safe_load(FILES["prometheus/prometheus.yml"])
    assert config["scrape_configs"][0]["static_configs"] == [{"targets": list(SPEC.targets)}]
    assert config["alerting"]["alertmanagers"] == [
        {"static_configs": [{"targets": ["127.0.0.1:9093"]}]}
    ]
    for name in config["rule_files"]:
        assert f"prometheus/{name}" in FILES


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_of_one_version(name: str) -> None:
    _, _, tag = SERVICES[name]["image"].partition(":")
    assert tag.removeprefix("v").replace(".", "").isdigit()
    assert tag.count(".") == 2


def test_grafana_is_of_the_major_that_the_dashboards_are_for() -> None:
    pinned = (ROOT / "pyproject.toml").read_text().partition("grafana-foundation-sdk==")[2]
    major = pinned.partition("!")[2].partition(".")[0]
    assert SERVICES["grafana"]["image"].partition(":")[2].startswith(f"{major}.")


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there_or_a_declared_volume(name: str) -> None:
    for mount in SERVICES[name]["volumes"]:
        source, target, *mode = mount.split(":")
        assert target.startswith("/")
        if source.startswith("./"):
            assert mode == ["ro"]
            inside = PurePosixPath(source.removeprefix("./"))
            assert any(PurePosixPath(file).is_relative_to(inside) for file in FILES)
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_beyond_this_machine_reaches_it(name: str) -> None:
    service = SERVICES[name]
    assert service["network_mode"] == "host"
    addresses = [
        value.partition("=")[2]
        for value in service.get("command", [])
        if value.startswith(("--web.listen-address", "--cluster.listen-address"))
    ] + [service.get("environment", {}).get("GF_SERVER_HTTP_ADDR", "")]
    assert any(addresses)
    for address in filter(None, addresses):
        assert address.partition(":")[0] == "127.0.0.1"
    for option in ("--web.enable-admin-api", "--web.enable-lifecycle"):
        assert option not in service.get("command", [])


def test_prometheus_listens_where_the_section_says_and_grafana_asks_there() -> None:
    assert "--web.listen-address=127.0.0.1:9091" in SERVICES["prometheus"]["command"]
    sources = yaml.safe_load(FILES["grafana/provisioning/datasources/prometheus.yml"])
    assert [each["url"] for each in sources["datasources"]] == [
        "http://127.0.0.1:9091", "http://127.0.0.1:9093",
    ]  # fmt: skip


def test_data_are_kept_as_long_as_declared() -> None:
    assert "--storage.tsdb.retention.time=40d" in SERVICES["prometheus"]["command"]


def test_grafana_begins_with_a_dashboard_that_is_there() -> None:
    provider = yaml.safe_load(FILES["grafana/provisioning/dashboards/slo.yml"])["providers"][0]
    folder = provider["options"]["path"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert PurePosixPath(home).parent == PurePosixPath(folder)
    assert f"grafana/dashboards/{PurePosixPath(home).name}" in FILES
    mounted = {mount.split(":")[1] for mount in SERVICES["grafana"]["volumes"]}
    assert folder in mounted


def test_an_alert_links_to_a_dashboard_of_the_stack_unless_another_is_declared() -> None:
    uids = {json.loads(text)["uid"] for name, text in FILES.items() if name.endswith(".json")}
    links = {
        rule.annotations["dashboard_url"]
        for rule in rules_of(FILES["prometheus/rules/slo.rules.yml"])
        if "dashboard_url" in rule.annotations
    }
    assert links
    assert {link.rpartition("/")[2] for link in links} <= uids
    own = stack_files(OBJECTIVES, SPEC.model_copy(update={"dashboard_url": "https://g/{slo}"}))
    assert "https://g/open-bandit-latency" in own["prometheus/rules/slo.rules.yml"]
    assert "/d/slo-service" not in own["prometheus/rules/slo.rules.yml"]


def test_pages_and_tickets_go_where_the_section_says_and_the_end_is_told_too() -> None:
    receivers = {
        each["name"]: each.get("webhook_configs", [])
        for each in yaml.safe_load(FILES["alertmanager/alertmanager.yml"])["receivers"]
    }
    assert receivers == {
        "nobody": [],
        "slo-page": [{"url": "http://127.0.0.1:5001/page?to=a&b", "send_resolved": True}],
        "slo-ticket": [],
    }


def test_with_windows_of_seconds_nobody_waits_for_minutes() -> None:
    spec = SPEC.model_copy(update={"step_s": 5})
    route = yaml.safe_load(alertmanager_config(spec))["route"]["routes"][0]
    assert (route["group_wait"], route["group_interval"]) == ("5s", "1m")
    assert (route["routes"][0]["group_wait"], route["routes"][0]["group_interval"]) == ("5s", "5s")
