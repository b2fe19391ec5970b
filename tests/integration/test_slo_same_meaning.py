"""One promise in OpenSLO, sloth and pyrra form: their rules record the same values."""

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from mlops.slo.catalog import read_catalog
from mlops.slo.imported import read_foreign, to_yaml
from mlops.slo.objective import Objective
from mlops.slo.rules import generate
from mlops.slo.spec import SloSpec
from tests.components.prometheus import binary

MINUTES = 8 * 60
OPENSLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: written}
spec:
  service: shop
  indicator:
    metadata: {name: written-sli}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'r_total{job="a",code=~"5.."}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'r_total{job="a"}'}}}
  timeWindow: [{duration: 2w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
"""
SLOTH = """\
version: prometheus/v1
service: shop
slos:
  - name: rates
    objective: 99
    sli:
      events:
        error_query: sum(rate(r_total{job="a",code=~"5.."}[{{.window}}]))
        total_query: sum(rate(r_total{job="a"}[{{.window}}]))
  - name: difference
    objective: 99
    sli:
      events:
        error_query: >-
          sum(rate(r_total{job="a"}[{{.window}}]))
          - sum(rate(r_total{job="a",code!~"5.."}[{{.window}}]))
        total_query: sum(rate(r_total{job="a"}[{{.window}}]))
"""
PYRRA = """\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: resource, labels: {pyrra.dev/service: shop}}
spec:
  target: "99"
  window: 2w
  indicator:
    ratio:
      errors: {metric: 'r_total{job="a",code=~"5.."}'}
      total: {metric: 'r_total{job="a"}'}
"""


def objectives(folder: Path) -> list[Objective]:
    paths = {"openslo.yaml": OPENSLO, "sloth.yaml": SLOTH, "pyrra.yaml": PYRRA}
    for name, content in paths.items():
        (folder / name).write_text(content)
    for name in ("sloth.yaml", "pyrra.yaml"):
        path = folder / name
        path.write_text(to_yaml(read_foreign(path).objects))
    catalog = read_catalog([folder / name for name in paths])
    assert not catalog.omitted
    return list(catalog.objectives)


def walks(seed: int) -> Iterator[dict[str, str]]:
    """Counters whose rate walks at random; some start again from 0, some are born late."""
    dice = random.Random(seed)
    for code, most in (("200", 400.0), ("404", 30.0), ("500", 12.0), ("503", 6.0)):
        rate, level, values = most / 2, 0.0, []
        born = 40 if code == "503" else 0
        for minute in range(MINUTES):
            if minute < born:
                values.append("_")
                continue
            rate = min(max(rate + dice.uniform(-0.2, 0.2) * most, 0.0), most)
            level = 0.0 if dice.random() < 0.005 else level + round(rate)
            values.append(f"{level:g}")
        yield {"series": f'r_total{{job="a",code="{code}"}}', "values": " ".join(values)}


def differences(found: Sequence[Objective], text: str) -> Iterator[dict[str, object]]:
    """Tests that no recorded series of another form differs from the written one's."""
    recorded = sorted({*re.findall(r"record: (\S+)", text)} - {"slo:info"})  # it has the names
    assert len(recorded) > 10
    first = found[0].slo
    for minute in range(130, MINUTES, 35):
        for series in recorded:
            left = f'{series}{{slo="{first}"}}'
            for other in found[1:]:
                right = f'{series}{{slo="{other.slo}"}}'
                # Without labels, so that both sides of the comparison meet.
                off = f"sum(abs({left} - ignoring (slo) {right})) > 1e-9 * sum(1 + abs({left}))"
                yield {"expr": off, "eval_time": f"{minute}m", "exp_samples": []}
                # Both there, or both not: a comparison with nothing finds nothing.
                for one, two in ((left, right), (right, left)):
                    alone = f"{one} unless ignoring (slo) {two}"
                    yield {"expr": alone, "eval_time": f"{minute}m", "exp_samples": []}


@pytest.mark.parametrize("seed", [1, 2])
def test_three_forms_of_one_promise_record_the_same(seed: int, tmp_path: Path) -> None:
    found = objectives(tmp_path)
    assert [item.slo for item in found] == ["written", "shop-rates", "shop-difference", "resource"]
    # One period for all, so that the recorded names are the same.
    spec = SloSpec(period_s=14 * 86_400)
    text = generate(found, spec)
    (tmp_path / "rules.yml").write_text(text)
    burns = f'slo:current_burn_rate:ratio{{slo="{found[0].slo}"}}'
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "group_eval_order": [group["name"] for group in yaml.safe_load(text)["groups"]],
        "tests": [
            {
                "interval": "1m",
                "input_series": list(walks(seed)),
                "promql_expr_test": [
                    {
                        "expr": f"count({burns} > 0.5 < 50)",
                        "eval_time": f"{MINUTES - 10}m",
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    },
                    *differences(found, text),
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test, width=10_000))
    done = subprocess.run(
        [binary("promtool"), "test", "rules", "test.yml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[:4000]
