"""An import: files of other tools, read as OpenSLO and written as such."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from mlops.base.errors import ConfigError, Place
from mlops.slo import pyrra, sloth
from mlops.slo.document import read_documents
from mlops.slo.foreign import Imported
from mlops.slo.openslo import OpenSlo


def read_foreign(path: Path) -> Imported:
    """Read a file of sloth or pyrra.

    Raises:
        ConfigError: It is neither, or says what cannot be imported.
    """
    found: list[Imported] = []
    documents = read_documents(path)
    if not documents:
        raise ConfigError("there is nothing in it", place=Place(str(path)))
    for document in documents:
        if sloth.is_sloth(document.value):
            found.append(sloth.convert(document))
        elif pyrra.is_pyrra(document.value):
            found.append(pyrra.convert(document))
        else:
            raise ConfigError(
                "this is no file of sloth or pyrra",
                hint="OpenSLO v1 needs no import, and v1alpha is not read",
                place=document.place(),
            )
    return Imported(
        tuple(item for each in found for item in each.objects),
        tuple(item for each in found for item in each.tiers),
        tuple(item for each in found for item in each.notes),
    )


def to_yaml(objects: Sequence[OpenSlo]) -> str:
    """Return OpenSLO objects as one YAML text, a document each."""
    documents = [
        item.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        | {"apiVersion": item.api_version, "kind": item.kind}
        for item in objects
    ]
    return yaml.dump_all(
        (dict(_ordered(each)) for each in documents), Dumper=_Dumper,
        sort_keys=False, width=100, allow_unicode=True, explicit_start=True,
    )  # fmt: skip


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as a block."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Dumper.add_representer(str, _represent_text)


def _ordered(document: dict[str, object]) -> Iterator[tuple[str, object]]:
    for key in ("apiVersion", "kind", "metadata", "spec"):
        if key in document:
            yield key, document[key]
