"""A part: a transformer or estimator of a model's spec, built but not fitted, with its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from pydantic import JsonValue

from mlops.base.errors import ConfigError
from mlops.base.verdict import Finding, Status
from mlops.models.tags import Tags, tags_of
from mlops.verify.dataflow_columns import Key


@dataclass(frozen=True, slots=True)
class Part:
    """One transformer or estimator.

    Attributes:
        value: What was built; also `passthrough` or `drop`, or None.
        key: Where it stands in the model's spec.
        node: Its arguments as they are configured.
    """

    value: Any
    key: Key
    node: Mapping[str, JsonValue]

    @property
    def name(self) -> str:
        """Name of its class."""
        return self.value if isinstance(self.value, str) else type(self.value).__name__

    @property
    def packaged(self) -> bool:
        """Whether it is scikit-learn's own, so that its rules are known."""
        return type(self.value).__module__.partition(".")[0] == "sklearn"

    @property
    def tags(self) -> Tags | None:
        """What it says that it accepts; None if it does not say."""
        try:
            return tags_of(self.value)
        except ConfigError:
            return None

    def argument(self, name: str) -> Any:
        """Return an argument's value, its default if it is not configured."""
        return getattr(self.value, name, None)

    def at(self, *path: str) -> Key:
        """Return the key of an argument, or of the class's name if that is not configured."""
        if path and path[0] in self.node:
            return (*self.key, *path)
        return (*self.key, "_target_")

    def below(self, *path: str) -> "Part | None":
        """Return a part nested in an argument; None if there is none.

        Args:
            path: The argument's name, then places in its lists.
        """
        value, node = self.argument(path[0]), self.node.get(path[0])
        for place in path[1:]:
            if not _has(value, place):
                return None
            value = value[int(place)]
            node = node[int(place)] if _has(node, place) else None
        if value is None:
            return None
        below = node if isinstance(node, dict) else {}
        return Part(value, (*self.key, *path), {k: v for k, v in below.items() if k != "_target_"})


def _has(value: object, place: str) -> TypeGuard[list[Any]]:
    return isinstance(value, list | tuple) and int(place) < len(value)


class Report:
    """The findings of a trace, gathered on the way.

    Args:
        outcome: The least and the largest outcome, which means of outcomes lie between; None where
            nothing bounds them.
    """

    def __init__(self, outcome: tuple[float | None, float | None]) -> None:
        self.outcome = outcome
        self.findings: list[Finding] = []

    def fail(self, rule: str, message: str, key: Key, hint: str = "") -> None:
        """Note what is wrong.

        Args:
            rule: Name of the rule, below `check.flow`.
            message: What and where.
            key: The culprit in the model's spec, or in another section if it starts with its name.
            hint: What to do.
        """
        self._add(Status.FAIL, rule, message, key, hint)

    def warn(self, rule: str, message: str, key: Key, hint: str = "") -> None:
        """Note what is likely wrong; arguments as for `fail`."""
        self._add(Status.WARN, rule, message, key, hint)

    def note(self, rule: str, message: str, key: Key) -> None:
        """Note what a person may want to know and is not wrong; arguments as for `fail`."""
        self._add(Status.PASS, rule, message, key, "")

    @property
    def failed(self) -> bool:
        """Whether something is wrong."""
        return any(finding.status is Status.FAIL for finding in self.findings)

    def _add(self, status: Status, rule: str, message: str, key: Key, hint: str) -> None:
        whole = key if key[:1] in (("training",), ("contracts",)) else ("model", *key)
        finding = Finding(f"check.flow.{rule}", status, message, key=whole, hint=hint)
        if finding not in self.findings:
            self.findings.append(finding)
