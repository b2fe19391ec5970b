"""Load records: what was sent, what came of it, and what that amounts to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import numpy as np

from mlops.base.digest import Json

GRACE_MS = 20.0
"""Milliseconds beyond the deadline that an answer may take on the way, as in the demo's drill."""

Expected = Mapping[str, Sequence[Mapping[str, float]]]
"""By bundle digest: for each body the model's score of each candidate."""


class Failure(StrEnum):
    """Why a request has no answer."""

    NONE = ""
    RESET = "reset"
    """It was sent, and its connection ended before the answer did."""
    NO_ANSWER = "no_answer"
    """It was sent, and nothing came within the time after which the load gives up."""
    MALFORMED = "malformed"
    """What came back is not HTTP."""
    REFUSED = "refused"
    """No connection could be opened."""
    NOT_SENT = "not_sent"
    """All connections were busy for as long as the load waits."""


LOST = frozenset({Failure.RESET, Failure.NO_ANSWER, Failure.MALFORMED})
"""Failures of requests that the server may have seen."""


class Sample(msgspec.Struct, array_like=True, gc=False):
    """One request. Times are monotonic seconds, the same in all processes of a machine.

    Attributes:
        due: When it was scheduled; in a closed loop when it was sent.
        issued: When the load got to it; `issued - due` is the load's own lateness.
        sent: When it was written to a connection; 0 if it never was.
        done: When its answer was whole, or it failed.
        body: Index of its body.
        caller: Index of its caller.
        code: HTTP status; 0 without an answer.
        failure: Why it has no answer.
        answer: The answer's body, or as much of it as the plan keeps.
    """

    due: float
    issued: float
    body: int
    caller: int
    sent: float = 0.0
    done: float = 0.0
    code: int = 0
    failure: Failure = Failure.NONE
    answer: bytes = b""

    @property
    def latency_ms(self) -> float:
        """Milliseconds from when it was due to its end."""
        return (self.done - self.due) * 1000

    @property
    def lost(self) -> bool:
        """Whether the server may have seen it and gave no answer."""
        return self.failure in LOST


class Ranked(msgspec.Struct, gc=False):
    """One candidate of an answer."""

    id: str
    score: float


class Told(msgspec.Struct, gc=False):
    """What an answer says of itself; the ranking is empty where only its head was kept."""

    source: str = ""
    reason: str = ""
    model: str = ""
    ranking: list[Ranked] = []


_decode = msgspec.json.Decoder(Told).decode
_RANKING = b',"ranking":'


def head_of(answer: bytes) -> bytes:
    """Return an answer without its ranking, which is most of it, if the ranking comes last.

    >>> head_of(b'{"source":"model","ranking":[{"id":"1","score":0.5}]}')
    b'{"source":"model"}'
    """
    at = answer.find(_RANKING)
    return answer if at < 0 else answer[:at] + b"}"


def told(sample: Sample) -> Told:
    """Return what an answer says; empty where it is no decision."""
    try:
        return _decode(sample.answer) if sample.code == 200 else Told()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Told()


@dataclass(frozen=True, slots=True)
class Tally:
    """What some requests amount to.

    Attributes:
        requests: How many were due.
        in_time: How many got a 200 within the deadline and `GRACE_MS`.
        lost: How many the server may have seen and did not answer.
        refused: How many got no connection.
        wrong: How many answers are not the ones that the named bundle gives: another score of the
            model, or other candidates than those asked about.
        codes: Answers by status.
        sources: 200s by source.
        reasons: 200s by reason.
        models: 200s by digest.
    """

    requests: int
    in_time: int
    lost: int
    refused: int
    wrong: int
    codes: Counter[int]
    sources: Counter[str]
    reasons: Counter[str]
    models: Counter[str]

    @property
    def share_in_time(self) -> float:
        """Share of requests answered in time; 1 of none."""
        return self.in_time / self.requests if self.requests else 1.0

    def share(self, source: str) -> float:
        """Share of all requests that a source answered."""
        return self.sources[source] / self.requests if self.requests else 0.0


def tally(
    samples: Sequence[Sample], *, deadline_ms: float, expected: Expected | None = None
) -> Tally:
    """Add up what came of requests.

    Args:
        samples: The requests.
        deadline_ms: Their deadline.
        expected: What the bundles' own programs give; None checks no score.
    """
    limit = deadline_ms + GRACE_MS
    said = [told(sample) for sample in samples]
    answered = [each for sample, each in zip(samples, said, strict=True) if sample.code == 200]
    return Tally(
        requests=len(samples),
        in_time=sum(s.code == 200 and s.latency_ms <= limit for s in samples),
        lost=sum(s.lost for s in samples),
        refused=sum(s.failure in (Failure.REFUSED, Failure.NOT_SENT) for s in samples),
        wrong=sum(
            s.code == 200 and expected is not None and is_wrong(each, s.body, expected)
            for s, each in zip(samples, said, strict=True)
        ),
        codes=Counter(sample.code for sample in samples),
        sources=Counter(each.source for each in answered),
        reasons=Counter(each.reason for each in answered),
        models=Counter(each.model for each in answered),
    )


def is_wrong(answer: Told, body: int, expected: Expected) -> bool:
    """Tell whether an answer is another than the bundle that it names gives.

    Args:
        answer: What was said.
        body: Index of the request's body.
        expected: What each bundle gives.
    """
    wanted = expected.get(answer.model)
    if wanted is None:
        # Without a bundle there is no model that could be right; a heuristic names none.
        return answer.source in ("model", "cache") or not answer.ranking
    scores = {each.id: each.score for each in answer.ranking}
    if len(scores) != len(answer.ranking) or scores.keys() != wanted[body].keys():
        return True
    return answer.source in ("model", "cache") and scores != wanted[body]


def percentiles_ms(samples: Sequence[Sample]) -> dict[str, float]:
    """Return p50, p99, p99.9 and the longest latency of answered requests, milliseconds."""
    return _quantiles([sample.latency_ms for sample in samples if sample.code])


def lateness_ms(samples: Sequence[Sample]) -> dict[str, float]:
    """Return how late the load itself got to its requests, milliseconds."""
    return _quantiles([(sample.issued - sample.due) * 1000 for sample in samples])


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    p50, p99, p999, most = np.quantile(values, (0.5, 0.99, 0.999, 1.0)).tolist()
    return {"p50": p50, "p99": p99, "p99_9": p999, "max": most}


def summary(samples: Sequence[Sample], *, seconds: float, cpu_s: float) -> dict[str, Json]:
    """Return the figures of a run as JSON.

    Args:
        samples: Its requests.
        seconds: How long it lasted.
        cpu_s: CPU seconds that the load itself took.
    """
    answered = sum(sample.code != 0 for sample in samples)
    codes = Counter(str(sample.code) for sample in samples)
    failures = Counter(sample.failure.value for sample in samples if sample.failure)

    def rounded(values: Mapping[str, float]) -> Json:
        return {name: round(value, 3) for name, value in values.items()}

    return {
        "requests": len(samples),
        "seconds": round(seconds, 3),
        "answers_per_second": round(answered / seconds, 1) if seconds else 0.0,
        "codes": dict(codes),
        "failures": dict(failures),
        "latency_ms": rounded(percentiles_ms(samples)),
        "own_lateness_ms": rounded(lateness_ms(samples)),
        "own_cpu_share": round(cpu_s / seconds, 3) if seconds else 0.0,
    }
