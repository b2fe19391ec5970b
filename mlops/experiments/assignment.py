"""An assignment: the arm that a subject is in, the same every time."""

import hashlib
from enum import StrEnum


class Arm(StrEnum):
    """Who is meant to answer a request."""

    MODEL = "model"
    HOLDOUT = "holdout"


def assign(subject: str, *, share: float, salt: str) -> Arm:
    """Return a subject's arm.

    Args:
        subject: Key of the user or session.
        share: Share of subjects in the holdout, 0 to 1.
        salt: Names the draw; another salt draws anew.

    >>> assign("u1", share=0.0, salt="s"), assign("u1", share=1.0, salt="s")
    (<Arm.MODEL: 'model'>, <Arm.HOLDOUT: 'holdout'>)
    """
    # The length keeps salt `a:b` with subject `c` apart from salt `a` with subject `b:c`.
    text = f"{len(salt)}:{salt}:{subject}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    position = int.from_bytes(digest) / 2**64  # uniform in [0, 1)
    return Arm.HOLDOUT if position < share else Arm.MODEL
