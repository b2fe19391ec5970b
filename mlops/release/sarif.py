"""A SARIF report: findings in the format that code hosts show beside the lines of a change.

A finding in a file has that file, relative to where the command ran, and its line. One that comes
from an override has no file: the override is a logical location. Passes are left out.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0, section 3.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from urllib.parse import quote

from mlops.base.digest import Json, of_json
from mlops.base.errors import Place
from mlops.base.verdict import Finding, Status

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS: Mapping[Status, str] = {
    Status.FAIL: "error",
    Status.WARN: "warning",
    Status.UNKNOWN: "note",
}
_ROOT = "SRCROOT"


def as_sarif(
    findings: Sequence[tuple[Finding, Sequence[str]]],
    *,
    meaning: Callable[[str], str],
    version: str,
) -> Json:
    """Return findings as a SARIF log of one run.

    Args:
        findings: What was seen, each with the services that it concerns.
        meaning: Returns a rule's help text.
        version: Version of this toolkit.
    """
    shown = [(found, names) for found, names in findings if found.status in _LEVELS]
    rules = sorted({finding.check for finding, _ in shown})
    results: list[Json] = [_result(found, names, rules) for found, names in shown]
    driver: Json = {
        "name": "mlops check",
        "version": version,
        "rules": [_rule(rule, meaning(rule)) for rule in rules],
    }
    run: Json = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            _ROOT: {"description": {"text": "The folder in which the command ran."}}
        },
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: str, text: str) -> Json:
    first = text.partition(". ")[0].rstrip(".") + "."
    return {
        "id": rule,
        "shortDescription": {"text": first},
        "fullDescription": {"text": text},
        "help": {"text": text},
        "defaultConfiguration": {"level": "error"},
    }


def _result(finding: Finding, services: Sequence[str], rules: Sequence[str]) -> Json:
    text = f"{finding.message}; {finding.hint}" if finding.hint else finding.message
    key = ".".join(finding.key)
    place = finding.place
    identity: Json = [finding.check, place.origin if place else "", key, finding.message]
    result: dict[str, Json] = {
        "ruleId": finding.check,
        "ruleIndex": rules.index(finding.check),
        "level": _LEVELS[finding.status],
        "message": {"text": text},
        # Without the line, so that a host knows it again when lines above have moved.
        "partialFingerprints": {"finding/v1": of_json(identity)},
        "properties": {
            "services": list(services),
            "key": key,
            "engines": list(finding.engines),
            "value": finding.value,
            "limit": finding.limit,
            "unit": finding.unit,
        },
    }
    location = _location(place, key)
    if location:
        result["locations"] = [location]
    return result


def _location(place: Place | None, key: str) -> dict[str, Json]:
    location: dict[str, Json] = {}
    if place is not None and _is_file(place):
        physical: dict[str, Json] = {"artifactLocation": _artifact(place.origin)}
        if place.line is not None:
            physical["region"] = {"startLine": place.line}
        location["physicalLocation"] = physical
    if place is not None and not _is_file(place):
        location["logicalLocations"] = [
            {"name": place.origin, "fullyQualifiedName": key or place.origin, "kind": "parameter"}
        ]
    elif key:
        location["logicalLocations"] = [
            {"name": key.rpartition(".")[2], "fullyQualifiedName": key, "kind": "member"}
        ]
    return location


def _is_file(place: Place) -> bool:
    return place.line is not None or not place.origin.startswith("override ")


def _artifact(origin: str) -> Json:
    path = PurePath(origin)
    if path.is_absolute():
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(path.as_posix()), "uriBaseId": _ROOT}
