"""A data contract's document: a domain in the Open Data Contract Standard's YAML.

Source: Open Data Contract Standard v3.1.0 (Bitol, Linux Foundation AI & Data), whose JSON Schema
names the words used here. Of what it has no word for (closed sets, open ends of a set, what is a
feature), sets are quality rules of the library's kind and roles are custom properties.
"""

from typing import cast

import yaml

from mlops.base.digest import Json, of_json
from mlops.contracts.domain import Column, ColumnKind, Domain

API_VERSION = "v3.1.0"

_LOGICAL = {
    ColumnKind.NUMBER: "number",
    ColumnKind.INTEGER: "integer",
    ColumnKind.BOOLEAN: "boolean",
    ColumnKind.CATEGORY: "string",
}


def document(domain: Domain, *, service: str, role: str, status: str = "active") -> dict[str, Json]:
    """Return the standard's document of a contract.

    Args:
        domain: The contract.
        service: Whose it is.
        role: `request`, `training`, `output`, or any other word for what is agreed on.
        status: `proposed`, `draft`, `active`, `deprecated` or `retired`.
    """
    name = f"{service}.{role}"
    digest = of_json(cast("Json", domain.model_dump(mode="json"))).removeprefix("sha256:")
    schema: dict[str, Json] = {
        "name": domain.name,
        "physicalType": "table",
        "logicalType": "object",
        "properties": [_property(column) for column in domain.columns],
    }
    quality = [_only_in_batch(check) for check in domain.opaque]
    if domain.unique:
        quality.append(_unique_together(domain.unique))
    if quality:
        schema["quality"] = cast("Json", quality)
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": name,
        "name": name,
        "version": digest[:12],
        "status": status,
        "schema": [schema],
    }


def to_yaml(contract: dict[str, Json]) -> str:
    """Return a document as YAML, its members in the standard's order."""
    return yaml.safe_dump(contract, sort_keys=False, allow_unicode=True, width=100)


def _property(column: Column) -> dict[str, Json]:
    is_time = column.stored.startswith("datetime")
    found: dict[str, Json] = {
        "name": column.name,
        "logicalType": "timestamp" if is_time else _LOGICAL[column.kind],
        "physicalType": column.stored,
        "required": not column.nullable,
        "unique": column.unique,
    }
    options = {} if is_time else _options(column)
    if options:
        found["logicalTypeOptions"] = options
    if column.description:
        found["description"] = column.description
    quality = _sets(column) + [_only_in_batch(check) for check in column.opaque]
    if quality:
        found["quality"] = cast("Json", quality)
    found["customProperties"] = _custom(column)
    return found


def _options(column: Column) -> dict[str, Json]:
    options: dict[str, Json] = {}
    match column.kind:
        case ColumnKind.CATEGORY if column.categories is None:
            options["minLength"], options["maxLength"] = column.length_bounds
            options["pattern"] = column.ecma_pattern
            if not column.min_length:
                del options["minLength"]
        case ColumnKind.INTEGER:
            options["minimum"], options["maximum"] = column.whole_bounds
            options["format"] = _whole_format(column)
        case ColumnKind.NUMBER:
            options["exclusiveMinimum" if column.minimum_open else "minimum"] = column.minimum
            options["exclusiveMaximum" if column.maximum_open else "maximum"] = column.maximum
            options["format"] = "f32" if column.is_single else "f64"
        case _:
            pass
    return {word: value for word, value in options.items() if value is not None}


def _whole_format(column: Column) -> str:
    dtype = column.stored.lower()
    return dtype.replace("uint", "u").replace("int", "i")


def _sets(column: Column) -> list[Json]:
    """Return sets of values as rules of the standard's library: no value may be another one."""
    if column.categories is not None or column.numbers is not None:
        allowed = column.categories if column.categories is not None else column.numbers or ()
        valid: Json = {"validValues": list(allowed)}
        return [{"type": "library", "metric": "invalidValues", "mustBe": 0, "arguments": valid}]
    if column.forbidden:
        shown = ", ".join(str(each) for each in column.forbidden)
        return [{"type": "text", "name": "forbidden", "description": f"None of: {shown}."}]
    return []


def _only_in_batch(check: str) -> Json:
    return {
        "type": "custom",
        "name": check,
        "engine": "pandera",
        "implementation": check,
        "description": "Holds for whole frames only; a request is not held to it.",
    }


def _unique_together(names: tuple[str, ...]) -> Json:
    together: Json = {"properties": list(names)}
    return {"type": "library", "metric": "duplicateValues", "mustBe": 0, "arguments": together}


def _custom(column: Column) -> Json:
    found: list[Json] = [
        {"property": "scope", "value": column.scope.value},
        {"property": "feature", "value": column.feature},
    ]
    if column.identifier:
        found.append({"property": "identifier", "value": True})
    if column.unit:
        found.append({"property": "unit", "value": column.unit})
    return found
