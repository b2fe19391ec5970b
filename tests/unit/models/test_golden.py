"""What a bundle computed where it was made, it computes here, or it is told what differs."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Self

import numpy as np
import pytest

from mlops.base.digest import canonical_json
from mlops.contracts.domain import Floats, Table
from mlops.models import golden as golden_module
from mlops.models.arrays import dump_arrays, load_arrays
from mlops.models.golden import GOLDEN_FILES, Golden, golden_from, make_golden
from mlops.models.heuristics import FittedHeuristic, Heuristic, History, State
from mlops.models.program import Program
from tests.components.bundles import parts

MODELS = ("logistic", "hist_gradient_boosting")


def made(
    model: str, service: str = "search_ranking"
) -> tuple[Golden, Program, Mapping[str, FittedHeuristic]]:
    whole = parts(service, model)
    batch = make_golden(whole.program, whole.domain, whole.heuristics)
    return batch, whole.program, whole.heuristics


class Own(Heuristic):
    """A user's own heuristic."""

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    @classmethod
    def fit(cls, history: History) -> Self:
        return cls()

    def score(self, table: Table, rows: int) -> Floats:
        return np.arange(rows) / 3.0

    def state(self) -> State:
        return State()

    @classmethod
    def restore(cls, state: State) -> Self:
        return cls()


class Raises(Own):
    def score(self, table: Table, rows: int) -> Floats:
        raise ZeroDivisionError


class Exits(Own):
    def score(self, table: Table, rows: int) -> Floats:
        sys.exit(0)


class Short(Own):
    def score(self, table: Table, rows: int) -> Floats:
        return np.zeros(rows - 1)


@pytest.mark.parametrize("model", MODELS)
def test_batch_has_edges_and_plays_without_a_difference(model: str) -> None:
    batch, program, heuristics = made(model)
    assert batch.difference(program, heuristics) is None
    assert batch.heuristics.keys() == heuristics.keys()
    numbers = [v for v in batch.table.values() if v.dtype == np.float64]
    assert any(np.isnan(values).any() for values in numbers)
    batch, program, _ = made(model, "open_bandit")
    assert any(
        set(batch.table[name].tolist()) - {*known, None} for name, known in program.known.items()
    )


@pytest.mark.parametrize("model", MODELS)
def test_same_parts_give_the_same_bytes_and_they_come_back(model: str) -> None:
    batch, program, heuristics = made(model)
    files = batch.to_files()
    assert made(model)[0].to_files() == files
    back = golden_from(*(files[name] for name in GOLDEN_FILES))
    assert back.to_files() == files
    assert back.difference(program, heuristics) is None


@pytest.mark.parametrize(
    ("model", "step", "same"),
    [
        ("hist_gradient_boosting", 0.0, False),
        ("logistic", 0.0, True),
        ("logistic", 1e-9, False),
    ],
)
def test_trees_are_held_to_the_last_bit_and_sums_to_a_few(
    model: str, step: float, same: bool
) -> None:
    batch, program, heuristics = made(model)
    moved = batch.score.copy()
    at = int(np.argmax(np.abs(moved)))
    moved[at] = np.nextafter(moved[at], np.inf) * (1 + step)
    told = replace(batch, score=moved).difference(program, heuristics)
    assert (told is None) is same


def test_where_the_host_rounds_otherwise_trees_get_a_few_bits_too() -> None:
    batch, program, heuristics = made("hist_gradient_boosting")
    moved = np.nextafter(batch.score, np.inf)
    elsewhere = replace(batch, expit=np.nextafter(batch.expit, 1.0), score=moved)
    assert elsewhere.difference(program, heuristics) is None
    off = replace(elsewhere, score=batch.score * (1 + 1e-9))
    assert off.difference(program, heuristics) is not None


def test_other_scores_of_a_heuristic_are_told_with_its_name() -> None:
    batch, program, heuristics = made("logistic")
    moved = dict(batch.heuristics)
    moved["popularity"] = np.nextafter(moved["popularity"], np.inf)
    told = replace(batch, heuristics=moved).difference(program, heuristics)
    assert told is not None
    assert "heuristic 'popularity' gives other scores" in told


@pytest.mark.parametrize("kind", [Raises, Exits, Short])
def test_heuristic_that_cannot_score_is_left_out_of_a_batch_and_told_when_it_could_before(
    kind: type[Own],
) -> None:
    whole = parts("search_ranking")
    own = FittedHeuristic("custom", "x.Own", Own())
    broken = FittedHeuristic("custom", "x.Own", kind())
    batch = make_golden(whole.program, whole.domain, {**whole.heuristics, "own": broken})
    assert "own" not in batch.heuristics
    batch = make_golden(whole.program, whole.domain, {**whole.heuristics, "own": own})
    told = batch.difference(whole.program, {**whole.heuristics, "own": broken})
    assert told is not None
    assert "heuristic 'own' gives no scores" in told


def test_nan_is_the_same_as_nan_and_nothing_else() -> None:
    apart = golden_module._apart
    one, other = np.array([np.nan, 1.0]), np.array([-np.nan, 1.0])
    assert apart("it", one, other, limit=1e-12) is None
    both = np.array([np.inf, 1.0]), np.array([np.inf, np.nextafter(1.0, 2.0)])
    assert apart("it", *both, limit=1e-12) is None
    assert apart("it", *both, limit=0.0) is not None
    assert apart("it", np.array([-np.inf, 1.0]), both[1], limit=1e-12) is not None
    assert apart("it", np.array([0.5, 1.0]), other, limit=1e-12) is not None
    assert apart("it", np.array([np.inf, 1.0]), np.array([1e308, 1.0]), limit=1e-12) is not None


def test_files_that_make_no_batch_are_refused() -> None:
    files = made("logistic")[0].to_files()
    json, npz = (files[name] for name in GOLDEN_FILES)
    arrays = load_arrays(npz)
    short = {**arrays, "score": arrays["score"][:-1]}
    foreign = {**arrays, "more": arrays["score"]}
    whole = {**arrays, "score": np.zeros(64, np.int32)}
    bare = {name: array for name, array in arrays.items() if name != "score"}
    for head, body in (
        (b"{}", npz),
        (canonical_json([]), npz),
        (json, b""),
        *((json, dump_arrays(each)) for each in (short, foreign, whole, bare)),
    ):
        with pytest.raises(ValueError, match=r"."):
            golden_from(head, body)
