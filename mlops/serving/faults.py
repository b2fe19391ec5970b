"""A fault: something that is broken on purpose in the model process, for a drill."""

from enum import StrEnum
from typing import NamedTuple

from mlops.base.errors import ConfigError

_LONGEST_MS = 60_000


class FaultKind(StrEnum):
    """What is broken."""

    NONE = "none"
    MODEL_HANG = "model_hang"
    MODEL_ERROR = "model_error"
    MODEL_NAN = "model_nan"
    MODEL_OUT_OF_RANGE = "model_out_of_range"
    SLOW_MS = "slow_ms"


class Fault(NamedTuple):
    """A fault with its amount.

    Attributes:
        kind: What is broken.
        amount_ms: Delay of `slow_ms`; 0 for the others.
    """

    kind: FaultKind = FaultKind.NONE
    amount_ms: int = 0


def parse(text: str) -> Fault:
    """Read a fault switch.

    Args:
        text: `none`, `model_hang`, `model_error`, `model_nan`,
            `model_out_of_range` or `slow_ms:N`.

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
    return ConfigError(
        f"faults={text!r} is no fault",
        hint="one of: none, model_hang, model_error, model_nan, model_out_of_range, slow_ms:N"
        " (N up to 60000)",
    )
