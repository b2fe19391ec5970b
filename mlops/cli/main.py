"""The door: dispatches to one command and imports only what that command needs."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

COMMANDS = {
    "check": "find what is wrong in a configuration, before anything runs",
    "contract": "show contracts in other languages; tell what a change breaks",
    "data": "fetch and show a service's data",
    "train": "train, evaluate, compile and bundle a model; -m sweeps",
    "evaluate": "measure a bundle beside its heuristics",
    "certify": "prove a bundle's range and claims over everything its contract allows",
    "gate": "may this bundle be released?",
    "bundle": "make keys, sign a bundle, verify and show it",
    "serve": "serve decisions over HTTP, with a fallback behind the model",
    "slo": "validate SLOs, generate Prometheus rules, read budgets",
    "test-estimator": "does an algorithm keep what it promises? small examples where not",
    "demo": "the whole way in one command, with a drill",
    "init": "start a project of your own",
}
_INTERNAL = 70  # EX_SOFTWARE of sysexits.h: a bug in this toolkit

_HELP = """\
usage: mlops COMMAND [WORDS] [--format text|json] [KEY=VALUE ...] [Hydra's flags]

Puts a model in the critical path of a web service with a contract, an SLO and a heuristic.

commands
{commands}

  mlops COMMAND --help        the command's own options, and all configuration groups
  mlops COMMAND --cfg job     the composed configuration
  mlops completion            a completion script for bash: eval "$(mlops completion)"
  mlops version

exit codes
  0   pass
  1   a gate says no
  2   the command was used or configured wrongly, or data or a bundle is not what it should be
  3   something that it depends on is unavailable
  70  a bug in mlops
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: The command line behind the program's name; None takes this process's.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else "--help"
    match name:
        case "-h" | "--help" | "help":
            sys.stdout.write(_help())
            return 0
        case "version" | "--version":
            from importlib.metadata import version

            sys.stdout.write(version("mlops") + "\n")
            return 0
        case "completion" | "__complete":
            from mlops.cli import completion

            return completion.run(name, tuple(COMMANDS), os.environ)
        case _ if name in COMMANDS:
            return _run(name, given[1:])
        case _:
            sys.stderr.write(f"error: there is no command {name!r}\n\n{_help()}")
            return 2


def _help() -> str:
    lines = [f"  {name:<16}{summary}" for name, summary in COMMANDS.items()]
    return _HELP.format(commands="\n".join(lines))


def _run(name: str, arguments: Sequence[str]) -> int:
    from mlops.base.errors import MlopsError, UnavailableError
    from mlops.cli.console import Console

    _see_project(Path.cwd())
    try:
        command = importlib.import_module(f"mlops.cli.{name.replace('-', '_')}")
        code: int = command.run(arguments)
    except MlopsError as error:
        Console("text").error(error)
        return 3 if isinstance(error, UnavailableError) else 2
    except SystemExit as stop:  # Hydra's parser has said what it does not understand
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130
    except BrokenPipeError:  # `mlops ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("MLOPS_DEBUG"):
            raise
        sys.stderr.write(
            f"error: a bug in mlops: {type(error).__name__}: {error}\n"
            "      run it again with MLOPS_DEBUG=1 and report what it prints\n"
        )
        return _INTERNAL
    return code


def _see_project(folder: Path) -> None:
    """Let `_target_` name the code of the project in a folder.

    A console script does not look where it runs. The server and its model process need no such
    help: they are started by `python -m`, which does, and keep the folder.
    """
    if (folder / "conf" / "config.yaml").is_file() and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


if __name__ == "__main__":
    sys.exit(main())
