"""A catalog: all objects of some OpenSLO files, checked against each other.

Files are read as one set. What is valid OpenSLO and cannot be compiled is kept as `Omitted`, with
the reason, so that nobody believes in an alert that does not exist.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from mlops.base.errors import ConfigError, Place
from mlops.slo.document import Document, closest, joined, read_documents
from mlops.slo.index import Entry, Index, Item
from mlops.slo.objective import Objective
from mlops.slo.openslo import KINDS, Slo, kind_name
from mlops.slo.policy import ErrorBudgetPolicy, Policy, policy_of
from mlops.slo.resolve import resolve

_KINDS = (*KINDS, kind_name(ErrorBudgetPolicy))
_ADAPTER: TypeAdapter[Item] = TypeAdapter(Annotated[Item, Field(discriminator="kind")])


@dataclass(frozen=True, slots=True)
class Omitted:
    """An SLO for which no rules are generated.

    Attributes:
        slo: Its name.
        reason: Why not, as a sentence.
        place: Where it is defined.
    """

    slo: str
    reason: str
    place: Place


@dataclass(frozen=True, slots=True)
class Catalog:
    """What some files define.

    Attributes:
        entries: All objects, in the order of the files.
        objectives: The SLOs that rules are generated for.
        omitted: The SLOs that are valid and not generated.
        policies: What happens when budgets burn.
    """

    entries: tuple[Entry, ...]
    objectives: tuple[Objective, ...]
    omitted: tuple[Omitted, ...]
    policies: tuple[Policy, ...] = ()

    def of_file(self, path: str) -> tuple[Objective, ...]:
        """Return the objectives that one file defines."""
        return tuple(item for item in self.objectives if item.place.origin == path)


def read_entries(path: Path) -> tuple[Entry, ...]:
    """Read the objects of one file, each alone: references are not followed.

    Raises:
        ConfigError: The file is not OpenSLO v1; all its problems are in `problems`.
    """
    entries: list[Entry] = []
    problems: list[ConfigError] = []
    for document in read_documents(path):
        try:
            item = _ADAPTER.validate_json(json.dumps(document.value))
        except ValidationError as error:
            problems += _explained(error, document)
        else:
            entries.append(Entry(item, document))
    _raise(problems)
    return tuple(entries)


def read_catalog(paths: Sequence[str | Path]) -> Catalog:
    """Read files as one set, follow all references and resolve the SLOs.

    Args:
        paths: The files; their order does not change what is generated for each.

    Raises:
        ConfigError: A file is wrong, a name is used twice, or a reference leads nowhere.
    """
    entries: list[Entry] = []
    problems: list[ConfigError] = []
    for path in dict.fromkeys(map(Path, paths)):
        try:
            found = read_entries(path)
        except ConfigError as error:
            problems += [item for item in error.problems if isinstance(item, ConfigError)] or [
                error
            ]
            continue
        if not found:
            problems.append(ConfigError("no OpenSLO object in it", place=Place(str(path))))
        entries += found
    _raise(problems)
    index = Index(entries)
    _raise(index.problems())
    objectives, omitted = _resolved(entries, index)
    policies = [
        _policy(entry, index, objectives)
        for entry in entries
        if isinstance(entry.item, ErrorBudgetPolicy)
    ]
    return Catalog(tuple(entries), tuple(objectives), tuple(omitted), tuple(policies))


def _resolved(entries: Sequence[Entry], index: Index) -> tuple[list[Objective], list[Omitted]]:
    objectives: list[Objective] = []
    omitted: list[Omitted] = []
    problems: list[ConfigError] = []
    for entry in entries:
        if not isinstance(entry.item, Slo):
            continue
        try:
            objectives += resolve(entry.item, entry, index)
        except ConfigError as error:
            problems.append(error)
        except ValueError as error:
            place = entry.place("metadata", "name")
            omitted.append(Omitted(entry.item.metadata.name, str(error), place))
    _raise([*problems, *_ambiguous(objectives)])
    return objectives, omitted


def _ambiguous(objectives: Sequence[Objective]) -> Iterator[ConfigError]:
    """Yield objectives that are called alike, which those of one SLO with several can be."""
    seen: dict[str, Objective] = {}
    for objective in objectives:
        first = seen.setdefault(objective.slo, objective)
        if first is not objective:
            yield ConfigError(
                f"two objectives would be called `{objective.slo}`; the other is of {first.place}",
                hint="rename the SLO, or its objectives' displayName",
                place=objective.place,
            )


def _policy(entry: Entry, index: Index, objectives: Sequence[Objective]) -> Policy:
    """Return a policy whose rules name objectives, where its file names SLOs."""
    assert isinstance(entry.item, ErrorBudgetPolicy)
    service = index.service_label(entry.item.spec.service)
    policy = policy_of(entry.item, service=service, place=lambda path: entry.place(*path))
    rules = tuple(
        replace(rule, slos=tuple(_promised(rule.slos, index, objectives))) for rule in policy.rules
    )
    return replace(policy, rules=rules)


def _promised(slos: Sequence[str], index: Index, objectives: Sequence[Objective]) -> Iterator[str]:
    for name in slos:
        place = index.entry("SLO", name).place("metadata", "name")
        yield from [each.slo for each in objectives if each.place == place] or [name]


def _explained(error: ValidationError, document: Document) -> Iterator[ConfigError]:
    details = error.errors(include_url=False, include_input=False)
    for detail in details:
        path = detail["loc"]
        if any(path == other["loc"][: len(path)] != other["loc"] for other in details):
            continue  # a list is "too short" because its only item is wrong: say the latter
        message = detail["msg"].removeprefix("Value error, ")
        hint = ""
        match detail["type"]:
            case "union_tag_not_found":
                path, message = ("kind",), "`kind` is required"
                hint = f"one of {', '.join(_KINDS)}"
            case "union_tag_invalid":
                path, message = ("kind",), f"there is no kind `{document.value.get('kind')}`"
                hint = closest(str(document.value.get("kind")), _KINDS)
            case "missing":
                message = "this key is required"
            case "extra_forbidden":
                message = "OpenSLO v1 has no such key here"
        yield ConfigError(message, hint=hint, place=document.place(path))


def _raise(problems: Iterable[ConfigError]) -> None:
    found = tuple(problems)
    if found:
        raise joined(found, "SLO definitions")
