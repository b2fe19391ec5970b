"""A certificate: what was proved about a program over its whole domain, before it ran."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator

from mlops.base.verdict import Finding, Status, Verdict
from mlops.models.flat import Value

VERSION = 2

Cell = float | str | None
"""A table's value: a number, a text, or None for missing."""

PropertyKind = Literal["finite", "interval", "monotone", "independent"]
Answer = Literal["proven", "refuted", "undecided"]
Demand = Literal["proven", "not_refuted", "wish"]

_REFUTED = {"proven": Status.FAIL, "not_refuted": Status.FAIL, "wish": Status.WARN}
_UNDECIDED = {"proven": Status.FAIL, "not_refuted": Status.UNKNOWN, "wish": Status.WARN}


class Range(Value):
    """A closed interval that no output can leave; an end that is None was not proved."""

    low: float | None
    high: float | None

    def holds(self, value: float) -> bool:
        """Tell whether a value lies inside; NaN and infinities never do.

        >>> Range(low=0.0, high=1.0).holds(float("nan"))
        False
        """
        if not float("-inf") < value < float("inf"):
            return False
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)

    def covers(self, other: "Range") -> bool:
        """Tell whether another range lies inside.

        >>> Range(low=0.0, high=None).covers(Range(low=0.5, high=2.0))
        True
        """
        low = self.low is None or (other.low is not None and other.low >= self.low)
        high = self.high is None or (other.high is not None and other.high <= self.high)
        return low and high


class HeadCertificate(Value):
    """What was proved about one head."""

    raw: tuple[Range, ...]
    """For each member the interval of its raw score, before the link."""
    output: Range
    """Interval of the head's output."""


class Example(Value):
    """A row that the contract allows, and what the program gave for it."""

    row: dict[str, Cell]
    """Each column that the program reads."""
    value: float
    """The quantity that the property is about, as the program computed it."""


class Property(Value):
    """One statement about a program: proven, refuted by an example, or undecided."""

    kind: PropertyKind
    of: str
    """`score`, or the name of the head whose output it is about."""
    column: str = ""
    """The column that it is about; empty for `finite` and `interval`."""
    claim: str
    """The statement, as a sentence."""
    status: Answer
    reason: str = ""
    """How it was proved, or why it could not be."""
    gap: float | None = None
    """What is left to prove. Of `interval` the certified width over the width between the examples
    found, less 1; of the others by how much a raw score might still move the wrong way."""
    examples: tuple[Example, ...] = ()
    """Of `interval` the least and the largest found; of a refuted claim the two rows that differ
    in the column alone. All were run through the program."""
    demand: Demand = "not_refuted"
    """What the configuration asks for."""

    @property
    def name(self) -> str:
        """Name of the check: the kind and the column, `monotone.text_relevance`."""
        return ".".join(part for part in (self.kind, self.column) if part)

    def finding(self) -> Finding:
        """Return the property as a finding."""
        check = f"certificate.{self.name}"
        status, words = {
            "proven": (Status.PASS, self.claim),
            "refuted": (_REFUTED[self.demand], f"{self.claim}; {self._shown()}"),
            "undecided": (_UNDECIDED[self.demand], f"{self.claim}; {self.reason}"),
        }[self.status]
        return Finding(check, status, f"{self.status}: {words}", value=self.gap)

    def _shown(self) -> str:
        """Return what the examples show; `mlops certify` prints their rows."""
        values = [f"{example.value:.6g}" for example in self.examples]
        if len(self.examples) != 2 or not self.column:
            return f"found {', '.join(values)}"
        first, second = (told(example.row[self.column]) for example in self.examples)
        return f"{self.column} from {first} to {second} moves it from {values[0]} to {values[1]}"


def told(value: Cell) -> str:
    """Return a table's value for people.

    >>> told(0.25), told(None), told("a")
    ('0.25', 'missing', "'a'")
    """
    if value is None:
        return "missing"
    return repr(value) if isinstance(value, str) else f"{value:.9g}"


class Certificate(Value):
    """What was proved about a program: sound for every row that its contract allows."""

    version: int = VERSION
    score: Range
    """Interval of the score, in the score's unit."""
    heads: dict[str, HeadCertificate]
    finite: bool
    """Whether no raw score, output or score can be NaN or infinite."""
    unknown: tuple[str, ...] = Field(default=())
    """Why something could not be proved, one sentence each, the column named."""
    properties: tuple[Property, ...] = ()
    """What was claimed of it, and what came out."""
    bound_s: float = 0.0
    """Seconds that the search for the interval, and each property, was given at most."""
    bound_nodes: int | None = None
    """Boxes that the search might look into for each end of a raw score; None: bounded by time."""
    tolerance: float = 0.0
    """Share of a value below which two values count as equal: what lies below it is the rounding
    of sums and links, neither a proof nor a refutation."""
    made_by: str = ""
    """The program that proved it, with its version and kernel."""

    @field_validator("version")
    @classmethod
    def _is_of_this_version(cls, version: int) -> int:
        if version != VERSION:
            message = f"the certificate has format {version}, not {VERSION}: train again"
            raise ValueError(message)
        return version

    def verdict(self) -> Verdict:
        """Return the certificate as a check named `certificate`."""
        if self.unknown:
            bounds = [
                Finding("certificate.bounds", Status.UNKNOWN, reason) for reason in self.unknown
            ]
        else:
            message = (
                f"the score lies in [{self.score.low:.6g}, {self.score.high:.6g}] and is finite"
            )
            bounds = [Finding("certificate.bounds", Status.PASS, message)]
        # Finiteness and the interval are what `bounds` tells.
        claimed = [p.finding() for p in self.properties if p.kind in ("monotone", "independent")]
        return Verdict("certificate", (*bounds, *claimed))


def row_of(row: Mapping[str, Cell]) -> dict[str, Cell]:
    """Return a row as an example holds it: plain floats and texts."""
    return {
        name: value if value is None or isinstance(value, str) else float(value)
        for name, value in row.items()
    }
