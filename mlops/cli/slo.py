"""`mlops slo`: what its words do, from definitions to budgets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops.base.errors import ConfigError
from mlops.base.verdict import Status, Verdict, to_json
from mlops.cli.arguments import Arguments, parse
from mlops.cli.console import Console, verdict_table
from mlops.cli.slo_call import SloCall
from mlops.cli.slo_dashboards import write_dashboards
from mlops.cli.slo_gate import ask_gate
from mlops.cli.slo_generate import generate_rules
from mlops.cli.slo_import import import_foreign
from mlops.cli.slo_report import FORMATS, write_report
from mlops.cli.slo_stack import write_stack
from mlops.cli.slo_status import read_status
from mlops.cli.slo_verify import verify_rules
from mlops.config.compose import Composed, run_application
from mlops.slo.check import validate

_MOST_FILES = 1000
_SUMMARY = """\
validate, generate, verify, status, report, gate, dashboards, stack or import

  validate [FILE...]            what is defined, what is not compiled, which series nobody exports
  generate [FILE...] [--out FOLDER] [--dry-run] [--check] [--kubernetes] [--no-tests]
                                Prometheus rules, their promtool tests, Alertmanager routes;
                                --check only says whether the files are as they would be written
  verify [FILE...]              run the tests: which alerts are proved to fire, and which cannot
  status [FILE...] [--at TIME]  error budgets, from a running Prometheus
  report [FILE...] [--out FILE] [--at TIME]   the same with burn-down plots
  gate [FILE...] [--service NAME] [--at TIME] [--allow-unknown]
                                may it be deployed now, by its ErrorBudgetPolicy?
  dashboards, stack [FILE...] [--out FOLDER] [--dry-run] [--check]
                                Grafana dashboards; a local stack for Docker Compose
  import FILE... [--out FILE]   SLOs of sloth and pyrra, as OpenSLO
Without FILE it takes slo.files. --format text|json; report also takes markdown and html.
Exit code 0: done, or yes. 1: a definition, proof, budget or gate says no, or data cannot tell.
2: used or configured wrongly. 3: Prometheus or promtool cannot be had."""


@dataclass(frozen=True, slots=True)
class _Word:
    """What `mlops slo` can be told to do.

    Attributes:
        run: Does it; a verdict decides the exit code.
        takes: Its flags and options.
    """

    run: Callable[[SloCall], Verdict | None]
    takes: tuple[str, ...] = ()


def run(arguments: Sequence[str]) -> int:
    """Run the command; a definition that is wrong or a budget that is used up is exit code 1."""
    named = arguments[0] if arguments else ""
    formats = FORMATS if named == "report" else FORMATS[:2]
    given = parse(arguments, flags=_FLAGS, options=_OPTIONS, words=_MOST_FILES, formats=formats)
    console = Console(given.format)
    verdicts: list[Verdict] = []

    def job(composed: Composed) -> None:
        word = _word(given)
        files = tuple(Path(name) for name in given.words[1:] or composed.settings.slo.files)
        verdict = word.run(SloCall(console, files, given, composed))
        if verdict is not None:
            verdicts.append(verdict)

    run_application("slo", given.hydra, job, folder=Path.cwd(), summary=_SUMMARY)
    return 1 if any(v.status in (Status.FAIL, Status.UNKNOWN) for v in verdicts) else 0


def _word(given: Arguments) -> _Word:
    """Return the word that was given.

    Raises:
        ConfigError: There is none, or it does not take what stands beside it.
    """
    name = given.words[0] if given.words else ""
    word = _WORDS.get(name)
    if word is None:
        hint = f"mlops slo {' | '.join(_WORDS)} [FILE...]"
        raise ConfigError("slo needs a word that says what to do", hint=hint)
    for switch in (*sorted(given.flags), *given.options):
        if switch not in word.takes:
            takes = ", ".join(word.takes) or "no switch"
            raise ConfigError(f"slo {name} takes no {switch}", hint=f"it takes {takes}")
    return word


def _validate(call: SloCall) -> Verdict:
    found = validate(call.files, call.spec)
    call.console.result(to_json(found), lambda out: out.print(verdict_table("SLOs", (found,))))
    return found


_FLAGS = ("--dry-run", "--check", "--kubernetes", "--no-tests", "--allow-unknown")
_OPTIONS = ("--out", "--service", "--at")
_WORDS: Mapping[str, _Word] = {
    "validate": _Word(_validate),
    "generate": _Word(
        generate_rules, ("--out", "--dry-run", "--check", "--kubernetes", "--no-tests")
    ),
    "verify": _Word(verify_rules),
    "status": _Word(read_status, ("--at",)),
    "report": _Word(write_report, ("--out", "--at")),
    "gate": _Word(ask_gate, ("--service", "--at", "--allow-unknown")),
    "dashboards": _Word(write_dashboards, ("--out", "--dry-run", "--check")),
    "stack": _Word(write_stack, ("--out", "--dry-run", "--check")),
    "import": _Word(import_foreign, ("--out",)),
}
