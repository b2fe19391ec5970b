"""The production rules, run by promtool: they load, page above their burn rate, and stop."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.components.prometheus import binary

ROOT = Path(__file__).parents[2]
RULES = ROOT / "tests" / "golden" / "slo"
AVAILABILITY = "open-bandit-availability"
SERVED = "open-bandit-model-served"
PER_MINUTE = 1_000


def promtool(*arguments: str, cwd: Path) -> None:
    done = subprocess.run(
        [binary("promtool"), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(RULES.glob("*.yaml")), ids=lambda path: path.name)
def test_promtool_accepts_the_committed_rules(path: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(path), cwd=ROOT)


def counter(metric: str, labels: str, *phases: tuple[float, int]) -> dict[str, str]:
    """A counter's minutes: phases of increase a minute and minutes that it lasts."""
    values, level = [], 0.0
    for per_minute, minutes in phases:
        values.append(f"{level:g}{per_minute:+g}x{minutes - 1}")
        level += per_minute * minutes
    return {"series": f'{metric}{{service="open_bandit",{labels}}}', "values": " ".join(values)}


def requests(*phases: tuple[float, int]) -> list[dict[str, str]]:
    """Requests of which a share fails: phases of that share and minutes that it lasts."""
    good = [((1 - share) * PER_MINUTE, minutes) for share, minutes in phases]
    bad = [(share * PER_MINUTE, minutes) for share, minutes in phases]
    return [
        counter("mlops_http_requests_total", 'code="200"', *good),
        counter("mlops_http_requests_total", 'code="500"', *bad),
    ]


def decisions(*phases: tuple[float, int]) -> list[dict[str, str]]:
    """Decisions of which a share falls back, with as many again in the holdout."""
    good = [((1 - share) * PER_MINUTE, minutes) for share, minutes in phases]
    bad = [(share * PER_MINUTE, minutes) for share, minutes in phases]
    held = [(PER_MINUTE, minutes) for _, minutes in phases]
    name = "mlops_decisions_total"
    return [
        counter(name, 'source="model",reason="ok",arm="model"', *good),
        counter(name, 'source="heuristic",reason="deadline",arm="model"', *bad),
        counter(name, 'source="heuristic",reason="holdout",arm="holdout"', *held),
    ]


# What the generated tests do not ask: how fast in minutes, and what this service's SLOs mean.
# By sentence: SLO, pair of windows, series, and whether that alert fires at a time.
BURNS: dict[str, tuple[str, str, list[dict[str, str]], dict[str, bool]]] = {
    "a total failure pages within three minutes": (
        AVAILABILITY,
        "1h5m",
        requests((0.0, 120), (1.0, 60)),
        {"1h59m": False, "2h3m": True},
    ),
    "a page ends within ten minutes of the failure": (
        AVAILABILITY,
        "1h5m",
        requests((0.0, 120), (1.0, 10), (0.0, 120)),
        {"2h9m": True, "2h20m": False},
    ),
    "a page outlives a lost scrape": (
        AVAILABILITY,
        "1h5m",
        [
            {**series, "values": f"{series['values']} _x5"}
            for series in requests((0.0, 60), (1.0, 30))
        ],
        {"1h29m": True, "1h31m": True, "1h50m": False},
    ),
    "all answers from the fallback page, whatever the holdout does": (
        SERVED,
        "1h5m",
        decisions((0.0, 120), (1.0, 30)),
        {"1h59m": False, "2h15m": True},
    ),
    "the holdout costs no budget": (SERVED, "3d6h", decisions((0.0, 120)), {"1h": False}),
}


@pytest.mark.parametrize("sentence", BURNS)
def test_the_rules_alert(sentence: str, tmp_path: Path) -> None:
    slo, pair, series, fires = BURNS[sentence]
    name = f"SloBudgetBurn{pair}"
    firing = f'ALERTS{{alertstate="firing",slo="{slo}",alertname="{name}"}}'
    checks: list[dict[str, object]] = [
        {
            "expr": f"count by (alertname) ({firing})",
            "eval_time": at,
            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1}] if fire else [],
        }
        for at, fire in fires.items()
    ]
    _run(tmp_path, series, checks)


def test_bad_events_of_a_long_window_are_summed_and_not_averaged(tmp_path: Path) -> None:
    # Two busy hours with 1 % errors, then two quiet ones (1 request a minute) without any: the
    # mean of ratios would be 0.5 %.
    series = [
        counter("mlops_http_requests_total", 'code="200"', (990, 120), (1, 120)),
        counter("mlops_http_requests_total", 'code="500"', (10, 120), (0, 120)),
    ]
    name = f'slo:sli_error:ratio_rate6h{{slo="{AVAILABILITY}"}}'
    exact = 10 * 119 / (1_000 * 119 + 1 * 121)
    check: dict[str, object] = {
        "expr": f"abs({name} / {exact!r} - 1) < bool 0.002",
        "eval_time": "3h59m",
        "exp_samples": [{"labels": f'{{service="open_bandit",slo="{AVAILABILITY}"}}', "value": 1}],
    }
    _run(tmp_path, series, [check])


def _run(folder: Path, series: list[dict[str, str]], checks: Sequence[dict[str, object]]) -> None:
    test = {
        "rule_files": [str(RULES / "open_bandit.yaml")],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [*checks]}],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test))
    promtool("test", "rules", "test.yaml", cwd=folder)


def test_one_answer_outside_the_certificate_pages_within_a_minute_and_stays(tmp_path: Path) -> None:
    series = [
        {
            "series": 'mlops_certificate_breaches_total{service="open_bandit"}',
            "values": "0x10 1x60",
        }
    ]
    firing = 'ALERTS{alertstate="firing",alertname="ModelOutsideCertificate"}'
    seen = {"10m": False, "12m": True, "24m": True, "27m": False}
    checks: list[dict[str, object]] = [
        {
            "expr": f"count by (service, severity) ({firing})",
            "eval_time": at,
            "exp_samples": [
                {"labels": '{service="open_bandit", severity="page"}', "value": 1}
            ] if fire else [],
        }
        for at, fire in seen.items()
    ]  # fmt: skip
    _run(tmp_path, series, checks)


# By sentence: alert, series of the service, labels and severity that it fires with, and when.
STANDING: dict[str, tuple[str, dict[str, str], str, dict[str, bool]]] = {
    "a decision database that takes no rows for two minutes is a ticket": (
        "DecisionLogUnavailable",
        {"mlops_decision_log_available": "1x10 0x10 1x10"},
        "ticket",
        {"10m": False, "12m": False, "14m": True, "22m": False},
    ),
    "a decision database that returns within two minutes calls nobody": (
        "DecisionLogUnavailable",
        {"mlops_decision_log_available": "1x10 0x0 1x10"},
        "ticket",
        {"11m": False, "13m": False, "15m": False},
    ),
    "one lost decision is a ticket": (
        "DecisionsLost",
        {'mlops_decision_log_rows_total{outcome="lost"}': "0x10 1x60"},
        "ticket",
        {"10m": False, "12m": True, "30m": False},
    ),
    "stored and spooled decisions are none": (
        "DecisionsLost",
        {
            'mlops_decision_log_rows_total{outcome="stored"}': "0+100x60",
            'mlops_decision_log_rows_total{outcome="spooled"}': "0+100x60",
        },
        "ticket",
        {"30m": False},
    ),
    "workers that keep ending page": (
        "WorkersRestarting",
        {'mlops_worker_restarts_total{role="worker",cause="died"}': "0x10 1+1x60"},
        "page",
        {"10m": False, "25m": True},
    ),
    "a worker that ended three times is replaced, and pages nobody": (
        "WorkersRestarting",
        {'mlops_worker_restarts_total{role="worker",cause="silent"}': "0x10 1 2 3x60"},
        "page",
        {"12m": False, "20m": False},
    ),
    "a service that is not heard of pages": (
        "ServiceAbsent",
        {"mlops_workers": "2x10 _x30"},
        "page",
        {"10m": False, "20m": True},
    ),
    "a service without one worker pages": (
        "ServiceAbsent",
        {"mlops_workers": "2x10 0x30"},
        "page",
        {"10m": False, "20m": True},
    ),
}


@pytest.mark.parametrize("sentence", STANDING)
def test_the_standing_alerts(sentence: str, tmp_path: Path) -> None:
    name, series, severity, fires = STANDING[sentence]
    firing = f'ALERTS{{alertstate="firing",alertname="{name}"}}'
    checks: list[dict[str, object]] = [
        {
            "expr": f"count by (service, severity) ({firing})",
            "eval_time": at,
            "exp_samples": [
                {"labels": f'{{service="open_bandit", severity="{severity}"}}', "value": 1}
            ] if fire else [],
        }
        for at, fire in fires.items()
    ]  # fmt: skip
    _run(tmp_path, [_of_service(text, values) for text, values in series.items()], checks)


def _of_service(series: str, values: str) -> dict[str, str]:
    name, _, labels = series.partition("{")
    inner = labels.removesuffix("}")
    comma = "," if inner else ""
    return {"series": f'{name}{{service="open_bandit"{comma}{inner}}}', "values": values}
