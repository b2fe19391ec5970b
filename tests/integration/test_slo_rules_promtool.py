"""Rules of one SLO, run by promtool: low traffic, maintenance, no data and calendar periods."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from mlops.slo import names
from mlops.slo.calendar import Calendar
from mlops.slo.counter import Counter
from mlops.slo.indicator import CountedRatio, Counts
from mlops.slo.objective import Objective
from mlops.slo.rules import generate
from mlops.slo.spec import Maintenance, SloSpec, Tier
from tests.components.objectives import SHOP, by_calendar
from tests.components.prometheus import binary

OBJECTIVE = replace(
    SHOP, indicator=CountedRatio(Counts.BAD, Counter("bad_total"), Counter("all_total"))
)
SELECTOR = OBJECTIVE.selector
HOUR = Tier(factor=14.4, long_s=3600, short_s=300, severity="page")
SPEC = SloSpec(tiers=(HOUR,), period_s=7200)
NIGHT = SPEC.model_copy(
    update={
        "maintenance": (
            Maintenance(
                start=datetime(1970, 1, 1, 2, tzinfo=UTC),  # promtool's clock begins in 1970
                end=datetime(1970, 1, 1, 3, tzinfo=UTC),
                reason="moving",
            ),
        )
    }
)


def run(
    folder: Path,
    text: str,
    series: Mapping[str, str],
    expected: Mapping[tuple[str, str], float | None],
    *,
    interval: str = "1m",
) -> None:
    """Let promtool hold the values of expressions at times against those expected; None is none."""
    (folder / "rules.yaml").write_text(text)
    checks = [
        {
            "expr": f"max without (service, slo) ({expr})",
            "eval_time": at,
            "exp_samples": [] if value is None else [{"labels": "{}", "value": value}],
        }
        for (expr, at), value in expected.items()
    ]
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": interval,
        # Else it is chance whether a sum of steps sees the step of the same moment.
        "group_eval_order": [group["name"] for group in yaml.safe_load(text)["groups"]],
        "tests": [
            {
                "interval": "5m" if interval == "1h" else interval,
                "input_series": [{"series": k, "values": v} for k, v in series.items()],
                "promql_expr_test": checks,
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [binary("promtool"), "test", "rules", "test.yaml"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def fires(name: str, at: str) -> tuple[str, str]:
    return f'count(ALERTS{{alertstate="firing",alertname="{name}"}})', at


# By sentence: minutes of all and of bad events, least bad events, whether it pages at a time.
TRAFFIC: dict[str, tuple[str, str, int | None, dict[str, bool]]] = {
    "two failures of three requests call nobody": (
        "0x30 1 2 3x60",
        "0x30 1 2 2x60",
        3,
        {"32m": False, "34m": False, "50m": False},
    ),
    "without the guard they page": ("0x30 1 2 3x60", "0x30 1 2 2x60", 0, {"33m": True}),
    "many failures page": ("0x30 2+2x60", "0x30 2+2x60", 3, {"30m": False, "35m": True}),
    "an SLO's own guard may be higher": ("0x30 2+2x60", "0x30 2+2x60", 1000, {"35m": False}),
}


@pytest.mark.parametrize("sentence", TRAFFIC)
def test_where_little_happens_one_failure_is_no_page(sentence: str, tmp_path: Path) -> None:
    total, bad, least, seen = TRAFFIC[sentence]
    run(
        tmp_path,
        generate([replace(OBJECTIVE, min_bad_events=least)], SPEC),
        {"all_total": total, "bad_total": bad},
        {fires("SloBudgetBurn1h5m", at): 1 if fire else None for at, fire in seen.items()},
    )


FAILING_AT_NIGHT = {"all_total": "0+100x420", "bad_total": "0x120 100+100x59 6000x240"}


def test_failures_under_maintenance_call_nobody_and_are_in_no_window(tmp_path: Path) -> None:
    steps = names.sli_bad(NIGHT)
    page = "SloBudgetBurn1h5m"
    run(
        tmp_path,
        generate([OBJECTIVE], NIGHT),
        FAILING_AT_NIGHT,
        {
            fires(page, "2h30m"): None,
            fires(page, "3h2m"): None,
            fires(page, "3h20m"): None,
            (f"{steps}{SELECTOR}", "2h"): 0,
            (f"{steps}{SELECTOR}", "2h2m"): None,
            (f"{steps}{SELECTOR}", "3h4m"): None,
            (f"{steps}{SELECTOR}", "3h5m"): 0,
            # An hour that reaches into the maintenance has only what came after it.
            (f"slo:sli_bad:increase1h{SELECTOR}", "3h30m"): 0,
            (f"slo:sli_error:ratio_rate1h{SELECTOR}", "3h30m"): 0,
            (f"slo:sli_error:ratio_rate2h{SELECTOR}", "4h"): 0,
        },
    )
    run(
        tmp_path,
        generate([OBJECTIVE], SPEC),
        FAILING_AT_NIGHT,
        {fires(page, "2h30m"): 1, (f"slo:sli_bad:increase1h{SELECTOR} > bool 2000", "3h30m"): 1},
    )


def test_a_failure_after_the_maintenance_pages(tmp_path: Path) -> None:
    series = {"all_total": "0+100x420", "bad_total": "0x184 100+100x200"}
    run(
        tmp_path,
        generate([OBJECTIVE], NIGHT),
        series,
        {fires("SloBudgetBurn1h5m", "3h4m"): None, fires("SloBudgetBurn1h5m", "3h15m"): 1},
    )


def test_no_data_is_a_ticket_after_a_while_but_idleness_and_maintenance_are_none(
    tmp_path: Path,
) -> None:
    absent = names.DATA_ABSENT
    text = generate([OBJECTIVE], SPEC)
    gone = {"all_total": "0+10x60 _x120"}
    run(tmp_path, text, gone, {fires(absent, "70m"): None, fires(absent, "85m"): 1})
    run(tmp_path, text, {"all_total": "7x180"}, {fires(absent, "85m"): None})
    run(tmp_path, text, {}, {fires(absent, "10m"): None, fires(absent, "20m"): 1})
    dark = {"all_total": "0+10x120 _x59 0+10x120"}
    run(tmp_path, generate([OBJECTIVE], NIGHT), dark, {fires(absent, "2h50m"): None})
    run(tmp_path, text, dark, {fires(absent, "2h50m"): 1})


def month(day: int, hour: int) -> Objective:
    start = datetime(1970, 1, day, hour)  # noqa: DTZ001 - a wall clock
    return by_calendar(Calendar(1, "M", start, "UTC"))


@pytest.mark.parametrize(
    ("objective", "resets_h"), [(month(1, 0), 31 * 24), (month(15, 6), 14 * 24 + 6)]
)
def test_a_calendars_budget_begins_anew_with_its_period(
    objective: Objective, resets_h: int, tmp_path: Path
) -> None:
    """Hours are steps here, since promtool holds no month of minutes."""
    spec = SloSpec(
        tiers=(Tier(factor=2.0, long_s=7200, short_s=3600, severity="page"),), step_s=3600
    )
    # 100 events an hour, of which one a day fails in the first period and none in the second.
    bad = f"0+{1 / 288:.8f}x{resets_h * 12 - 13} {(resets_h - 1) / 24:.8f}x400"
    series = {"all_total": f"0+{100 / 12:.8f}x{resets_h * 12 + 400}", "bad_total": bad}
    left = f"round({names.PERIOD_REMAINING}{SELECTOR}, 0.01)"
    exact = 1 - (1 / 2400) / 0.001
    run(
        tmp_path,
        generate([replace(objective, indicator=OBJECTIVE.indicator)], spec),
        series,
        {
            (left, f"{resets_h - 24}h"): round(exact, 2),
            (left, f"{resets_h}h"): round(exact, 2),
            (left, f"{resets_h + 1}h"): 1.0,
            (left, f"{resets_h + 30}h"): 1.0,
        },
        interval="1h",
    )
