"""What is written from a contract for others: the Open Data Contract Standard, and Markdown."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from mlops.contracts import markdown, odcs, open_bandit, search_ranking
from mlops.contracts.roles import candidate, context
from mlops.contracts.schema import DataFrameModel, Field, Schema, read_domain

SCHEMAS: dict[str, Schema] = {
    "open_bandit": open_bandit.Request,
    "search_ranking": search_ranking.Request,
}


@pytest.mark.parametrize("service", SCHEMAS)
def test_data_contract_is_as_committed(service: str, golden: Callable[[str, str], None]) -> None:
    made = odcs.document(read_domain(SCHEMAS[service]), service=service, role="request")
    golden(f"contracts/{service}.odcs.yaml", odcs.to_yaml(made))


@pytest.mark.parametrize("service", SCHEMAS)
def test_documentation_is_as_committed(service: str, golden: Callable[[str, str], None]) -> None:
    golden(f"contracts/{service}.md", markdown.document(read_domain(SCHEMAS[service])))


class Edges(DataFrameModel):
    item: str = Field(str_length=(1, 9), str_endswith="|", metadata=candidate(identifier=True))
    price: float = Field(gt=0, lt=5, ne=2, metadata=candidate(unit="EUR"))
    grade: int = Field(isin=[1, 5], nullable=True, metadata=candidate())
    area: str = Field(isin=["n", "s"], unique_values_eq=["n"], metadata=context())
    new: bool = Field(metadata=context())

    class Config:
        unique = ("item", "price")


def test_words_of_the_standard_are_used() -> None:
    """The fields, their types and closed lists are those of the standard's JSON Schema, v3.1.0."""
    made: Any = odcs.document(read_domain(Edges), service="s", role="request")
    assert yaml.safe_load(odcs.to_yaml(made)) == made
    assert {"apiVersion", "kind", "id", "version", "status"} <= made.keys()
    assert (made["apiVersion"], made["kind"]) == ("v3.1.0", "DataContract")
    (schema,) = made["schema"]
    columns = {each["name"]: each for each in schema["properties"]}
    assert columns["price"]["logicalTypeOptions"] == {
        "exclusiveMinimum": 0.0, "exclusiveMaximum": 5.0, "format": "f64",
    }  # fmt: skip
    assert columns["item"]["logicalTypeOptions"] == {
        "minLength": 1, "maxLength": 9, "pattern": r"\|$",
    }  # fmt: skip
    assert columns["grade"]["logicalTypeOptions"]["format"] == "i64"
    assert not columns["grade"]["required"]
    assert columns["grade"]["quality"][0]["arguments"] == {"validValues": [1.0, 5.0]}
    assert {rule["type"] for rule in columns["area"]["quality"]} == {"library", "custom"}
    assert columns["new"]["logicalType"] == "boolean"
    assert schema["quality"][0]["metric"] == "duplicateValues"


def test_version_follows_the_content() -> None:
    def version(schema: Schema) -> Any:
        return odcs.document(read_domain(schema), service="s", role="request")["version"]

    assert version(Edges) == version(Edges)
    assert version(Edges) != version(open_bandit.Request)


def test_table_has_a_row_a_column_and_says_what_batch_alone_checks() -> None:
    text = markdown.document(read_domain(Edges))
    assert "| `price` | number | candidate | above 0 to below 5; not 2.0 | no | feature |" in text
    assert r"ends with `\|`" in text  # a bar would end the cell
    assert "No two rows have the same item, price." in text
    assert "Checked in whole frames only: `unique_values_eq` of `area`." in text
