"""A budget over 30 days of uneven traffic in a real Prometheus is the one that was lived."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from mlops.base.errors import Place
from mlops.base.verdict import Status
from mlops.budgets.history import read_history
from mlops.budgets.prometheus import HttpPrometheus
from mlops.budgets.status import Budget, status
from mlops.slo.calendar import Calendar
from mlops.slo.counter import parse_counter
from mlops.slo.indicator import CountedRatio, Counts
from mlops.slo.objective import Objective
from mlops.slo.spec import Maintenance, SloSpec
from tests.components.backfill import Numbers, backfilled, openmetrics
from tests.components.prometheus import binary

ROOT = Path(__file__).parents[2]
STEP_S = 300
DAYS = 31
SCRAPE_S = 15
AT = datetime(2026, 6, 20, tzinfo=UTC)
END = int(AT.timestamp())
BEGIN = END - DAYS * 86_400


def objective(metric: str) -> Objective:
    return Objective(
        slo=f"{metric}-availability",
        service=metric,
        title="availability",
        description="",
        target=Decimal("0.999"),
        period_s=30 * 86_400,
        indicator=CountedRatio(
            Counts.BAD,
            parse_counter(f'{metric}_requests_total{{code="500"}}'),
            parse_counter(f"{metric}_requests_total"),
        ),
        runbook_url="",
        first_look="",
        place=Place("slo/shop.yaml", 1),
    )


# Scraped at whole multiples of the interval, and seven seconds later, as most services are.
PUNCTUAL, LATER = objective("punctual"), objective("later")
PHASES_S = {PUNCTUAL.service: 0, LATER.service: 7}
# Hours before the end, minutes, share that fails: by day and by night, at odd times.
OUTAGES = (
    (715.3, 190, 0.05), (655.11, 31, 0.05), (401.7, 47.3, 0.02), (399.9, 6.2, 0.2),
    (250.05, 120, 0.06), (100.6, 240, 0.02), (30.2, 11, 0.1), (5.77, 25, 0.05),
)  # fmt: skip
WORK = Maintenance(
    start=AT - timedelta(hours=260), end=AT - timedelta(hours=256), reason="a new database"
)
WORKED = (260 - 0.5, 180, 0.5)


@dataclass(frozen=True, slots=True)
class Lived:
    """What happened, second by second: counts since the beginning."""

    total: Numbers
    bad: Numbers

    def between(self, begin_s: float, end_s: float) -> tuple[int, int]:
        """Return all and bad events of a time."""
        first, last = int(begin_s) - BEGIN, int(end_s) - BEGIN
        return int(self.total[last] - self.total[first]), int(self.bad[last] - self.bad[first])


def lived() -> Lived:
    """Return 31 days of traffic that is 30 times as heavy at noon as at night."""
    second = np.arange(DAYS * 86_400 + 1)
    day = 0.5 - 0.5 * np.cos(2 * np.pi * second / 86_400)
    week = 1 - 0.4 * ((second // 86_400) % 7 > 4)
    rate = (1 + 29 * day**2) * week
    share = np.full(second.size, 0.0002)
    for hours, minutes, failing in (*OUTAGES, WORKED):
        first = round(DAYS * 86_400 - hours * 3_600)
        share[max(first, 0) : max(first + round(minutes * 60), 0)] = failing
    total = np.floor(np.cumsum(rate)).astype(np.int64)
    bad = np.floor(np.cumsum(rate * share)).astype(np.int64)
    return Lived(total, bad)


@dataclass(frozen=True, slots=True)
class Bed:
    """The traffic and the Prometheus that scraped it."""

    lived: Lived
    prometheus: HttpPrometheus
    url: str

    def budget(self, slo: Objective, spec: SloSpec, at: datetime = AT) -> Budget:
        """Return the budget of an SLO."""
        (found,) = status([slo], spec, self.prometheus, at=at)
        return found


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    happened = lived()
    texts = []
    for service, phase_s in PHASES_S.items():
        times = np.arange(BEGIN + phase_s, END + 1, SCRAPE_S)
        counted = {"200": happened.total - happened.bad, "500": happened.bad}
        samples = {
            code: restarted(counts[times - BEGIN], times.size // 3)
            for code, counts in counted.items()
        }
        texts += openmetrics(f"{service}_requests", samples, times)
    with backfilled(
        tmp_path_factory.mktemp("prometheus"),
        texts,
        (PUNCTUAL, LATER),
        SloSpec(),
        first=BEGIN + STEP_S,
        last=END,
    ) as server:
        yield Bed(happened, HttpPrometheus(server.url, timeout_s=30), server.url)


def restarted(counts: Numbers, index: int) -> Numbers:
    """Return counts of a process that was replaced in between: they begin again at 0."""
    counts = counts.copy()
    counts[index:] -= counts[index]
    return counts


def rest(total: int, bad: int) -> float:
    return 1 - bad / total / 0.001


def test_thirty_days_are_right_within_a_ten_thousandth(bed: Bed) -> None:
    found = bed.budget(PUNCTUAL, SloSpec())
    exact = rest(*bed.lived.between(END - 30 * 86_400, END))
    assert found.remaining == pytest.approx(exact, abs=1e-4)
    assert (found.status, found.coverage) == (Status.FAIL, 1.0)


def test_between_two_scrapes_an_outages_edges_are_guessed(bed: Bed) -> None:
    found = bed.budget(LATER, SloSpec())
    total, bad = bed.lived.between(END - 30 * 86_400, END)
    assert found.sli == pytest.approx(1 - bad / total, abs=2e-6)
    assert found.remaining == pytest.approx(rest(total, bad), abs=2e-3)


def test_maintenance_declared_afterwards_is_left_out(bed: Bed) -> None:
    spec = SloSpec(maintenance=(WORK,))
    found = bed.budget(PUNCTUAL, spec)
    total, bad = bed.lived.between(END - 30 * 86_400, END)
    during_total, during_bad = bed.lived.between(WORK.start.timestamp(), WORK.end.timestamp())
    exact = rest(total - during_total, bad - during_bad)
    assert rest(total, bad) < 0 < exact  # it matters
    assert found.remaining == pytest.approx(exact, abs=1e-4)
    assert (found.period.left_out, found.coverage) == (4 * 12, 1.0)


def test_a_calendar_month_counts_from_its_own_midnight(bed: Bed) -> None:
    june = replace(
        PUNCTUAL,
        calendar=Calendar(1, "M", datetime.fromisoformat("2026-01-01"), "Europe/Vienna"),
    )
    found = bed.budget(june, SloSpec())
    began = datetime(2026, 5, 31, 22, tzinfo=UTC)
    exact = rest(*bed.lived.between(began.timestamp(), END))
    assert abs(exact - rest(*bed.lived.between(END - 30 * 86_400, END))) > 0.1
    assert found.remaining == pytest.approx(exact, abs=1e-4)


def test_the_burn_down_ends_at_the_status(bed: Bed) -> None:
    spec = SloSpec(maintenance=(WORK,))
    history = read_history(PUNCTUAL, spec, bed.prometheus, at=AT)
    assert len(history.steps) == 30 * 288 - 4 * 12
    assert history.burn_down()[-1].remaining == pytest.approx(
        bed.budget(PUNCTUAL, spec).remaining or 0, abs=1e-9
    )


@pytest.mark.parametrize("seconds", [0, 1, 137, 299])
def test_the_time_within_a_step_does_not_matter(bed: Bed, seconds: int) -> None:
    at = AT - timedelta(hours=1) + timedelta(seconds=seconds)
    assert (
        bed.budget(PUNCTUAL, SloSpec(), at).total
        == bed.budget(PUNCTUAL, SloSpec(), AT - timedelta(hours=1)).total
    )


DEFINITION = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: punctual-availability, displayName: availability}
spec:
  description: A request is answered.
  service: punctual
  indicator:
    metadata: {name: punctual-errors}
    spec:
      ratioMetric:
        counter: true
        bad:
          metricSource: {type: Prometheus, spec: {query: 'punctual_requests_total{code="500"}'}}
        total:
          metricSource: {type: Prometheus, spec: {query: punctual_requests_total}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
---
apiVersion: mlops/v1
kind: ErrorBudgetPolicy
metadata: {name: punctual}
spec:
  service: punctual
  rules:
    - name: spent-budget-freezes
      slos: [punctual-availability]
      when: {budgetRemaining: {below: 0.1}}
      then: [freeze]
      recovery: {by: budget}
"""


def typed(
    bed: Bed, folder: Path, *words: str, spec: SloSpec | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `mlops slo` as a user does, at the time that the data end."""
    (folder / "slo.yaml").write_text(DEFINITION)
    windows = [
        f'{{start:"{each.start.isoformat()}",end:"{each.end.isoformat()}",reason:"{each.reason}"}}'
        for each in (spec or SloSpec()).maintenance
    ]
    command = [
        sys.executable, "-m", "mlops.cli.main", "slo", words[0], str(folder / "slo.yaml"),
        *words[1:], "--at", AT.isoformat(), f"slo.prometheus_url={bed.url}",
        f"slo.maintenance=[{','.join(windows)}]",
    ]  # fmt: skip
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_gate_is_shut_by_a_spent_budget_and_says_until_when(bed: Bed, tmp_path: Path) -> None:
    done = typed(bed, tmp_path, "gate", "--service", "punctual", "--format", "json")
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["allowed"] is False
    (rule,) = answer["rules"]
    assert (rule["rule"], rule["status"]) == ("spent-budget-freezes", "fail")
    # The heaviest outage leaves the 30 days 460 hours from now; what came after it is within 90 %.
    free_at = datetime.fromisoformat(rule["free_at"])
    assert timedelta(hours=455) < free_at - AT < timedelta(hours=464)


def test_the_gate_is_open_once_maintenance_is_declared(bed: Bed, tmp_path: Path) -> None:
    done = typed(bed, tmp_path, "gate", spec=SloSpec(maintenance=(WORK,)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "22.75% of its budget of 30d is left" in done.stdout
    assert "punctual may be deployed" in done.stdout


def test_a_report_is_written_for_machines_tickets_and_browsers(bed: Bed, tmp_path: Path) -> None:
    out = tmp_path / "report"
    done = typed(bed, tmp_path, "report", "--out", str(out), spec=SloSpec(maintenance=(WORK,)))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "budgets.html", "budgets.json", "budgets.md",
    ]  # fmt: skip
    (slo,) = json.loads((out / "budgets.json").read_text())["slos"]
    assert slo["budget_remaining"] == pytest.approx(slo["burn_down"][-1][1], abs=1e-6)
    assert slo["maintenance_s"] == 4 * 3_600
    assert "| 22.75% |" in (out / "budgets.md").read_text()
    assert shown_by_a_browser(out / "budgets.html", tmp_path).count("<section") == 1


def shown_by_a_browser(page: Path, folder: Path) -> str:
    """Return a page's elements after a real browser has read it and refused nothing."""
    done = subprocess.run(
        [
            binary("chromium", "chromium"), "--headless", "--no-sandbox", "--disable-gpu",
            "--disable-dev-shm-usage", f"--user-data-dir={folder / 'browser'}",
            "--enable-logging=stderr", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr  # what its policy forbids is told there
    return done.stdout
