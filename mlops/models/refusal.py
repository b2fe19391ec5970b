"""A refusal: why a bundle is not taken, as a sentence for people and a closed word for metrics."""

from enum import StrEnum

from mlops.base.errors import BundleError


class Refusal(StrEnum):
    """Why a bundle is not taken."""

    MISSING = "missing"
    """It, or one of its files, is not there."""
    CHANGED = "changed"
    """It is not as it was written: cut, altered, mixed, with a file or a link too many."""
    UNSIGNED = "unsigned"
    """It has no signature, and one is required."""
    UNTRUSTED = "untrusted"
    """Its signature does not hold, or is of a key that is not trusted."""
    SERVICE = "service"
    """It is for another service."""
    CONTRACT = "contract"
    """It was made for another contract than the one that is served."""
    OLDER = "older"
    """It was released before the one that runs."""
    GOLDEN = "golden"
    """It does not compute here what it computed where it was made."""
    INVALID = "invalid"
    """Its files are whole and make no bundle that this version can run."""


class RefusedBundleError(BundleError):
    """A bundle that is not taken.

    Args:
        message: What is wrong, as one sentence for a person.
        reason: The same as one of a closed set of words.
        hint: What to do about it; empty if the message says it.
    """

    def __init__(self, message: str, *, reason: Refusal, hint: str = "") -> None:
        super().__init__(_printable(message), hint=_printable(hint))
        self.reason = reason


def _printable(text: str) -> str:
    r"""Return a text as it can stand in any line and in JSON; names of files may hold anything.

    >>> _printable("caf\u00e9 \udcff\x1b[2J")
    'café \\udcff\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
