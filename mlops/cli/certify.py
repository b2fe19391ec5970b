"""`mlops certify`: what is certain of a bundle for every row that its contract allows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from rich.box import SIMPLE_HEAD
from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table as RichTable

from mlops.base.clock import SystemClock
from mlops.base.digest import Digest, Json
from mlops.base.errors import BundleError, ConfigError
from mlops.base.verdict import Finding, Status, Verdict, to_json
from mlops.cli.arguments import parse
from mlops.cli.console import Console
from mlops.config.compose import Composed, run_application
from mlops.config.resolve import contracts, signer
from mlops.config.settings import Settings, allowed_packages, folders
from mlops.models.artifact import LATEST, Bundle, BundleRef, load, point, resolve, sign, write
from mlops.models.certificate import Certificate, Property, told
from mlops.models.signature import SIGNATURE, Signer
from mlops.proofs.declared import judge_range
from mlops.proofs.proof import Task, prove_all
from mlops.training import record
from mlops.training.folders import Folders

_ANSWERS = {"proven": "green", "refuted": "bold red", "undecided": "yellow"}
_SUMMARY = """\
prove the range and the claims of a bundle, for every row that its contract allows

It takes at most proofs.bound_s seconds; bundle=REFERENCE says which bundle, latest by default.
  --write               write a bundle with what is proved now; latest follows where it named
                        the old one, and release.signing_key signs it
  --dry-run             write nothing, even with --write
  --format text|json    for people or programs
Exit code 0: nothing is refuted. 1: a claim is refuted, or the range is outside the output contract,
or something is undecided and release.unknown_blocks is true. 2: used or configured wrongly."""


@dataclass(frozen=True, slots=True)
class Certified:
    """What the command found.

    Attributes:
        bundle: The bundle that it looked at.
        certificate: What is proved now.
        verdict: The claims, and the range against the output contract.
        seconds: How long it took.
        written: The bundle with this certificate; None if none was written.
    """

    bundle: Bundle
    certificate: Certificate
    verdict: Verdict
    seconds: float
    written: BundleRef | None


def run(arguments: Sequence[str]) -> int:
    """Run the command; exit code 1 if something certain is not what is claimed."""
    given = parse(arguments, flags=("--write", "--dry-run"))
    console = Console(given.format)
    codes: list[int] = []

    def job(composed: Composed) -> None:
        keep = "--write" in given.flags and "--dry-run" not in given.flags
        with console.steps() as announce:
            announce("certifying")
            found = certified(composed, Path.cwd(), keep=keep)
        console.result(_document(found), lambda out: _show(out, found))
        codes.append(_code(found.verdict, composed.settings))

    run_application("certify", given.hydra, job, folder=Path.cwd(), summary=_SUMMARY)
    return max(codes, default=0)


def certified(composed: Composed, folder: Path, *, keep: bool) -> Certified:
    """Certify the bundle that a configuration names, within `proofs.bound_s`.

    Args:
        composed: The configuration.
        folder: Where the command runs.
        keep: Whether to write a bundle with the new certificate, and to let `latest` name it
            where it named the old one.

    Raises:
        BundleError: There is no such bundle, or it is broken.
        ConfigError: What would be kept is worse than what the bundle states.
    """
    settings, clock = composed.settings, SystemClock()
    places, signs = folders(settings, folder), signer(composed, folder)
    output = contracts(composed).output
    path = resolve(settings.bundle, places.bundles, settings.name)
    bundle = load(path, packages=allowed_packages(settings))
    # Time alone ends this search: who asks for a minute wants what a minute gives.
    spec = settings.proofs.model_copy(update={"bound_nodes": None})
    task = Task(bundle.parts.program, bundle.parts.domain, spec, settings.seed)
    started = clock.monotonic()
    certificate = prove_all(task, clock=clock.monotonic)
    seconds = clock.monotonic() - started
    claims = certificate.verdict().findings
    ranged = judge_range(certificate, bundle.parts.program, output.column("score"))
    verdict = Verdict("certificate", (*claims, ranged))
    written = _write(bundle, certificate, places, signs) if keep else None
    return Certified(bundle, certificate, verdict, seconds, written)


def _write(
    bundle: Bundle, certificate: Certificate, places: Folders, signs: Signer | None
) -> BundleRef:
    """Write the bundle again with another certificate; bundles are immutable.

    Raises:
        ConfigError: The range that the bundle states is tighter than the one proved now, or the
            bundle is signed and nobody is named to sign the new one.
    """
    if signs is None and (bundle.ref.path / SIGNATURE).exists():
        raise ConfigError(
            "the bundle is signed, and the new one would not be: nothing is written",
            hint="name the key in release.signing_key",
        )
    stated = bundle.parts.certificate
    if certificate.score != stated.score and certificate.score.covers(stated.score):
        raise ConfigError(
            "the range proved now is wider than the one that the bundle states: nothing is written",
            hint=f"give it more than proofs.bound_s={certificate.bound_s:g} seconds",
        )
    parts = replace(bundle.parts, certificate=certificate)
    written = write(parts, places.bundles)
    if signs is not None:
        sign(written.path, signs, clock=SystemClock())
    if _latest(parts.service, places.bundles) == bundle.ref.path.resolve():
        point(written, places.bundles, parts.service)
    try:
        made_by = record.of_bundle(bundle.ref.digest, places.runs)
    except BundleError:
        return written  # a bundle from elsewhere came without its record
    stem = made_by.run_id.rpartition("-")[0]
    short = Digest(written.digest).removeprefix("sha256:")[:12]
    again = made_by.model_copy(update={"bundle": written.digest, "run_id": f"{stem}-{short}"})
    record.write(again, places.runs)
    return written


def _latest(service: str, root: Path) -> Path | None:
    try:
        return resolve(LATEST, root, service).resolve()
    except BundleError:
        return None


def _code(verdict: Verdict, settings: Settings) -> int:
    states = {finding.status for finding in verdict.findings}
    blocked = settings.release.unknown_blocks and Status.UNKNOWN in states
    return int(Status.FAIL in states or blocked)


def _document(found: Certified) -> Json:
    return {
        "bundle": found.bundle.ref.digest,
        "seconds": round(found.seconds, 3),
        "certificate": cast("Json", found.certificate.model_dump(mode="json")),
        "verdict": to_json(found.verdict),
        "written": found.written.digest if found.written else None,
    }


def _show(out: RichConsole, found: Certified) -> None:
    digest = found.bundle.ref.digest.removeprefix("sha256:")[:12]
    title = f"what is certain of bundle {digest} for every row that its contract allows"
    table = RichTable(title=escape(title), title_justify="left", box=SIMPLE_HEAD)
    table.add_column("claim", overflow="fold")
    table.add_column("answer", no_wrap=True)
    table.add_column("how", overflow="fold")
    for claim in found.certificate.properties:
        style = _ANSWERS[claim.status]
        table.add_row(
            escape(claim.claim), f"[{style}]{claim.status}[/]", escape(_how(found, claim))
        )
    out.print(table)
    for claim in found.certificate.properties:
        _show_examples(out, claim)
    for finding in _wrong(found.verdict):
        out.print(f"{finding.status.value}  {escape(finding.check)}: {escape(finding.message)}")
    out.print(f"proved in {found.seconds:.1f} s")
    if found.written is not None:
        out.print(f"wrote bundle {found.written.digest.removeprefix('sha256:')[:12]}")


def _how(found: Certified, claim: Property) -> str:
    if claim.kind == "interval":
        score = found.certificate.score
        ends = ("?" if end is None else f"{end:.6g}" for end in (score.low, score.high))
        wider = "" if claim.gap is None else f", {claim.gap:.2%} wider than the extremes found"
        return f"[{', '.join(ends)}]{wider}"
    left = "" if claim.gap is None else f"; a raw score moves by {claim.gap:.3g} at most"
    return claim.reason + left


def _show_examples(out: RichConsole, claim: Property) -> None:
    """Print a claim's rows side by side, columns down, for two at a time."""
    if not claim.examples:
        return
    heads = ("least found", "largest found") if claim.kind == "interval" else ("one", "other")
    table = RichTable(title=escape(claim.claim), title_justify="left", box=SIMPLE_HEAD)
    table.add_column("column", overflow="fold")
    for name, _ in zip(heads, claim.examples, strict=False):
        table.add_column(name, justify="right", overflow="fold")
    for column in sorted(claim.examples[0].row, key=lambda name: name != claim.column):
        values = [escape(told(example.row[column])) for example in claim.examples]
        table.add_row(escape(column), *values)
    table.add_row(
        f"[bold]{escape(claim.of)}[/]", *(f"[bold]{e.value:.9g}[/]" for e in claim.examples)
    )
    out.print(table)


def _wrong(verdict: Verdict) -> Sequence[Finding]:
    return [each for each in verdict.findings if each.status is not Status.PASS]
