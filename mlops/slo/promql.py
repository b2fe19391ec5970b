"""PromQL: expressions read by a real parser; the only file that names it.

The parser knows the grammar, the functions and their argument types as Prometheus 2.45 has them.
It does not know which series exist.
"""

from dataclasses import dataclass
from functools import lru_cache

import promql_parser as parser

from mlops.slo.counter import Counter, Matcher

_OPERATORS = (
    (parser.MatchOp.Equal, "="),
    (parser.MatchOp.NotEqual, "!="),
    (parser.MatchOp.Re, "=~"),
    (parser.MatchOp.NotRe, "!~"),
)
_PER_SECOND = frozenset({"rate", "irate"})
_PER_WINDOW = frozenset({"increase"})


@lru_cache(maxsize=4096)
def check_expression(expr: str) -> None:
    """Do nothing if an expression is PromQL.

    Args:
        expr: The expression.

    Raises:
        ValueError: It is not; the message says what the parser found.
    """
    _parse(expr)


def pretty(expr: str) -> str:
    """Return an expression in the parser's own layout: equal ones become equal text.

    Raises:
        ValueError: It is not PromQL.

    >>> pretty('sum( rate(x{ a="b" }[5m]) )')
    'sum(rate(x{a="b"}[5m]))'
    """
    return _parse(expr).prettify()


def selectors(expr: str) -> tuple[Counter, ...]:
    """Return the series that an expression selects, in order, without repetition.

    Raises:
        ValueError: It is not PromQL.

    >>> [str(each) for each in selectors("sum(rate(x[5m])) / sum(rate(y[5m] offset 1h))")]
    ['x', 'y']
    """
    found: list[Counter] = []

    def note(node: parser.Expr) -> None:
        if isinstance(node, parser.VectorSelector):
            found.append(_counter(node))
        elif isinstance(node, parser.MatrixSelector):
            found.append(_counter(node.vector_selector))

    parser.walk(_parse(expr), note)
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Shape:
    """What an expression over a window is made of.

    Attributes:
        counter: Its selector, if it is the sum of one counter's rate or increase over the window
            and nothing else.
        per_second: Whether its value is per second, so that a window's events are it times the
            window.
        summed: Whether it is one series without labels.
    """

    counter: Counter | None
    per_second: bool
    summed: bool


def shape(expr: str, window: str) -> Shape:
    """Look at an expression over a window.

    Args:
        expr: The expression.
        window: The duration that stands for the window in it.

    Raises:
        ValueError: It is not PromQL, or has both rates and increases, so that the unit of its
            value is not known.
    """
    tree = _parse(expr)
    functions: set[str] = set()

    def note(node: parser.Expr) -> None:
        if isinstance(node, parser.Call):
            functions.add(node.func.name)

    parser.walk(tree, note)
    per_second = bool(functions & _PER_SECOND)
    if per_second and functions & _PER_WINDOW:
        message = "it has both rate() and increase(), so what it counts has no unit: take one"
        raise ValueError(message)
    inner = _summed(tree)
    return Shape(
        counter=None if inner is None else _over(inner, window),
        per_second=per_second,
        summed=inner is not None,
    )


def _parse(expr: str) -> parser.Expr:
    try:
        tree = parser.parse(expr)
    except ValueError as error:
        message = f"not PromQL: {error}, in `{' '.join(expr.split())}`"
        raise ValueError(message) from None
    return tree


def _summed(tree: parser.Expr) -> parser.Expr | None:
    """Return what a plain `sum(...)` adds up."""
    while isinstance(tree, parser.ParenExpr):
        tree = tree.expr
    if isinstance(tree, parser.AggregateExpr) and str(tree.op) == "sum" and tree.modifier is None:
        return tree.expr
    return None


def _over(tree: parser.Expr, window: str) -> Counter | None:
    """Return the counter of a `rate(counter[window])` or `increase(...)`."""
    if not isinstance(tree, parser.Call) or tree.func.name not in {"rate", "increase"}:
        return None
    (argument,) = tree.args
    if not isinstance(argument, parser.MatrixSelector):
        return None
    selector = argument.vector_selector
    moved = selector.offset is not None or selector.at is not None or selector.matchers.or_matchers
    if moved or selector.name is None or argument.range != parser.parse_duration(window):
        return None
    return _counter(selector)


def _counter(selector: parser.VectorSelector) -> Counter:
    matchers = tuple(
        Matcher(each.name, next(sign for op, sign in _OPERATORS if op == each.op), each.value)
        for each in selector.matchers.matchers
    )
    return Counter(selector.name or "", matchers)


def seconds(duration: str) -> float:
    """Return a Prometheus duration in seconds.

    Raises:
        ValueError: It is none.

    >>> seconds("1h30m")
    5400.0
    """
    return parser.parse_duration(duration).total_seconds()
