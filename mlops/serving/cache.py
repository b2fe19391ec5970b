"""A cache: the model's last good answers, given again when it cannot answer an equal request.

Equal means that the model would see the same: the bundle, the candidates and all their columns.
Only what the current bundle's model itself answered is kept, and only its scores.

Hashing a page costs about as much as checking it, so at a high rate not every answer is kept:
at most one part in fifty of the time goes to it. At a low rate, where it costs nothing, all are.
"""

import hashlib
from collections import OrderedDict
from typing import cast

import msgspec

from mlops.base.clock import Clock
from mlops.contracts.columns import Columns
from mlops.contracts.domain import Floats, Texts
from mlops.contracts.row import Request
from mlops.serving.spec import CacheSpec

_encode = msgspec.msgpack.Encoder().encode  # marks where a text ends, and a missing one
_REST = 49.0


class Cache:
    """Answers by what was asked; used from one thread.

    Args:
        spec: How many are kept and for how long.
        clock: Monotonic time.
    """

    def __init__(self, spec: CacheSpec, clock: Clock) -> None:
        self._spec = spec
        self._now = clock.monotonic
        self._answers: OrderedDict[bytes, tuple[float, Floats]] = OrderedDict()
        self._newest_at = 0.0
        self._next_at = -1.0 if spec.entries else float("inf")

    def __len__(self) -> int:
        """Return the number of answers kept, those included that are too old by now."""
        return len(self._answers)

    def put(self, request: Request, bundle: str, scores: Floats) -> None:
        """Keep an answer, unless others have just taken their share of the time.

        Args:
            request: What was asked.
            bundle: Digest of the bundle whose model answered.
            scores: Its scores; not changed by anyone from now on.
        """
        now = self._now()
        if now < self._next_at:
            return
        asked = key(request, bundle)
        answers = self._answers
        answers[asked] = now, scores
        answers.move_to_end(asked)
        if len(answers) > self._spec.entries:
            answers.popitem(last=False)
        self._newest_at = now
        done = self._now()
        self._next_at = done + _REST * (done - now)

    def get(self, request: Request, bundle: str) -> Floats | None:
        """Return the scores of an equal request that are not too old, or None.

        Args:
            request: What is asked.
            bundle: Digest of the bundle whose model was to answer.
        """
        if not self._answers:
            return None
        now = self._now()
        if now - self._newest_at > self._spec.ttl_s:  # nothing to find, so no page is hashed
            self.clear()
            return None
        asked = key(request, bundle)
        found = self._answers.get(asked)
        if found is None:
            return None
        at, scores = found
        if now - at > self._spec.ttl_s:
            del self._answers[asked]
            return None
        self._answers.move_to_end(asked)
        return scores

    def clear(self) -> None:
        """Forget all answers, since the model that gave them is not believed any more."""
        self._answers.clear()


def key(request: Request, bundle: str) -> bytes:
    """Return a name for everything that the model sees of a request; 16 bytes of BLAKE2b.

    Args:
        request: What is asked; its own id and its subject are left out.
        bundle: Digest of the bundle.
    """
    hashed = hashlib.blake2b(bundle.encode(), digest_size=16)
    hashed.update(_encode(request.ids))
    table = request.table
    if isinstance(table, Columns):  # as every decoded request has it
        hashed.update(_encode(table.texts))
        hashed.update(table.numbers.tobytes())
        return hashed.digest()
    numbers = []
    for values in table.values():  # their order is the contract's
        if values.dtype == object:
            hashed.update(_encode(cast("Texts", values).tolist()))
        else:
            numbers.append(values.tobytes())
    hashed.update(b"".join(numbers))
    return hashed.digest()
