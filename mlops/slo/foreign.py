"""A foreign file: another tool's SLOs, and what every reader of one is made of."""

from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.slo.document import Document, joined
from mlops.slo.openslo import OpenSlo

MOST_DESCRIPTION = 1050
"""Characters of the longest description that OpenSLO allows."""
T = TypeVar("T", bound=BaseModel)


class Foreign(BaseModel):
    """Base of other tools' objects: closed to unknown keys, in snake or camel case.

    Numbers and texts are taken for each other, as those tools take them.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        coerce_numbers_to_str=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


def _texts(given: object) -> object:
    if not isinstance(given, dict):
        return given
    return {key: str(value).lower() if isinstance(value, bool) else value
            for key, value in given.items()}  # fmt: skip


Labels = Annotated[dict[str, str], BeforeValidator(_texts)]
"""Texts by name; YAML reads `true` as no text, and those tools do."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read from a file.

    Attributes:
        objects: OpenSLO objects.
        tiers: Pairs of windows for the section `slo`, if the file says any.
        notes: What the file says and OpenSLO cannot, one sentence each with its place.
    """

    objects: tuple[OpenSlo, ...] = ()
    tiers: tuple[dict[str, Json], ...] = ()
    notes: tuple[str, ...] = ()


def typed(kind: type[T], document: Document) -> T:
    """Return a document as an object of another tool.

    Raises:
        ConfigError: It is none; all problems are told, each with its line.
    """
    try:
        return kind.model_validate(document.value)
    except ValidationError as error:
        problems = [
            ConfigError(
                "there is no such key" if each["type"] == "extra_forbidden" else each["msg"],
                place=document.place(each["loc"]),
            )
            for each in error.errors(include_url=False, include_input=False)
        ]
    raise joined(problems, "one document")
