"""A counter: the plain selector of a counter's series, as an SLI's query names it.

The compiler adds windows itself: a counter's query is `metric{label="value"}`, with or without
`sum(...)` around it. Expressions with a place for the window are `mlops.slo.windowed`'s.
"""

import re
from dataclasses import dataclass

_METRIC = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_TEXT = r'"(?:[^"\\\n]|\\.)*"' + r"|'(?:[^'\\\n]|\\.)*'"
_MATCHER = re.compile(rf"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*({_TEXT})\s*")
_SELECTOR = re.compile(rf"\s*({_METRIC})\s*(?:\{{(.*)\}})?\s*", re.DOTALL)
_SUM = re.compile(r"\s*sum\s*\((.*)\)\s*", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label.

    Attributes:
        label: Name of the label.
        operator: `=`, `!=`, `=~` or `!~`.
        value: What it is held against, without quotes.
    """

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        return f'{self.label}{self.operator}"{escaped}"'


@dataclass(frozen=True, slots=True)
class Counter:
    """The series of a counter.

    Attributes:
        metric: Name of the metric.
        matchers: Conditions on its labels, in the order given.
    """

    metric: str
    matchers: tuple[Matcher, ...] = ()

    def __str__(self) -> str:
        if not self.matchers:
            return self.metric
        return f"{self.metric}{{{','.join(map(str, self.matchers))}}}"

    def increase(self, window: str) -> str:
        """Return the expression for how many events happened.

        Args:
            window: Prometheus duration, such as `5m`.
        """
        return f"sum(increase({self}[{window}]))"

    @property
    def counters(self) -> tuple["Counter", ...]:
        """Itself, the one selector that it asks for."""
        return (self,)


def parse_counter(query: str) -> Counter:
    """Read a query that selects a counter's series.

    Raises:
        ValueError: It is anything else; the message says what is expected.

    >>> parse_counter('sum(http_requests_total{code=~"5..", job="api"})').increase("5m")
    'sum(increase(http_requests_total{code=~"5..",job="api"}[5m]))'
    """
    inner = _SUM.fullmatch(query)
    selector = _SELECTOR.fullmatch(query if inner is None else inner[1])
    if selector is None:
        message = (
            'the query must be a plain counter, `metric{label="value"}` or a `sum(...)` of one, '
            "to which the compiler adds windows; or an expression with `{{.window}}` where its "
            "ranges stand"
        )
        raise ValueError(message)
    return Counter(selector[1], _matchers(selector[2] or ""))


def _matchers(text: str) -> tuple[Matcher, ...]:
    found: list[Matcher] = []
    position = 0
    while text[position:].strip():
        match = _MATCHER.match(text, position)
        if match is None:
            message = f"not a label matcher: `{text[position:].strip()}`"
            raise ValueError(message)
        value = _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), match[3][1:-1])
        found.append(Matcher(match[1], match[2], value))
        position = match.end()
        if position < len(text):
            if text[position] != ",":
                message = f"expected a comma before `{text[position:].strip()}`"
                raise ValueError(message)
            position += 1
    return tuple(found)
