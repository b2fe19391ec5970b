"""A part: what every OpenSLO object is made of."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

# Implementations must support RFC 1123 names and may take more: the specification's own examples
# use capitals.
Name: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=255)
]
Description: TypeAlias = Annotated[str, StringConstraints(max_length=1050)]
Duration: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}[mhdwMQY]$")]
Operator: TypeAlias = Literal["lte", "gte", "lt", "gt"]
_Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]
_AnnotationKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
    ),
]


class Part(BaseModel):
    """Base of all parts: closed to unknown keys, frozen, camel case as the specification has it."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
    )


class Metadata(Part):
    """Names an object."""

    name: Name
    display_name: Annotated[str, StringConstraints(min_length=1)] | None = None
    labels: dict[_Key, str | tuple[str, ...]] = {}
    annotations: dict[_AnnotationKey, str] = {}


class Object(Part):
    """What all kinds have in common."""

    api_version: Literal["openslo/v1"]
    metadata: Metadata


def form_of(value: object) -> str:
    """Tell a bare name, a reference and an inline object apart.

    The choice is made before validation, so that an error is about the form that was meant.
    """
    if isinstance(value, str):
        return "name"
    keys = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return "inline" if "kind" in keys or "spec" in keys else "ref"
