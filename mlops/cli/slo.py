"""`mlops slo`: what its words do, from definitions to budgets."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlops.base.errors import ConfigError
from mlops.base.verdict import Status, Verdict, to_json
from mlops.cli.arguments import parse
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
_FLAGS = ("--dry-run", "--check", "--kubernetes", "--no-tests", "--allow-unknown")
_OPTIONS = ("--out", "--service", "--at")


def run(arguments: Sequence[str]) -> int:
    """Run the command; a definition that is wrong or a budget that is used up is exit code 1."""
    formats = FORMATS if "report" in arguments else FORMATS[:2]
    given = parse(arguments, flags=_FLAGS, options=_OPTIONS, words=_MOST_FILES, formats=formats)
    console = Console(given.format)
    verdicts: list[Verdict] = []

    def job(composed: Composed) -> None:
        word = _WORDS.get(given.words[0] if given.words else "")
        if word is None:
            hint = f"mlops slo {' | '.join(_WORDS)} [FILE...]"
            raise ConfigError("slo needs a word that says what to do", hint=hint)
        files = tuple(Path(name) for name in given.words[1:] or composed.settings.slo.files)
        verdict = word(SloCall(console, files, given, composed))
        if verdict is not None:
            verdicts.append(verdict)

    summary = ", ".join(_WORDS)
    run_application("slo", given.hydra, job, folder=Path.cwd(), summary=summary)
    return 1 if any(v.status in (Status.FAIL, Status.UNKNOWN) for v in verdicts) else 0


def _validate(call: SloCall) -> Verdict:
    found = validate(call.files, call.spec)
    call.console.result(to_json(found), lambda out: out.print(verdict_table("SLOs", (found,))))
    return found


_WORDS: Mapping[str, Callable[[SloCall], Verdict | None]] = {
    "validate": _validate,
    "import": import_foreign,
    "generate": generate_rules,
    "verify": verify_rules,
    "status": read_status,
    "report": write_report,
    "gate": ask_gate,
    "dashboards": write_dashboards,
    "stack": write_stack,
}
