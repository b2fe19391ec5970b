"""The proof proves: real promtool passes right rules and notices wrong ones."""

import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from mlops.base.digest import canonical_json
from mlops.base.errors import Place
from mlops.base.verdict import Status
from mlops.slo import proof
from mlops.slo.catalog import read_catalog
from mlops.slo.counter import parse_counter
from mlops.slo.indicator import CountedRatio, Counts, Indicator, QueriedRatio
from mlops.slo.objective import Objective
from mlops.slo.period_proof import period_test_of
from mlops.slo.promtool import Promtool
from mlops.slo.rules import generate
from mlops.slo.sampled import RawRatio, Sampled
from mlops.slo.sliced import Slice, Sliced
from mlops.slo.spec import SloSpec, Tier
from mlops.slo.verify import verify
from mlops.slo.windowed import parse_events
from tests.components.mutants import mutants, survives
from tests.components.prometheus import binary

ROOT = Path(__file__).parents[2]
FAST = SloSpec.model_validate_json(
    canonical_json(yaml.safe_load((ROOT / "conf" / "slo" / "fast.yaml").read_text()))
)
SERVED = read_catalog([ROOT / "slo" / "open_bandit.yaml"]).objectives[2]
EVERY = 10
"""Every how many mutants are tried here; `benchmarks/slo_mutants.py` tries all."""

LEAST_NOTICED = 0.95


def errors(bad: str = 'errors_total{job="shop"}') -> CountedRatio:
    return CountedRatio(Counts.BAD, parse_counter(bad), parse_counter('requests_total{job="shop"}'))


def objective(indicator: Indicator, *, target: str = "0.99") -> Objective:
    return Objective(
        slo="shop-slo",
        service="shop",
        title="what shoppers see",
        description="Answers.",
        target=Decimal(target),
        period_s=28 * 86_400,
        indicator=indicator,
        runbook_url="",
        first_look="",
        place=Place("slo/shop.yaml", 3),
    )


LATENCY = CountedRatio(
    Counts.GOOD,
    parse_counter('seconds_bucket{job="shop",le="0.5"}'),
    parse_counter('seconds_count{job="shop"}'),
)
QUERIED = QueriedRatio(
    Counts.BAD,
    parse_events("sum(rate(a_count[{{.window}}])) - sum(rate(a_bucket{le='1'}[{{.window}}]))"),
    parse_events("sum(rate(a_count[{{.window}}]))"),
)
PROVED: dict[str, Objective] = {
    "bad events of another metric": objective(errors()),
    "bad events of the same metric": objective(
        errors('requests_total{job="shop",code=~"5..|429"}')
    ),
    "good events in a bucket": objective(LATENCY),
    "a budget of a hundred-thousandth": objective(errors(), target="0.99999"),
    "a budget of a fifth, of which no page is left": objective(errors(), target="0.8"),
    "queries of a window": objective(QUERIED),
    "looks at a gauge": objective(Sampled('max(queue{job="shop"})', "lte", "100")),
    "looks at a ratio": objective(RawRatio(Counts.GOOD, 'success{job="shop"}')),
    "slices of time": objective(Sliced(5, (Slice(errors(), Decimal("0.95")),))),
    "many bad events before an alert": replace(objective(errors()), min_bad_events=40),
    "no guard, and labels that look like a template": replace(
        objective(errors()), min_bad_events=0, labels={"team": "{{ shop }}"}
    ),
    "own windows, of which one waits": replace(
        objective(errors()),
        tiers=(Tier(factor=2, long_s=40, short_s=10, severity="ticket", for_s=10),),
    ),
}


@pytest.mark.parametrize("sentence", PROVED)
def test_right_rules_pass(sentence: str) -> None:
    binary("promtool")
    catalog = replace(read_catalog([]), objectives=(PROVED[sentence],))
    verdict = verify(catalog, FAST, Promtool())
    wrong = [
        each.message for each in verdict.findings if each.status in {Status.FAIL, Status.UNKNOWN}
    ]
    assert wrong == []
    assert any(each.status is Status.PASS for each in verdict.findings)


def test_right_rules_of_production_pass_but_for_the_long_run() -> None:
    """The three days of the long run take seconds; `mlops slo verify` runs them."""
    binary("promtool")
    spec = SloSpec()
    subject = proof.subject_of(SERVED, spec)
    assert subject is not None
    tests = [
        proof.test_of(subject, scenario)
        for scenario in proof.scenarios(subject)
        if scenario.load.end_s < 86_400
    ]
    assert len(tests) > 15
    files = {
        "rules.yml": generate([SERVED], spec, elsewhere={SERVED.service}),
        "tests.yml": proof.test_file(tests, spec, rules="rules.yml"),
        "period.yml": period_test_of(SERVED, spec, rules="rules.yml") or "",
    }
    assert Promtool().test(files, "tests.yml") == ""
    assert Promtool().test(files, "period.yml") == ""


def test_nearly_all_wrong_rules_are_noticed(tmp_path: Path) -> None:
    promtool = binary("promtool")
    rules = generate([SERVED], FAST, elsewhere={SERVED.service})
    tests = proof.tests_of([SERVED], FAST, rules="rules.yml")
    period = period_test_of(SERVED, FAST, rules="rules.yml")
    assert period is not None
    every = mutants(rules)
    kinds = ("objective", "factor", "guard", "window", "label", "operator")
    tried = [m for kind in kinds for m in [m for m in every if m.kind == kind][::EVERY]]

    def unnoticed(number: int) -> bool:
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            return survives(tried[number], (tests, period), folder, promtool)
        finally:
            shutil.rmtree(folder)

    with ThreadPoolExecutor(2) as pool:
        alive = [
            tried[number]
            for number, lives in enumerate(pool.map(unnoticed, range(len(tried))))
            if lives
        ]
    told = [f"{mutant.kind}: {mutant.place}" for mutant in alive]
    assert 1 - len(alive) / len(tried) >= LEAST_NOTICED, (Counter(m.kind for m in alive), told)
