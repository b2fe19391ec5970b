"""A case: a small project with one fault, or none, and what `mlops check` must say about it."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, TypedDict, cast

import yaml

from mlops.base.errors import ConfigError, MlopsError, Place
from mlops.base.verdict import Finding, Status, Verdict
from mlops.cli.scaffold import project_files
from mlops.config.check import check
from mlops.config.compose import Composed, compose, run_application

FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parents[1]
MARK = "# <- here"
PACKAGE = "shop_offers"

Base = Literal["shop", "open_bandit", "search_ranking"]
Stage = Literal["compose", "instantiate", "fit", "predict", "never"]


class Written(TypedDict, total=False):
    """A case as its YAML file holds it; README.md says what each key means."""

    name: str
    base: Base
    run: str
    files: dict[str, str]
    edits: dict[str, list[list[str]]]
    says: str
    plain: Stage


@dataclass(frozen=True)
class Case:
    """One configuration.

    Attributes:
        name: What is wrong, as a person would say it.
        kind: The file that it stands in: `config`, `flow`, `cost`, `more` or `right`.
        base: The right project that it starts from.
        arguments: Overrides and flags as typed behind `mlops check`.
        files: Files of the project that differ, by path.
        here: File and line, or override, that the fault stems from; several where a person would
            mend either, none for a right one.
        says: What the finding must name.
        plain: Where Hydra and scikit-learn by themselves are expected to stop.
    """

    name: str
    kind: str
    base: Base
    arguments: tuple[str, ...]
    files: Mapping[str, str]
    here: tuple[Place, ...] = ()
    says: str = ""
    plain: Stage = "never"

    def write(self, folder: Path) -> None:
        """Write the project into an empty folder."""
        for path, text in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")

    def found(self, findings: tuple[Finding, ...]) -> list[Finding]:
        """Return the complaints that name this fault."""
        return [f for f in findings if self.says.lower() in f"{f.message} {f.hint}".lower()]

    def exact(self, finding: Finding) -> bool:
        """Tell whether a finding points at the fault's own line or override."""
        seen = finding.place
        return seen is not None and any(
            (seen.origin, seen.line) == (here.origin, here.line) for here in self.here
        )


def faults() -> tuple[Case, ...]:
    """Return the sixty faults."""
    return (*cases("config"), *cases("flow"), *cases("cost"))


@cache
def cases(kind: str) -> tuple[Case, ...]:
    """Return the cases of one file."""
    text = (FOLDER / f"{kind}.yaml").read_text(encoding="utf-8")
    documents = cast("list[Written]", list(yaml.safe_load_all(text)))
    return tuple(_case(kind, _marked_run(document, text)) for document in documents)


def _marked_run(written: Written, text: str) -> Written:
    """Put the mark of a command line back, which is a comment to YAML."""
    run = written.get("run", "")
    marked = run and f"run: {run} {MARK}\n" in text
    return {**written, "run": f"{run} {MARK}"} if marked else written


def _case(kind: str, written: Written) -> Case:
    base = written.get("base", "shop")
    files = dict(base_files(base))
    for path, changes in written.get("edits", {}).items():
        for old, new in changes:
            assert files[path].count(old) == 1, f"{written['name']}: {path} has no one {old!r}"
            files[path] = files[path].replace(old, new)
    files.update(written.get("files", {}))
    run, mark, _ = written.get("run", "").partition(MARK)
    arguments = tuple(shlex.split(run))
    here = [
        Place(path, at + 1)
        for path, text in files.items()
        for at, line in enumerate(text.splitlines())
        if MARK in line
    ]
    if mark:
        here.append(Place(f"override {arguments[-1]}"))
    assert bool(here) == (kind != "right"), f"{written['name']}: marks are {here}"
    service = () if base == "shop" else (f"service={base}",)
    return Case(
        name=written["name"],
        kind=kind,
        base=base,
        arguments=(*service, *arguments),
        files=files,
        here=tuple(here),
        says=written.get("says", ""),
        plain=written.get("plain", "never"),
    )


@cache
def base_files(base: Base) -> Mapping[str, str]:
    """Return the right project that a case starts from: the scaffold, or the packaged groups."""
    if base == "shop":
        return project_files(PACKAGE)
    config = (REPOSITORY / "conf" / "config.yaml").read_text(encoding="utf-8")
    slo = f"slo/{base}.yaml"
    return {"conf/config.yaml": config, slo: (REPOSITORY / slo).read_text(encoding="utf-8")}


@dataclass
class Outcome:
    """What `mlops check` saw of one case.

    Attributes:
        findings: What is wrong or suspect, worst first within each job.
        services: How many configurations were checked; a sweep has several.
    """

    findings: tuple[Finding, ...]
    verdicts: list[Verdict] = field(default_factory=list)


def examine(case: Case, folder: Path, *, store: Path) -> Outcome:
    """Check a case by what the command calls.

    Args:
        case: What to check.
        folder: An empty folder.
        store: Folder of what may be shared by cases: mypy's cache, this machine's calibration.
    """
    case.write(folder)
    verdicts: list[Verdict] = []

    def job(composed: Composed) -> None:
        verdicts.append(check(composed, folder))

    refused: list[Finding] = []
    with inside(folder):
        arguments = (*case.arguments, f"store.root={store}")
        try:
            if "-m" in arguments:
                run_application("check", arguments, job, folder=folder)
            else:
                job(compose(arguments, folder=folder))
        except MlopsError as error:
            refused = list(_refused(error))
    findings = [f for verdict in verdicts for f in verdict.findings]
    wrong = [f for f in (*refused, *findings) if f.status is not Status.PASS]
    return Outcome(tuple(wrong), verdicts)


def _refused(error: MlopsError) -> Iterator[Finding]:
    problems = error.problems if isinstance(error, ConfigError) else ()
    for problem in problems or (error,):
        yield Finding(
            "check.schema", Status.FAIL, problem.message, place=problem.place, hint=problem.hint
        )


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Be in a project as its commands are: its own package can be imported, and no other's."""
    before, path = Path.cwd(), list(sys.path)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    _forget()
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path
        _forget()


def _forget() -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == PACKAGE]:
        del sys.modules[name]
