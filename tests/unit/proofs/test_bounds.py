"""Certified bounds hold for everything the contract allows, and say where they cannot."""

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.base.verdict import Status
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats
from mlops.contracts.roles import Scope
from mlops.models.certificate import Certificate, Range
from mlops.models.flat import Outline
from mlops.models.lowering_trees import Table
from mlops.models.program import Program
from mlops.models.trees import Trees
from mlops.proofs.bounds import certify
from mlops.proofs.reach import leaf_range, whole_box
from tests.components.toys import MODELS, SERVICES, program, rows_of, toy


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("model", MODELS)
def test_sampled_outputs_lie_inside(service: str, model: str) -> None:
    whole, domain = program(service, model), toy(service).domain
    found = certify(whole, domain)
    assert found.verdict().status is Status.PASS
    assert found.finite
    table = rows_of(service, model, 15_000, seed=1)
    matrix = whole.encode(table)
    for head, outputs in zip(whole.outline.heads, whole.heads(matrix).values(), strict=True):
        proved = found.heads[head.name]
        _inside(proved.output, outputs)
        for range_, raw in zip(proved.raw, whole.raw(matrix, head), strict=True):
            _inside(range_, raw)
        assert (proved.output.low or 0.0) >= 0.0
        assert (proved.output.high or 2.0) <= 1.0
    _inside(found.score, whole.score(table))


def _inside(proved: Range, values: Floats) -> None:
    assert proved.low is not None
    assert proved.high is not None
    assert proved.low <= values.min()
    assert values.max() <= proved.high
    assert proved.holds(float(values[0]))


def number(name: str, **limits: object) -> Column:
    return Column.model_validate(
        {"name": name, "kind": ColumnKind.NUMBER, "scope": Scope.CANDIDATE, "feature": True}
        | limits
    )


ITEM = Column(
    name="item",
    kind=ColumnKind.CATEGORY,
    scope=Scope.CANDIDATE,
    feature=False,
    identifier=True,
)
JOB = Column(name="job", kind=ColumnKind.CATEGORY, scope=Scope.CANDIDATE, feature=True)


def linear(domain_columns: tuple[Column, ...], weights: dict[str, float]) -> Program:
    names = [column.name for column in domain_columns if not column.is_category]
    return Program(
        Outline.model_validate(
            {
                "inputs": [{"kind": "number", "name": name} for name in names],
                "heads": [
                    {
                        "name": "h",
                        "members": [
                            {
                                "raw": {
                                    "kind": "linear",
                                    "intercept": 1.0,
                                    "numbers": [
                                        {"column": i, "steps": [], "weight": weights[name]}
                                        for i, name in enumerate(names)
                                    ],
                                    "categories": [],
                                },
                                "link": {"kind": "identity"},
                            }
                        ],
                    }
                ],
                "score": {"kind": "head", "head": "h"},
            },
            strict=False,
        ),
        Trees.empty(),
    )


def single(
    raw: Mapping[str, object], link: Mapping[str, object], trees: Trees | None = None
) -> Program:
    """Return a program of one number `a`, one category `job` and one member."""
    outline = {
        "inputs": [
            {"kind": "number", "name": "a"},
            {"kind": "text", "name": "job", "known": ["x", "y"]},
        ],
        "heads": [{"name": "h", "members": [{"raw": raw, "link": link}]}],
        "score": {"kind": "head", "head": "h"},
    }
    return Program(Outline.model_validate_json(json.dumps(outline)), trees or Trees.empty())


def bounded(low: float, high: float, *, nullable: bool = False, job: Column = JOB) -> Domain:
    return Domain(
        name="D", columns=(ITEM, job, number("a", minimum=low, maximum=high, nullable=nullable))
    )


@pytest.mark.parametrize(("nullable", "high"), [(False, 3.0), (True, 50.0)])
def test_filled_value_outside_the_interval_counts_where_it_can_come(
    nullable: bool, high: float
) -> None:
    steps = [{"kind": "fill", "value": 50.0}]
    raw = {
        "kind": "linear",
        "intercept": 0.0,
        "numbers": [{"column": 0, "steps": steps, "weight": 1.0}],
        "categories": [],
    }
    found = certify(single(raw, {"kind": "identity"}), bounded(-2.0, 3.0, nullable=nullable))
    assert found.score.high == pytest.approx(high, abs=1e-12)


@pytest.mark.parametrize(
    ("changed", "ends"),
    [
        ({"categories": ("x", "y")}, (1.0, 2.0)),
        ({"categories": ("x",)}, (1.0, 1.0)),
        ({"categories": ("x", "y", "z")}, (1.0, 30.0)),
        ({"categories": ("x", "y"), "nullable": True}, (-40.0, 2.0)),
        ({"nullable": True}, (-40.0, 30.0)),
    ],
)
def test_only_categories_that_the_contract_allows_count(
    changed: dict[str, object], ends: tuple[float, float]
) -> None:
    raw = {
        "kind": "linear",
        "intercept": 0.0,
        "numbers": [],
        "categories": [{"column": 1, "weights": [1.0, 2.0, 30.0, -40.0]}],
    }
    domain = bounded(0.0, 1.0, job=JOB.model_copy(update=changed))
    found = certify(single(raw, {"kind": "identity"}), domain).score
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [
        (1.25, 1.5, (0.15, 0.2)),
        (0.5, 1.0, (0.05, 0.1)),
        (2.0, 2.5, (0.3, 0.65)),
        (-9.0, -8.0, (0.0, 0.0)),
        (8.0, 9.0, (1.0, 1.0)),
        (-9.0, 9.0, (0.0, 1.0)),
    ],
)
def test_isotonic_output_lies_between_its_ends(
    low: float, high: float, ends: tuple[float, float]
) -> None:
    link = {"kind": "isotonic", "x": [0.0, 1.0, 2.0, 3.0], "y": [0.0, 0.1, 0.3, 1.0]}
    raw = {
        "kind": "linear",
        "intercept": 0.0,
        "numbers": [{"column": 0, "steps": [], "weight": 1.0}],
        "categories": [],
    }
    whole, domain = single(raw, link), bounded(low, high)
    found = certify(whole, domain).score
    values = whole.score(
        {"a": np.linspace(low, high, 50), "job": np.array(["x"] * 50, dtype=object)}
    )
    _inside(found, values)
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-12)


def test_rounding_of_a_long_sum_stays_inside() -> None:
    table = Table()
    for _ in range(1000):
        table.begin_tree()
        table.add_leaf(0.1)
    raw = {"kind": "trees", "baseline": 0.0, "first": 0, "last": 1000}
    whole = single(raw, {"kind": "identity"}, table.finish())
    found = certify(whole, bounded(0.0, 1.0)).score
    scored = whole.score({"a": np.zeros(1), "job": np.array(["x"], dtype=object)})
    assert scored[0] != 100.0
    _inside(found, scored)
    assert found.high == pytest.approx(100.0, abs=1e-9)


def test_linear_interval_is_exact_but_for_rounding() -> None:
    columns = (ITEM, number("a", minimum=-2.0, maximum=3.0), number("b", minimum=0.0, maximum=1.0))
    found = certify(linear(columns, {"a": 2.0, "b": -1.0}), Domain(name="D", columns=columns)).score
    assert found.low == pytest.approx(-4.0, abs=1e-13)
    assert found.high == pytest.approx(7.0, abs=1e-13)


@pytest.mark.parametrize("limits", [{}, {"minimum": 0.0}, {"maximum": 5.0}])
def test_column_without_bounds_is_named(limits: dict[str, float]) -> None:
    columns = (ITEM, number("a", minimum=0.0, maximum=1.0), number("wide", **limits))
    found = certify(linear(columns, {"a": 1.0, "wide": 0.5}), Domain(name="D", columns=columns))
    verdict = found.verdict()
    assert verdict.status is Status.UNKNOWN
    assert not found.finite
    assert "'wide'" in verdict.findings[0].message
    assert "'a'" not in verdict.findings[0].message
    assert None in (found.score.low, found.score.high)
    assert Certificate.model_validate_json(found.model_dump_json()) == found


def test_sum_that_is_too_large_for_a_float_is_not_proved() -> None:
    columns = (ITEM, number("a", minimum=0.0, maximum=1e200))
    found = certify(linear(columns, {"a": 1e200}), Domain(name="D", columns=columns))
    assert found.verdict().status is Status.UNKNOWN
    assert not found.finite


def test_leaves_out_of_the_domains_reach_do_not_count() -> None:
    whole, domain = (
        program("search_ranking", "hist_gradient_boosting"),
        toy("search_ranking").domain,
    )
    table = Table()
    table.begin_tree()
    at = [column.name for column in whole.outline.inputs].index("text_relevance")
    table.add_number(at, 0.5, children=(1, 2), flags=1)
    table.add_number(at, 0.7, children=(3, 4), flags=0)  # left of 0.5: always left of 0.7
    table.add_number(at, 1.0, children=(5, 6), flags=0)  # never above 1 nor missing
    for value in (1.0, 100.0, 2.0, -100.0):
        table.add_leaf(value)
    assert leaf_range(table.finish(), 0, whole_box(whole, domain)) == (1.0, 2.0)


@settings(max_examples=80, deadline=None)
@given(
    cut=st.floats(-5, 5), flags=st.integers(0, 3), nullable=st.booleans(),
    ends=st.tuples(st.floats(-4, 4), st.floats(-4, 4)).map(sorted),
)  # fmt: skip
def test_reach_is_what_samples_reach(
    cut: float, flags: int, nullable: bool, ends: list[float]
) -> None:
    low, high = ends
    columns = (ITEM, number("a", minimum=low, maximum=high, nullable=nullable))
    whole = linear(columns, {"a": 1.0})
    table = Table()
    table.begin_tree()
    table.add_number(0, cut, children=(1, 2), flags=flags)
    table.add_leaf(-1.0)
    table.add_leaf(1.0)
    values = [low, high, np.clip(cut, low, high), np.clip(np.nextafter(cut, 9), low, high)]
    reached = {-1.0 if value <= cut else 1.0 for value in values}
    if nullable:
        reached.add(-1.0 if flags & 1 else 1.0)
    box = whole_box(whole, Domain(name="D", columns=columns))
    assert leaf_range(table.finish(), 0, box) == (min(reached), max(reached))


def test_bounds_notice_a_leaf_that_grew() -> None:
    whole, domain = program("open_bandit", "hist_gradient_boosting"), toy("open_bandit").domain
    before = certify(whole, domain)
    cut = whole.trees.cut.copy()
    cut[np.flatnonzero(whole.trees.feature == -1)[0]] = 50.0
    after = certify(Program(whole.outline, replace(whole.trees, cut=cut)), domain)
    raw_before, raw_after = before.heads["click"].raw[0], after.heads["click"].raw[0]
    assert raw_before.high is not None
    assert raw_after.high is not None
    assert raw_after.high > raw_before.high + 40


CLIPPED: dict[str, tuple[dict[str, float], tuple[float | None, float | None], bool]] = {
    "both ends": ({"low": 0.5, "high": 5.0}, (0.5, 5.0), True),
    "one end, the other side is open": ({"low": 0.5}, (0.5, None), False),
    "one end, the contract has the other": ({"high": 5.0}, (0.0, 5.0), True),
}


@pytest.mark.parametrize("sentence", CLIPPED)
def test_clip_makes_the_range_of_a_score_certain(sentence: str) -> None:
    """The value has no upper end in the contract; the head lies in [0.5, 1]."""
    clip, ends, finite = CLIPPED[sentence]
    domain = Domain(name="D", columns=(ITEM, JOB, number("a", minimum=0.0, maximum=9.0),
                                       number("fee", minimum=0.0)))  # fmt: skip
    whole = single(
        {"kind": "linear", "intercept": 0.0, "categories": [],
         "numbers": [{"column": 0, "steps": [], "weight": 1.0}]},
        {"kind": "logit"},
    )  # fmt: skip
    score = {"kind": "expected_value", "heads": ["h"], "value": "fee", "clip": clip}
    outline = json.loads(whole.outline.model_dump_json()) | {"score": score}
    held = Program(Outline.model_validate_json(json.dumps(outline)), Trees.empty())
    found = certify(held, domain)
    assert (found.score.low, found.score.high) == ends
    assert found.finite is finite


def test_clip_proves_nothing_where_the_heads_can_be_infinite() -> None:
    whole = linear((number("x"),), {"x": 1.0})
    clip = {"low": 0.0, "high": 1.0}
    score = {"kind": "expected_value", "heads": ["h"], "value": "x", "clip": clip}
    outline = json.loads(whole.outline.model_dump_json()) | {"score": score}
    held = Program(Outline.model_validate_json(json.dumps(outline)), Trees.empty())
    found = certify(held, Domain(name="D", columns=(ITEM, number("x"))))
    assert not found.finite
    assert found.score.low is None
