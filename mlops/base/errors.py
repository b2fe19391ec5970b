"""An error: something could not be done, said so that a person knows where and what to do.

    MlopsError
    ├── ConfigError        the command or its configuration is wrong       (exit 2)
    ├── ContractError      data or a request breaks its contract           (exit 2)
    ├── BundleError        a bundle is missing, broken or not what it says (exit 2)
    └── UnavailableError   something this depends on cannot be reached     (exit 3)

An expected "no" (a gate, a bound, a budget) is not an error but a `mlops.base.verdict.Verdict`.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is: a file with a line, or the override that a person typed.

    Attributes:
        origin: A path, or the text of an override such as `serving.deadline_ms=x`.
        line: One-based line in the file; None for an override or a whole file.
        key: Dotted config key, column name or field the finding is about; empty if none.
        row: Zero-based row of a data set; None where there is none.
    """

    origin: str
    line: int | None = None
    key: str = ""
    row: int | None = None

    def __str__(self) -> str:
        text = self.origin if self.line is None else f"{self.origin}:{self.line}"
        return text if self.row is None else f"{text} row {self.row}"


class MlopsError(Exception):
    """Base of all errors that this toolkit raises on purpose.

    Args:
        message: What is wrong, as one sentence for a person.
        hint: What to do about it; empty if the message says it.
        place: Where it is, if it has a place.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", place: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place


class ConfigError(MlopsError):
    """The command was used or configured wrongly.

    Args:
        problems: One line each where several things are wrong at once; `message` heads them.
        key: Names and list places of what is wrong, from the section that was read downwards;
            `mlops.config` turns it into the file and line.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        place: Place | None = None,
        problems: tuple[MlopsError, ...] = (),
        key: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, place=place)
        self.problems = problems
        self.key = key


class ContractError(MlopsError):
    """Data or a request does not keep its contract."""


class BundleError(MlopsError):
    """A bundle is missing, broken, or not the one it claims to be."""


class UnavailableError(MlopsError):
    """Something that this depends on cannot be reached now."""

    retryable = True
