"""A finding's way from a rule to a person: made at a key, merged by key, put at its place."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from mlops.base.errors import ConfigError, MlopsError, Place
from mlops.base.verdict import Finding, Status
from mlops.config.origin import Key, Origins, short


def wrong(check: str, message: str, key: Key, hint: str = "") -> Finding:
    """Return a failure at a key."""
    return Finding(check, Status.FAIL, message, key=key, hint=hint)


def failures(check: str, error: MlopsError, key: Key = ()) -> Iterator[Finding]:
    """Yield what an error says, each of its problems by itself.

    Args:
        check: Name of the rule.
        error: What was raised.
        key: Where it comes from, for those that name no key of their own.
    """
    problems = error.problems if isinstance(error, ConfigError) else ()
    for each in problems or (error,):
        named = (each.key if isinstance(each, ConfigError) else ()) or key
        if not named and each.place is not None and each.place.key:
            named = tuple(each.place.key.split("."))
        yield Finding(check, Status.FAIL, each.message, place=each.place, key=named, hint=each.hint)


def merge(found: Iterable[tuple[str, Iterable[Finding]]]) -> Iterator[Finding]:
    """Yield each key's complaint once, with the engines that made it.

    Args:
        found: Engines in the order of preference, with what each found.
    """
    kept: dict[tuple[Status, Key], list[Finding]] = {}
    for engine, findings in found:
        for finding in findings:
            if finding.status is Status.PASS:
                yield replace(finding, engines=(engine,))
                continue
            known = kept.setdefault((finding.status, finding.key), [])
            first = known[0] if known and finding.key else None
            if first is None or engine == first.engines[0]:
                known.append(replace(finding, engines=(engine,)))
            else:
                engines = tuple(dict.fromkeys((*first.engines, engine)))
                known[0] = replace(first, engines=engines, hint=first.hint or finding.hint)
    for findings in kept.values():
        yield from findings


def at_place(finding: Finding, origins: Origins) -> Finding:
    """Return a finding with the file and line, or override, that set its key last."""
    if finding.place is not None:
        finding = replace(finding, place=_typed(finding.place))
    if not finding.key:
        return finding
    name = ".".join(finding.key)
    message = finding.message if name in finding.message else f"{name}: {finding.message}"
    if finding.status is Status.PASS:
        return finding
    place = finding.place or origins.place(finding.key)
    hint = finding.hint
    if finding.check == "check.arguments.unknown" and place is not None:
        hint = joined([hint, _class_elsewhere(finding.key, place, origins)])
    return replace(finding, message=message, place=place, hint=hint)


def _typed(place: Place) -> Place:
    """Return a place as a person in the present folder would type it."""
    return replace(place, origin=str(short(Path(place.origin))))


def _class_elsewhere(key: Key, place: Place, origins: Origins) -> str:
    """Tell where a class was chosen, if not where it was given its argument."""
    chosen = origins.place((*key[:-1], "_target_"))
    if chosen is None or chosen.origin == place.origin:
        return ""
    return f"the class comes from {chosen}"


def joined(texts: Iterable[str]) -> str:
    """Return sentences as one text.

    >>> joined(["did you mean 'C'?", "", "see below"])
    "did you mean 'C'? see below"
    """
    kept = [text for text in texts if text]
    ended = [text if text.endswith((".", "?", "!")) else f"{text};" for text in kept[:-1]]
    return " ".join([*ended, *kept[-1:]])
