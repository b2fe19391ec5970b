"""`mlops slo gate`: may a service be deployed now, by its error budget policies?"""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console as RichConsole
from rich.markup import escape

from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.base.verdict import Status, Verdict
from mlops.budgets.gate import Answer, Clearance, Gate, told_when
from mlops.budgets.prometheus import HttpPrometheus
from mlops.cli.console import STYLES
from mlops.cli.slo_call import SloCall, asked_time
from mlops.slo.catalog import Catalog, read_catalog
from mlops.slo.document import closest


def ask_gate(call: SloCall) -> Verdict:
    """Print whether a service, or all that the files define, may be deployed."""
    spec = call.spec
    catalog = read_catalog(call.files)
    services = _services(catalog, call.given.options.get("--service"))
    prometheus = HttpPrometheus(spec.prometheus_url, timeout_s=spec.query_timeout_s)
    gate = Gate(catalog.objectives, spec, prometheus, at=asked_time(call))
    clearance = gate.ask(catalog.policies, services)
    lenient = "--allow-unknown" in call.given.flags
    verdict = _without_unknowns(clearance.verdict()) if lenient else clearance.verdict()
    free = verdict.status in (Status.PASS, Status.WARN)
    call.console.result(
        _document(clearance, allowed=free), lambda out: _show(out, clearance, allowed=free)
    )
    return verdict


def _services(catalog: Catalog, named: str | None) -> tuple[str, ...]:
    """The services that are asked about, as metrics name them."""
    known = dict.fromkeys(
        [each.service for each in catalog.objectives] + [each.service for each in catalog.policies]
    )
    if named is None:
        return tuple(known)
    if named not in known:
        raise ConfigError(
            f"no SLO and no policy is of a service `{named}`", hint=closest(named, known)
        )
    return (named,)


def _without_unknowns(verdict: Verdict) -> Verdict:
    return Verdict(
        verdict.name,
        tuple(
            replace(found, status=Status.WARN) if found.status is Status.UNKNOWN else found
            for found in verdict.findings
        ),
    )


def _document(clearance: Clearance, *, allowed: bool) -> Json:
    return {
        "version": 1,
        "services": list(clearance.services),
        "at": clearance.at.isoformat(),
        "allowed": allowed,
        "status": clearance.status.value,
        "rules": [_answer(answer) for answer in clearance.answers],
    }


def _answer(answer: Answer) -> Json:
    free_at, at_this_rate = answer.free_at, answer.free_at_this_rate
    return {
        "policy": answer.policy,
        "rule": answer.rule.name,
        "slo": answer.slo,
        "status": answer.status.value,
        "message": answer.message,
        "value": answer.value,
        "limit": answer.limit,
        "free_at": None if free_at is None else free_at.isoformat(),
        "free_at_this_rate": None if at_this_rate is None else at_this_rate.isoformat(),
    }


def _show(out: RichConsole, clearance: Clearance, *, allowed: bool) -> None:
    for answer in _worst_first(clearance.answers):
        style = STYLES[answer.status]
        out.print(
            f"[{style}]{answer.status.value:<8}[/]{escape(answer.message)}"
            f" (rule {escape(answer.rule.name)} of policy {escape(answer.policy)})"
        )
        for sentence in told_when(answer):
            out.print(f"        {escape(sentence)}")
    if not clearance.answers:
        out.print(f"[yellow]{escape(clearance.verdict().findings[0].message)}[/]")
    names = escape(", ".join(clearance.services))
    if allowed:
        out.print(f"[green]{names} may be deployed[/]")
    else:
        out.print(f"[bold red]{names} may not be deployed now[/]")


def _worst_first(answers: Sequence[Answer]) -> list[Answer]:
    order = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.PASS)
    return sorted(answers, key=lambda each: order.index(each.status))
