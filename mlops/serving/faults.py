"""A fault: something that is broken on purpose, for a drill."""

from enum import StrEnum
from typing import NamedTuple

from mlops.base.errors import ConfigError

_LONGEST_MS = 60_000


class FaultKind(StrEnum):
    """What is broken; the order of these is what `Fault.to_numbers` counts in."""

    NONE = "none"
    MODEL_HANG = "model_hang"
    """It spins for ever in Python code."""
    MODEL_LOCK = "model_lock"
    """It holds the interpreter lock in one call of C code, for about a minute."""
    MODEL_ERROR = "model_error"
    """It raises."""
    MODEL_NAN = "model_nan"
    """Its scores are no numbers."""
    MODEL_OUT_OF_RANGE = "model_out_of_range"
    """Its scores are the largest number there is."""
    MODEL_CONSTANT = "model_constant"
    """All its scores are one that could be right."""
    MODEL_OOM = "model_oom"
    """It takes memory until there is no more."""
    MODEL_SEGFAULT = "model_segfault"
    """Its process dies of a segmentation fault."""
    MODEL_EXIT = "model_exit"
    """Its process ends."""
    SLOW_MS = "slow_ms"
    """It sleeps before it scores."""
    HEURISTIC_ERROR = "heuristic_error"
    """Heuristics of the bundle raise."""
    HEURISTIC_HANG = "heuristic_hang"
    """Heuristics of a user's own class spin for ever."""
    WORKER_HANG = "worker_hang"
    """A worker's event loop is blocked."""
    POISON = "poison"
    """A request whose subject is `poison` ends its worker."""


_KINDS = tuple(FaultKind)
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}

MODEL_FAULTS = frozenset(kind for kind in FaultKind if kind.startswith(("model_", "slow_")))
"""Faults that are played in the model's process."""

HEURISTIC_FAULTS = frozenset(kind for kind in FaultKind if kind.startswith("heuristic_"))
"""Faults of heuristics: played in the process of a user's own one."""


class Fault(NamedTuple):
    """A fault with its amount.

    Attributes:
        kind: What is broken.
        amount_ms: Delay of `slow_ms`; 0 for the others.
    """

    kind: FaultKind = FaultKind.NONE
    amount_ms: int = 0

    def __str__(self) -> str:
        wants_amount = self.kind is FaultKind.SLOW_MS
        return f"{self.kind.value}:{self.amount_ms}" if wants_amount else self.kind.value

    def to_numbers(self) -> tuple[int, int]:
        """Return the fault as two numbers, by which processes of one version share it.

        >>> Fault(FaultKind.SLOW_MS, 80).to_numbers()[1]
        80
        """
        return _NUMBERS[self.kind], self.amount_ms

    @classmethod
    def from_numbers(cls, kind: int, amount_ms: int) -> "Fault":
        """Return the fault that `to_numbers` gave.

        >>> Fault.from_numbers(*Fault(FaultKind.MODEL_NAN).to_numbers()).kind.value
        'model_nan'
        """
        return cls(_KINDS[kind], amount_ms)


def parse(text: str) -> Fault:
    """Read a fault switch.

    Args:
        text: A kind; `slow_ms` is followed by `:` and milliseconds up to 60000.

    Raises:
        ConfigError: It is none of these.

    >>> parse("slow_ms:80")
    Fault(kind=<FaultKind.SLOW_MS: 'slow_ms'>, amount_ms=80)
    """
    name, _, amount = text.strip().partition(":")
    known = {kind.value: kind for kind in FaultKind}
    kind = known.get(name or "none")
    wants_amount = kind is FaultKind.SLOW_MS
    if kind is None or wants_amount != bool(amount):
        raise _unknown(text)
    if not wants_amount:
        return Fault(kind)
    if not (amount.isascii() and amount.isdigit() and int(amount) <= _LONGEST_MS):
        raise _unknown(text)
    return Fault(kind, int(amount))


def _unknown(text: str) -> ConfigError:
    switches = ", ".join("slow_ms:N" if k is FaultKind.SLOW_MS else k.value for k in FaultKind)
    return ConfigError(
        f"faults={text!r} is no fault", hint=f"one of: {switches} (N up to {_LONGEST_MS})"
    )
