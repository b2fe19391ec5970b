"""A program reads tables, survives writing and reading, and refuses what cannot be run."""

import copy
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlops.base.errors import ContractError
from mlops.contracts.columns import Columns, Layout
from mlops.models import kernels
from mlops.models.program import Program, clipped
from mlops.models.spec import Clip
from tests.components.toys import MODELS, SERVICES, program, rows_of


def test_encoding_tells_known_unknown_and_missing_apart() -> None:
    whole = program("open_bandit", "hist_gradient_boosting")
    table = dict(rows_of("open_bandit", "hist_gradient_boosting", 3))
    known = whole.known["user_feature_0"]
    table["user_feature_0"] = np.array([known[2], "0" * 31 + "x", None], dtype=object)
    at = [column.name for column in whole.outline.inputs].index("user_feature_0")
    assert np.array_equal(whole.encode(table)[:, at], [2.0, -1.0, np.nan], equal_nan=True)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("service", SERVICES)
def test_decoded_request_scores_as_the_same_table_does(service: str, model: str) -> None:
    whole = program(service, model)
    table = dict(rows_of(service, model, 60))
    for name, known in whole.known.items():
        table[name][:3] = [None, known[-1], "never seen before"]
    layout = Layout(
        numbers=tuple(reversed([name for name in table if table[name].dtype != object])),
        texts=tuple(reversed([name for name in table if table[name].dtype == object])),
    )
    for rows in (0, 1, 60):
        page = {name: values[:rows] for name, values in table.items()}
        numbers = np.array([page[name] for name in layout.numbers], np.float64).T
        request = Columns(
            layout,
            np.ascontiguousarray(numbers),
            tuple(page[name].tolist() for name in layout.texts),
        )
        assert whole.encode(request).tobytes() == whole.encode(page).tobytes()
        assert whole.score(request).tolist() == whole.score(page).tolist()


@pytest.mark.parametrize("service", SERVICES)
def test_pages_are_encoded_the_same_without_the_part_in_c(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in MODELS:
        whole = program(service, model)
        table = rows_of(service, model, 40)
        wanted = whole.encode(table)
        with monkeypatch.context() as patched:
            patched.setattr(kernels, "_COMPILED", None)
            assert whole.encode(table).tobytes() == wanted.tobytes()


def test_decoded_request_that_lacks_a_column_is_refused() -> None:
    whole = program("open_bandit", "logistic")
    layout = Layout(numbers=(), texts=tuple(whole.known)[1:])
    request = Columns(layout, np.zeros((1, 0)), tuple(["a"] for _ in layout.texts))
    with pytest.raises(ContractError, match="lacks"):
        whole.encode(request)


@pytest.mark.parametrize("service", SERVICES)
def test_score_needs_every_column_it_names(service: str) -> None:
    whole = program(service, "logistic")
    table = rows_of(service, "logistic", 5)
    whole.score({name: table[name] for name in whole.columns})
    for left_out in whole.columns:
        fewer = {name: table[name] for name in whole.columns if name != left_out}
        with pytest.raises(ContractError, match=left_out):
            whole.score(fewer)


def test_columns_of_different_length_are_refused() -> None:
    whole = program("open_bandit", "logistic")
    table = dict(rows_of("open_bandit", "logistic", 5))
    table["affinity"] = table["affinity"][:4]
    with pytest.raises(ContractError, match="length"):
        whole.score(table)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("service", SERVICES)
def test_page_of_no_candidates_has_no_scores(service: str, model: str) -> None:
    table = {name: values[:0] for name, values in rows_of(service, model, 1).items()}
    assert program(service, model).score(table).shape == (0,)


@pytest.mark.parametrize("model", MODELS)
def test_row_alone_scores_as_it_does_in_a_page(model: str) -> None:
    whole = program("search_ranking", model)
    table = rows_of("search_ranking", model, 200)
    page = whole.score(table)
    for i in (0, 7, 199):
        alone = whole.score({name: values[i : i + 1] for name, values in table.items()})
        assert alone[0] == page[i]


def test_expected_value_is_the_product_of_heads_and_fee() -> None:
    whole = program("search_ranking", "hist_gradient_boosting")
    table = rows_of("search_ranking", "hist_gradient_boosting", 50)
    heads = whole.heads(whole.encode(table))
    wanted = heads["apply"] * heads["hire"] * table["success_fee"]
    assert whole.score(table).tolist() == wanted.tolist()


def test_clip_holds_the_score_to_its_ends_and_lets_nan_through() -> None:
    whole = program("search_ranking", "hist_gradient_boosting")
    table = dict(rows_of("search_ranking", "hist_gradient_boosting", 500))
    free = whole.score(table)
    middle = float(np.median(free))
    score = whole.outline.score.model_copy(update={"clip": Clip(high=middle)})
    held = Program(whole.outline.model_copy(update={"score": score}), whole.trees)
    assert held.score(table).tolist() == np.minimum(free, middle).tolist()
    read = Program.from_parts(json.dumps(held.to_json()), held.to_arrays())
    assert read.score(table).tolist() == held.score(table).tolist()
    table["success_fee"] = np.where(np.arange(500) % 2, np.nan, table["success_fee"])
    assert np.isnan(held.score(table)).tolist() == (np.arange(500) % 2 == 1).tolist()


@given(
    st.floats(-10, 10) | st.none(),
    st.floats(-10, 10) | st.none(),
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=9),
)
def test_clip_keeps_what_lies_between_its_ends(
    low: float | None, high: float | None, values: list[float]
) -> None:
    assume(low is not None or high is not None)
    assume(low is None or high is None or low < high)
    found = clipped(Clip(low=low, high=high), np.array(values, dtype=np.float64))
    for value, held in zip(values, found.tolist(), strict=True):
        assert math.isnan(value) == math.isnan(held)
        if not math.isnan(value):
            wanted = min(math.inf if high is None else high, value)
            assert held == max(-math.inf if low is None else low, wanted)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("service", SERVICES)
def test_what_is_written_and_read_scores_the_same(service: str, model: str) -> None:
    whole = program(service, model)
    table = rows_of(service, model, 300)
    read = Program.from_parts(json.dumps(whole.to_json()), whole.to_arrays())
    assert read.score(table).tolist() == whole.score(table).tolist()
    assert read.to_json() == whole.to_json()


def _set(node: Any, path: str, value: object) -> None:
    *parents, last = path.split("/")
    for key in parents:
        node = node[int(key) if key.isdigit() else key]
    node[int(last) if last.isdigit() else last] = value


BROKEN: dict[str, tuple[str, str, object]] = {
    "another version": ("logistic", "version", 1),
    "an unknown key": ("logistic", "pickle", "gASVKAAAAAAAAACM"),
    "no inputs": ("logistic", "inputs", []),
    "no heads": ("logistic", "heads", []),
    "an input of no kind": ("logistic", "inputs/0/kind", "object"),
    "a text too few": ("logistic", "inputs/0/known", ["only"]),
    "a term of a column that is not there": (
        "logistic", "heads/0/members/0/raw/numbers/0/column", 99),
    "a term of a negative column": ("logistic", "heads/0/members/0/raw/numbers/0/column", -1),
    "a number term of a category": ("logistic", "heads/0/members/0/raw/numbers/0/column", 0),
    "a category term of a number": (
        "logistic", "heads/0/members/0/raw/categories/0/column", 5),
    "a step that turns the order round": (
        "logistic", "heads/0/members/0/raw/numbers/0/steps/2/value", -1.0),
    "a weight that is a text": ("logistic", "heads/0/members/0/raw/numbers/0/weight", "1.0"),
    "trees before the first": ("hist_gradient_boosting", "heads/0/members/0/raw/first", -1),
    "trees behind the last": ("hist_gradient_boosting", "heads/0/members/0/raw/last", 10**6),
    "trees that end before they begin": (
        "hist_gradient_boosting", "heads/0/members/0/raw/last", -5),
    "a mean over no trees": ("hist_gradient_boosting", "heads/0/members/0/raw/divisor", 0),
    "a calibrator of falling points": (
        "calibrated_logistic", "heads/0/members/0/link/x", [1.0, 0.0]),
    "a calibrator without points": ("calibrated_logistic", "heads/0/members/0/link/x", []),
    "a clip without ends": ("logistic", "score/clip", {}),
    "a clip that lets nothing through": ("logistic", "score/clip", {"low": 1.0, "high": 1.0}),
    "a clip at infinity": ("logistic", "score/clip", {"low": 0.0, "high": float("inf")}),
    "a score of a head that is not there": ("logistic", "score/head", "buy"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", BROKEN)
def test_outline_that_cannot_run_is_refused(sentence: str) -> None:
    model, path, value = BROKEN[sentence]
    whole = program("open_bandit", model)
    outline: Any = copy.deepcopy(whole.to_json())
    _set(outline, path, value)
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence says which
        Program.from_parts(json.dumps(outline), whole.to_arrays())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_number_that_is_none_is_refused(number: str) -> None:
    whole = program("open_bandit", "logistic")
    outline: Any = copy.deepcopy(whole.to_json())
    outline["heads"][0]["members"][0]["raw"]["intercept"] = 12345.5
    text = json.dumps(outline).replace("12345.5", number)
    with pytest.raises(ValueError, match="intercept"):
        Program.from_parts(text, whole.to_arrays())


def test_array_of_another_dtype_name_or_shape_is_refused() -> None:
    whole = program("open_bandit", "hist_gradient_boosting")
    text, arrays = json.dumps(whole.to_json()), whole.to_arrays()
    cases: tuple[Mapping[str, npt.NDArray[np.generic]], ...] = (
        {**arrays, "left": arrays["left"].astype(np.int64)},
        {**arrays, "left": arrays["left"].reshape(-1, 1)},
        {name: array for name, array in arrays.items() if name != "left"},
        {**arrays, "more": arrays["left"]},
    )
    for changed in cases:
        with pytest.raises(ValueError, match="array"):
            Program.from_parts(text, changed)


def test_what_serving_loads_is_light() -> None:
    code = (
        "import sys, mlops.models.artifact, mlops.models.program, mlops.models.kernels, "
        "mlops.models.heuristics, mlops.models.certificate, mlops.models.spec\n"
        "heavy = {'pandas', 'pandera', 'sklearn', 'scipy', 'hydra', 'omegaconf', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
