"""A check's meaning: pandera's built-in checks, by name and arguments, compiled to column rules.

It names no pandera: a check is anything that looks like one. What cannot be compiled is returned by
name, so that `mlops check` can say it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from mlops.contracts.domain import Column, ColumnKind
from mlops.contracts.judgement import TextRules
from mlops.contracts.pattern import UnportableError, translate
from mlops.contracts.roles import Scope

Rules = dict[str, Any]
"""Keyword arguments of `Column`."""


class Check(Protocol):
    """What of a pandera check is read."""

    name: str | None
    error: str | None
    statistics: Mapping[str, Any] | None
    ignore_na: bool
    raise_warning: bool
    groupby: object


class CompiledChecks:
    """The checks of one column, read one after another; each can only narrow what is allowed.

    Args:
        kind: What the column's values are.
        single: Whether they are float32, to which pandas rounds the ends too.

    Attributes:
        opaque: Names of the checks that could not be compiled.
    """

    def __init__(self, kind: ColumnKind, *, single: bool) -> None:
        self._kind = kind
        self._single = single
        self._rules: Rules = {}
        self._numbers: set[float] | None = None
        self._texts: list[str] | None = None
        self._forbidden: list[Any] = []
        self.opaque: list[str] = []

    def read(self, check: Check) -> None:
        """Read a check.

        Raises:
            ValueError: Its arguments make no sense for the column.
            TypeError: As before.
        """
        name = str(check.name or check.error)
        if check.raise_warning:
            self.opaque.append(f"{name} (only warns)")
        elif not check.ignore_na or check.groupby is not None or not self._compile(check):
            self.opaque.append(name)

    def rules(self) -> Rules:
        """Return what was read, as arguments of `Column`."""
        rules = dict(self._rules)
        if self._numbers is not None:
            rules |= self._number_set(self._numbers)
        elif self._forbidden and self._kind is not ColumnKind.CATEGORY:
            rules["forbidden"] = tuple(sorted(set(self._forbidden)))
        if self._kind is ColumnKind.CATEGORY and self._forbidden:
            rules["forbidden"] = tuple(sorted(set(self._forbidden)))
        if self._texts is not None:
            rules = {"categories": self._kept_texts(self._texts, rules)}
        return rules

    def _compile(self, check: Check) -> bool:
        statistics = check.statistics or {}
        readers = {
            ColumnKind.CATEGORY: _TEXT_READERS,
            ColumnKind.BOOLEAN: {},
        }.get(self._kind, _NUMBER_READERS)
        reader = readers.get(str(check.name))
        if reader is None or not statistics:
            return False
        return reader(self, statistics)

    # Numbers.

    def rounded(self, value: Any) -> float:
        """Return a number as pandas compares with it: rounded where the column is."""
        number = _exact(value)
        if not self._single:
            return number
        with np.errstate(over="ignore"):  # an end beyond float32 is an infinity there
            return float(np.float32(number))

    def at_least(self, value: Any, *, is_open: bool) -> bool:
        """Narrow the lower end."""
        number, held = self.rounded(value), self._rules.get("minimum")
        if number == -math.inf:
            return True
        if held is None or number > held or (number == held and is_open):
            self._rules |= {"minimum": number, "minimum_open": is_open}
        return True

    def at_most(self, value: Any, *, is_open: bool) -> bool:
        """Narrow the upper end."""
        number, held = self.rounded(value), self._rules.get("maximum")
        if number == math.inf:
            return True
        if held is None or number < held or (number == held and is_open):
            self._rules |= {"maximum": number, "maximum_open": is_open}
        return True

    def one_of_numbers(self, values: Iterable[Any]) -> bool:
        """Narrow to a set of numbers, which pandas compares with unrounded."""
        given = {_exact(value) for value in values if not _is_missing(value)}
        self._numbers = given if self._numbers is None else self._numbers & given
        return True

    def not_these(self, values: Iterable[Any]) -> bool:
        """Take single values out."""
        given = [value for value in values if not _is_missing(value)]
        if self._kind is ColumnKind.CATEGORY:
            self._forbidden += [value for value in given if isinstance(value, str)]
        else:
            self._forbidden += [_exact(value) for value in given]
        return True

    def _number_set(self, given: set[float]) -> Rules:
        kept = sorted(each for each in given - set(self._forbidden) if self._holds(each))
        if not kept:
            return {"numbers": ()}
        ends: Rules = {"minimum": kept[0], "maximum": kept[-1]}
        # All whole numbers between two ends are an interval of a column of whole numbers.
        whole = all(number.is_integer() for number in kept)
        gapless = whole and kept[-1] - kept[0] == len(kept) - 1
        interval = len(kept) == 1 or (self._kind is ColumnKind.INTEGER and gapless)
        closed = {"minimum_open": False, "maximum_open": False}
        return {**ends, **closed, "numbers": None if interval else tuple(kept)}

    def _holds(self, number: float) -> bool:
        """Tell whether a number of a set keeps the ends, and is one that the dtype holds."""
        if self.rounded(number) != number:
            return False
        low, high = self._rules.get("minimum", -math.inf), self._rules.get("maximum", math.inf)
        over = number > low or (number == low and not self._rules.get("minimum_open"))
        under = number < high or (number == high and not self._rules.get("maximum_open"))
        return bool(over and under)

    # Texts.

    def one_of_texts(self, values: Iterable[Any]) -> bool:
        """Narrow to a closed set of texts."""
        given = [value for value in values if not _is_missing(value)]
        if not all(isinstance(value, str) for value in given):
            message = "a set of texts cannot hold anything else: convert it"
            raise TypeError(message)
        held = self._texts
        texts = list(dict.fromkeys(given))
        self._texts = texts if held is None else [text for text in held if text in given]
        return True

    def matching(self, rule: str, pattern: Any) -> bool:
        """Demand a regular expression; one that engines read differently is not compiled."""
        if rule in self._rules or not isinstance(pattern, str):
            return False
        try:
            translate(pattern)
        except UnportableError:
            return False
        self._rules[rule] = pattern
        return True

    def affix(self, rule: str, text: Any) -> bool:
        """Demand a beginning or an end."""
        if not isinstance(text, str) or rule in self._rules:
            return False
        self._rules[rule] = text
        return True

    def length(self, statistics: Mapping[str, Any]) -> bool:
        """Narrow the number of letters."""
        exact = statistics.get("exact_value")
        least = exact if exact is not None else statistics.get("min_value")
        most = exact if exact is not None else statistics.get("max_value")
        if least is not None:
            self._rules["min_length"] = max(int(least), self._rules.get("min_length", 0))
        if most is not None:
            self._rules["max_length"] = min(int(most), self._rules.get("max_length", int(most)))
        return True

    def _kept_texts(self, texts: Sequence[str], rules: Rules) -> tuple[str, ...]:
        """Return the texts of a closed set that keep all other rules."""
        column = Column(
            name="", kind=ColumnKind.CATEGORY, scope=Scope.LOGGED, feature=False, **rules
        )
        keeps = TextRules(column).keeps
        return tuple(text for text in texts if keeps(text))


def _exact(value: Any) -> float:
    return float(value.timestamp() if hasattr(value, "timestamp") else value)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


Reader = Callable[[CompiledChecks, Mapping[str, Any]], bool]


def _in_range(checks: CompiledChecks, given: Mapping[str, Any]) -> bool:
    checks.at_least(given["min_value"], is_open=not given["include_min"])
    return checks.at_most(given["max_value"], is_open=not given["include_max"])


_NUMBER_READERS: Mapping[str, Reader] = {
    "greater_than_or_equal_to": lambda c, s: c.at_least(s["min_value"], is_open=False),
    "greater_than": lambda c, s: c.at_least(s["min_value"], is_open=True),
    "less_than_or_equal_to": lambda c, s: c.at_most(s["max_value"], is_open=False),
    "less_than": lambda c, s: c.at_most(s["max_value"], is_open=True),
    "in_range": _in_range,
    "equal_to": lambda c, s: c.one_of_numbers([c.rounded(s["value"])]),
    "not_equal_to": lambda c, s: c.not_these([c.rounded(s["value"])]),
    "isin": lambda c, s: c.one_of_numbers(s["allowed_values"]),
    "notin": lambda c, s: c.not_these(s["forbidden_values"]),
}
_TEXT_READERS: Mapping[str, Reader] = {
    "equal_to": lambda c, s: c.one_of_texts([s["value"]]),
    "not_equal_to": lambda c, s: c.not_these([s["value"]]),
    "isin": lambda c, s: c.one_of_texts(s["allowed_values"]),
    "notin": lambda c, s: c.not_these(s["forbidden_values"]),
    "str_matches": lambda c, s: c.matching("pattern", s["pattern"]),
    "str_contains": lambda c, s: c.matching("contains", s["pattern"]),
    "str_startswith": lambda c, s: c.affix("prefix", s["string"]),
    "str_endswith": lambda c, s: c.affix("suffix", s["string"]),
    "str_length": lambda c, s: c.length(s),
}

# Which checks, by name, a broken rule can come from: the first that a column has names it.
CHECKS_OF_RULE: Mapping[str, tuple[str, ...]] = {
    "minimum": ("greater_than_or_equal_to", "greater_than", "in_range", "equal_to", "isin"),
    "maximum": ("less_than_or_equal_to", "less_than", "in_range", "equal_to", "isin"),
    "numbers": ("isin", "equal_to"),
    "category": ("isin", "equal_to"),
    "forbidden": ("notin", "not_equal_to"),
    "pattern": ("str_matches",),
    "contains": ("str_contains",),
    "prefix": ("str_startswith",),
    "suffix": ("str_endswith",),
    "length": ("str_length",),
}


def worded(rule: str, checks: Sequence[Check]) -> str:
    """Return a rule as pandera words the check that it comes from, else by its own name."""
    if rule == "null":
        return "not_nullable"
    for name in CHECKS_OF_RULE.get(rule, ()):
        for check in checks:
            if check.name == name and check.statistics:
                return str(check.error or name)
    return rule
