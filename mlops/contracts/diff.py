"""A contract's change: what differs between two domains, and whom it breaks.

A request is written by callers and read by bundles: what allows less breaks callers, what allows
more breaks bundles, since they were trained and certified for less. An output is written by bundles
and read by callers, so it is the other way round.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.markdown import allowed
from mlops.contracts.roles import Scope


class Direction(StrEnum):
    """Who writes what a contract describes: callers a request, the service its output."""

    REQUEST = "request"
    OUTPUT = "output"


class Impact(StrEnum):
    """Whom a change breaks; a change that breaks no one is compatible."""

    CALLERS = "breaks callers"
    BUNDLES = "breaks bundles"


class Width(StrEnum):
    """How the set of allowed values changed; `OTHER` is both, or cannot be told."""

    NARROWER = "narrower"
    WIDER = "wider"
    OTHER = "other"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        column: The column; empty if it is about the whole contract.
        facet: What of it: `column`, `kind`, `scope`, `feature`, `identifier`, `dtype`, `unit`,
            `missing`, `ends`, `numbers`, `categories`, `forbidden`, `length`, `pattern`,
            `contains`, `prefix`, `suffix`, `checks`, `unique`, `order` or `description`.
        message: One sentence for a person.
        impacts: Whom it breaks; empty if it is compatible.
    """

    column: str
    facet: str
    message: str
    impacts: tuple[Impact, ...] = ()


_BOTH = (Impact.CALLERS, Impact.BUNDLES)
_MOST_SHOWN = 10


def diff(
    old: Domain, new: Domain, *, direction: Direction = Direction.REQUEST
) -> tuple[Change, ...]:
    """Return what changed from one contract to another.

    Args:
        old: What was agreed on.
        new: What is meant to be.
        direction: Whether callers write it or read it. Columns that are only logged, and outcomes,
            are between the training data and bundles in either case.
    """
    was = {column.name: column for column in old.columns}
    now = {column.name: column for column in new.columns}
    changes = [_removed(column, direction) for name, column in was.items() if name not in now]
    changes += [_added(column, direction) for name, column in now.items() if name not in was]
    for name, column in was.items():
        if name in now:
            changes += _column_changes(column, now[name], direction)
    changes += _whole_changes(old, new)
    return tuple(changes)


def impacts(changes: tuple[Change, ...]) -> tuple[Impact, ...]:
    """Return whom some changes break, each once."""
    return tuple(impact for impact in Impact if any(impact in each.impacts for each in changes))


def _removed(column: Column, direction: Direction) -> Change:
    if not _agreed_with_callers(column, direction):
        impacts: tuple[Impact, ...] = (Impact.BUNDLES,) if column.scope is Scope.OUTCOME else ()
        return Change(column.name, "column", f"{column.scope.value} column removed", impacts)
    if direction is Direction.OUTPUT:
        return Change(column.name, "column", "removed: callers read it", (Impact.CALLERS,))
    read = _is_read(column)
    message = "removed: who still sends it is refused" + ("; bundles read it" if read else "")
    return Change(column.name, "column", message, _BOTH if read else (Impact.CALLERS,))


def _added(column: Column, direction: Direction) -> Change:
    if not _agreed_with_callers(column, direction):
        message = f"{column.scope.value} column added: training data must have it"
        return Change(column.name, "column", message)
    if direction is Direction.OUTPUT:
        return Change(column.name, "column", "added: callers may ignore it")
    found: list[Impact] = []
    words = ["added"]
    if column.nullable:
        words.append("callers may leave it out")
    else:
        found.append(Impact.CALLERS)
        words.append("it must be sent")
    if column.feature:
        found.append(Impact.BUNDLES)
        words.append("bundles were trained without this feature")
    return Change(column.name, "column", ": ".join([words[0], "; ".join(words[1:])]), tuple(found))


def _agreed_with_callers(column: Column, direction: Direction) -> bool:
    return column.is_requested or direction is Direction.OUTPUT


def _is_read(column: Column) -> bool:
    """Tell whether a bundle may compute with a column; a mere name it hands through."""
    return column.feature or not column.identifier


def _column_changes(old: Column, new: Column, direction: Direction) -> Iterator[Change]:
    yield from _role_changes(old, new)
    if old.kind is not new.kind:
        message = f"{old.kind.value} became {new.kind.value}"
        yield Change(new.name, "kind", message, _BOTH)
        return
    for facet, measure in _FACETS.items():
        width, message = measure(old, new)
        if width is not Width.SAME:
            found = _impacts_of(facet, width, new, direction)
            yield Change(new.name, facet, message, found)


def _impacts_of(
    facet: str, width: Width, column: Column, direction: Direction
) -> tuple[Impact, ...]:
    if not _agreed_with_callers(column, direction):
        # Labels of another range are another problem; what is only logged trains nothing.
        is_label = column.scope is Scope.OUTCOME and facet != "missing"
        return (Impact.BUNDLES,) if is_label else ()
    breaks_callers, breaks_bundles = Width.NARROWER, Width.WIDER
    if direction is Direction.OUTPUT:
        breaks_callers, breaks_bundles = breaks_bundles, breaks_callers
    found = [Impact.CALLERS] if width in (breaks_callers, Width.OTHER) else []
    # Whatever an open set of texts is held to, a bundle takes it as "any other text".
    reaches = _is_read(column) and facet not in _FORMS
    if width in (breaks_bundles, Width.OTHER) and reaches:
        found.append(Impact.BUNDLES)
    return tuple(found)


def _role_changes(old: Column, new: Column) -> Iterator[Change]:
    if old.scope is not new.scope:
        message = f"moved from {old.scope.value} to {new.scope.value}"
        yield Change(new.name, "scope", message, _BOTH)
    if old.feature != new.feature:
        message = "is now a feature" if new.feature else "is no longer a feature"
        yield Change(new.name, "feature", message, (Impact.BUNDLES,))
    if old.identifier != new.identifier:
        message = "names candidates now" if new.identifier else "no longer names candidates"
        yield Change(new.name, "identifier", message, _BOTH)
    if old.stored != new.stored and old.kind is new.kind:
        message = f"stored as {old.stored}, now {new.stored}"
        yield Change(new.name, "dtype", message, (Impact.BUNDLES,))
    if old.unit != new.unit:
        known = bool(old.unit and new.unit)
        message = f"unit {old.unit or 'unsaid'} became {new.unit or 'unsaid'}"
        message += ": the same number means something else" if known else ""
        yield Change(new.name, "unit", message, _BOTH if known else ())
    if old.opaque != new.opaque:
        message = f"checks in batch only: {_listed(old.opaque)} became {_listed(new.opaque)}"
        yield Change(new.name, "checks", message)
    if old.unique != new.unique:
        word = "may occur once only" if new.unique else "may occur more than once"
        yield Change(new.name, "unique", f"each value {word} in a frame")
    if old.description != new.description:
        yield Change(new.name, "description", "described in other words")


def _whole_changes(old: Domain, new: Domain) -> Iterator[Change]:
    if old.unique != new.unique:
        message = f"unique together: {_listed(old.unique)} became {_listed(new.unique)}"
        yield Change("", "unique", message)
    if old.opaque != new.opaque:
        message = f"checks of whole frames: {_listed(old.opaque)} became {_listed(new.opaque)}"
        yield Change("", "checks", message)
    names, other = [c.name for c in old.columns], [c.name for c in new.columns]
    if names != other and sorted(names) == sorted(other):
        yield Change("", "order", "the columns have another order, which no one relies on")


def _listed(names: tuple[object, ...]) -> str:
    shown = ", ".join(str(name) for name in names[:_MOST_SHOWN])
    return (shown + (", ..." if len(names) > _MOST_SHOWN else "")) or "none"


Measured = tuple[Width, str]


def _missing(old: Column, new: Column) -> Measured:
    if old.nullable == new.nullable:
        return Width.SAME, ""
    if new.nullable:
        return Width.WIDER, "may be missing now"
    return Width.NARROWER, "must not be missing any more"


def _ends(old: Column, new: Column) -> Measured:
    if old.is_category or (old.interval == new.interval):
        return Width.SAME, ""
    (was_low, was_high), (low, high) = old.interval, new.interval
    message = f"{allowed(old)} became {allowed(new)}"
    narrower, wider = low > was_low or high < was_high, low < was_low or high > was_high
    return _width(narrower=narrower, wider=wider), message


def _width(*, narrower: bool, wider: bool) -> Width:
    if narrower and wider:
        return Width.OTHER
    return Width.NARROWER if narrower else Width.WIDER if wider else Width.SAME


def _sets(old: tuple[object, ...] | None, new: tuple[object, ...] | None, what: str) -> Measured:
    if old is None and new is None:
        return Width.SAME, ""
    if old is None:
        return Width.NARROWER, f"only these {what} are allowed now: {_listed(new or ())}"
    if new is None:
        return Width.WIDER, f"other {what} than {_listed(old)} are allowed now"
    gone = tuple(each for each in old if each not in new)
    come = tuple(each for each in new if each not in old)
    words = [f"no longer allowed: {_listed(gone)}"] if gone else []
    words += [f"newly allowed: {_listed(come)}"] if come else []
    return _width(narrower=bool(gone), wider=bool(come)), "; ".join(words)


def _forbidden(old: Column, new: Column) -> Measured:
    come = tuple(each for each in new.forbidden if each not in old.forbidden)
    gone = tuple(each for each in old.forbidden if each not in new.forbidden)
    words = [f"now forbidden: {_listed(come)}"] if come else []
    words += [f"no longer forbidden: {_listed(gone)}"] if gone else []
    return _width(narrower=bool(come), wider=bool(gone)), "; ".join(words)


def _is_open(old: Column, new: Column) -> bool:
    return old.is_category and old.categories is None and new.categories is None


def _length(old: Column, new: Column) -> Measured:
    (was_low, was_high), (low, high) = old.length_bounds, new.length_bounds
    if not _is_open(old, new):
        return Width.SAME, ""
    endless = float("inf")
    was_most, most = endless if was_high is None else was_high, endless if high is None else high
    message = f"{was_low} to {was_most} letters became {low} to {most}"
    narrower, wider = low > was_low or most < was_most, low < was_low or most > was_most
    return _width(narrower=narrower, wider=wider), message


def _form(name: str, read: Callable[[Column], str | None]) -> Callable[[Column, Column], Measured]:
    def measure(old: Column, new: Column) -> Measured:
        was, now = read(old), read(new)
        if was == now or not _is_open(old, new):
            return Width.SAME, ""
        if not was:
            return Width.NARROWER, f"{name} {now} is demanded now"
        if not now:
            return Width.WIDER, f"{name} {was} is no longer demanded"
        return Width.OTHER, f"{name} {was} became {now}"

    return measure


_FORMS = ("length", "pattern", "contains", "prefix", "suffix")
_FACETS: dict[str, Callable[[Column, Column], Measured]] = {
    "missing": _missing,
    "ends": _ends,
    "numbers": lambda old, new: _sets(old.numbers, new.numbers, "numbers"),
    "categories": lambda old, new: (
        _sets(old.categories, new.categories, "texts")
        if old.kind is ColumnKind.CATEGORY
        else (Width.SAME, "")
    ),
    "forbidden": _forbidden,
    "length": _length,
    "pattern": _form("the pattern", lambda column: column.pattern),
    "contains": _form("the pattern found in it", lambda column: column.contains),
    "prefix": _form("the beginning", lambda column: column.prefix),
    "suffix": _form("the end", lambda column: column.suffix),
}
