"""`mlops demo`: the whole way in one command, on real data, ending in a drill."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table as RichTable

from mlops.base.clock import SystemClock
from mlops.base.digest import Json
from mlops.base.errors import UnavailableError
from mlops.base.verdict import Status
from mlops.budgets.prometheus import HttpPrometheus, Prometheus
from mlops.budgets.status import status
from mlops.cli.arguments import parse
from mlops.cli.console import STYLES, Console, width
from mlops.cli.demo_drill import Drill, Drilled
from mlops.cli.demo_processes import running_prometheus, running_server
from mlops.cli.demo_traffic import Traffic, bodies
from mlops.cli.figures import show_measurements
from mlops.cli.gate import gate
from mlops.cli.slo_status import show_budgets
from mlops.cli.train import train_once
from mlops.config.check import check
from mlops.config.compose import Composed, compose, run_application
from mlops.config.settings import folders
from mlops.data.open_bandit_fetch import fetch
from mlops.data.spec import OpenBanditSource
from mlops.models.artifact import Bundle
from mlops.slo.catalog import read_catalog
from mlops.training.run import Trained

_PER_SECOND = 50.0
_CANDIDATES = 30
_BODIES = 500


def run(arguments: Sequence[str]) -> int:
    """Run the command; exit code 1 if an answer was lost or late, or the model did not return."""
    given = parse(arguments)
    console = Console(given.format)
    found: list[Composed] = []
    summary = "the whole way in one command, with a drill"
    overrides = ("slo=fast", *given.hydra)
    # Told after Hydra has let go: without the real data the story composes another service.
    run_application("demo", overrides, found.append, folder=Path.cwd(), summary=summary)
    return max((_Story(console, composed).tell() for composed in found), default=0)


class _Story:
    """The demo's chapters.

    Args:
        console: Where it is told.
        composed: The configuration.
    """

    def __init__(self, console: Console, composed: Composed) -> None:
        stream = sys.stderr if console.format == "json" else sys.stdout
        self._out = RichConsole(file=stream, highlight=False, width=width(stream.isatty()))
        self._console = console
        self._composed = composed
        self._folder = Path.cwd()
        self._started = time.monotonic()

    def tell(self) -> int:
        self._chapter("data", "real logs, pinned by digest")
        self._fetch()
        settings = self._composed.settings
        self._chapter("check", "what is wrong is found before anything runs")
        self._check()
        self._chapter("train", f"{settings.model.name}, measured beside its heuristics")
        trained = self._train()
        self._chapter("gate", "what the data cannot tell is unknown, never a pass")
        bundle = self._gate()
        self._chapter("serve", f"deadline {settings.serving.deadline_ms:g} ms, then the drill")
        drilled = self._drill(bundle)
        return self._end(trained, drilled)

    def _chapter(self, name: str, text: str) -> None:
        self._out.rule(f"[bold]{name}[/] {escape(text)}", align="left", style="blue")

    def _line(self, text: str) -> None:
        self._out.print(f"[dim]{time.monotonic() - self._started:5.1f} s[/]  {escape(text)}")

    def _fetch(self) -> None:
        source = self._composed.settings.data.source
        if not isinstance(source, OpenBanditSource):
            self._line(f"source {source.kind}")
            return
        if source.folder is not None:
            self._line(f"reading {source.folder}")
            return
        target = folders(self._composed.settings, self._folder).data
        try:
            fetched = fetch(target, environment=os.environ)
        except UnavailableError as error:
            self._line(f"the real data cannot be had: {error.message}")
            self._line("the simulated job board runs instead (service=search_ranking)")
            overrides = [o for o in self._composed.overrides if not o.startswith("service=")]
            self._composed = compose(["service=search_ranking", *overrides], folder=self._folder)
            return
        self._line(f"{len(fetched.written)} files fetched to {fetched.folder}")

    def _check(self) -> None:
        verdict = check(self._composed, self._folder)
        for finding in verdict.findings:
            mark = f"[{STYLES[finding.status]}]{finding.status.value:7}[/]"
            place = f"{finding.place}: " if finding.place else ""
            self._out.print(
                f"  {mark} {escape(finding.check):17} {escape(place + finding.message)}"
            )

    def _train(self) -> Trained:
        trained = train_once(self._composed, self._folder, self._line)
        show_measurements(self._out, trained.measurements)
        for verdict in trained.verdicts:
            for finding in verdict.findings:
                mark = f"[{STYLES[finding.status]}]{finding.status.value:7}[/]"
                self._out.print(f"  {mark} {escape(finding.message)}")
        return trained

    def _gate(self) -> Bundle:
        bundle, decision = gate(self._composed, self._folder)
        states = [f.status for v in decision.verdicts for f in v.findings]
        counts = ", ".join(
            f"[{STYLES[s]}]{states.count(s)} {s.value}[/]" for s in Status if s in states
        )
        digest = bundle.ref.digest.removeprefix("sha256:")[:12]
        verb = "may" if decision.passed else "may not"
        self._out.print(f"  {counts}: bundle {digest} {verb} be released")
        for finding in (f for v in decision.verdicts for f in v.findings):
            if finding.status is Status.UNKNOWN:
                self._out.print(
                    f"  [yellow]unknown[/] {escape(finding.check)}: {escape(finding.message)}"
                )
        return bundle

    def _drill(self, bundle: Bundle) -> Drilled:
        settings = self._composed.settings
        root = folders(settings, self._folder).root
        overrides = [*self._composed.overrides, f"bundle={bundle.ref.path}"]
        if not any(o.startswith("service=") for o in overrides):
            overrides.insert(0, f"service={settings.name}")
        content = bodies(
            bundle.parts.domain,
            bundle.parts.program.known,
            requests=_BODIES,
            candidates=_CANDIDATES,
            seed=settings.seed,
        )
        files = [self._folder / name for name in settings.slo.files]
        log = root / "demo" / "server.log"
        with running_server(overrides, log) as server:
            target = server.url.removeprefix("http://")
            with running_prometheus(
                target, files, settings.slo, root / "demo" / "prometheus"
            ) as at:
                prometheus = self._prometheus(at, server.url)
                clock = SystemClock()
                traffic = Traffic(server.url, content, per_second=_PER_SECOND, clock=clock)
                self._line(f"{_PER_SECOND:g} requests a second, {_CANDIDATES} candidates each")
                drill = Drill(
                    server,
                    traffic,
                    prometheus=prometheus,
                    service=settings.name,
                    clock=clock,
                    tell=self._line,
                )
                drilled = asyncio.run(drill.run())
                if prometheus is not None:
                    objectives = read_catalog(files).objectives
                    show_budgets(
                        self._out, status(objectives, settings.slo, prometheus, at=clock.now())
                    )
        return drilled

    def _prometheus(self, at: str | None, server_url: str) -> Prometheus | None:
        if at is None:
            self._line(
                "Prometheus is not installed (apt-get install prometheus):"
                " the drill runs without alerts"
            )
            return None
        files = ", ".join(self._composed.settings.slo.files)
        self._line(
            f"server {server_url}, Prometheus {at}, rules from {files},"
            " windows shortened by slo=fast"
        )
        return HttpPrometheus(at, timeout_s=5.0)

    def _end(self, trained: Trained, drilled: Drilled) -> int:
        settings = self._composed.settings
        deadline_ms = settings.serving.deadline_ms
        self._chapter("summary", f"{settings.name} in {time.monotonic() - self._started:.0f} s")
        self._out.print(_phases(drilled, deadline_ms))
        told = {
            f"page {drilled.alert} fired": drilled.fired_after_s,
            "model answers again": drilled.recovered_after_s,
            "alert resolved": drilled.resolved_after_s,
        }
        for text, seconds in told.items():
            if seconds is not None:
                self._out.print(f"  {text} after {seconds:.0f} s")
        folder = os.path.relpath(Path(sys.executable).parent)
        on_path = shutil.which("mlops") is not None
        self._out.print(f"\ntry next{'' if on_path else f', with {folder} on PATH'}")
        for command in (
            "mlops train -m model=logistic,hist_gradient_boosting",
            f"mlops serve service={settings.name}",
            "mlops train service=search_ranking && mlops gate service=search_ranking",
            "mlops check serving.deadline_ms=oops",
            "mlops init my_service",
        ):
            self._out.print(f"  {command}")
        document = _document(settings.name, trained, drilled, deadline_ms)
        self._console.result(document, lambda out: None)
        lost = any(phase.answered() < len(phase.answers) for phase in drilled.phases)
        return 1 if lost or drilled.recovered_after_s is None else 0


def _document(service: str, trained: Trained, drilled: Drilled, deadline_ms: float) -> Json:
    return {
        "service": service,
        "bundle": trained.bundle.digest,
        "fired_after_s": drilled.fired_after_s,
        "resolved_after_s": drilled.resolved_after_s,
        "recovered_after_s": drilled.recovered_after_s,
        "phases": [
            {
                "name": phase.name,
                "sent": len(phase.answers),
                "answered": phase.answered(),
                "in_time": phase.in_time(deadline_ms),
                "sources": dict(phase.sources()),
            }
            for phase in drilled.phases
        ],
    }


def _phases(drilled: Drilled, deadline_ms: float) -> RichTable:
    table = RichTable(box=SIMPLE_HEAD)
    table.add_column("phase", no_wrap=True)
    in_time = f"within\n{deadline_ms:g}+20 ms"
    by = ("by model", "by cache", "by heuristic")
    for name in ("sent", "answered", in_time, *by, "p50 ms", "p99 ms"):
        table.add_column(name, justify="right")
    for phase in drilled.phases:
        sources = phase.sources()
        total = max(1, len(phase.answers))
        table.add_row(
            phase.name,
            f"{len(phase.answers):,}",
            f"{phase.answered() / total:.2%}",
            f"{phase.in_time(deadline_ms) / total:.2%}",
            f"{sources['model'] / total:.1%}",
            f"{sources['cache'] / total:.1%}",
            f"{sources['heuristic'] / total:.1%}",
            f"{phase.percentile_ms(0.5):.1f}",
            f"{phase.percentile_ms(0.99):.1f}",
        )
    return table
