"""`mlops train`: from configuration to a measured bundle; a sweep prints the comparison."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table as RichTable

from mlops.base.clock import SystemClock
from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.base.verdict import Status, worst
from mlops.cli.arguments import parse
from mlops.cli.console import STYLES, Console, verdict_table
from mlops.cli.figures import show_measurements
from mlops.config.check import check
from mlops.config.compose import Composed, run_application
from mlops.config.resolve import contracts, plan, signer
from mlops.quality.figure import figure
from mlops.quality.measure import Measurement, SubjectKind
from mlops.training.intake import told
from mlops.training.run import Trained, train

_SUMMARY = """\
train, evaluate, compile and bundle a model

The configuration is checked first. What is made goes to the store: bundles, snapshots, records.
  release.signing_key=FILE    sign the bundle at once, before latest names it
  -m KEY=A,B                  a sweep: each combination in turn, then the comparison
  --format text|json          for people or programs
Exit code 0: a bundle is made. 1: a bundle is made, and something known before it runs fails: cost,
or equality with what was fitted. 2: used or configured wrongly, or the data break the contract.
3: the data cannot be reached."""


@dataclass(frozen=True, slots=True)
class _Member:
    """One job of a sweep."""

    overrides: tuple[str, ...]
    trained: Trained


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    given = parse(arguments)
    console = Console(given.format)
    members: list[_Member] = []
    sweeps: list[bool] = []

    def job(composed: Composed) -> None:
        with console.steps() as announce:
            trained = train_once(composed, Path.cwd(), announce)
        members.append(_Member(composed.overrides, trained))
        sweeps.append(composed.sweep)
        if not composed.sweep:
            console.result(_document(trained), lambda out: _show(out, trained))

    try:
        run_application("train", given.hydra, job, folder=Path.cwd(), summary=_SUMMARY)
    finally:  # a member of a sweep that fails does not cost what the others found
        if any(sweeps):
            console.result(
                [{"overrides": list(m.overrides), **_document(m.trained)} for m in members],
                lambda out: _compare(out, members),
            )
    states = (v.status for m in members for v in m.trained.verdicts)
    return 1 if worst(states) is Status.FAIL else 0


def train_once(composed: Composed, folder: Path, announce: Callable[[str], None]) -> Trained:
    """Check a configuration and run the training that it describes.

    Args:
        composed: The configuration.
        folder: Where the command runs.
        announce: Told the name of each step.

    Raises:
        ConfigError: The check found something.
    """
    signs = signer(composed, folder)  # a key that cannot be read is told before hours of work
    checked = check(composed, folder)
    failed = [f for f in checked.findings if f.status is Status.FAIL]
    if failed:
        problems = tuple(ConfigError(f.message, hint=f.hint, place=f.place) for f in failed)
        raise ConfigError("the configuration was checked and refused", problems=problems)
    run_plan = plan(composed, contracts(composed), folder)
    return train(run_plan, clock=SystemClock(), announce=announce, signer=signs)


def _document(trained: Trained) -> dict[str, Json]:
    document: Json = trained.record.model_dump(mode="json", exclude={"config"})
    assert isinstance(document, dict)
    return {
        **document,
        "bundle_path": str(trained.bundle.path),
        "record": str(trained.record_path),
        "signed_by": trained.signature.key_id if trained.signature else None,
    }


def _show(out: RichConsole, trained: Trained) -> None:
    record = trained.record
    if trained.intake.bad_rows:
        out.print(
            f"[yellow]{trained.intake.bad_rows} rows broke the contract[/] and lie in"
            f" {escape(str(trained.intake.quarantine))}: {escape(told(trained.intake.violations))}"
        )
    show_measurements(out, trained.measurements)
    out.print(verdict_table("what is known before it runs", trained.verdicts))
    data, cost = record.data, record.cost
    out.print(f"model    {escape(record.model)} of {escape(record.service)}, seed {record.seed}")
    out.print(f"data     {data.rows:,} rows, snapshot {data.snapshot.removeprefix('sha256:')[:12]}")
    out.print(
        f"split    {data.split.train_rows:,} to learn, {data.split.test_rows:,} later to test"
    )
    out.print(
        f"cost     {cost.fit_cpu_s:.1f} CPU seconds to fit, {cost.wall_s:.1f} s in all,"
        f" {cost.peak_memory_mb:,.0f} MiB"
    )
    out.print(f"record   {escape(str(trained.record_path))}", soft_wrap=True)
    out.print(f"bundle   {escape(str(trained.bundle.path))}", soft_wrap=True)
    if trained.signature is not None:
        out.print(f"signed   by key {trained.signature.key_id}")


def _compare(out: RichConsole, members: Sequence[_Member]) -> None:
    """Print one row a figure and one column a member, headed by what sets it apart."""
    common = set.intersection(*(set(member.overrides) for member in members))
    table = RichTable(title="sweep", title_justify="left")
    table.add_column("figure", no_wrap=True)
    for member in members:
        apart = [each for each in member.overrides if each not in common]
        table.add_column(escape("\n".join(apart)), justify="right", overflow="fold")
    found = [{_key(m): m for m in _own(member.trained)} for member in members]
    for metric, head in dict.fromkeys(key for each in found for key in each):
        label = f"{metric} of {head}" if head else metric
        table.add_row(label, *(_cell(each.get((metric, head))) for each in found))
    records = [member.trained.record for member in members]
    table.add_row("CPU seconds to fit", *(f"{record.cost.fit_cpu_s:.1f}" for record in records))
    states = [worst(v.status for v in member.trained.verdicts) for member in members]
    table.add_row("verdict", *(f"[{STYLES[status]}]{status.value}[/]" for status in states))
    digests = [record.bundle.removeprefix("sha256:")[:12] for record in records]
    table.add_row("bundle", *digests)
    out.print(table)


def _own(trained: Trained) -> list[Measurement]:
    """Return the model's headline figures: those that are not abstained by all, no differences."""
    wanted = ("auc", "log_loss", "log_loss_skill", "calibration_ratio")
    return [
        m
        for m in trained.measurements
        if m.kind is SubjectKind.MODEL
        and not m.reference
        and (m.metric in wanted or "_per_1000_" in m.metric)
    ]


def _key(measurement: Measurement) -> tuple[str, str]:
    return measurement.metric, measurement.head


def _cell(measurement: Measurement | None) -> str:
    if measurement is None or measurement.value is None:
        return "abstains"
    return figure(measurement.value)
