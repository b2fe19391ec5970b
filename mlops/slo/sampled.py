"""A sampled indicator: what is measured by gauges, whose value at each scrape is an event.

A gauge does not say how much happened, so each look at it counts as one: the query is evaluated
once a scrape, and every series that it gives is one event. A look that finds no series, or no
number, is no event: what is not known is neither good nor bad.
"""

from dataclasses import dataclass

from mlops.slo.counter import Counter
from mlops.slo.indicator import Counts
from mlops.slo.part import Operator
from mlops.slo.promql import check_expression, pretty, selectors
from mlops.slo.spec import SloSpec
from mlops.slo.windowed import is_windowed
from mlops.slo.windows import prometheus_duration

# A comparison with NaN is false, so the complement of the condition never finds one.
_COMPLEMENT: dict[Operator, str] = {"lt": ">=", "lte": ">", "gt": "<=", "gte": "<"}


def parse_gauge(query: str) -> str:
    """Read a query whose value is looked at.

    Args:
        query: PromQL for an instant vector; ranges in it are its own.

    Returns:
        The query, without comments.

    Raises:
        ValueError: It is no PromQL, a plain number, or has a place for a window.

    >>> parse_gauge("max(queue_length)")
    'max(queue_length)'
    """
    if is_windowed(query):
        message = (
            "a query that is looked at once a scrape has ranges of its own: write `5m` in place "
            "of `{{.window}}`"
        )
        raise ValueError(message)
    check_expression(query)
    # A comment would hide what the compiler writes behind the query.
    plain = pretty(query) if "#" in query else query.strip()
    check_expression(f"({plain}) >= 0")
    return plain


class _Looked:
    """What all kinds that look at one query have in common."""

    __slots__ = ()
    query: str

    def total(self, window_s: int, spec: SloSpec) -> str:
        """Return all looks that found a number; see `Indicator.total`."""
        return f"sum(count_over_time((({self.query}) >= -Inf){_looks(window_s, spec)}))"

    @property
    def counters(self) -> tuple[Counter, ...]:
        """The selectors in its query."""
        return selectors(self.query)

    @property
    def increasing(self) -> tuple[Counter, ...]:
        """None: nothing is counted."""
        return ()


@dataclass(frozen=True, slots=True)
class Sampled(_Looked):
    """Looks at a gauge, of which those that keep to a limit are good.

    Attributes:
        query: PromQL for the gauge.
        operator: How a good value compares with the limit.
        limit: The limit, in PromQL's digits.
    """

    query: str
    operator: Operator
    limit: str

    def bad(self, window_s: int, spec: SloSpec) -> str:
        """Return the looks that found it beyond the limit; see `Indicator.bad`."""
        beyond = f"({self.query}) {_COMPLEMENT[self.operator]} bool {self.limit}"
        return f"sum(sum_over_time(({beyond}){_looks(window_s, spec)}))"


@dataclass(frozen=True, slots=True)
class RawRatio(_Looked):
    """Looks at a ratio that somebody else works out; each is one event, good to that share.

    Attributes:
        counts: What the ratio is the share of.
        query: PromQL for the ratio, in [0, 1]; values beyond are cut off.
    """

    counts: Counts
    query: str

    def bad(self, window_s: int, spec: SloSpec) -> str:
        """Return the sum of the shares that were bad; see `Indicator.bad`."""
        share = f"clamp(({self.query}) >= -Inf, 0, 1)"
        if self.counts is Counts.GOOD:
            share = f"1 - {share}"
        return f"sum(sum_over_time(({share}){_looks(window_s, spec)}))"


@dataclass(frozen=True, slots=True)
class GaugeRatio:
    """Looks at two gauges that say how many there are and how many of them are good or bad.

    Such as healthy replicas over all replicas: a look at ten replicas is ten events.

    Attributes:
        counts: What `numerator` is the number of.
        numerator: PromQL for those that are good or bad.
        denominator: PromQL for all.
    """

    counts: Counts
    numerator: str
    denominator: str

    def total(self, window_s: int, spec: SloSpec) -> str:
        """Return the sum of all looks; see `Indicator.total`."""
        return f"sum_over_time({_number_of(self.denominator)}{_looks(window_s, spec)})"

    def bad(self, window_s: int, spec: SloSpec) -> str:
        """Return the sum of what was bad, where all are known; see `Indicator.bad`."""
        known = f"({_number_of(self.numerator)} and {_number_of(self.denominator)})"
        numerator = f"sum_over_time({known}{_looks(window_s, spec)})"
        return self.counts.bad(numerator, self.total(window_s, spec))

    @property
    def counters(self) -> tuple[Counter, ...]:
        """The selectors in both queries."""
        return tuple(dict.fromkeys((*selectors(self.numerator), *selectors(self.denominator))))

    @property
    def increasing(self) -> tuple[Counter, ...]:
        """None: nothing is counted."""
        return ()


def _number_of(query: str) -> str:
    # Less than nothing cannot be, and a comparison leaves NaN out, which would poison the sum.
    return f"sum(({query}) >= 0)"


def _looks(window_s: int, spec: SloSpec) -> str:
    return f"[{prometheus_duration(window_s)}:{prometheus_duration(spec.scrape_interval_s)}]"
