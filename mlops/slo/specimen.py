"""A specimen: one series that some selectors pick and others do not, made up for a test."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from mlops.slo.counter import Counter, Matcher

_POOL = ("", "other", "200", "404", "500", "1", "+Inf", "GET", "/", "a", "aa", "a-1", "a.b:1")
_MOST_WAYS = 64
_GROUP = re.compile(r"\((?:\?:)?([^()]*)\)([*+?]?)")
_CLASS = re.compile(r"\[(\^?)([^\]]+)\]([*+?]?|\{\d+(?:,\d*)?\})")


@dataclass(frozen=True, slots=True)
class Specimen:
    """A series.

    Attributes:
        metric: Its name.
        labels: Its labels; one that is empty is not there.
    """

    metric: str
    labels: Mapping[str, str]

    def __str__(self) -> str:
        given = {name: value for name, value in sorted(self.labels.items()) if value}
        inside = ",".join(str(Matcher(name, "=", value)) for name, value in given.items())
        return f"{self.metric}{{{inside}}}"


def picks(counter: Counter, specimen: Specimen) -> bool:
    """Tell whether a selector picks a series."""
    return counter.metric == specimen.metric and all(
        _holds(matcher, specimen.labels.get(matcher.label, "")) for matcher in counter.matchers
    )


def specimen(
    wanted: Sequence[Counter], unwanted: Sequence[Counter] = (), *, last: bool = False
) -> Specimen | None:
    """Make up a series that all of some selectors pick and none of others.

    Args:
        wanted: At least one selector.
        unwanted: Selectors that must not pick it.
        last: Take the last alternative of a regular expression, not the first.

    Returns:
        The series; None if none is found, of which there may be one all the same: regular
        expressions are guessed at.
    """
    metric = wanted[0].metric
    if any(each.metric != metric for each in wanted):
        return None
    conditions = [matcher for each in wanted for matcher in each.matchers]
    rivals = [each.matchers for each in unwanted if each.metric == metric]
    if any(not matchers for matchers in rivals):
        return None
    for way, broken in enumerate(product(*rivals)):
        if way == _MOST_WAYS:
            return None
        labels = _labels(conditions, broken, last)
        if labels is not None:
            return Specimen(metric, labels)
    return None


def altered(original: Specimen, label: str, selectors: Sequence[Counter]) -> Specimen | None:
    """Return a series with another value of one label, so that no selector picks it.

    Args:
        original: The series.
        label: The label that changes.
        selectors: What must not pick it.
    """
    matchers = [each for one in selectors for each in one.matchers if each.label == label]
    for value in _candidates(matchers):
        changed = Specimen(original.metric, {**original.labels, label: value})
        if value and not any(picks(selector, changed) for selector in selectors):
            return changed
    return None


def _labels(
    kept: Sequence[Matcher], broken: Sequence[Matcher], last: bool
) -> dict[str, str] | None:
    labels: dict[str, str] = {}
    for name in dict.fromkeys(matcher.label for matcher in (*kept, *broken)):
        yes = [matcher for matcher in kept if matcher.label == name]
        no = [matcher for matcher in broken if matcher.label == name]
        for value in _candidates((*yes, *no), last=last):
            if all(_holds(each, value) for each in yes) and not any(
                _holds(each, value) for each in no
            ):
                labels[name] = value
                break
        else:
            return None
    return labels


def _holds(matcher: Matcher, value: str) -> bool:
    if matcher.operator in {"=", "!="}:
        same = matcher.value == value
    else:
        try:
            same = re.fullmatch(matcher.value, value) is not None
        except re.error:  # RE2 has words that Python's expressions lack
            return False
    return same == (not matcher.operator.startswith("!"))


def _candidates(matchers: Sequence[Matcher], *, last: bool = False) -> Iterator[str]:
    """Yield values to try: what the matchers name, what their expressions look like, a pool."""
    for matcher in matchers:
        if matcher.operator == "=":
            yield matcher.value
    for matcher in matchers:
        if matcher.operator in {"=~", "!~"}:
            examples = tuple(_examples(matcher.value))
            yield from reversed(examples) if last else examples
    # Values that are nearly the right ones: they find a matcher whose text was cut.
    yield from (f"{matcher.value}-other" for matcher in matchers if matcher.operator == "=")
    yield from (matcher.value for matcher in matchers if matcher.operator == "!=")
    yield from (value for value in _POOL if value)
    yield ""


def _examples(expression: str) -> Iterator[str]:
    """Yield texts that a simple regular expression may match."""
    text = expression.removeprefix("^").removesuffix("$")
    for _ in range(4):  # innermost groups first: their first alternative
        text = _GROUP.sub(lambda group: group[1].split("|")[0], text)
    for branch in text.split("|"):
        plain = _CLASS.sub(lambda found: "~" if found[1] else found[2][0], branch)
        for shape, example in ((r"\d", "1"), (r"\w", "a"), (r"\.", "\0"), (".*", "x"), (".+", "x")):
            plain = plain.replace(shape, example)
        plain = re.sub(r"[*+?]|\{\d+(?:,\d*)?\}", "", plain.replace(".", "0"))
        yield plain.replace("\0", ".").replace("\\", "")
