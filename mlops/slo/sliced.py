"""A time slice: a short stretch of time that is judged as one, however much happened in it.

Slices lie on the clock: those of a minute begin with the minute. A slice in which nothing happened
is no slice: it is neither good nor bad, so that a service that nobody calls earns no budget.
"""

from dataclasses import dataclass
from decimal import Decimal
from textwrap import indent

from mlops.slo.composite import decimal_text, joined, together
from mlops.slo.counter import Counter
from mlops.slo.indicator import Indicator, error_share
from mlops.slo.spec import SloSpec
from mlops.slo.windows import prometheus_duration

_INDENT = "  "
# A slice that just keeps its target is good: 1 - 0.95 and 1/20 need not be the same double.
_SLACK = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Slice:
    """One condition on a slice.

    Attributes:
        inner: What is counted within it.
        weight: What its errors are multiplied by; 1 unless it is a part of a composite.
        target: Least share of good events of a good slice; None where its own share is what
            counts.
    """

    inner: Indicator
    target: Decimal | None = None
    weight: Decimal = Decimal(1)

    def badness(self, slice_s: int, spec: SloSpec) -> str:
        """Return PromQL for how bad a slice is, in [0, 1]; nothing for one without events."""
        share = error_share(self.inner, slice_s, spec)
        if self.target is None:
            if self.weight == 1:
                return share
            return f"{decimal_text(self.weight)} * (\n{indent(share, _INDENT)}\n)"
        return f"{share}\n> bool {decimal_text(1 - self.target + _SLACK)}"


@dataclass(frozen=True, slots=True)
class Sliced:
    """Slices of time, which are bad if any part of them is, or to the share that is bad in them.

    Attributes:
        slice_s: Seconds of a slice.
        parts: The conditions; of several with a target the worst counts, of several without the
            sum, up to 1.
    """

    slice_s: int
    parts: tuple[Slice, ...]

    def total(self, window_s: int, spec: SloSpec) -> str:
        """Return the slices in which something happened; see `Indicator.total`."""
        return self._over("count_over_time", window_s, spec)

    def bad(self, window_s: int, spec: SloSpec) -> str:
        """Return the slices that were bad; see `Indicator.bad`."""
        return self._over("sum_over_time", window_s, spec)

    def _over(self, function: str, window_s: int, spec: SloSpec) -> str:
        # A window that is shorter than a slice holds one every now and then: the last slice then
        # counts in each of the windows that it spans, for its share.
        span_s = max(window_s, self.slice_s)
        span, every = prometheus_duration(span_s), prometheus_duration(self.slice_s)
        badness = indent(self._badness(spec), _INDENT)
        slices = f"{function}((\n{badness}\n)[{span}:{every}])"
        return slices if span_s == window_s else f"{slices} * {window_s} / {span_s}"

    def _badness(self, spec: SloSpec) -> str:
        parts = [part.badness(self.slice_s, spec) for part in self.parts]
        if len(parts) == 1:
            return parts[0]
        if all(part.target is not None for part in self.parts):
            return together("max", parts)
        return f"clamp_max(\n{indent(together('sum', parts), _INDENT)},\n{_INDENT}1\n)"

    @property
    def counters(self) -> tuple[Counter, ...]:
        """The selectors of all parts."""
        return joined(part.inner.counters for part in self.parts)

    @property
    def increasing(self) -> tuple[Counter, ...]:
        """The counters of all parts."""
        return joined(part.inner.increasing for part in self.parts)
