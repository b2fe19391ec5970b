"""Mutants: rule files that are wrong in one place, which a proof must notice."""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

_DURATION = re.compile(r"(\d+)([smhd])")
_RECORDED = re.compile(r"(ratio_rate|increase)(\d+[smhd])")
_RANGE = re.compile(r"\[(\d+[smhd])(?::(\d+[smhd]))?\]")
_BUDGET = re.compile(r"(?<=/ )(0\.\d+)")
_PROMISE = re.compile(r"(?<=vector\()(0\.\d+)")
_FACTOR = re.compile(r"(?<=> )(\d+(?:\.\d+)?)")
_GUARD = re.compile(r"(?<=>= )(\d+(?:\.\d+)?)")
_MATCHER = re.compile(r'([a-z_]+)(=~|!~|!=|=)"([^"]*)"')
_NOTHING = re.compile(r"(?<=0 \* )sum\(increase\([^)]*\)\)")
_DROPS_LABELS = re.compile(r"\bsum\(|\bon \(\)")
_OPERATORS = (
    (re.compile(r" >= "), " < "),
    (re.compile(r" > "), " < "),
    (re.compile(r"\band\b"), "or"),
    (re.compile(r"\bor\b"), "unless"),
    (re.compile(r"(?<=\s)/(?=\s)"), "*"),
    (re.compile(r"(?<=\s)-(?=\s)"), "+"),
    (re.compile(r"\b0 \*"), "1 *"),
    (re.compile(r"\bsum_over_time\b"), "max_over_time"),
    (re.compile(r"\bincrease\("), "delta("),
    (re.compile(r"\bsum\("), "max("),
)

_NOTICING = ("series of others", "two instances")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule file with one fault.

    Attributes:
        kind: `objective`, `factor`, `guard`, `window`, `label` or `operator`.
        place: The rule, and what was altered there.
        text: The file.
    """

    kind: str
    place: str
    text: str


def mutants(rules: str) -> list[Mutant]:
    """Return every mutant of a rule file: each number, window, label and operator altered once.

    Annotations, the header and how often a group is evaluated are left alone: promtool's tests do
    not see them. So is what changes nothing: whatever is multiplied by 0, and a label that the
    rule's own expression carries already.
    """
    file = yaml.safe_load(rules)
    found: list[Mutant] = []
    for group in file["groups"]:
        for rule in group["rules"]:
            name = rule.get("record") or rule["alert"]
            for kind, place, key, value in _changes(rule):
                kept = rule[key]
                rule[key] = value
                found.append(Mutant(kind, f"{name}: {place}", yaml.safe_dump(file)))
                rule[key] = kept
    return found


def _changes(rule: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    for kind, place, expr in _expressions(rule["expr"]):
        yield kind, place, "expr", expr
    if "record" in rule:
        window = _RECORDED.search(rule["record"])
        if window is not None:
            changed = _spliced(rule["record"], window.span(2), _doubled(window[2]))
            yield "window", f"recorded as {changed}", "record", changed
    for label, value in rule["labels"].items():
        altered = {**rule["labels"], label: f"{value}x"}
        yield "label", f'{label}="{value}x"', "labels", altered
        carried = f'{label}="{value}"' in rule["expr"] and not _DROPS_LABELS.search(rule["expr"])
        if carried:
            continue
        dropped = {key: text for key, text in rule["labels"].items() if key != label}
        yield "label", f"without {label}", "labels", dropped


def _expressions(expr: str) -> Iterator[tuple[str, str, str]]:
    """Yield kind, place and expression of each fault."""
    idle = [range(*found.span()) for found in _NOTHING.finditer(expr)]
    for kind, place, changed in _faults(expr):
        at = int(place.rpartition(" ")[2])
        if not any(at in span for span in idle):
            yield kind, place, changed


def _faults(expr: str) -> Iterator[tuple[str, str, str]]:
    for kind, pattern in (("objective", _BUDGET), ("objective", _PROMISE), ("factor", _FACTOR)):
        for found in pattern.finditer(expr):
            if kind == "factor" and float(found[1]) == 0:
                continue
            for times in (1.1, 0.9):
                value = f"{float(found[1]) * times:.6g}"
                yield kind, f"{value} at {found.start()}", _spliced(expr, found.span(1), value)
    for found in _GUARD.finditer(expr):
        for more in (1, -1):
            value = f"{float(found[1]) + more:g}"
            yield "guard", f"{value} at {found.start()}", _spliced(expr, found.span(1), value)
    yield from _windows(expr)
    yield from _labels(expr)
    for pattern, other in _OPERATORS:
        for found in pattern.finditer(expr):
            told = f"{found[0].strip()} to {other.strip()} at {found.start()}"
            yield "operator", told, _spliced(expr, found.span(), other)


def _windows(expr: str) -> Iterator[tuple[str, str, str]]:
    spans = [(found.span(2), found[2]) for found in _RECORDED.finditer(expr)]
    spans += [(found.span(1), found[1]) for found in _RANGE.finditer(expr)]
    for span, text in spans:
        for changed in (_doubled(text), _halved(text)):
            yield "window", f"{changed} at {span[0]}", _spliced(expr, span, changed)


def _labels(expr: str) -> Iterator[tuple[str, str, str]]:
    inverse = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
    for found in _MATCHER.finditer(expr):
        label, operator, value = found.groups()
        at = found.start()
        wrong = f'{label}{operator}"{value}x"'
        other = f'{label}{inverse[operator]}"{value}"'
        renamed = f'{label}x{operator}"{value}"'
        for text in (wrong, other, renamed):
            yield "label", f"{text} at {at}", _spliced(expr, found.span(), text)
        end = found.end() + (expr[found.end()] == ",")
        yield "label", f"no {found[0]} at {at}", _spliced(expr, (at, end), "")


def _doubled(duration: str) -> str:
    found = _DURATION.fullmatch(duration)
    assert found is not None
    return f"{int(found[1]) * 2}{found[2]}"


def _halved(duration: str) -> str:
    found = _DURATION.fullmatch(duration)
    assert found is not None
    seconds = int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
    return f"{max(1, seconds // 2)}s"


def _spliced(text: str, span: tuple[int, int], other: str) -> str:
    return text[: span[0]] + other + text[span[1] :]


def survives(mutant: Mutant, proofs: Sequence[str], folder: Path, promtool: str) -> bool:
    """Tell whether a proof does not notice a mutant.

    Args:
        mutant: The wrong rule file.
        proofs: Test files for a rule file `rules.yml`.
        folder: Its own folder.
        promtool: The program.
    """
    (folder / "rules.yml").write_text(mutant.text)
    for number, text in enumerate(_parts(tuple(proofs))):
        name = f"tests-{number}.yml"
        (folder / name).write_text(text)
        command = [promtool, "test", "rules", name]
        if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
            return False
    return True


@lru_cache(maxsize=4)
def _parts(proofs: tuple[str, ...]) -> tuple[str, ...]:
    """Return test files, those first that notice most: promtool does not stop at a failure."""
    first: list[str] = []
    rest: list[str] = []
    for text in proofs:
        file = yaml.safe_load(text)
        noticing = [t for t in file["tests"] if any(word in t["name"] for word in _NOTICING)]
        others = [test for test in file["tests"] if test not in noticing]
        for tests, part in ((noticing, first), (others, rest)):
            if tests:
                part.append(yaml.safe_dump({**file, "tests": tests}))
    return (*first, *rest)
