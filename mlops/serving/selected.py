"""A selection: series of a server's own, as weights over its vector of numbers.

A histogram's buckets are cumulative where they are told and not where they are counted, so a
series may be the sum of several numbers: the weights say how often each is in.
"""

import re
from collections.abc import Iterator

import numpy as np

from mlops.base.telemetry import Kind
from mlops.contracts.domain import Floats
from mlops.serving.policy import Matcher, Selection
from mlops.serving.series import BY_NAME, SIZE, Family


def weights(selection: Selection, service: str) -> Floats:
    """Return by how much each number counts in the sum of the selected series.

    Args:
        selection: Of counters, or of a histogram's buckets or its count.
        service: The label `service` of all series.

    Returns:
        Whole numbers from 0 on, shape [`mlops.serving.series.SIZE`].

    Raises:
        ValueError: It selects what the server does not count; the message says what.
    """
    family, part = _family(selection.metric)
    found = np.zeros(SIZE)
    names = {*family.metric.labels, *(("le",) if part == "bucket" else ())}
    for matcher in selection.matchers:
        if matcher.label not in names:
            raise ValueError(
                f"`{selection.metric}` has no label `{matcher.label}` at the server itself"
            )
    empty = True
    for labels, places in _series(family, part, service):
        if all(_matches(each, labels[each.label]) for each in selection.matchers):
            found[places] += 1.0
            empty = False
    if empty:
        raise ValueError(f"it selects none of the server's series of `{selection.metric}`")
    return found


def _family(name: str) -> tuple[Family, str]:
    """Return what a series belongs to, and which part of a histogram it is."""
    stem, _, part = name.rpartition("_")
    family = BY_NAME.get(name) or BY_NAME.get(stem)
    if family is None:
        raise ValueError(f"the server counts no `{name}`")
    histogram = family.metric.kind is Kind.HISTOGRAM
    if family.metric.kind is Kind.GAUGE or (histogram and part not in ("bucket", "count")):
        raise ValueError(f"`{name}` counts no events")
    return family, part if histogram else ""


def _series(family: Family, part: str, service: str) -> Iterator[tuple[dict[str, str], slice]]:
    """Yield the labels of each series, and the numbers that it is the sum of."""
    start, end = family.start, family.start + len(family.metric.buckets)
    if part == "count":
        yield {"service": service}, slice(start, end + 1)
    elif part == "bucket":
        bounds = [*map(repr, family.metric.buckets), "+Inf"]
        for at, bound in enumerate(bounds):
            yield {"service": service, "le": bound}, slice(start, start + at + 1)
    else:
        for values, place in family.places.items():
            labels = dict(zip(family.metric.labels, (service, *values), strict=True))
            yield labels, slice(place, place + 1)


def _matches(matcher: Matcher, text: str) -> bool:
    if matcher.operator in ("=", "!="):
        return (text == matcher.value) == (matcher.operator == "=")
    try:
        found = re.fullmatch(matcher.value, text) is not None
    except re.error as error:
        raise ValueError(f"`{matcher.value}` is no pattern: {error}") from error
    return found == (matcher.operator == "=~")
