"""Known traps of contract checks, each one held: what pandera, JSON Schema and others do unlike."""

import json
import time
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pandera.errors
import pandera.pandas as pa
import pytest
from pydantic import ConfigDict, ValidationError, create_model
from pydantic import Field as Limit

from mlops.base.errors import ContractError
from mlops.base.verdict import Status
from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.frames import as_frame, as_table
from mlops.contracts.json_schema import column_schema, domain_schema
from mlops.contracts.opaque import uncompiled
from mlops.contracts.page import PageCheck
from mlops.contracts.roles import Scope, candidate, logged, outcome
from mlops.contracts.row import InvalidRequestError, RowDecoder
from mlops.contracts.schema import (
    DataFrameModel,
    Field,
    as_schema,
    read_domain,
    validate,
)
from tests.components.contracts import model
from tests.components.json_schema import valid

ITEM = (str, Field(metadata=candidate(identifier=True, feature=False)))


def one(annotation: Any, **checks: Any) -> Any:
    """Return a contract with an identifier and one column `x`."""
    return model({"item": ITEM, "x": (annotation, Field(metadata=candidate(), **checks))})


def frame(values: Any, dtype: Any) -> pd.DataFrame:
    items = pd.Series([f"i{at}" for at in range(len(values))], dtype="str")
    return pd.DataFrame({"item": items, "x": pd.Series(values, dtype=dtype)})


def kept(schema: Any, values: Any, dtype: Any) -> list[Any]:
    """Return the values that batch validation keeps; the page check must say the same."""
    given = frame(values, dtype)
    good = validate(schema, given).good
    columns = read_domain(schema).columns
    mask = PageCheck(columns).mask(as_table(columns, given))
    assert given["item"][mask].tolist() == good["item"].tolist()
    return list(good["x"].tolist())


def by_row(schema: Any, value: str) -> bool:
    """Tell whether the request decoder takes a value, given as JSON."""
    decoder = RowDecoder(read_domain(schema), max_candidates=1)
    body = f'{{"context":{{}},"candidates":[{{"item":"i","x":{value}}}]}}'
    try:
        decoder.decode(body.encode())
    except InvalidRequestError:
        return False
    return True


def test_panderas_own_json_schema_drops_every_check_and_ours_holds_them() -> None:
    schema = one(float, ge=0, le=1)
    own = json.dumps(schema.to_json_schema())
    assert "minimum" not in own
    ours: Any = domain_schema(read_domain(schema))
    assert (ours["properties"]["x"]["minimum"], ours["properties"]["x"]["maximum"]) == (0.0, 1.0)


@pytest.mark.parametrize("where", ["column", "contract"])
def test_contract_that_coerces_is_refused(where: str) -> None:
    schema = one(int, coerce=where == "column")
    if where == "contract":
        schema = type("Coerces", (schema,), {"Config": type("Config", (), {"coerce": True})})
    coerced = schema.validate(frame([1.7], "float64"))
    assert coerced["x"].tolist() == [1]  # what the refusal is about
    with pytest.raises(ContractError, match=r"coercing turns 1\.7 into 1"):
        read_domain(schema)


def test_edge_never_coerces() -> None:
    assert not by_row(one(int), "1.7")
    assert not by_row(one(int), "1.0")
    assert not by_row(one(bool), '"False"')
    assert not by_row(one(float), '"1"')


def test_contract_that_fills_in_values_is_refused() -> None:
    with pytest.raises(ContractError, match="column 'x' changes values"):
        read_domain(one(float, default=1.0, nullable=True))


def test_infinity_passes_ge_and_nothing_else() -> None:
    schema = one(float, ge=0)
    values = [0.0, -0.0, np.inf, 1e308]
    assert len(schema.validate(frame(values, "float64"))) == 4
    assert kept(schema, values, "float64") == [0.0, -0.0, 1e308]
    assert not by_row(schema, "Infinity")
    assert not by_row(schema, "1e999")


@pytest.mark.parametrize(("text", "allowed"), [("ab", True), ("xab", False), ("abx", True)])
def test_pattern_is_anchored_at_the_start_only_everywhere(text: str, *, allowed: bool) -> None:
    schema = one(str, str_matches="a|b")
    assert bool(kept(schema, [text], "str")) == allowed
    assert by_row(schema, json.dumps(text)) == allowed
    assert valid(column_schema(read_domain(schema).column("x")), text) == allowed


@pytest.mark.parametrize("dtype", ["str", "object"])
def test_dollar_is_the_very_end_although_python_reads_it_otherwise(dtype: str) -> None:
    """pandas asks RE2 where texts are stored by Arrow, and `re` where they are objects."""
    schema = one(str, str_matches=r"^\d+$")
    values = ["1", "1\n", "٣"]
    if dtype == "object":
        assert len(schema.validate(frame(values, dtype))) == 3
    assert kept(schema, values, dtype) == ["1"]
    for value in values:
        assert by_row(schema, json.dumps(value)) == (value == "1")
        assert valid(column_schema(read_domain(schema).column("x")), value) == (value == "1")


def test_pydantics_engines_disagree_on_dollar_and_search_and_ours_does_neither() -> None:
    def takes(text: str, config: ConfigDict | None = None) -> bool:
        made = create_model("M", __config__=config, x=(str, Limit(pattern="a$")))
        try:
            made.model_validate({"x": text})
        except ValidationError:
            return False
        return True

    assert (takes("a\n"), takes("a\n", ConfigDict(regex_engine="python-re"))) == (False, True)
    assert takes("xa")  # found further on
    schema = one(str, str_matches="a$")
    assert [by_row(schema, json.dumps(text)) for text in ("a", "a\n", "xa")] == [True, False, False]


@pytest.mark.parametrize("pattern", ["(?=a)b", "(?i)abc", r"(a)\1", r"[\S]x"])
def test_pattern_without_one_meaning_is_named_and_not_compiled(pattern: str) -> None:
    domain = read_domain(one(str, str_matches=pattern))
    assert domain.column("x").pattern is None
    (finding,) = uncompiled({"request": domain})
    assert (finding.check, finding.status) == ("check.contracts.opaque", Status.WARN)
    assert "'str_matches' of column 'x'" in finding.message
    assert "pattern" not in column_schema(domain.column("x"))


def test_pattern_that_arrow_refuses_is_told_when_it_is_read() -> None:
    with pytest.raises(ContractError, match=r"column 'x' makes no sense.*pandas cannot match"):
        read_domain(one(str, str_matches=r"(a\Z|b)"))


class _OfPolars:
    """Stands for a model of polars, which need not be installed."""


_OfPolars.__module__ = "pandera.api.polars.model"


def test_model_of_polars_is_refused() -> None:
    with pytest.raises(ContractError, match="lazy frames pandera does not check at all"):
        as_schema(type("Rows", (_OfPolars,), {}))
    with pytest.raises(ContractError, match="not a DataFrameModel class"):
        as_schema(int)


def test_environment_cannot_switch_checks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from pandera.config import CONFIG, ValidationDepth

    class Rows(DataFrameModel):
        item: str = Field(metadata=candidate(identifier=True))
        x: float = Field(metadata=candidate())

        @pa.check("x")
        @classmethod
        def even(cls, values: Any) -> Any:
            return values % 2 == 0

    monkeypatch.setattr(CONFIG, "validation_enabled", False)
    monkeypatch.setattr(CONFIG, "validation_depth", ValidationDepth.SCHEMA_ONLY)
    assert kept_by_batch(Rows, [1.0, 2.0]) == [2.0]


def kept_by_batch(schema: Any, values: Any) -> list[float]:
    return list(validate(schema, frame(values, "float64")).good["x"].tolist())


class Opaque(DataFrameModel):
    item: str = Field(metadata=candidate(identifier=True))
    x: float = Field(ge=0, unique_values_eq=[2.0, 4.0], metadata=candidate())
    y: float = Field(le=50, raise_warning=True, metadata=logged())

    @pa.check("x")
    @classmethod
    def even(cls, values: Any) -> Any:
        return values % 2 == 0

    @pa.check("x", element_wise=True)
    @classmethod
    def small(cls, value: float) -> bool:
        return value < 10

    @pa.dataframe_check
    @classmethod
    def x_below_y(cls, rows: Any) -> Any:
        return rows["x"] < rows["y"]


def test_what_cannot_be_compiled_is_reported_by_name() -> None:
    domain = read_domain(Opaque)
    assert domain.column("x").opaque == ("unique_values_eq", "even", "small")
    told = [finding.message for finding in uncompiled({"request": domain})]
    for name in ("unique_values_eq", "even", "small", "x_below_y"):
        assert any(f"check '{name}' of" in message for message in told)
    warns = next(message for message in told if "only warns" in message)
    assert "it stops nothing" in warns
    assert domain.column("y").maximum is None


def test_what_cannot_be_compiled_still_holds_in_batch() -> None:
    given = frame([2.0, 3.0, 4.0, 12.0, -2.0], "float64").assign(y=[9.0, 9.0, 4.0, 19.0, 0.0])
    found = validate(model({"item": ITEM, "x": (float, Field(metadata=candidate()))}), given)
    assert len(found.good) == 5

    class Rows(Opaque):
        x: float = Field(ge=0, metadata=candidate())

    split = validate(Rows, given)
    assert split.bad["x"].tolist() == [3.0, 4.0, 12.0, -2.0]
    assert split.bad["violations"].tolist() == [
        "x: even",
        "Rows: x_below_y",
        "x: small",
        "x: greater_than_or_equal_to(0)",
    ]


def test_check_of_all_rows_together_is_no_one_rows_fault() -> None:
    given = frame([2.0, 2.0], "float64").assign(y=[3.0, 3.0])
    with pytest.raises(ContractError, match=r"the data as a whole break.*unique_values_eq"):
        validate(Opaque, given)


def test_million_bad_rows_take_seconds() -> None:
    """pandera words each of them: 18 s for a million."""
    count = 1_000_000
    schema = one(float, ge=0)
    given = frame([-1.0], "float64").loc[[0] * count]
    started = time.process_time()
    split = validate(schema, given)
    assert time.process_time() - started < 8  # 1 s on the machine that this was written on
    assert (len(split.bad), split.violations[0].rule) == (count, "greater_than_or_equal_to(0)")


def test_what_is_known_only_afterwards_is_no_feature_however_it_is_written() -> None:
    mark = {"mlops": {"scope": "outcome", "feature": True, "identifier": False, "unit": ""}}
    leak = model({"item": ITEM, "hired": (int, Field(metadata=mark))})
    with pytest.raises(ContractError, match="'hired' is outcome, only known afterwards"):
        read_domain(leak)
    for scope in (Scope.OUTCOME, Scope.LOGGED):
        with pytest.raises(ValidationError, match="it can be no feature"):
            Column(name="x", kind=ColumnKind.NUMBER, scope=scope, feature=True)
    read = read_domain(model({"item": ITEM, "hired": (int, Field(metadata=outcome()))}))
    text = read.model_dump_json().replace(
        '"scope":"outcome","feature":false', '"scope":"outcome","feature":true'
    )
    with pytest.raises(ValidationError, match="it can be no feature"):
        Domain.model_validate_json(text)


WRONG_VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "a pattern that is none": ({"pattern": "[a"}, "no regular expression"),
    "a pattern of another dialect": ({"pattern": "(?i)a"}, "looks around or sets flags"),
    "rules of another kind": ({"minimum": 1.0}, "rules of another kind"),
    "a closed set beside a pattern": ({"categories": ("a",), "pattern": "a"}, "no other rules"),
    "no length is left": ({"min_length": 5, "max_length": 3}, "5 to 3 letters"),
    "numbers forbidden in a text": ({"forbidden": (1.0,)}, "rules of another kind"),
}


@pytest.mark.parametrize("sentence", WRONG_VALUES)
def test_column_without_meaning_is_no_value(sentence: str) -> None:
    rules, message = WRONG_VALUES[sentence]
    with pytest.raises(ValidationError, match=message):
        Column(
            name="x", kind=ColumnKind.CATEGORY, scope=Scope.CANDIDATE, feature=True, **rules
        )  # fmt: skip


def test_contract_of_the_format_before_is_refused() -> None:
    text = read_domain(one(float)).model_dump_json().replace('"version":2', '"version":1')
    with pytest.raises(ValidationError, match="format 1, not 2: train again"):
        Domain.model_validate_json(text)


def test_several_checks_narrow_each_other() -> None:
    x = read_domain(one(float, ge=0, gt=0, le=5, in_range=(1, 9), notin=[2.0])).column("x")
    assert (x.minimum, x.minimum_open, x.maximum, x.forbidden) == (1.0, False, 5.0, (2.0,))
    y = read_domain(one(int, isin=[1, 2, 5, 9], lt=9, ne=2)).column("x")
    assert (y.numbers, y.minimum, y.maximum) == ((1.0, 5.0), 1.0, 5.0)
    z = read_domain(one(str, isin=["ab", "b", "a"], str_startswith="a", ne="a")).column("x")
    assert z.categories == ("ab",)


def test_float32_is_rounded_at_the_edge_as_in_frames() -> None:
    schema = model(
        {"item": ITEM, "x": (np.float32, Field(gt=0.1, le=0.7, metadata=candidate()))}
    )  # fmt: skip
    domain = read_domain(schema)
    decoder = RowDecoder(domain, max_candidates=1)
    request = decoder.decode(b'{"context":{},"candidates":[{"item":"i","x":0.3}]}')
    assert request.table["x"].tolist() == [float(np.float32(0.3))]
    assert not by_row(schema, "0.1")
    assert not by_row(schema, "0.10000000149")  # rounds to the open end
    back = as_frame(request.table, domain.columns)
    assert str(back["x"].dtype) == "float32"
    assert len(validate(schema, back).good) == 1


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_seconds_and_missing_ones_are_missing(unit: str) -> None:
    column = Column(
        name="t", kind=ColumnKind.NUMBER, scope=Scope.LOGGED, feature=False,
        dtype=f"datetime64[{unit}]", nullable=True,
    )  # fmt: skip
    stored: Any = column.dtype
    series = pd.Series(pd.to_datetime(["2020-01-01", "NaT"])).astype(stored)
    table = as_table([column], pd.DataFrame({"t": series}))
    assert table["t"][0] == 1577836800.0
    assert np.isnan(float(table["t"][1]))
    pd.testing.assert_series_equal(as_frame(table, [column])["t"], series, check_names=False)


def test_ends_of_times_are_compiled() -> None:
    schema = model(
        {
            "item": ITEM,
            "t": (pd.Timestamp, Field(ge=pd.Timestamp("2020-01-01"), metadata=logged())),
        }
    )
    assert read_domain(schema).column("t").minimum == 1577836800.0


@pytest.mark.parametrize("count", [20, 40_000])
def test_refusal_of_a_large_body_is_not_explained(count: int) -> None:
    """A second look at a mebibyte would hold up everyone else for a tenth of a second."""
    decoder = RowDecoder(read_domain(one(float, le=1)), max_candidates=1)
    rest = ",".join(f'"a{at}":{{}}' for at in range(count))
    body = f'{{"context":{{}},"candidates":[{{"item":"i","x":7,{rest}}}]}}'.encode()
    with pytest.raises(InvalidRequestError) as told:
        decoder.decode(body)
    errors = told.value.errors
    if count == 20:
        assert len(errors) == 20
    else:
        (error,) = errors
        assert (error.field, error.rule) == ("candidates[0].x", "type")
        assert "bodies over 64 KiB are not explained" in error.message


@pytest.mark.parametrize(
    ("body", "rule"),
    [("[" * 500_000, "type"), ('{"context":{}' + " " * 70_000, "json"), ("\xff" * 70_000, "json")],
)
def test_large_body_is_refused_without_a_second_look(body: str, rule: str) -> None:
    decoder = RowDecoder(read_domain(one(float)), max_candidates=1)
    with pytest.raises(InvalidRequestError) as told:
        decoder.decode(body.encode("latin-1"))
    assert [error.rule for error in told.value.errors] == [rule]


def test_pattern_that_backtracks_never_sees_an_overlong_text() -> None:
    """`a+b` sought in 60,000 letters `a` is two thousand million steps."""
    schema = one(str, str_contains="a+b")
    decoder = RowDecoder(read_domain(schema), max_candidates=1)
    body = f'{{"context":{{}},"candidates":[{{"item":"i","x":"{"a" * 60_000}"}}]}}'
    with pytest.raises(InvalidRequestError) as told:
        decoder.decode(body.encode())
    assert told.value.errors[0].message == "must have at most 128 letters"
    table = as_table(read_domain(schema).columns, frame(["a" * 60_000], "str"))
    assert PageCheck(read_domain(schema).columns).violations(table)[0].rule == "length"


def test_uniqueness_is_part_of_the_contract_and_holds_in_batch() -> None:
    class Rows(DataFrameModel):
        item: str = Field(metadata=candidate(identifier=True))
        x: float = Field(unique=True, metadata=candidate())
        y: float = Field(metadata=logged())

        class Config:
            unique: ClassVar = ["x", "y"]

    domain = read_domain(Rows)
    assert (domain.column("x").unique, domain.unique) == (True, ("x", "y"))
    given = frame([1.0, 2.0, 2.0], "float64").assign(y=[0.0, 1.0, 2.0])
    assert validate(Rows, given).bad.index.tolist() == [1, 2]
    with pytest.raises(pandera.errors.SchemaErrors):
        Rows.validate(given, lazy=True)
    assert "check 'unique' of column 'x'" in uncompiled({"request": domain})[0].message
