"""The peers' row: a candidate as a pydantic model, as one would write it by hand."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

NUMBERS, CATEGORIES = 25, 5


def _fields() -> dict[str, Any]:
    number = Annotated[float, Field(ge=-1, le=1)]
    fields: dict[str, Any] = {}
    for at in range(NUMBERS):
        fields[f"n{at}"] = (number | None, None) if at % 2 else (number, ...)
    for at in range(CATEGORIES):
        fields[f"c{at}"] = (str | None, None) if at % 2 else (str, ...)
    return fields


Candidate: Any = create_model("Candidate", __config__=ConfigDict(extra="forbid"), **_fields())
"""One candidate."""


class Body(BaseModel):
    """A request."""

    context: dict[str, Any]
    candidates: list[Candidate]
