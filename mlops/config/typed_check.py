"""A type check: typed calls held by mypy against the signatures of what they call.

mypy runs inside this process, once for all services, with a cache that is kept between runs.
Errors inside the code that is called are its owner's business and not shown.
"""

import json
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops.base.errors import MlopsError
from mlops.base.store import publish_folder, write_file
from mlops.base.verdict import Finding, Status
from mlops.config.origin import Key
from mlops.config.typed_calls import Script
from mlops.models.stubs import stubs_name, write_stubs

# YAML can give no array and no frame, so that their types would only cost seconds.
_HEAVY = "numpy.*,pandas.*,pandera.*,scipy.*,pyarrow.*,polars.*,matplotlib.*,torch.*"
# Code without annotations, or named where it is imported, is a matter of style and runs as well.
_CONFIG = """\
[mypy]
strict = True
implicit_reexport = True
disallow_untyped_calls = False
follow_imports = skip
ignore_missing_imports = True
[mypy-{own}]
follow_imports = silent
follow_untyped_imports = True
[mypy-{heavy}]
follow_imports = skip
follow_imports_for_stubs = True
"""
_SCRIPT = "<string>"  # what mypy calls the text that it is given
_UNEXPECTED = re.compile(r'^Unexpected keyword argument "(\w+)" for ([^;]+)(?:; (.+))?$')
_MISSING = re.compile(r"^Missing (?:named|positional) arguments? (.+) (?:for|in call to) (.+)$")
_INCOMPATIBLE = re.compile(
    r'^Argument (?:"\w+"|\d+) to (.+) has incompatible type (.+); expected "(.+)"$'
)
_PROTOCOL = re.compile(r"\bHas([A-Z]\w*)\b")


@dataclass(frozen=True, slots=True)
class TypeErrors:
    """What mypy found.

    Attributes:
        findings: For each service, by its number, what is wrong.
        trouble: Why nothing could be checked; empty if it could.
    """

    findings: dict[int, list[Finding]]
    trouble: str = ""


def check_types(script: Script, folder: Path, packages: Sequence[str]) -> TypeErrors:
    """Let mypy read a script.

    Args:
        script: The calls.
        folder: Where stubs and mypy's cache are kept.
        packages: Packages whose code is followed.
    """
    try:
        stubs = folder / stubs_name()
        publish_folder(stubs, write_stubs)
        config = folder / "mypy.ini"
        own = ",".join(f"{name}.*" for name in sorted(set(packages)))
        _write_once(config, _CONFIG.format(own=own, heavy=_HEAVY))
    except MlopsError as error:
        return TypeErrors({}, error.message)
    lines, trouble = _run_mypy(script.text(), stubs, config)
    return TypeErrors(_by_service(lines, script), trouble)


def _write_once(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_file(path, text.encode())


def _run_mypy(text: str, stubs: Path, config: Path) -> tuple[list[str], str]:
    from mypy import api

    before, depth = os.environ.get("MYPYPATH"), sys.getrecursionlimit()
    os.environ["MYPYPATH"] = os.pathsep.join([str(stubs), *_project_folders()])
    try:
        said, failed, code = api.run(
            [
                "--command", text,
                "--config-file", str(config),
                "--cache-dir", str(config.parent / "mypy"),
                "--output", "json",
                "--no-error-summary",
            ]
        )  # fmt: skip
    except Exception as error:  # a crash of mypy is no crash of ours
        return [], f"mypy: {type(error).__name__}: {error}"
    finally:
        sys.setrecursionlimit(depth)  # mypy raises it for the whole process
        if before is None:
            del os.environ["MYPYPATH"]
        else:
            os.environ["MYPYPATH"] = before
    lines = said.splitlines()
    return lines, _trouble(failed, lines) if code > 1 else ""


def _trouble(failed: str, lines: Sequence[str]) -> str:
    """Return why mypy stopped: its own last word, or the first place that it cannot read."""
    if failed.strip():
        return failed.strip().splitlines()[-1]
    for line in lines:
        if line.startswith("{"):
            error = json.loads(line)
            return f"{error['file']}:{error['line']}: {error['message']}"
    return "mypy stopped"


def _project_folders() -> list[str]:
    """Return the folders of the import path that hold a person's own code.

    mypy looks into installed packages by itself, and refuses to be told.
    """
    known = {os.path.realpath(sysconfig.get_path(name)) for name in sysconfig.get_path_names()}
    own = [os.path.realpath(entry or ".") for entry in sys.path]
    return [
        entry
        for entry in dict.fromkeys(own)
        if entry not in known
        and Path(entry).is_dir()
        and "site-packages" not in entry
        and not any(entry.startswith(f"{each}{os.sep}") for each in known)
    ]


def _by_service(lines: Iterable[str], script: Script) -> dict[int, list[Finding]]:
    found: dict[int, list[Finding]] = {}
    for line in lines:
        if not line.startswith("{"):
            continue
        error = json.loads(line)
        # A file of the user's own that does not parse is told too, at lines that are not ours.
        ours = error["file"] == _SCRIPT and 0 < error["line"] <= len(script.owners)
        if error["severity"] != "error" or not ours:
            continue
        service, key = script.owners[error["line"] - 1]
        if service >= 0 and key:
            found.setdefault(service, []).extend(_findings(key, error["message"]))
    return found


def _findings(key: Key, message: str) -> Iterator[Finding]:
    """Say for a person what mypy says of a call."""
    unexpected = _UNEXPECTED.match(message)
    missing = _MISSING.match(message)
    node = key[:-1]  # mypy tells both at the line of the class
    if unexpected is not None:
        name, callee, hint = unexpected.groups()
        text = f"{_plain(callee)} has no argument {name!r}"
        yield _finding("check.arguments.unknown", text, (*node, name), _plain(hint or ""))
    elif missing is not None:
        for name in re.findall(r'"(\w+)"', missing[1]):
            text = f"{_plain(missing[2])} needs an argument {name!r}"
            yield _finding("check.arguments.missing", text, node)
    else:
        wrong = _INCOMPATIBLE.match(message)
        text = _plain(message)
        if wrong is not None:
            callee, given, expected = map(_plain, wrong.groups())
            name = node[-1] if key[-1] == "_target_" else key[-1]
            text = f"{callee} takes {expected} for {name!r}, not {given}"
        yield _finding("check.types", text, key)


def _finding(check: str, message: str, key: Key, hint: str = "") -> Finding:
    return Finding(check, Status.FAIL, message, key=key, hint=hint)


def _plain(text: str) -> str:
    """Return types as a person would name them.

    >>> _plain("list[Any] | Literal['a', 'b'] | HasFitAndPredict | None")
    "list, one of 'a', 'b', an object with fit and predict or None"
    """
    text = _PROTOCOL.sub(lambda found: f"an object with {_methods(found[1])}", text)
    text = re.sub(r"\[Any(, (?:Any|\.\.\.))*\]", "", text).replace('"', "")
    text = re.sub(r"Literal\[([^\]]*)\]", lambda found: _one_of(found[1]), text)
    *first, last = text.split(" | ")
    return f"{', '.join(first)} or {last}" if first else last


def _one_of(options: str) -> str:
    return options if ", " not in options else f"one of {options}"


def _methods(name: str) -> str:
    names = [re.sub(r"(?<!^)(?=[A-Z])", "_", part).lower() for part in name.split("And")]
    return " and ".join(names)
