"""An index: the objects of some files by kind and name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from mlops.base.errors import ConfigError, Place
from mlops.slo.document import Document, closest
from mlops.slo.openslo import OpenSlo, kind_name
from mlops.slo.policy import ErrorBudgetPolicy
from mlops.slo.references import references

Item: TypeAlias = OpenSlo | ErrorBudgetPolicy
Kind = TypeVar("Kind", bound=OpenSlo)


@dataclass(frozen=True, slots=True)
class Entry:
    """An object and the document that it was written in."""

    item: Item
    document: Document

    def place(self, *path: str | int) -> Place:
        """Return where a key of the object stands."""
        return self.document.place(path)


class Index:
    """The objects of a set, found by kind and name.

    Args:
        entries: All of them, in the order of the files.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._names: dict[tuple[str, str], Entry] = {
            (entry.item.kind, entry.item.metadata.name): entry for entry in entries
        }

    def problems(self) -> Iterator[ConfigError]:
        """Yield names that are used twice and references that lead nowhere."""
        yield from self._duplicates()
        yield from self._dangling()

    def entry(self, kind: str, name: str) -> Entry:
        """Return an object that is referred to, so that it exists."""
        return self._names[kind, name]

    def item(self, kind: type[Kind], name: str) -> Kind:
        """Return an object that is referred to, so that it exists.

        Args:
            kind: Its class, such as `Sli`.
            name: Its name.
        """
        found = self._names[kind_name(kind), name].item
        assert isinstance(found, kind)
        return found

    def service_label(self, service: str) -> str:
        """Return a service as metrics name it: RFC 1123 names have no underscore, ours do."""
        entry = self._names.get(("Service", service))
        label = None if entry is None else entry.item.metadata.labels.get("service")
        return label if isinstance(label, str) else service

    def _duplicates(self) -> Iterator[ConfigError]:
        seen: dict[tuple[str, str], Entry] = {}
        for entry in self._entries:
            name = (entry.item.kind, entry.item.metadata.name)
            first = seen.setdefault(name, entry)
            if first is not entry:
                yield ConfigError(
                    f"{name[0]} `{name[1]}` is defined twice; first in "
                    f"{first.place('metadata', 'name')}",
                    place=entry.place("metadata", "name"),
                )

    def _dangling(self) -> Iterator[ConfigError]:
        for entry in self._entries:
            for kind, name, path in references(entry.item):
                if kind == "Service" and not self._known(kind):
                    continue  # OpenSLO lets `service` be a plain name
                if (kind, name) not in self._names:
                    yield ConfigError(
                        f"there is no {kind} `{name}`",
                        hint=closest(name, self._known(kind)),
                        place=entry.place(*path),
                    )

    def _known(self, kind: str) -> list[str]:
        return [name for other, name in self._names if other == kind]
