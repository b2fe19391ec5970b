"""The same word three times: `conf/<group>/`, the field of `Settings`, `mlops/<room>/spec.py`."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest
import yaml
from pydantic import BaseModel

from mlops.base import telemetry
from mlops.base.section import Section
from mlops.config.compose import compose
from mlops.config.settings import Settings
from mlops.release.report import ReportFormat

ROOT = Path(__file__).parents[2]
GROUPS = sorted(path.name for path in (ROOT / "conf").iterdir() if path.is_dir())
OPTIONS = sorted((path.parent.name, path.stem) for path in (ROOT / "conf").glob("*/*.yaml"))

# Where the word is not the same three times, and why.
NO_FIELD = {"service"}  # composes the others into the whole tree
NO_GROUP = {"store"}  # one key, in conf/config.yaml
ROOM = {"model": "models"}  # one model is chosen, the room holds all


def sections() -> dict[str, type[Section]]:
    """Return the fields of the settings that are sections."""
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


def test_groups_are_the_settings_sections() -> None:
    assert set(GROUPS) - NO_FIELD == set(sections()) - NO_GROUP


@pytest.mark.parametrize("group", sorted(set(GROUPS) - NO_FIELD))
def test_section_stands_in_its_rooms_spec(group: str) -> None:
    room = ROOM.get(group, group)
    spec = importlib.import_module(f"mlops.{room}.spec")
    assert sections()[group].__module__ == spec.__name__
    assert sections()[group] is getattr(spec, sections()[group].__name__)


def test_every_spec_is_a_section_of_the_settings() -> None:
    rooms = {path.parent.name for path in (ROOT / "mlops").glob("*/spec.py")}
    assert rooms == {ROOM.get(group, group) for group in set(GROUPS) - NO_FIELD}


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_options_name_known_keys_only(group: str, option: str) -> None:
    tree = yaml.safe_load((ROOT / "conf" / group / f"{option}.yaml").read_text())
    fields = Settings.model_fields if group in NO_FIELD else sections()[group].model_fields
    assert set(tree) - {"defaults"} <= set(fields)


@pytest.mark.parametrize("service", [option for group, option in OPTIONS if group == "service"])
def test_services_compose(service: str, tmp_path: Path) -> None:
    settings = compose([f"service={service}"], folder=tmp_path).settings
    assert settings.name == service
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def models(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    seen: set[type[BaseModel]] = set()

    def walk(annotation: object) -> Iterator[type[BaseModel]]:
        if _is_model(annotation) and annotation not in seen:
            seen.add(annotation)
            yield annotation
            for field in annotation.model_fields.values():
                yield from walk(field.annotation)
        for below in getattr(annotation, "__args__", ()):
            yield from walk(below)

    yield from walk(root)


def test_every_key_is_documented() -> None:
    bare = [
        f"{model.__name__}.{name}"
        for model in models(Settings)
        if issubclass(model, Section)
        for name, field in model.model_fields.items()
        if not field.description and name != "kind"  # the class's docstring says what a kind is
    ]
    assert bare == []


def test_every_number_of_time_or_size_has_its_unit() -> None:
    times = re.compile(r"(seconds|milliseconds|MiB|bytes|days)\b", re.IGNORECASE)
    units = ("_s", "_ms", "_mb", "_bytes", "_days", "_day", "days")
    for model in models(Settings):
        if issubclass(model, Section):
            for name, field in model.model_fields.items():
                first = (field.description or "").split(" ")[0].rstrip(".,;")
                if times.fullmatch(first):
                    assert name.endswith(units), f"{model.__name__}.{name}"


def test_objectives_name_exported_series_only() -> None:
    exported = telemetry.exported_series()
    files = sorted((ROOT / "slo").glob("*.yaml"))
    assert files
    for path in files:
        queries = re.findall(r"query: (.*)", path.read_text())
        named = {name for query in queries for name in re.findall(r"\bmlops_\w+", query)}
        assert named
        assert named <= exported


def test_runbooks_and_docs_name_exported_series_only() -> None:
    exported = telemetry.exported_series() | {metric.name for metric in telemetry.ALL}
    for path in (ROOT / "docs").rglob("*.md"):
        named = set(
            re.findall(r"\bmlops_\w+_(?:total|seconds|state|ready|info)\b", path.read_text())
        )
        assert named <= exported, path


def test_reports_of_the_release_are_the_formats() -> None:
    reports = sections()["release"].model_fields["reports"].annotation
    assert isinstance(reports, type)
    assert issubclass(reports, BaseModel)
    assert set(reports.model_fields) == set(ReportFormat.__args__)  # type: ignore[attr-defined] # an alias
