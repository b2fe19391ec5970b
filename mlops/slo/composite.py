"""A composite: several indicators under one budget, which burns as fast as theirs together.

A part that burns its own budget once over burns the composite's once over, times its weight. With
the parts' error ratios e, their budgets b and their weights w, the composite's burn rate is
sum(w * e / b). That is an error ratio over a budget, as every SLO has them, if the budget is
1 / sum(w / b) and the error ratio the mean of the parts', weighted by w / b.

Within a window this is exact. A sum over windows weighs each by the events of all parts in it, so
it is exact over a period too as long as the parts' traffic rises and falls together.

Source: OpenSLO specification v1, "Notes (Composite SLO)".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from textwrap import indent

from mlops.slo.counter import Counter
from mlops.slo.indicator import Indicator, error_share
from mlops.slo.spec import SloSpec

_INDENT = "  "
_DIGITS = Decimal("1e-12")
_LEAST_BUDGET = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Member:
    """One indicator of a composite.

    Attributes:
        indicator: What is counted.
        budget: Share of its events that may be bad, in (0, 1].
        weight: How much its burn rate counts; above 0.
    """

    indicator: Indicator
    budget: Decimal
    weight: Decimal


@dataclass(frozen=True, slots=True)
class Composite:
    """Several indicators under one budget.

    Attributes:
        members: At least two.
    """

    members: tuple[Member, ...]

    @property
    def budget(self) -> Decimal:
        """Return the composite's budget, to 12 decimals.

        Raises:
            ValueError: The weights are so small that all parts failing would not spend it, or so
                large that next to nothing does.
        """
        budget = (1 / self._fastest).quantize(_DIGITS)
        if budget < _LEAST_BUDGET:
            message = (
                "its weights are so large that nothing is left of its budget; give smaller ones"
            )
            raise ValueError(message)
        if budget > 1:
            message = (
                "its weights are so small that its budget lasts although every part fails; give "
                "larger ones"
            )
            raise ValueError(message)
        return budget

    @property
    def _fastest(self) -> Decimal:
        """Return the burn rate while every part fails."""
        return sum((each.weight / each.budget for each in self.members), Decimal(0))

    def total(self, window_s: int, spec: SloSpec) -> str:
        """Return the events of all parts; see `Indicator.total`."""
        return together("sum", [m.indicator.total(window_s, spec) for m in self.members])

    def bad(self, window_s: int, spec: SloSpec) -> str:
        """Return the events times the weighted error ratio; see `Indicator.bad`."""
        shares = []
        for member in self.members:
            share = error_share(member.indicator, window_s, spec)
            weight = (member.weight / member.budget / self._fastest).quantize(_DIGITS)
            shares.append(f"{decimal_text(weight)} * (\n{indent(share, _INDENT)}\n)")
        error = f"{together('sum', shares)}\nor\nvector(0)"
        return f"{self.total(window_s, spec)}\n*\n(\n{indent(error, _INDENT)}\n)"

    @property
    def counters(self) -> tuple[Counter, ...]:
        """The selectors of all parts."""
        return joined(each.indicator.counters for each in self.members)

    @property
    def increasing(self) -> tuple[Counter, ...]:
        """The counters of all parts."""
        return joined(each.indicator.increasing for each in self.members)


def together(function: str, expressions: Sequence[str]) -> str:
    """Return PromQL for an aggregation over series without labels: over those that are there.

    Args:
        function: Such as `sum`.
        expressions: Each gives one series without labels, or none.
    """
    marked = [
        f'label_replace(\n{indent(expr, _INDENT)},\n{_INDENT}"part", "{number}", "", ""\n)'
        for number, expr in enumerate(expressions, 1)
    ]
    side_by_side = "\nor\n".join(marked)
    return f"{function}(\n{indent(side_by_side, _INDENT)}\n)"


def joined(groups: Iterable[tuple[Counter, ...]]) -> tuple[Counter, ...]:
    """Return the selectors of several indicators, without repetition."""
    return tuple(dict.fromkeys(counter for group in groups for counter in group))


def decimal_text(value: Decimal) -> str:
    """Return a number in its shortest decimal text.

    >>> decimal_text(Decimal("0.0500"))
    '0.05'
    """
    return format(value.normalize(), "f")
