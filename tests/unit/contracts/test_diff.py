"""What a change of a contract breaks: callers, bundles, both or no one."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.contracts import open_bandit, search_ranking
from mlops.contracts.diff import Direction, Impact, diff, impacts
from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.roles import Scope
from mlops.contracts.schema import read_domain

NUMBER = Column(
    name="x", kind=ColumnKind.NUMBER, scope=Scope.CANDIDATE, feature=True, minimum=0.0, maximum=9.0,
    unit="EUR",
)  # fmt: skip
TEXT = Column(
    name="x", kind=ColumnKind.CATEGORY, scope=Scope.CANDIDATE, feature=True, categories=("a", "b")
)
OPEN = Column(name="x", kind=ColumnKind.CATEGORY, scope=Scope.CANDIDATE, feature=True, pattern="^a")
WHOLE = Column(
    name="x", kind=ColumnKind.INTEGER, scope=Scope.CANDIDATE, feature=True, minimum=1.0,
    maximum=5.0, numbers=(1.0, 5.0),
)  # fmt: skip
LABEL = Column(
    name="x", kind=ColumnKind.INTEGER, scope=Scope.OUTCOME, feature=False, minimum=0.0, maximum=1.0
)
ITEM = Column(
    name="item", kind=ColumnKind.CATEGORY, scope=Scope.CANDIDATE, feature=False, identifier=True
)


def domain(*columns: Column, **changes: Any) -> Domain:
    return Domain(name="Rows", columns=(ITEM, *columns), **changes)


def changed(column: Column, **changes: Any) -> Column:
    return Column.model_validate({**column.model_dump(), **changes})


CALLERS, BUNDLES = (Impact.CALLERS,), (Impact.BUNDLES,)
BOTH = (Impact.CALLERS, Impact.BUNDLES)

# Sentence: column before, what changes, facet, impact on a request, impact on an output.
CHANGES: dict[str, tuple[Column, dict[str, Any], str, Any, Any]] = {
    "a lower maximum": (NUMBER, {"maximum": 8.0}, "ends", CALLERS, BUNDLES),
    "a higher maximum": (NUMBER, {"maximum": 10.0}, "ends", BUNDLES, CALLERS),
    "no maximum": (NUMBER, {"maximum": None}, "ends", BUNDLES, CALLERS),
    "an end that is open now": (NUMBER, {"minimum_open": True}, "ends", CALLERS, BUNDLES),
    "ends that moved": (NUMBER, {"minimum": 1.0, "maximum": 10.0}, "ends", BOTH, BOTH),
    "may be missing": (NUMBER, {"nullable": True}, "missing", BUNDLES, CALLERS),
    "another unit": (NUMBER, {"unit": "ct"}, "unit", BOTH, BOTH),
    "a unit where none was said": (changed(NUMBER, unit=""), {"unit": "EUR"}, "unit", (), ()),
    "a number forbidden": (NUMBER, {"forbidden": (3.0,)}, "forbidden", CALLERS, BUNDLES),
    "stored otherwise": (NUMBER, {"dtype": "float32"}, "dtype", BUNDLES, BUNDLES),
    "no feature any more": (NUMBER, {"feature": False}, "feature", BUNDLES, BUNDLES),
    "given once now": (NUMBER, {"scope": Scope.CONTEXT}, "scope", BOTH, BOTH),
    "described otherwise": (NUMBER, {"description": "d"}, "description", (), ()),
    "checked in batch too": (NUMBER, {"opaque": ("even",)}, "checks", (), ()),
    "each value once": (NUMBER, {"unique": True}, "unique", (), ()),
    "a category less": (TEXT, {"categories": ("a",)}, "categories", CALLERS, BUNDLES),
    "a category more": (TEXT, {"categories": ("a", "b", "c")}, "categories", BUNDLES, CALLERS),
    "another category": (TEXT, {"categories": ("a", "c")}, "categories", BOTH, BOTH),
    "categories in another order": (TEXT, {"categories": ("b", "a")}, "", (), ()),
    "an open set": (TEXT, {"categories": None}, "categories", BUNDLES, CALLERS),
    "another pattern": (OPEN, {"pattern": "^b"}, "pattern", CALLERS, CALLERS),
    "no pattern": (OPEN, {"pattern": None}, "pattern", (), CALLERS),
    "a suffix": (OPEN, {"suffix": "z"}, "suffix", CALLERS, ()),
    "shorter texts": (OPEN, {"max_length": 5}, "length", CALLERS, ()),
    "longer texts": (OPEN, {"max_length": 500}, "length", (), CALLERS),
    "a number less": (WHOLE, {"numbers": (1.0,), "maximum": 1.0}, "numbers", CALLERS, BUNDLES),
    "a label of another range": (LABEL, {"maximum": 2.0}, "ends", BUNDLES, CALLERS),
}


@pytest.mark.parametrize("sentence", CHANGES)
def test_change_breaks_whom_it_breaks(sentence: str) -> None:
    column, changes, facet, request, output = CHANGES[sentence]
    old, new = domain(column), domain(changed(column, **changes))
    for direction, wanted in ((Direction.REQUEST, request), (Direction.OUTPUT, output)):
        found = diff(old, new, direction=direction)
        assert impacts(found) == wanted
        assert (facet in {change.facet for change in found}) == bool(facet)
        assert all(change.message and change.column == "x" for change in found)


def test_another_kind_breaks_both_and_hides_the_rest() -> None:
    text = Column(name="x", kind=ColumnKind.CATEGORY, scope=Scope.CANDIDATE, feature=True)
    facets = {c.facet: c.impacts for c in diff(domain(NUMBER), domain(text))}
    assert facets["kind"] == BOTH
    assert not {"ends", "categories"} & facets.keys()


@pytest.mark.parametrize(
    ("column", "direction", "wanted"),
    [
        (NUMBER, Direction.REQUEST, BOTH),
        (changed(NUMBER, nullable=True), Direction.REQUEST, BUNDLES),
        (changed(NUMBER, nullable=True, feature=False), Direction.REQUEST, ()),
        (changed(NUMBER, feature=False), Direction.REQUEST, CALLERS),
        (NUMBER, Direction.OUTPUT, ()),
        (LABEL, Direction.REQUEST, ()),
    ],
    ids=["feature", "feature that may be missing", "note", "no feature", "of an output", "label"],
)
def test_added_column(column: Column, direction: Direction, wanted: Any) -> None:
    assert impacts(diff(domain(), domain(column), direction=direction)) == wanted


@pytest.mark.parametrize(
    ("column", "direction", "wanted"),
    [
        (NUMBER, Direction.REQUEST, BOTH),
        (changed(NUMBER, feature=False), Direction.REQUEST, BOTH),  # it may weigh the score
        (NUMBER, Direction.OUTPUT, CALLERS),
        (LABEL, Direction.REQUEST, BUNDLES),
    ],
    ids=["feature", "no feature", "of an output", "label"],
)
def test_removed_column(column: Column, direction: Direction, wanted: Any) -> None:
    assert impacts(diff(domain(column), domain(), direction=direction)) == wanted


def test_renamed_identifier_breaks_callers() -> None:
    renamed = Domain(name="Rows", columns=(changed(ITEM, name="job"),))
    assert impacts(diff(domain(), renamed)) == CALLERS


def test_order_and_rules_of_whole_frames_break_no_one() -> None:
    other = changed(NUMBER, name="y")
    old, new = domain(NUMBER, other), domain(other, NUMBER, unique=("x",), opaque=("sorted",))
    found = diff(old, new)
    assert {change.facet for change in found} == {"order", "unique", "checks"}
    assert impacts(found) == ()


@pytest.mark.parametrize("schema", [open_bandit.Request, search_ranking.Training])
def test_same_contract_has_no_difference(schema: Any) -> None:
    read = read_domain(schema)
    assert diff(read, Domain.model_validate_json(read.model_dump_json())) == ()


ENDS = st.integers(-3, 3).map(float)


@settings(max_examples=200, deadline=None)
@given(ENDS, ENDS, ENDS, ENDS)
def test_ends_break_callers_if_and_only_if_some_number_is_refused_now(
    a: float, b: float, c: float, d: float
) -> None:
    old = changed(NUMBER, minimum=min(a, b), maximum=max(a, b))
    new = changed(NUMBER, minimum=min(c, d), maximum=max(c, d))
    found = impacts(diff(domain(old), domain(new)))
    numbers = [n / 2 for n in range(-8, 9)]
    was = {n for n in numbers if min(a, b) <= n <= max(a, b)}
    now = {n for n in numbers if min(c, d) <= n <= max(c, d)}
    assert (Impact.CALLERS in found) == bool(was - now)
    assert (Impact.BUNDLES in found) == bool(now - was)
