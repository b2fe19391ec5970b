"""A completion: candidates for the word at the cursor; Hydra's own, behind our commands."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_SCRIPT = """\
_mlops_complete() {
  COMPREPLY=($(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" mlops __complete 2>/dev/null))
  [[ ${COMPREPLY[0]} == *[=/.] ]] && compopt -o nospace
}
complete -o default -F _mlops_complete mlops
"""


def run(name: str, commands: Sequence[str], environment: Mapping[str, str]) -> int:
    """Print the script, or the candidates that it asks for.

    Args:
        name: `completion` for the script, `__complete` for candidates.
        commands: Names of all commands.
        environment: Holds COMP_LINE, the line so far, for `__complete`.
    """
    if name == "completion":
        sys.stdout.write(_SCRIPT)
        return 0
    line = environment.get("COMP_LINE", "")
    _, _, rest = line.lstrip().partition(" ")
    command, space, tail = rest.lstrip().partition(" ")
    if not space:
        sys.stdout.write(" ".join(c for c in commands if c.startswith(command)) + "\n")
    elif command in commands:
        from mlops.config.compose import complete

        # Hydra knows one program with overrides: our command is taken out of the line.
        rewritten = f"mlops {tail}"
        os.environ.update(COMP_LINE=rewritten, COMP_POINT=str(len(rewritten)))
        complete(folder=Path.cwd())
    return 0
