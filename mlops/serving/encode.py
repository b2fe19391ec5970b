"""An answer's encoder: a decision as the JSON body that the caller gets."""

from collections.abc import Sequence
from operator import itemgetter

import msgspec

from mlops.contracts.domain import Floats


class _Ranked(msgspec.Struct, frozen=True, gc=False):
    """One candidate of the answer."""

    id: str
    score: float


class _Body(msgspec.Struct, frozen=True, gc=False):
    """The answer, fields in the order in which they are written."""

    request_id: str
    source: str
    reason: str
    arm: str
    model: str
    ranking: list[_Ranked]


def order(scores: Floats) -> list[int]:
    """Return candidate positions, best first; equal scores keep the caller's order.

    Args:
        scores: Shape [n]; a NaN would come last.

    >>> import numpy as np
    >>> order(np.array([0.5, 2.0, 0.5]))
    [1, 0, 2]
    """
    if len(scores) == 1:
        return [0]
    positions: list[int] = (-scores).argsort(kind="stable").tolist()
    return positions


class AnswerEncoder:
    """Encodes answers; one for each thread."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode

    def encode(  # noqa: PLR0913 - the fields of the body, each by its name
        self,
        *,
        request_id: str,
        source: str,
        reason: str,
        arm: str,
        model: str,
        ids: Sequence[str],
        scores: Floats,
        order: Sequence[int],
    ) -> bytes:
        """Return the body of an answer, JSON in UTF-8.

        Args:
            request_id: The request's name.
            source: Who answered.
            reason: Why that source.
            arm: Who was meant to answer.
            model: Digest of the bundle; empty if there is none.
            ids: The candidates' identifiers, in the request's order, n of them.
            scores: One finite score a candidate, in the request's order, shape [n].
            order: Positions of the candidates to be written, best first, as `order` gives them.
        """
        given = scores.tolist()
        if len(order) == 1:
            at = order[0]
            ranking = [_Ranked(ids[at], given[at])]
        elif order:
            pick = itemgetter(*order)  # picks all positions in one call, without a loop here
            ranking = list(map(_Ranked, pick(ids), pick(given)))
        else:
            ranking = []
        return self._encode(_Body(request_id, source, reason, arm, model, ranking))
