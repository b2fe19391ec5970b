"""A windowed query: PromQL with a place for the window, `sum(rate(x[{{.window}}]))`.

It counts events as a counter does, but may be any expression.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from mlops.slo.counter import Counter, parse_counter
from mlops.slo.promql import check_expression, seconds, selectors, shape

PLACEHOLDER = "{{.window}}"
_PLACEHOLDER = re.compile(r"\{\{\s*\.window\s*\}\}")
_PROBE = "433s"
"""A window that no query is written with by hand."""


class Events(Protocol):
    """What counts events over a window."""

    def increase(self, window: str) -> str:
        """Return the expression for how many events happened: one series without labels.

        Args:
            window: Prometheus duration, such as `5m`.
        """
        ...

    @property
    def counters(self) -> tuple[Counter, ...]:
        """The plain selectors that it asks for."""
        ...


@dataclass(frozen=True, slots=True)
class Windowed:
    """A query with places for the window.

    Attributes:
        template: PromQL with `{{.window}}` where a range stands.
        per_second: Whether its value is per second.
    """

    template: str
    per_second: bool

    def at(self, window: str) -> str:
        """Return the query over a window, as it was written."""
        return self.template.replace(PLACEHOLDER, window)

    def increase(self, window: str) -> str:
        """Return the expression for how many events happened; see `Events.increase`."""
        expr = self.at(window)
        if not self.per_second:
            return expr
        return f"({expr}) * {seconds(window):g}"

    @property
    def counters(self) -> tuple[Counter, ...]:
        """The plain selectors in it."""
        return selectors(self.at(_PROBE))


def is_windowed(query: str) -> bool:
    """Tell whether a query has a place for the window."""
    return _PLACEHOLDER.search(query) is not None


def parse_windowed(query: str) -> Windowed:
    """Read a query with a place for the window.

    What has labels is summed, so that one series is left.

    Raises:
        ValueError: It has no such place, or is not PromQL, or its value has no unit.
    """
    template = _PLACEHOLDER.sub(PLACEHOLDER, query.strip())
    if PLACEHOLDER not in template:
        message = "it has no `{{.window}}`, so the compiler cannot give it other windows"
        raise ValueError(message)
    try:
        found = shape(template.replace(PLACEHOLDER, _PROBE), _PROBE)
    except ValueError as error:  # told in the words in which it was written
        raise ValueError(str(error).replace(_PROBE, PLACEHOLDER)) from None
    if not found.summed:
        template = f"sum({template})"
        check_expression(template.replace(PLACEHOLDER, _PROBE))
    return Windowed(template, found.per_second)


def parse_events(query: str) -> Counter | Windowed:
    """Read a query that counts events.

    Args:
        query: A counter, `metric{label="value"}` or `sum(...)` of one; or an expression with
            `{{.window}}`. `sum(rate(c[{{.window}}]))` and `sum(increase(c[{{.window}}]))` mean the
            same counter.

    Raises:
        ValueError: It is neither; the message says what is expected.

    >>> str(parse_events('sum(rate(http_requests_total{code=~"5.."}[{{.window}}]))'))
    'http_requests_total{code=~"5.."}'
    >>> parse_events("sum(rate(a[{{.window}}])) - sum(rate(b[{{.window}}]))").increase("5m")
    '(sum(sum(rate(a[5m])) - sum(rate(b[5m])))) * 300'
    """
    if not is_windowed(query):
        return parse_counter(query)
    windowed = parse_windowed(query)
    counter = shape(windowed.at(_PROBE), _PROBE).counter
    return windowed if counter is None else counter
