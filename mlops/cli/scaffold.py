"""A scaffold: the files of a new project, made from the templates beside this module.

A template lies at the path of the file that it becomes, where `NAME` stands for the project's name
and a leading `dot_` for a dot; its content is a `string.Template`.
"""

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template

import numpy as np

from mlops.base.errors import ConfigError
from mlops.base.store import publish_folder, write_file
from mlops.cli.example import example_csv

_TEMPLATES = Path(__file__).resolve().parent / "template"
_SUFFIX = ".tmpl"
_SEED = 7
# As a service is named; 40, so that the names made from it stay below the 63 of RFC 1123.
_NAME = re.compile(r"[a-z](?:[a-z0-9_]{0,38}[a-z0-9])?")
_OWN_FOLDERS = frozenset({"conf", "data", "docs", "mlops", "reports", "slo", "tests"})
_YAML_WORDS = frozenset({"false", "n", "no", "null", "off", "on", "true", "y", "yes"})


def refuse_name(name: str) -> None:
    """Refuse a name that cannot be a package, a service and a file at once.

    Raises:
        ConfigError: It cannot; the message says why.

    >>> refuse_name("shop_offers")
    """
    if _NAME.fullmatch(name) is None:
        problem = "is no name: small letters, digits and inner underscores, a letter first, 40 most"
    elif keyword.iskeyword(name):
        problem = "is a word of Python"
    elif name in _YAML_WORDS:
        problem = "means something else in YAML"
    elif name in _OWN_FOLDERS:
        problem = "is a folder of every project"
    elif name in sys.stdlib_module_names or _is_installed(name):
        problem = "is a Python module already, which it would hide"
    else:
        return
    raise ConfigError(f"{name!r} {problem}", hint="for example: mlops init shop_offers")


def _is_installed(name: str) -> bool:
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None  # a bare folder hides nothing


def project_files(name: str) -> Mapping[str, str]:
    """Return the files of a new project: content by relative path, sorted.

    Args:
        name: The project's name, already accepted.
    """
    values = {
        "name": name,
        "label": name.replace("_", "-"),
        "title": name.replace("_", " ").capitalize(),
    }
    files = {
        _target(path.relative_to(_TEMPLATES), name): Template(
            path.read_text(encoding="utf-8")
        ).substitute(values)
        for path in _TEMPLATES.rglob(f"*{_SUFFIX}")
    }
    files[f"data/{name}.csv"] = example_csv(np.random.default_rng(_SEED))
    return dict(sorted(files.items()))


def _target(path: Path, name: str) -> str:
    parts = (
        f".{part.removeprefix('dot_')}" if part.startswith("dot_") else part for part in path.parts
    )
    return "/".join(parts).removesuffix(_SUFFIX).replace("NAME", name)


def refuse_folder(folder: Path) -> None:
    """Refuse a place where a new project cannot be put.

    Raises:
        ConfigError: Something lies there already, or it is where the command runs.
    """
    if folder.resolve() == Path.cwd():
        raise ConfigError(
            "a project is put in a new folder, not where the command runs",
            hint="mlops init NAME [FOLDER]",
        )
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        what = "is not empty" if folder.is_dir() else "is no folder"
        raise ConfigError(f"{folder} {what}; nothing was written", hint="name another folder")


def write_project(folder: Path, files: Mapping[str, str]) -> None:
    """Write a project whole or not at all.

    Args:
        folder: Where; new or empty.
        files: Content by relative path.

    Raises:
        ConfigError: Something came to lie there meanwhile.
        UnavailableError: The disk is full, read-only or forbidden.
    """

    def fill(draft: Path) -> None:
        for path, content in files.items():
            write_file(draft / path, content.encode())

    if not publish_folder(folder, fill):
        raise ConfigError(f"{folder} is not empty; nothing was written")
