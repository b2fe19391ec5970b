"""Records the drill at the end of `mlops demo` as a picture: docs/demo.svg."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "demo.svg"
START = "serve"


def main() -> int:
    """Run the demo, keep its last chapters, and write the picture; returns an exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "mlops.cli.main", "demo"],
        cwd=ROOT,
        env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = [Text.from_ansi(line) for line in done.stdout.splitlines()]
    starts = [at for at, line in enumerate(lines) if line.plain.startswith(START)]
    if done.returncode != 0 or not starts:
        sys.stderr.write(done.stdout)
        return 1
    console = Console(record=True, width=110, file=StringIO(), force_terminal=True)
    for line in lines[starts[0] :]:
        console.print(line)
    console.save_svg(str(TARGET), title="make demo", unique_id="demo")
    # The exported style names web fonts on a foreign host; a README needs none.
    svg = TARGET.read_text()
    start, end = svg.index("@font-face"), svg.rindex("@font-face")
    end = svg.index("}", end) + 1
    TARGET.write_text(svg[:start] + svg[end:])
    sys.stdout.write(f"wrote {TARGET}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
