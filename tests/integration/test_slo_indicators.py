"""Indicators as promtool evaluates them: what is an event, and which events were bad."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from mlops.slo.composite import Composite, Member
from mlops.slo.counter import parse_counter
from mlops.slo.indicator import CountedRatio, Counts, Indicator, QueriedRatio
from mlops.slo.ml_source import parse_source
from mlops.slo.sampled import GaugeRatio, RawRatio, Sampled, parse_gauge
from mlops.slo.sliced import Slice, Sliced
from mlops.slo.spec import SloSpec
from mlops.slo.windowed import parse_events
from tests.components.prometheus import binary

SPEC = SloSpec()  # scraped every 15 s
WINDOW_S = 300
AT = "10m1s"  # no scrape and no slice lies on an end of the window
BEFORE = 20  # samples before the window's first, which is at 5m15s; sample 0 is at 0s


def gauge(*values: str) -> str:
    """Return a gauge's samples: 1 before the window, then the 20 of the window."""
    assert len(values) == 20
    return " ".join(["1"] * (BEFORE + 1) + list(values))


def minutes(*per_scrape: float) -> str:
    """Return a counter that grows by a number a scrape in each of the window's minutes."""
    total, values = 0.0, ["0"] * (BEFORE + 1)
    for step in per_scrape:
        for _ in range(4):
            total += step
            values.append(f"{total:g}")
    return " ".join(values)


@dataclass(frozen=True)
class Case:
    """Series, an indicator over them, and what must be counted in five minutes; None is no data."""

    indicator: Indicator
    series: Mapping[str, str]
    total: float | None
    bad: float | None
    window_s: int = WINDOW_S
    spec: SloSpec = field(default=SPEC)


def counted(bad: str = "errors_total", total: str = "requests_total") -> CountedRatio:
    return CountedRatio(Counts.BAD, parse_counter(bad), parse_counter(total))


def sliced(target: str | None, *, slice_s: int = 60, inner: Indicator | None = None) -> Sliced:
    wanted = None if target is None else Decimal(target)
    return Sliced(slice_s, (Slice(inner or counted(), wanted),))


def queried(counts: Counts, numerator: str, denominator: str) -> QueriedRatio:
    return QueriedRatio(counts, parse_events(numerator), parse_events(denominator))


TRAINED = gauge(*["0"] * 16, *["345"] * 4)
SLOW = gauge(*["600"] * 5, *["400"] * 15)
BUSY = minutes(5, 5, 5, 5, 5)  # 20 a minute
JOURNEY = Composite(
    (
        Member(counted("a_bad_total", "a_total"), Decimal("0.01"), Decimal(1)),
        Member(counted("b_bad_total", "b_total"), Decimal("0.1"), Decimal(1)),
    )
)
WEIGHTED = Composite(
    (
        Member(counted("a_bad_total", "a_total"), Decimal("0.1"), Decimal(3)),
        Member(counted("b_bad_total", "b_total"), Decimal("0.1"), Decimal(1)),
    )
)
TOGETHER = Sliced(
    60,
    (
        Slice(counted("a_bad_total", "a_total"), Decimal("0.9")),
        Slice(counted("b_bad_total", "b_total"), Decimal("0.9")),
    ),
)
ADDED = Sliced(
    60,
    (
        Slice(counted("a_bad_total", "a_total"), None, Decimal(1)),
        Slice(counted("b_bad_total", "b_total"), None, Decimal("0.5")),
    ),
)

CASES: Mapping[str, Case] = {
    "each look at a gauge is an event": Case(
        Sampled("latency", "lt", "500"), {"latency": SLOW}, 20, 5
    ),
    "a value at the limit is good for lte": Case(
        Sampled("latency", "lte", "600"), {"latency": SLOW}, 20, 0
    ),
    "and bad for lt": Case(Sampled("latency", "lt", "600"), {"latency": SLOW}, 20, 5),
    "a value at the limit is good for gte": Case(
        Sampled("latency", "gte", "400"), {"latency": SLOW}, 20, 0
    ),
    "and bad for gt": Case(Sampled("latency", "gt", "400"), {"latency": SLOW}, 20, 15),
    "a limit may be below nothing": Case(
        Sampled("uplift", "gte", "-0.5"), {"uplift": gauge(*["-1"] * 2, *["0"] * 18)}, 20, 2
    ),
    "what is no number is no event": Case(
        Sampled("latency", "lt", "500"),
        {"latency": gauge(*["NaN"] * 10, *["600"] * 4, *["1"] * 6)},
        10,
        4,
    ),
    "infinity is a number": Case(
        Sampled("latency", "lt", "500"), {"latency": gauge(*["+Inf"] * 4, *["1"] * 16)}, 20, 4
    ),
    "a gauge that is gone is no event": Case(
        Sampled("latency", "lt", "500"),
        {"latency": gauge(*["600"] * 5, *["stale"] * 15)},
        5,
        5,
    ),
    "a gauge that never was has no data": Case(
        Sampled("latency", "lt", "500"), {"other": SLOW}, None, None
    ),
    "each instance is looked at": Case(
        Sampled("latency", "lt", "500"),
        {'latency{instance="a"}': SLOW, 'latency{instance="b"}': gauge(*["1"] * 20)},
        40,
        5,
    ),
    "an age is looked at as of then": Case(
        Sampled("time() - trained", "lte", "450"), {"trained": gauge(*["1"] * 20)}, 20, 10
    ),
    "a time that is not known yet is no age": Case(
        parse_source({"sli": "model-freshness", "maxAge": "4m"}).indicator("shop"),
        {'mlops_model_trained_timestamp_seconds{service="shop"}': TRAINED},
        4,
        1,  # its age is 210, 225, 240 and 255 s
    ),
    "a query with a comment and a set operator": Case(
        Sampled(parse_gauge("latency or vector(7) # fallback"), "lt", "500"),
        {"latency": SLOW},
        20,
        5,
    ),
    "a raw share of failures": Case(
        RawRatio(Counts.BAD, "share"), {"share": gauge(*["0.5"] * 4, *["0"] * 16)}, 20, 2
    ),
    "a raw share of successes": Case(
        RawRatio(Counts.GOOD, "share"), {"share": gauge(*["0.5"] * 4, *["1"] * 16)}, 20, 2
    ),
    "a raw share beyond its range is cut off": Case(
        RawRatio(Counts.BAD, "share"),
        {"share": gauge("7", "-3", "NaN", *["0"] * 17)},
        19,
        1,
    ),
    "gauges of how many there are": Case(
        GaugeRatio(Counts.GOOD, "healthy", "replicas"),
        {"healthy": gauge(*["3"] * 4, *["4"] * 16), "replicas": gauge(*["4"] * 20)},
        80,
        4,
    ),
    "how many there are is not known where it is no number": Case(
        GaugeRatio(Counts.BAD, "sick", "replicas"),
        {"sick": gauge(*["1"] * 20), "replicas": gauge(*["NaN"] * 10, *["4"] * 10)},
        40,
        10,
    ),
    "how many there are is added up over all series": Case(
        GaugeRatio(Counts.GOOD, "healthy", "replicas"),
        {
            'healthy{zone="a"}': gauge(*["2"] * 20), 'healthy{zone="b"}': gauge(*["0"] * 20),
            'replicas{pool="x"}': gauge(*["3"] * 20), 'replicas{pool="y"}': gauge(*["1"] * 20),
        },
        80,
        40,
    ),
    "a gauge of bad ones that is missing is none of them": Case(
        GaugeRatio(Counts.BAD, "sick", "replicas"), {"replicas": gauge(*["4"] * 20)}, 80, 0
    ),
    "a query of a window is counted": Case(
        queried(
            Counts.BAD,
            "sum(rate(a_total[{{.window}}])) + sum(rate(b_total[{{.window}}]))",
            "sum(increase(requests_total[{{.window}}])) * 1",
        ),
        {"a_total": "0+1x60", "b_total": "0+2x60", "requests_total": "0+4x60"},
        80,
        60,
    ),
    "a query without series counts nothing bad": Case(
        queried(Counts.BAD, "rate(a_total[{{.window}}]) * 2", "requests_total"),
        {"requests_total": "0+4x60"},
        80,
        0,
    ),
    "a slice is bad below its target": Case(
        sliced("0.9"),
        {"requests_total": BUSY, "errors_total": minutes(0, 1, 5, 0, 0)},
        5,
        2,
    ),
    "a slice that just keeps its target is good": Case(
        sliced("0.98"),  # 2.4 - 2.0 is more than 0.4 in doubles
        {"requests_total": BUSY, "errors_total": minutes(0.1, 0.1, 0.1, 0.1, 0.1)},
        5,
        0,
    ),
    "a slice in which nothing happened is none": Case(
        sliced("0.9"),
        {"requests_total": minutes(0, 0, 0, 5, 5), "errors_total": minutes(0, 0, 0, 5, 0)},
        2,
        1,
    ),
    "slices of nothing at all have no data": Case(
        sliced("0.9"), {"requests_total": minutes(0, 0, 0, 0, 0)}, None, None
    ),
    "a slice of a gauge": Case(
        sliced("0.8", inner=Sampled("latency", "lt", "500")),
        {"latency": gauge(*["600"] * 5, *["400"] * 15)},
        5,
        2,  # the scrape at 6m, the first minute's last, is in the second's window too
    ),
    "slices count to the share that was bad in them": Case(
        sliced(None),
        {"requests_total": BUSY, "errors_total": minutes(0, 1, 5, 0, 0)},
        5,
        1.2,
    ),
    "a slice that is longer than the window counts in each of its windows": Case(
        sliced("0.9", slice_s=600),
        {"requests_total": BUSY, "errors_total": minutes(5, 5, 5, 5, 5)},
        0.5,
        0.5,
    ),
    "a composite burns as fast as its parts together": Case(
        JOURNEY,  # budgets 1 % and 10 %: its own is 1/110
        {
            "a_total": "0+5x60", "a_bad_total": "0+0.05x60",  # burns 1
            "b_total": "0+5x60", "b_bad_total": "0+1x60",  # burns 2
        },
        200,
        200 * 3 / 110,
    ),
    "a weight multiplies a part's burn rate": Case(
        WEIGHTED,  # its budget is 1 / 40
        {
            "a_total": "0+5x60", "a_bad_total": "0+0.5x60",  # burns 1, counts 3
            "b_total": "0+5x60", "b_bad_total": "0+1x60",  # burns 2
        },
        200,
        200 * 5 / 40,
    ),
    "a part in which nothing happens burns nothing": Case(
        JOURNEY,
        {"a_total": "0+0x60", "b_total": "0+5x60", "b_bad_total": "0+1x60"},
        100,
        100 * 2 / 110,
    ),
    "a composite without any part has no data": Case(JOURNEY, {"x_total": "0+1x60"}, None, None),
    "a slice is bad if any part of it is": Case(
        TOGETHER,
        {
            "a_total": BUSY, "a_bad_total": minutes(5, 0, 0, 0, 0),
            "b_total": minutes(5, 5, 5, 0, 0), "b_bad_total": minutes(5, 5, 0, 0, 0),
        },
        5,
        2,
    ),
    "what is missing of parts is added, up to all": Case(
        ADDED,
        {
            "a_total": BUSY, "a_bad_total": minutes(5, 2, 0, 0, 0),
            "b_total": BUSY, "b_bad_total": minutes(5, 1, 1, 0, 0),
        },
        5,
        1 + 0.5 + 0.1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", CASES)
def test_an_indicator_counts(sentence: str, tmp_path: Path) -> None:
    case = CASES[sentence]
    total = case.indicator.total(case.window_s, case.spec)
    bad = case.indicator.bad(case.window_s, case.spec)
    test = {
        "interval": "15s",
        "input_series": [{"series": key, "values": text} for key, text in case.series.items()],
        "promql_expr_test": [_expects(total, case.total), _expects(bad, case.bad)],
    }
    path = tmp_path / "test.yaml"
    path.write_text(json.dumps({"evaluation_interval": "15s", "tests": [test]}))
    ran = subprocess.run(
        [binary("promtool"), "test", "rules", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _expects(expr: str, value: float | None) -> dict[str, object]:
    samples = [] if value is None else [{"labels": "{}", "value": round(value, 4)}]
    return {"expr": f"round(({expr}), 0.0001)", "eval_time": AT, "exp_samples": samples}
