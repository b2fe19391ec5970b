"""A budget: what a run and an answer may take, and what is found when a prediction is held to it.

With this host's own timings a figure over its budget fails, and one within the uncertainty below
it warns. With another machine's a figure fails only if it is over by more than the uncertainty.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mlops.base.verdict import Finding, Status
from mlops.cost.cost import Prediction, rounds_within, rows_within
from mlops.cost.host import THIS, HostProfile

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Budgets:
    """What is allowed, as the configuration says it.

    Attributes:
        cpu_s: CPU seconds of fitting.
        memory_mb: MiB of a run.
        gate_ms: Milliseconds for a page at the gate.
        model_ms: Milliseconds that the deadline leaves the model.
        page: Rows of a usual page.
        largest: Rows of the largest page.
        declared_host: Key of the host's declaration; empty for this host.
    """

    cpu_s: float
    memory_mb: float
    gate_ms: float
    model_ms: float
    page: int
    largest: int
    declared_host: Key = ()


@dataclass(frozen=True, slots=True)
class _Held:
    """One figure against one limit."""

    check: str
    value: float
    limit: float
    unit: str
    key: Key
    words: str
    spoken: str
    hint: Callable[[], str]
    allows: str = "allows"


def judge(prediction: Prediction, budgets: Budgets) -> tuple[Finding, ...]:
    """Hold a prediction against its budgets.

    Args:
        prediction: What a job would take.
        budgets: What is allowed.

    Returns:
        `check.cost.cpu`, `.memory`, `.latency` and `.deadline`, which pass, warn or fail, and
        figures without a limit: `.wall`, `.artifact`, `.serving-memory`.
    """
    held = [_held(prediction, each) for each in _limits(prediction, budgets)]
    return (*held, *_bound(prediction, budgets), *_machine(prediction, budgets), *_told(prediction))


def _limits(prediction: Prediction, budgets: Budgets) -> Iterator[_Held]:
    rows = prediction.job.rows
    page_ms = prediction.page_ms(budgets.page)
    yield _Held(
        "check.cost.cpu", prediction.cpu_s, budgets.cpu_s, "s", ("training", "budget_cpu_s"),
        f"fitting {rows * prediction.job.train_share:,.0f} rows takes about",
        "CPU seconds",
        lambda: _fitting(prediction, budgets),
    )  # fmt: skip
    yield _Held(
        "check.cost.memory", prediction.memory_mb, budgets.memory_mb, "MiB",
        ("training", "budget_memory_mb"), f"a run over {rows:,.0f} rows holds about", "",
        lambda: _in_memory(prediction, budgets.memory_mb, "raise training.budget_memory_mb"),
    )  # fmt: skip
    yield _Held(
        "check.cost.latency", page_ms, budgets.gate_ms, "ms", ("release", "max_latency_ms"),
        f"the compiled model scores a page of {budgets.page} in about", "",
        lambda: _smaller(prediction, budgets, budgets.gate_ms, "max_latency_ms"),
    )  # fmt: skip
    yield _Held(
        "check.cost.deadline", page_ms, budgets.model_ms, "ms", ("serving", "deadline_ms"),
        f"for a page of {budgets.page} the model needs about", "",
        lambda: _smaller(prediction, budgets, budgets.model_ms, "deadline_ms"),
        "- reserve_ms leave it",
    )  # fmt: skip


def _held(prediction: Prediction, held: _Held) -> Finding:
    host = prediction.host
    fails = held.limit if host.measured else held.limit * host.uncertainty
    warns = held.limit / host.uncertainty if host.measured else held.limit
    status = (
        Status.FAIL if held.value > fails else Status.WARN if held.value > warns else Status.PASS
    )
    allowed = f"{'.'.join(held.key)} {held.allows} {figure(held.limit)} {held.unit}"
    close = ""
    if status is Status.WARN:
        near = "close to it" if held.value <= held.limit else "too much"
        close = f": {near}, and the figure is sure only to a factor {host.uncertainty:g}"
    return Finding(
        held.check,
        status,
        f"{held.words} {figure(held.value)} {held.spoken or held.unit} on {_named(host)};"
        f" {allowed}{close}",
        value=held.value,
        limit=held.limit,
        unit=held.unit,
        key=held.key,
        hint=held.hint() if status is not Status.PASS else "",
    )


def _named(host: HostProfile) -> str:
    return "this host" if host.name == THIS else host.name


def figure(value: float) -> str:
    """Return a predicted figure with no more digits than it is sure of.

    >>> figure(4096.2), figure(0.2834)
    ('4,096', '0.28')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _count(value: float) -> str:
    """Return a count that is not more exact than it is, rounded down to two digits.

    >>> _count(317_000.0), _count(41.7)
    ('310,000', '41')
    """
    step = 10 ** max(len(str(int(value))) - 2, 0)
    return f"{int(value) // step * step:,}"


def _fitting(prediction: Prediction, budgets: Budgets) -> str:
    ways = []
    rounds = rounds_within(prediction, budgets.cpu_s)
    if rounds is not None:
        ways.append(f"{_count(rounds)} iterations or trees")
    rows = rows_within(prediction, budgets.cpu_s, lambda found: found.cpu_s)
    if rows is not None:
        ways.append(f"{_count(rows)} rows")
    if not ways:
        return f"raise training.budget_cpu_s; {budgets.cpu_s:g} s fit no training of this model"
    return f"at most {' or '.join(ways)} would fit"


def _in_memory(prediction: Prediction, limit: float, otherwise: str) -> str:
    rows = rows_within(prediction, limit, lambda found: found.memory_mb)
    if rows is not None:
        return f"at most {_count(rows)} rows would fit; or {otherwise}"
    return f"{otherwise}: before it reads a row a run holds {prediction.host.base_mb:,.0f} MiB"


def _smaller(prediction: Prediction, budgets: Budgets, limit: float, key: str) -> str:
    empty = prediction.page_ms(0)
    each = (prediction.page_ms(budgets.page) - empty) / budgets.page
    ways = []
    if prediction.outcome.trees and limit > empty and each > 0:
        share = (limit - empty) / (each * budgets.page)
        trees = prediction.outcome.trees * min(share, 1.0)
        if trees >= 1:
            ways.append(f"{_count(trees)} trees")
    if limit > empty + each > empty:
        ways.append(f"pages of {_count((limit - empty) / each)} rows")
    if not ways:
        return f"raise {key}, or take a smaller model"
    return f"at most {' or '.join(ways)} would fit; or raise {key}"


def _bound(prediction: Prediction, budgets: Budgets) -> Iterator[Finding]:
    """Warn where what is expected fits, and what it could come to does not by far."""
    if prediction.cpu_s <= budgets.cpu_s < prediction.most_cpu_s / prediction.host.uncertainty:
        yield Finding(
            "check.cost.cpu-bound",
            Status.WARN,
            f"fitting may take up to {figure(prediction.most_cpu_s)} s if it does not converge or"
            f" stop early; training.budget_cpu_s allows {figure(budgets.cpu_s)} s",
            value=prediction.most_cpu_s,
            limit=budgets.cpu_s,
            unit="s",
            key=("training", "budget_cpu_s"),
            hint="lower max_iter, or scale the numbers so that it converges",
        )
    largest_ms = prediction.page_ms(budgets.largest)
    usual_ms = prediction.page_ms(budgets.page)
    late = budgets.model_ms * (1.0 if prediction.host.measured else prediction.host.uncertainty)
    if usual_ms <= budgets.model_ms and largest_ms > late:
        yield Finding(
            "check.cost.largest-page",
            Status.WARN,
            f"a page of contracts.max_candidates={budgets.largest} takes about"
            f" {figure(largest_ms)} ms, more than the {figure(budgets.model_ms)} ms that the"
            " deadline leaves: the largest requests are answered by the heuristic",
            value=largest_ms,
            limit=budgets.model_ms,
            unit="ms",
            key=("contracts", "max_candidates"),
            hint="lower max_candidates, take fewer trees, or raise serving.deadline_ms",
        )


def _machine(prediction: Prediction, budgets: Budgets) -> Iterator[Finding]:
    """Hold what a run holds against what the machine has."""
    host = prediction.host
    sure = prediction.memory_mb / (1.0 if host.measured else host.uncertainty)
    if sure > host.memory_mb > 0:
        yield Finding(
            "check.cost.machine",
            Status.FAIL if budgets.declared_host or host.measured else Status.WARN,
            f"a run holds about {figure(prediction.memory_mb)} MiB, and {_named(host)} has"
            f" {figure(host.memory_mb)} MiB",
            value=prediction.memory_mb,
            limit=host.memory_mb,
            unit="MiB",
            key=budgets.declared_host or ("cost", "host"),
            hint=_in_memory(prediction, host.memory_mb, "take a machine with more memory"),
        )


def _told(prediction: Prediction) -> Iterator[Finding]:
    host = prediction.host
    sure = f", sure to a factor {host.uncertainty:g}"
    doubts = "".join(f"; {doubt}" for doubt in prediction.doubts)
    figures = (
        ("wall", "reading, validating and fitting take about", prediction.wall_s, "s", doubts),
        ("artifact", "the compiled model has about", prediction.artifact_mb, "MiB", ""),
        ("serving-memory", "a model process holds about", prediction.server_mb, "MiB", ""),
    )
    for name, words, value, unit, more in figures:
        yield Finding(
            f"check.cost.{name}",
            Status.PASS,
            f"{words} {figure(value)} {unit} on {_named(host)}{sure}{more}",
            value=value,
            unit=unit,
        )
