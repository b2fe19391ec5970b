"""Monotonicity is decided as trying every row decides it; what is refuted, two rows show."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.roles import Scope
from mlops.models.certificate import Property
from mlops.models.flat import (
    Head,
    IdentityLink,
    LinearRaw,
    Member,
    NumberInput,
    NumberTerm,
    Outline,
)
from mlops.models.lowering import lower
from mlops.models.lowering_trees import Table
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import HeadScore
from mlops.models.trees import Trees
from mlops.proofs.claims import Subject
from mlops.proofs.monotone import prove_monotone
from mlops.proofs.moves import Budget
from mlops.proofs.proof import subject_of
from mlops.proofs.spec import MonotoneSpec, ProofsSpec
from tests.components.ensembles import (
    JOB,
    Row,
    column,
    domain,
    every_row,
    program_of,
    random_trees,
    table,
)
from tests.components.toys import CONF, spec, toy

STANDS = {"ignore": [], "lowest": [-1.0], "highest": [99.0]}


def subject(program: Program, *, missing: bool = True) -> Subject:
    return subject_of(program, domain(missing=missing), ProofsSpec(), clock=lambda: 0.0)


def decide(program: Program, declared: dict[str, object]) -> Property:
    return prove_monotone(subject(program), "a", MonotoneSpec.model_validate(declared))


def by_force(program: Program, declared: MonotoneSpec) -> float:
    """Return by how much the score goes the wrong way at most."""
    rows = every_row()
    if declared.missing == "ignore":
        rows = [row for row in rows if row["a"] is not None]
    scores = program.score(table(rows))
    place = {None: STANDS[declared.missing][0] if STANDS[declared.missing] else 0.0}
    sign = 1 if declared.direction == "increasing" else -1
    worst = 0.0
    groups: dict[tuple[object, object], list[tuple[float, float]]] = {}
    for row, score in zip(rows, scores.tolist(), strict=True):
        at = place[None] if row["a"] is None else float(row["a"])
        groups.setdefault((row["b"], row["c"]), []).append((at, sign * score))
    for group in groups.values():
        ordered = [score for _, score in sorted(group)]
        worst = max(worst, float(-min(np.diff(ordered))))
    return worst


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    trees=st.integers(1, 4),
    depth=st.integers(1, 3),
    direction=st.sampled_from(["increasing", "decreasing"]),
    missing=st.sampled_from(["ignore", "lowest", "highest"]),
    link=st.sampled_from(["identity", "logit", "rising", "falling"]),
)
def test_decides_as_every_row_does(
    seed: int, trees: int, depth: int, direction: str, missing: str, link: str
) -> None:
    links: dict[str, dict[str, object]] = {
        "identity": {"kind": "identity"},
        "logit": {"kind": "logit"},
        "rising": {"kind": "sigmoid", "slope": -0.7, "offset": 0.1},
        "falling": {"kind": "sigmoid", "slope": 0.7, "offset": 0.1},
    }
    program = program_of(random_trees(np.random.default_rng(seed), trees, depth), links[link])
    declared = MonotoneSpec.model_validate({"direction": direction, "missing": missing})
    found = prove_monotone(subject(program), "a", declared)
    worst = by_force(program, declared)
    if worst > 1e-9:
        assert found.status == "refuted"
        _shows(program, found, declared)
    else:
        assert found.status == "proven"


def _shows(program: Program, found: Property, declared: MonotoneSpec) -> None:
    """The two rows differ in the column alone, are allowed, and really go the wrong way."""
    first, second = found.examples
    rows: list[Row] = [dict(first.row), dict(second.row)]
    assert {k: v for k, v in rows[0].items() if k != "a"} == {
        k: v for k, v in rows[1].items() if k != "a"
    }
    scores = program.score(table(rows))
    assert scores.tolist() == [first.value, second.value]
    stands = STANDS[declared.missing] or [0.0]
    at = [stands[0] if row["a"] is None else float(row["a"]) for row in rows]
    assert at[0] < at[1]
    wrong = scores[1] - scores[0] if declared.direction == "decreasing" else scores[0] - scores[1]
    assert wrong > 0
    for row in rows:
        assert row["c"] in ("x", "y", "z", None)


PRODUCTS: dict[str, tuple[dict[str, object], str, str]] = {
    "the value that a score is proportional to": ({}, "fee", "proven"),
    "the value, asked the other way round": ({"direction": "decreasing"}, "fee", "refuted"),
    "a factor that rises": ({}, "a", "proven"),
    "a factor that rises, asked the other way round": (
        {"direction": "decreasing"}, "a", "refuted",
    ),
    "a head's own output": ({"of": "h"}, "a", "proven"),
    "a column that nothing reads": ({"direction": "decreasing"}, "unread", "proven"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", PRODUCTS)
def test_product_of_a_rate_and_a_value(sentence: str) -> None:
    declared, name, status = PRODUCTS[sentence]
    whole = priced(rising(), {"kind": "logit"})
    within = subject_of(whole, with_fee(), ProofsSpec(), clock=lambda: 0.0)
    found = prove_monotone(within, name, MonotoneSpec.model_validate(declared))
    assert found.status == status


def test_factor_that_may_be_negative_proves_nothing() -> None:
    whole = priced(rising(), {"kind": "identity"})
    within = subject_of(whole, with_fee(), ProofsSpec(), clock=lambda: 0.0)
    found = prove_monotone(within, "a", MonotoneSpec())
    assert found.status == "undecided"
    assert "head h may be negative" in found.reason


def rising() -> Trees:
    """Return one tree that is -1 for small `a`, else 1; missing goes to the small ones."""
    grown = Table()
    grown.begin_tree()
    grown.add_number(0, 2.0, children=(1, 2), flags=1)
    grown.add_leaf(-1.0)
    grown.add_leaf(1.0)
    return grown.finish()


def priced(trees: Trees, link: dict[str, object]) -> Program:
    return program_of(trees, link, score={"kind": "expected_value", "heads": ["h"], "value": "fee"})


def with_fee() -> Domain:
    more = (
        column("fee", "number", minimum=1.0, maximum=50.0, feature=False),
        column("unread", "integer", minimum=0.0, maximum=3.0),
    )
    return domain().model_copy(update={"columns": (*domain().columns, *more)})


LINEAR: dict[str, tuple[list[dict[str, object]], dict[str, object], str]] = {
    "a weight above zero": ([{"weight": 2.0}], {}, "proven"),
    "a weight above zero, asked the other way round": (
        [{"weight": 2.0}], {"direction": "decreasing"}, "refuted",
    ),
    "a weight of zero": ([{"weight": 0.0}], {"direction": "decreasing"}, "proven"),
    "two terms, the larger one rises": ([{"weight": 2.0}, {"weight": -1.0}], {}, "proven"),
    "two terms, the larger one falls": ([{"weight": 1.0}, {"weight": -2.0}], {}, "refuted"),
    "a term that falls beyond 3 only": (
        [{"weight": 1.0}, {"weight": -3.0, "steps": [{"kind": "at_least", "value": 3.0}]}], {},
        "refuted",
    ),
    "a fall between the corners of clipping steps, which ends and middle do not show": (
        [
            {"weight": 1.0},
            {"weight": -3.0, "steps": [
                {"kind": "at_least", "value": 2.5}, {"kind": "at_most", "value": 3.0},
            ]},
            {"weight": 2.0, "steps": [{"kind": "at_least", "value": 3.0}]},
        ], {}, "refuted",
    ),
    "a missing value filled with the middle is not the lowest": (
        [{"weight": 1.0, "steps": [{"kind": "fill", "value": 2.0}]}], {"missing": "lowest"},
        "refuted",
    ),
    "a missing value filled with the least is the lowest": (
        [{"weight": 1.0, "steps": [{"kind": "fill", "value": 0.0}]}], {"missing": "lowest"},
        "proven",
    ),
    "a missing value filled with the middle, not compared": (
        [{"weight": 1.0, "steps": [{"kind": "fill", "value": 2.0}]}], {}, "proven",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", LINEAR)
def test_linear_sums(sentence: str) -> None:
    terms, declared, status = LINEAR[sentence]
    fill = [{"kind": "fill", "value": 2.0}]
    numbers = [{"column": 0, "steps": fill, **term} for term in terms]
    numbers += [{"column": 1, "steps": fill, "weight": -5.0}]
    raw = {"kind": "linear", "intercept": 0.5, "numbers": numbers, "categories": []}
    base = program_of(Trees.empty())
    outline = base.outline.model_dump(mode="json")
    outline["heads"][0]["members"][0]["raw"] = raw
    whole = Program(Outline.model_validate_json(json.dumps(outline)), Trees.empty())
    found = decide(whole, declared)
    assert found.status == status, found
    if status == "refuted":
        rows = [dict(example.row) for example in found.examples]
        assert whole.score(table(rows)).tolist() == [each.value for each in found.examples]


def test_saturated_answers_are_not_called_refuted() -> None:
    """The raw score falls from 900 to 800, but the rate is 1 for both."""
    grown = Table()
    grown.begin_tree()
    grown.add_number(0, 2.0, children=(1, 2), flags=1)
    grown.add_leaf(900.0)
    grown.add_leaf(800.0)
    found = decide(program_of(grown.finish(), {"kind": "logit"}), {})
    assert found.status == "undecided"
    assert found.gap == 100.0


def test_search_that_ends_early_says_what_is_left() -> None:
    whole = program_of(random_trees(np.random.default_rng(5), 12, 4))
    late = subject(whole)
    few = replace(late, budget=lambda: Budget(steps=1, expired=lambda: False))
    found = prove_monotone(few, "a", MonotoneSpec())
    assert found.status == "undecided"
    assert found.gap is not None
    assert found.gap >= by_force(whole, MonotoneSpec()) > 0
    late = replace(late, budget=lambda: Budget(steps=1000, expired=lambda: True))
    assert prove_monotone(late, "a", MonotoneSpec()).status == "undecided"


@pytest.mark.parametrize("forced", [True, False])
def test_boosting_trained_with_a_constraint_is_proven(forced: bool) -> None:
    """Categories come first inside the booster; the claim is about the contract's own column."""
    it = toy("search_ranking")
    node = yaml.safe_load((CONF / "hist_gradient_boosting.yaml").read_text())
    node["estimator"] |= {"max_iter": 40, "min_samples_leaf": 10, "l2_regularization": 0.0}
    if forced:
        node["estimator"]["monotonic_cst"] = {"text_relevance": 1}
    fitted = {
        head: SklearnPredictor(spec(node), it.domain, seed=3).fit(it.table, outcome)
        for head, outcome in it.outcomes.items()
    }
    whole = lower(fitted, it.domain, it.score)
    within = subject_of(whole, it.domain, ProofsSpec(), clock=time.monotonic)
    found = prove_monotone(within, "text_relevance", MonotoneSpec())
    assert found.status == ("proven" if forced else "refuted")
    if not forced:
        first, second = found.examples
        assert first.row["text_relevance"] < second.row["text_relevance"]  # type: ignore[operator] # numbers
        assert first.value > second.value


@pytest.mark.parametrize("forced", [True, False])
def test_forests_are_asked_beside_their_float32_thresholds(forced: bool) -> None:
    """A forest casts inputs to float32; what is proved holds for floats beside each threshold."""
    request = Domain(
        name="D",
        columns=(
            JOB,
            column("a", "number", minimum=0.0, maximum=1.0),
            column("b", "number", minimum=0.0, maximum=1.0),
        ),
    )
    rng = np.random.default_rng(0)
    rows = {"a": rng.random(400), "b": rng.random(400)}
    outcome = (rng.random(400) < rows["a"] * rows["b"]).astype(np.float64)
    arguments = {"n_estimators": 12, "max_depth": 5, "random_state": 0}
    if forced:
        arguments |= {"monotonic_cst": [1, 0]}  # type: ignore[dict-item] # scikit-learn's own form
    target = "sklearn.ensemble.RandomForestClassifier"
    model = spec({"name": "m", "estimator": {"_target_": target, **arguments}})
    fitted = {"h": SklearnPredictor(model, request, seed=0).fit(rows, outcome)}
    whole = lower(fitted, request, HeadScore(head="h"))
    within = subject_of(whole, request, ProofsSpec(), clock=time.monotonic)
    found = prove_monotone(within, "a", MonotoneSpec())
    assert found.status == ("proven" if forced else "refuted")
    cuts = np.unique(whole.trees.cut[whole.trees.feature == 0])
    near = np.unique(np.clip([cuts, np.nextafter(cuts, 9), np.nextafter(cuts, -9)], 0, 1))
    worst = 0.0
    for b in rng.random(20):
        asked = {"a": near, "b": np.full(len(near), b)}
        worst = min(worst, float(np.diff(fitted["h"].predict(asked)).min()))
    assert (worst < -1e-9) is not forced


def opposing(*weights: float, least: float) -> Property:
    """Decide whether a sum rises with `x`, read by some terms beside a column that is huge."""
    columns = [
        Column(name="id", kind=ColumnKind.CATEGORY, scope=Scope.CANDIDATE, feature=False,
               identifier=True),
        Column(name="x", kind=ColumnKind.NUMBER, scope=Scope.CANDIDATE, feature=True, minimum=0.0,
               maximum=1.0),
        Column(name="huge", kind=ColumnKind.NUMBER, scope=Scope.CANDIDATE, feature=True,
               minimum=least, maximum=1e12),
    ]  # fmt: skip
    terms = [NumberTerm(column=0, steps=(), weight=weight) for weight in weights]
    raw = LinearRaw(
        intercept=0.0,
        numbers=(*terms, NumberTerm(column=1, steps=(), weight=1.0)),
        categories=(),
    )
    outline = Outline(
        inputs=(NumberInput(name="x"), NumberInput(name="huge")),
        heads=(Head(name="h", members=(Member(raw=raw, link=IdentityLink()),)),),
        score=HeadScore(head="h"),
    )
    within = subject_of(
        Program(outline, Trees.empty()),
        Domain(name="Huge", columns=tuple(columns)),
        ProofsSpec(),
        clock=lambda: 0.0,
    )
    return prove_monotone(within, "x", MonotoneSpec())


def test_a_fall_that_a_huge_column_hides_is_no_proof() -> None:
    assert opposing(-1e-7, least=1e12).status != "proven"


def test_what_several_terms_add_is_proved_up_to_the_largest_sums_rounding() -> None:
    found = opposing(2.0, -1.0, least=0.0)
    assert found.status == "proven"
    stated = float(found.reason.partition("sums, ")[2].partition(" of")[0])
    assert stated > 2.0**-53 * 1e12


def test_one_term_is_proved_whatever_stands_beside_it() -> None:
    assert opposing(1e-7, least=0.0).reason == "no sum moves the wrong way"
