"""`mlops gate`: may this bundle be released? One verdict, four reports, one exit code."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from rich.console import Console as RichConsole
from rich.markup import escape

from mlops.base.clock import SystemClock
from mlops.base.digest import Json
from mlops.base.errors import BundleError
from mlops.base.store import write_file
from mlops.base.verdict import Finding, Status, Verdict
from mlops.base.verdict import from_json as verdict_from_json
from mlops.cli.arguments import parse
from mlops.cli.console import Console, verdict_table
from mlops.config.compose import Composed, run_application
from mlops.config.resolve import Contracts, contracts, trust
from mlops.config.settings import Settings, allowed_packages, folders
from mlops.contracts.sample import draw
from mlops.models.acceptance import judge_golden, judge_signature
from mlops.models.artifact import Bundle, load, resolve
from mlops.models.certificate import Certificate
from mlops.models.kernels import kernel_name
from mlops.proofs.declared import judge_range
from mlops.proofs.proof import Task
from mlops.proofs.recheck import recheck
from mlops.quality.measure import from_json
from mlops.quality.verdicts import judge
from mlops.release.gates import Decision, decide
from mlops.release.latency import judge_latency, time_calls
from mlops.release.report import ReportFormat, as_document, render

_SUMMARY = """\
may this bundle be released? One verdict, with every finding behind it

bundle=REFERENCE says which bundle: latest (the default), a digest or its start, or a folder.
  --format text|json                          for people or programs
  release.reports.KIND=FILE                   write a report too: junit, markdown or json
  release.unknown_blocks=true|false           is a question without an answer a no?
Exit code 0: it may. 1: it may not. 2: used or configured wrongly, or the bundle is broken."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; exit code 1 if any gated bundle may not be released."""
    given = parse(arguments)
    console = Console(given.format)
    decisions: list[Decision] = []

    def job(composed: Composed) -> None:
        with console.steps() as announce:
            announce("judging")
            bundle, decision = gate(composed, Path.cwd())
        decisions.append(decision)
        _write_reports(composed.settings, decision, bundle.ref.digest)
        document = cast("Json", as_document(decision, bundle.ref.digest).model_dump(mode="json"))
        console.result(document, lambda out: _show(out, decision, bundle))

    run_application("gate", given.hydra, job, folder=Path.cwd(), summary=_SUMMARY)
    return 0 if all(decision.passed for decision in decisions) else 1


def gate(composed: Composed, folder: Path) -> tuple[Bundle, Decision]:
    """Judge the bundle that a configuration names.

    Args:
        composed: The configuration.
        folder: Where the command runs.

    Raises:
        BundleError: There is no such bundle, or it is broken.
    """
    settings = composed.settings
    loaded, believed = contracts(composed), trust(composed, folder)
    path = resolve(settings.bundle, folders(settings, folder).bundles, settings.name)
    bundle = load(path, packages=allowed_packages(settings))
    quality, parts = _quality(bundle), bundle.parts
    task = Task(parts.program, parts.domain, settings.proofs, settings.seed)
    proved = recheck(parts.certificate, task, clock=SystemClock().monotonic)
    verdicts = (
        _checked(composed, folder),
        Verdict("gate", (judge_signature(path, believed), judge_golden(bundle))),
        _schema(bundle, loaded, proved.certificate),
        verdict_from_json(quality["parity"]),
        proved.verdict,
        judge(settings.quality, from_json(quality["measurements"])),
        _latency(settings, bundle),
    )
    decision = decide(settings.name, verdicts, unknown_blocks=settings.release.unknown_blocks)
    return bundle, decision


def _checked(composed: Composed, folder: Path) -> Verdict:
    """Check the configuration as it is now; what training takes is no longer a question."""
    from mlops.config.check import check  # scikit-learn, which `--help` can do without

    findings = check(composed, folder).findings
    return Verdict(
        "check",
        tuple(
            each
            for each in findings
            if not (each.status is Status.UNKNOWN and each.check.startswith("check.cost"))
        ),
    )


def _quality(bundle: Bundle) -> Mapping[str, Json]:
    quality = bundle.parts.quality
    if not isinstance(quality, dict) or not {"measurements", "parity"} <= quality.keys():
        raise BundleError(
            f"{bundle.ref.path}/quality.json holds no measurements and parity",
            hint="train again with this version of mlops",
        )
    return quality


def _schema(bundle: Bundle, loaded: Contracts, proved: Certificate) -> Verdict:
    """Hold the bundle's contract against today's, and its score's range against the output's."""
    same = bundle.parts.domain == loaded.request
    findings = [
        Finding(
            "schema.request",
            Status.PASS if same else Status.FAIL,
            f"the bundle was trained for contract {loaded.request.name} as it is now"
            if same
            else f"contract {loaded.request.name} has changed since training: train again",
        )
    ]
    findings.append(judge_range(proved, bundle.parts.program, loaded.output.column("score")))
    return Verdict("schema", tuple(findings))


def _latency(settings: Settings, bundle: Bundle) -> Verdict:
    release, program = settings.release, bundle.parts.program
    rng = np.random.default_rng(settings.seed)
    table = draw(bundle.parts.domain, release.latency_page, rng, known=program.known)
    taken = time_calls(lambda: program.score(table), SystemClock(), calls=release.latency_calls)
    verdict = judge_latency(taken, release.max_latency_ms, release.latency_page)
    kernel = kernel_name()
    compiled = kernel == "c"
    text = f"the {kernel} kernel runs here" + ("" if compiled else ": install a C compiler")
    found = Finding("latency.kernel", Status.PASS if compiled else Status.WARN, text)
    return Verdict(verdict.name, (*verdict.findings, found))


def _write_reports(settings: Settings, decision: Decision, digest: str) -> None:
    reports = settings.release.reports.model_dump()
    for kind, path in reports.items():
        if path is not None:
            text = render(decision, digest, cast("ReportFormat", kind))
            write_file(Path(path), text.encode())


def _show(out: RichConsole, decision: Decision, bundle: Bundle) -> None:
    out.print(verdict_table(f"gate of {decision.service}", decision.verdicts))
    digest = bundle.ref.digest.removeprefix("sha256:")[:12]
    if decision.passed:
        out.print(f"[green]bundle {digest} may be released[/]")
    else:
        out.print(f"[bold red]bundle {digest} may not be released[/]")
        for finding in decision.blocking:
            out.print(f"  {escape(finding.check)}: {escape(finding.message)}")
    unknown = [f for v in decision.verdicts for f in v.findings if f.status is Status.UNKNOWN]
    if unknown and not decision.unknown_blocks:
        out.print(
            f"[yellow]{len(unknown)} checks could not be answered[/] and do not block,"
            " by release.unknown_blocks=false"
        )
