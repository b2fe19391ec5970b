"""A row: one decision as the decision log keeps it, without the subject's name."""

import hashlib
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mlops.base.clock import Clock
from mlops.decision_log.settings import DecisionLogSettings

_HASH_BYTES = 16


class Row(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One decision, written down.

    Attributes:
        decision_id: Unique; a row that is written twice is stored once.
        at: Seconds since 1970, of the wall clock: for records, never for durations.
        service: Name of the service.
        request_id: The caller's name of the request; empty if it gave none.
        subject_hash: Keyed hash of the subject, 32 hex digits; empty if it was not named.
        arm: Who was meant to answer.
        arm_propensity: Probability with which this subject is in this arm, 0 to 1.
        source: Who answered.
        reason: Why that source.
        bundle: Digest of the bundle that answered; empty if none did.
        ids: Candidates in the order shown, best first, at most `candidates` of them.
        scores: One float64 for each of `ids`, little-endian, in the same order.
        rows: Number of candidates that were asked about.
        queue_ms: Milliseconds from the request's last byte until its work began.
        model_ms: Milliseconds that the model took; 0 if it did not answer.
        total_ms: Milliseconds from the request's last byte to its answer.
        epoch: Number of the engine that served it; rises with each swap.
    """

    decision_id: str
    at: float
    service: str
    request_id: str
    subject_hash: str
    arm: str
    arm_propensity: float
    source: str
    reason: str
    bundle: str
    ids: list[str]
    scores: bytes
    rows: int
    queue_ms: float
    model_ms: float
    total_ms: float
    epoch: int

    def score_values(self) -> npt.NDArray[np.float64]:
        """Return the scores as numbers, shape [len(ids)]."""
        return np.frombuffer(self.scores, dtype="<f8")


class Caller(NamedTuple):
    """Who asked: the request's name and its subject, each empty if not given."""

    request_id: str
    subject: str


class Answerer(NamedTuple):
    """Who answered and why; the same for many requests, so it can be kept."""

    arm: str
    arm_propensity: float
    source: str
    reason: str
    bundle: str
    epoch: int


class Shown(NamedTuple):
    """What was answered.

    Attributes:
        ids: Candidates in the request's order.
        scores: One score a candidate in the request's order, shape [len(ids)].
        order: Positions in `ids`, best first: the order shown.
    """

    ids: Sequence[str]
    scores: npt.NDArray[np.float64]
    order: Sequence[int]


class Took(NamedTuple):
    """Milliseconds that a decision waited, that its model took, and in all."""

    queue_ms: float
    model_ms: float
    total_ms: float


class RowBuilder:
    """Builds the rows of one worker.

    Args:
        service: Name of the service.
        settings: How subjects are hashed and how many candidates are kept.
        clock: Tells the time of day.
        prefix: Text that no other worker has or ever had, such as 16 random hex digits drawn
            after the worker was forked; decision ids begin with it.
    """

    def __init__(
        self, service: str, settings: DecisionLogSettings, *, clock: Clock, prefix: str
    ) -> None:
        self._service = service
        self._most = settings.candidates
        self._hash = subject_hasher(settings.subject_salt)
        self._clock = clock
        self._prefix = prefix
        self._numbers = count()

    def build(self, caller: Caller, shown: Shown, answerer: Answerer, took: Took) -> Row:
        """Return the row of a decision that was just made."""
        ids, scores, order = shown
        kept = order if len(order) <= self._most else order[: self._most]
        subject = caller.subject
        return Row(
            f"{self._prefix}{next(self._numbers):010x}",
            self._clock.now().timestamp(),
            self._service,
            caller.request_id,
            self._hash.name(subject) if subject else "",
            answerer.arm,
            answerer.arm_propensity,
            answerer.source,
            answerer.reason,
            answerer.bundle,
            [ids[at] for at in kept],
            scores.take(kept).astype("<f8", copy=False).tobytes() if kept else b"",
            len(ids),
            took.queue_ms,
            took.model_ms,
            took.total_ms,
            answerer.epoch,
        )


class SubjectHasher:
    """Names subjects by a keyed hash: who lacks the salt cannot try names out.

    Args:
        key: Key of BLAKE2b, at most 64 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._keyed = hashlib.blake2b(key=key, digest_size=_HASH_BYTES)

    def name(self, subject: str) -> str:
        """Return the hash of a subject, 32 hex digits."""
        state = self._keyed.copy()
        state.update(subject.encode("utf-8", "surrogatepass"))
        return state.hexdigest()


def subject_hasher(salt: str) -> SubjectHasher:
    """Return the hasher of a salt of any length.

    >>> subject_hasher("mlops").name("u1") == subject_hasher("other").name("u1")
    False
    """
    return SubjectHasher(hashlib.blake2b(salt.encode(), digest_size=64).digest())
