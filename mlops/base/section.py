"""A section: the base of every configured value, strict, frozen and closed to unknown keys."""

from pydantic import BaseModel, ConfigDict, JsonValue, model_validator
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """One part of the configuration.

    It is validated from JSON (`model_validate_json`), where strict means that "5" is no number,
    while a list is a tuple and a text names an enum member.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


def contradiction(message: str, *keys: str) -> PydanticCustomError:
    """Return the error that a validator raises when keys of one section contradict each other.

    Args:
        message: What contradicts what.
        keys: The keys, dotted, relative to the section; the likeliest culprit first.
    """
    return PydanticCustomError("contradiction", "{message}", {"message": message, "keys": keys})


class Target(BaseModel):
    """A class that a user brings, by dotted path, with the arguments it is built with.

    It stands in YAML as `_target_: package.module.Class` with the arguments beside it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, serialize_by_alias=True)

    path: str
    arguments: dict[str, JsonValue] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_node(cls, node: object) -> object:
        if not isinstance(node, dict) or ("path" in node and "_target_" not in node):
            return node  # it is one already; with `_target_`, `path` is an argument
        if not isinstance(node.get("_target_"), str):
            message = "a node that names code needs `_target_: package.module.Class`"
            raise ValueError(message)
        return {
            "path": node["_target_"],
            "arguments": {key: value for key, value in node.items() if key != "_target_"},
        }
