"""A verdict of the matrix: what was observed under a fault, held against the row's goal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.load_records import Expected, Sample, Tally, tally, told
from tests.e2e.faults.ground import DEADLINE_MS
from tests.e2e.faults.servers import Event

_BUCKET_S = 0.25
_BACK = 0.9


@dataclass
class Observed:
    """What was seen.

    Attributes:
        tally: What came of the requests.
        detect_s: Seconds from the fault until the server told of it; None if it did not.
        recover_s: Seconds from the fault's end until all was as before; None if it never was.
        lost_rows: Answers that the decision log has no row of; None where nobody looked.
        told: Further findings, by name.
        misses: What of the goal is missed, found while the row was played.
    """

    tally: Tally
    detect_s: float | None = None
    recover_s: float | None = None
    lost_rows: int | None = None
    told: dict[str, float] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Goal:
    """What a row asks for; what is None is not asked.

    Attributes:
        in_time: Least share of requests answered in time.
        lost: Most lost requests.
        wrong: Most wrong answers.
        back_s: Most seconds until all is as before.
        lost_rows: Most answers without a row in the decision log.
    """

    in_time: float | None = None
    lost: int | None = None
    wrong: int | None = 0
    back_s: float | None = None
    lost_rows: int | None = None

    def misses(self, seen: Observed) -> list[str]:
        """Return what is missed, in words; empty if the goal is reached."""
        found = list(seen.misses)
        counts = seen.tally
        if self.in_time is not None and counts.share_in_time < self.in_time:
            found.append(f"in time {counts.share_in_time:.4%} of {counts.requests}")
        if self.lost is not None and counts.lost > self.lost:
            found.append(f"{counts.lost} lost")
        if self.wrong is not None and counts.wrong > self.wrong:
            found.append(f"{counts.wrong} wrong")
        back_s = math.inf if seen.recover_s is None else seen.recover_s
        if self.back_s is not None and back_s > self.back_s:
            found.append(f"back after {back_s:.2f} s")
        if self.lost_rows is not None and (seen.lost_rows or 0) > self.lost_rows:
            found.append(f"{seen.lost_rows} rows of the decision log lost")
        return found


def count(samples: Sequence[Sample], expected: Expected, *, deadline_ms: float = 0.0) -> Tally:
    """Add up what came of requests, by the deadline of the matrix."""
    return tally(samples, deadline_ms=deadline_ms or DEADLINE_MS, expected=expected)


def model_is_back(samples: Sequence[Sample], since: float) -> float | None:
    """Return the seconds until the model gave nine of ten answers again; None if it never did.

    Subjects that are held out do not count. One quiet bucket in between is no return: from the
    one that is found on, at least nine of ten of all the later answers are the model's too.
    """
    later = [sample for sample in samples if sample.due >= since]
    good = [_by_model(sample) for sample in later]
    for at, sample in enumerate(later):
        near = [g for s, g in zip(later[at:], good[at:], strict=True)
                if s.due < sample.due + _BUCKET_S and g is not None]  # fmt: skip
        rest = [g for g in good[at:] if g is not None]
        if near and rest and good[at] and _share(near) >= _BACK and _share(rest) >= _BACK:
            return sample.due - since
    return None


def _by_model(sample: Sample) -> bool | None:
    """Tell whether the model answered; None of a subject that is held out."""
    said = told(sample)
    if said.reason == "holdout":
        return None
    return said.source in ("model", "cache") and said.reason == "ok"


def _share(truths: Sequence[bool | None]) -> float:
    return sum(bool(each) for each in truths) / len(truths)


def detected(samples: Sequence[Sample], events: Sequence[Event], since: float) -> float | None:
    """Return the seconds from a fault until the service told of it or first answered around it.

    None if it did neither.
    """
    found = [event.at for event in events if event.at >= since - 0.002 and event.kind != "fault"]
    found += [sample.done for sample in samples if sample.due >= since and _goes_around(sample)]
    return max(0.0, min(found) - since) if found else None


def _goes_around(sample: Sample) -> bool:
    said = told(sample)
    return bool(said.reason) and said.reason not in ("ok", "holdout")
