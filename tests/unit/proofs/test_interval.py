"""The search for a raw score's ends: sound at every moment, exact where it comes to an end."""

import itertools
import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.roles import Scope
from mlops.contracts.sample import draw
from mlops.models.flat import (
    CategoryTerm,
    CodeInput,
    Head,
    IdentityLink,
    Input,
    LinearRaw,
    Member,
    NumberInput,
    NumberTerm,
    Outline,
    TextInput,
    TreesRaw,
)
from mlops.models.kernels import Kernel
from mlops.models.lowering_trees import Table
from mlops.models.program import Program
from mlops.models.spec import HeadScore
from mlops.proofs import compiled, relaxation
from mlops.proofs import interval as interval_room
from mlops.proofs.bounds import certify
from mlops.proofs.cells import Row, cut_columns, table_of
from mlops.proofs.groups import group_of, merge, split_trees
from mlops.proofs.interval import Interval, bound
from mlops.proofs.packing import pack

FOREVER = 1e9


def column(name: str, kind: ColumnKind, **limits: object) -> Column:
    base = {"name": name, "kind": kind, "scope": Scope.CANDIDATE, "feature": True}
    return Column.model_validate(base | limits)


ITEM = column("item", ColumnKind.CATEGORY, identifier=True)


def random_domain(rng: np.random.Generator) -> Domain:
    """Return a contract of two numbers, a whole number, a yes-or-no and a text."""
    maybe = [bool(flag) for flag in rng.integers(0, 2, 5)]
    closed = ("x", "y", "w")[: int(rng.integers(1, 4))] if maybe[4] else None
    return Domain(
        name="D",
        columns=(
            ITEM,
            column("a", ColumnKind.NUMBER, minimum=0.0, maximum=1.0, nullable=maybe[0]),
            column("wide", ColumnKind.NUMBER, nullable=maybe[1]),
            column("n", ColumnKind.INTEGER, minimum=0.5, maximum=4.0, nullable=maybe[2]),
            column("yes", ColumnKind.BOOLEAN),
            column("job", ColumnKind.CATEGORY, categories=closed, nullable=maybe[3]),
        ),
    )  # fmt: skip


INPUTS: tuple[Input, ...] = (
    NumberInput(name="a"),
    NumberInput(name="wide"),
    NumberInput(name="n"),
    CodeInput(name="n", known=(1.0, 2.0, 3.0)),  # the same column twice, read in two ways
    NumberInput(name="yes"),
    TextInput(name="job", known=("x", "y", "z")),
)


def random_program(rng: np.random.Generator, trees: int, *, divisor: int = 1) -> Program:
    table = Table()
    for _ in range(trees):
        _grow(table, rng, depth=int(rng.integers(0, 4)))
    raw = TreesRaw(baseline=float(rng.normal()), first=0, last=trees, divisor=divisor)
    return program_of(raw, table)


def program_of(
    raw: TreesRaw | LinearRaw, table: Table, inputs: tuple[Input, ...] = INPUTS
) -> Program:
    head = Head(name="h", members=(Member(raw=raw, link=IdentityLink()),))
    outline = Outline(inputs=inputs, heads=(head,), score=HeadScore(head="h"))
    return Program(outline, table.finish())


def _grow(table: Table, rng: np.random.Generator, depth: int) -> None:
    """Append a whole tree of one depth, with random questions and leaves."""
    start = table.begin_tree()
    inner = 2**depth - 1
    for i in range(inner):
        children = (start + 2 * i + 1, start + 2 * i + 2)
        at, flags = int(rng.integers(len(INPUTS))), int(rng.integers(4))
        asked = INPUTS[at]
        if asked.kind == "number":
            cut = {"a": rng.uniform(-0.2, 1.2), "wide": rng.normal() * 9, "n": rng.uniform(0, 5)}
            table.add_number(at, float(cut.get(asked.name, 0.5)), children=children, flags=flags)
        else:
            left = [bool(rng.integers(2)) for _ in range(3)]
            table.add_codes(at, left, children=children, flags=flags)
    for _ in range(inner + 1):
        table.add_leaf(float(np.round(rng.normal(), 2)))


def brute(program: Program, domain: Domain) -> tuple[float, float]:
    """Return the true ends, by every combination of cells."""
    variables = cut_columns(program, domain)
    matrix = np.empty((math.prod(len(v.shown) for v in variables), len(program.outline.inputs)))
    for row, cells in enumerate(itertools.product(*(range(len(v.shown)) for v in variables))):
        for variable, cell in zip(variables, cells, strict=True):
            matrix[row, list(variable.inputs)] = variable.matrix[cell]
    (raw,) = program.raw(matrix, program.outline.heads[0])
    return float(raw.min()), float(raw.max())


def search(program: Program, domain: Domain, *, nodes: int | None = None, seed: int = 0,
           budget_s: float = FOREVER) -> Interval:  # fmt: skip
    rng = np.random.default_rng(seed)
    found = bound(program, domain, budget_s=budget_s, clock=time.monotonic, rng=rng,
                  node_limit=nodes)  # fmt: skip
    return found["h"][0]


def keeps(domain: Domain, row: Row) -> None:
    for name, value in row.items():
        asked = domain.column(name)
        if value is None:
            assert asked.nullable, name
        elif isinstance(value, str):
            assert asked.categories is None or value in asked.categories
        else:
            assert math.isfinite(value)
            assert asked.minimum is None or asked.minimum <= value
            assert asked.maximum is None or value <= asked.maximum
            assert asked.kind is ColumnKind.NUMBER or value == math.floor(value)
            assert asked.kind is not ColumnKind.BOOLEAN or value in (0.0, 1.0)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), trees=st.integers(1, 12),
    nodes=st.sampled_from([0, 1, 2, 3, None]),
)  # fmt: skip
def test_no_row_lies_outside_and_the_whole_search_is_exact(
    seed: int, trees: int, nodes: int | None
) -> None:
    rng = np.random.default_rng(seed)
    domain, program = random_domain(rng), random_program(rng, trees, divisor=1 + seed % 3)
    low, high = brute(program, domain)
    found = search(program, domain, nodes=nodes, seed=seed)
    assert found.certified.low <= low
    assert high <= found.certified.high
    assert low <= found.found.low <= found.found.high <= high
    rows = draw(domain, 300, rng, known={"item": ["i"], "job": ["x", "y", "z"]})
    (raw,) = program.raw(program.encode(rows), program.outline.heads[0])
    assert found.certified.low <= raw.min() <= raw.max() <= found.certified.high
    plain = certify(program, domain).heads["h"].raw[0]
    assert (plain.low or 0) <= found.certified.low
    assert found.certified.high <= (plain.high or 0)
    if nodes is None:
        assert found.optimal
        assert found.certified == pytest.approx((low, high), abs=1e-4)
        assert found.found == pytest.approx((low, high), abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_found_rows_keep_the_contract_and_score_what_is_said(seed: int) -> None:
    rng = np.random.default_rng(seed)
    domain, program = random_domain(rng), random_program(rng, 8)
    found = search(program, domain, nodes=2, seed=seed)
    for row, said in zip((found.least, found.largest), found.found, strict=True):
        keeps(domain, row)
        matrix = program.encode(table_of([row]))
        assert program.raw(matrix, program.outline.heads[0])[0].tolist() == [said]


def test_same_seed_and_node_limit_give_the_same() -> None:
    rng = np.random.default_rng(5)
    domain, program = random_domain(rng), random_program(rng, 30)
    first, again = (search(program, domain, nodes=3, seed=1) for _ in range(2))
    assert first == again


def test_search_without_time_is_the_plain_interval() -> None:
    rng = np.random.default_rng(6)
    domain, program = random_domain(rng), random_program(rng, 10)
    found = search(program, domain, budget_s=0.0)
    plain = certify(program, domain).heads["h"].raw[0]
    assert found.certified == (plain.low, plain.high)
    assert found.nodes == 0


def hard_case(seed: int = 3) -> tuple[Program, Domain]:
    """Return trees whose search does not end at the first look."""
    rng = np.random.default_rng(seed)
    return random_program(rng, 40), random_domain(rng)


def test_more_nodes_never_loosen_the_interval() -> None:
    program, domain = hard_case()
    widths = []
    for nodes in (0, 1, 2, 4):
        low, high = search(program, domain, nodes=nodes).certified
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0]


@pytest.mark.skipif(compiled.compiled() is None, reason="no C kernel here")
def test_kernels_agree() -> None:
    program, domain = hard_case(4)
    splits = split_trees(program.trees, program.trees.roots.tolist(), cut_columns(program, domain))
    groups = [group_of(splits, root, sign=1.0) for root in splits.roots]
    groups = [merge(groups[0], groups[1]), *groups[2:]]
    open_cells = [np.ones(count, dtype=bool) for count in splits.cells]
    open_cells[0][::2] = False
    packed, prices = pack(groups, open_cells)
    bounds: dict[str, float] = {}
    kernels: tuple[Kernel, ...] = ("c", "numpy")
    for kernel in kernels:
        own = prices.copy()
        bounds[kernel] = relaxation.relax(packed, own, steps=60, mu=(0.5, 0.01), rate=0.3,
                                          kernel=kernel)  # fmt: skip
        sound = relaxation.duals(packed, own, mu=0.01).bound
        assert bounds[kernel] <= sound <= bounds[kernel] + 1e-6
    start = relaxation.duals(packed, prices, mu=0.01).bound
    assert bounds["c"] == pytest.approx(bounds["numpy"], rel=1e-6)
    assert bounds["c"] < start


@pytest.mark.parametrize("seed", range(5))
def test_merged_groups_have_one_leaf_for_every_row_with_the_trees_sum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program, domain = random_program(rng, 4), random_domain(rng)
    variables = cut_columns(program, domain)
    splits = split_trees(program.trees, program.trees.roots.tolist(), variables)
    groups = [group_of(splits, root, sign=1.0) for root in splits.roots]
    whole = merge(merge(groups[0], groups[1]), merge(groups[2], groups[3]))
    for _ in range(200):
        cells = [int(rng.integers(count)) for count in splits.cells]
        matrix = np.empty((1, len(INPUTS)))
        for variable, chosen, cell in zip(variables, splits.chosen, cells, strict=True):
            matrix[0, list(variable.inputs)] = variable.matrix[chosen[cell]]
        raw = program.outline.heads[0].members[0].raw
        assert isinstance(raw, TreesRaw)
        (wanted,) = program.raw(matrix, program.outline.heads[0])
        covers = np.ones(len(whole.values), dtype=bool)
        for column_, at in enumerate(whole.variables):
            piece = np.uint64(whole.pieces[column_][cells[at]])
            covers &= (whole.masks[:, column_] >> piece) & np.uint64(1) > 0
        assert whole.values[covers] + raw.baseline == pytest.approx(wanted, abs=1e-12)
        assert covers.sum() == 1


def test_numpy_alone_is_sound_and_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    domain, program = random_domain(rng), random_program(rng, 6)
    monkeypatch.setattr(compiled, "_COMPILED", None)
    found = search(program, domain)
    assert found.optimal
    assert found.certified == pytest.approx(brute(program, domain), abs=1e-4)


def test_more_thresholds_than_a_word_has_bits_stay_sound() -> None:
    table = Table()
    rng = np.random.default_rng(9)
    for _ in range(3):
        start = table.begin_tree()
        cuts = np.sort(rng.uniform(0, 1, 150))
        for i, cut in enumerate(cuts):  # a chain: leaves and nodes alternate
            table.add_number(
                0, float(cut), children=(start + 2 * i + 1, start + 2 * i + 2), flags=0
            )
            table.add_leaf(float(rng.normal()))
        table.add_leaf(float(rng.normal()))
    program = program_of(TreesRaw(baseline=0.0, first=0, last=3), table)
    domain = random_domain(rng)
    low, high = brute_of_one(program, domain)
    found = search(program, domain, nodes=20)
    assert found.certified.low <= low <= found.found.low
    assert found.found.high <= high <= found.certified.high


def brute_of_one(program: Program, domain: Domain) -> tuple[float, float]:
    variable = cut_columns(program, domain)[0]
    matrix = np.zeros((len(variable.shown), len(program.outline.inputs)))
    matrix[:, 0] = variable.matrix[:, 0]
    (raw,) = program.raw(matrix, program.outline.heads[0])
    return float(raw.min()), float(raw.max())


def test_unknown_text_that_nobody_can_show_counts_but_is_not_found() -> None:
    table = Table()
    start = table.begin_tree()
    table.add_codes(0, [True], children=(start + 1, start + 2), flags=0)
    table.add_leaf(1.0)
    table.add_leaf(5.0)  # of unknown texts
    inputs = (TextInput(name="job", known=("x",)),)
    program = program_of(TreesRaw(baseline=0.0, first=0, last=1), table, inputs)
    only = column("job", ColumnKind.CATEGORY, pattern="^x$")
    found = search(program, Domain(name="D", columns=(ITEM, only)), nodes=5)
    assert found.certified.high >= 5.0
    assert found.largest == {"job": "x"}
    assert not found.optimal
    free = replace_pattern(only, None)
    found = search(program, Domain(name="D", columns=(ITEM, free)))
    assert found.optimal
    assert found.largest["job"] != "x"
    assert found.found.high == 5.0


def replace_pattern(asked: Column, pattern: str | None) -> Column:
    return asked.model_copy(update={"pattern": pattern})


def test_score_without_trees_is_its_baseline() -> None:
    program = random_program(np.random.default_rng(1), 0)
    found = search(program, random_domain(np.random.default_rng(1)))
    assert found.optimal
    assert found.found.low == found.found.high == pytest.approx(found.certified.high)


def test_linear_score_is_exact_with_its_corners() -> None:
    raw = LinearRaw(
        intercept=1.0,
        numbers=(
            NumberTerm(column=0, steps=(), weight=-2.0),
            NumberTerm(column=2, steps=(), weight=3.0),
        ),
        categories=(CategoryTerm(column=5, weights=(0.0, 1.0, -1.0, 4.0, 9.0)),),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    domain = random_domain(rng)
    columns = tuple(c.model_copy(update={"nullable": False}) for c in domain.columns)
    domain = Domain(name="D", columns=columns)
    found = search(program_of(raw, Table()), domain)
    assert found.optimal
    assert found.found == pytest.approx(found.certified, abs=1e-9)
    assert (found.least["a"], found.largest["a"]) == (1.0, 0.0)
    assert (found.least["n"], found.largest["n"]) == (1.0, 4.0)


def test_search_notices_a_leaf_that_grew() -> None:
    program, domain = hard_case(12)
    before = search(program, domain, nodes=3)
    cut = program.trees.cut.copy()
    cut[np.flatnonzero(program.trees.feature == -1)[0]] += 50.0
    after = search(Program(program.outline, replace(program.trees, cut=cut)), domain, nodes=3)
    assert after.found.high > before.found.high + 30


def test_model_too_large_to_search_keeps_the_plain_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interval_room, "_MOST_WORK", 0)
    rng = np.random.default_rng(0)
    domain, program = random_domain(rng), random_program(rng, 6)
    found = bound(program, domain, budget_s=FOREVER, clock=time.monotonic, rng=rng)["h"][0]
    plain = certify(program, domain).heads["h"].raw[0]
    assert (found.certified.low, found.certified.high) == (plain.low, plain.high)
    assert found.certified.low <= found.found.low < found.found.high <= found.certified.high
    assert not found.optimal
