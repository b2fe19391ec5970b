"""A row's JSON Schema: what the columns of a contract allow, in JSON Schema 2020-12.

pandera has a `to_json_schema` of its own, which drops every check; this one is written from the
domain. Patterns are translated to ECMA-262 and anchored, since JSON Schema searches.
"""

from collections.abc import Sequence

from mlops.base.digest import Json
from mlops.contracts.domain import Column, ColumnKind, Domain

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TYPES = {
    ColumnKind.NUMBER: "number",
    ColumnKind.INTEGER: "integer",
    ColumnKind.BOOLEAN: "boolean",
    ColumnKind.CATEGORY: "string",
}


def domain_schema(domain: Domain) -> dict[str, Json]:
    """Return the JSON Schema of one row of a contract, all its columns together."""
    return {"$schema": DIALECT, "title": domain.name, **row_schema(domain.columns)}


def row_schema(columns: Sequence[Column]) -> dict[str, Json]:
    """Return the JSON Schema of an object with a member for each column."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [column.name for column in columns if not column.nullable],
        "properties": {column.name: column_schema(column) for column in columns},
    }


def column_schema(column: Column) -> dict[str, Json]:
    """Return the JSON Schema of one value."""
    kind = _TYPES[column.kind]
    schema: dict[str, Json] = {"type": [kind, "null"] if column.nullable else kind}
    missing: list[Json] = [None] if column.nullable else []
    if column.is_category:
        schema |= _text_rules(column, missing)
    elif column.kind is ColumnKind.INTEGER:
        schema["minimum"], schema["maximum"] = column.whole_bounds
    elif column.kind is ColumnKind.NUMBER:
        schema |= _ends(column)
    if column.numbers is not None:
        schema["enum"] = [*column.numbers, *missing]
    if column.forbidden:
        schema["not"] = {"enum": list(column.forbidden)}
    text = description(column)
    return {**schema, "description": text} if text else schema


def description(column: Column) -> str:
    """Return what a person should know of a column: its words, its unit, how it is written."""
    whole = "No decimal point." if column.kind is ColumnKind.INTEGER else ""
    words = [column.description, f"Unit: {column.unit}." if column.unit else "", whole]
    return " ".join(word for word in words if word)


def _text_rules(column: Column, missing: list[Json]) -> dict[str, Json]:
    if column.categories is not None:
        return {"enum": [*column.categories, *missing]}
    rules: dict[str, Json] = {}
    least, most = column.length_bounds
    if least:
        rules["minLength"] = least
    if most is not None:
        rules["maxLength"] = most
    patterns = [each.ecma for each in column.patterns]
    if len(patterns) == 1:
        rules["pattern"] = patterns[0]
    elif patterns:
        rules["allOf"] = [{"pattern": pattern} for pattern in patterns]
    return rules


def _ends(column: Column) -> dict[str, Json]:
    """Return a number's ends: as declared, or those of float32, to which it is rounded."""
    if column.is_single:
        low, high = column.interval
        return {"minimum": low, "maximum": high}
    ends: dict[str, Json] = {}
    if column.minimum is not None:
        ends["exclusiveMinimum" if column.minimum_open else "minimum"] = column.minimum
    if column.maximum is not None:
        ends["exclusiveMaximum" if column.maximum_open else "maximum"] = column.maximum
    return ends
