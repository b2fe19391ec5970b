"""SARIF: what the standard demands of a log, held without its 90 KB schema."""

import json
import re
from pathlib import Path
from typing import Any

from mlops.base.errors import Place
from mlops.base.verdict import Finding, Status
from mlops.release.sarif import as_sarif

LEVELS = {"none", "note", "warning", "error"}
FINDINGS = [
    (
        Finding(
            "check.constraints", Status.FAIL, "model.estimator.C: too small",
            place=Place("conf/model/my model.yaml", 7, "model.estimator.C"),
            key=("model", "estimator", "C"), hint="raise it", engines=("values", "types"),
        ),
        ["one", "two"],
    ),
    (
        Finding(
            "check.types", Status.WARN, "seed is odd",
            place=Place("override seed=x", None, "seed"), key=("seed",),
        ),
        ["one"],
    ),
    (Finding("check.cost", Status.UNKNOWN, "who knows", value=1.5, unit="s"), ["one"]),
    (Finding("check.slo", Status.FAIL, "whole file", place=Place("/etc/slo.yaml", None)), ["one"]),
    (Finding("check.model", Status.PASS, "fine"), ["one"]),
]  # fmt: skip


def log() -> Any:
    document = as_sarif(FINDINGS, meaning=lambda rule: f"About {rule}. More.", version="1.2.3")
    return json.loads(json.dumps(document, allow_nan=False))


def run() -> Any:
    (only,) = log()["runs"]
    return only


def test_log_has_what_the_standard_requires() -> None:
    document = log()
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-schema-2.1.0.json")
    assert document.keys() == {"$schema", "version", "runs"}
    assert run().keys() <= {"tool", "columnKind", "originalUriBaseIds", "results"}
    assert run()["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
    driver = run()["tool"]["driver"]
    assert driver["name"]
    assert driver["version"] == "1.2.3"


def test_rules_are_unique_and_results_lead_to_them() -> None:
    rules = run()["tool"]["driver"]["rules"]
    ids = [rule["id"] for rule in rules]
    assert len(set(ids)) == len(ids)
    for rule in rules:
        for text in ("shortDescription", "fullDescription", "help"):
            assert rule[text]["text"].endswith(".")
        assert rule["defaultConfiguration"]["level"] in LEVELS
    for result in run()["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]


def test_results_have_level_message_and_a_fingerprint_each() -> None:
    results = run()["results"]
    assert [result["level"] for result in results] == ["error", "warning", "note", "error"]
    assert all(result["message"]["text"] for result in results)
    prints = [result["partialFingerprints"]["finding/v1"] for result in results]
    assert len(set(prints)) == len(prints)
    assert results[0]["message"]["text"] == "model.estimator.C: too small; raise it"
    assert results[0]["properties"]["services"] == ["one", "two"]


def test_finding_in_a_file_has_a_relative_uri_and_its_line() -> None:
    (location,) = run()["results"][0]["locations"]
    physical = location["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "conf/model/my%20model.yaml"
    assert physical["artifactLocation"]["uriBaseId"] in run()["originalUriBaseIds"]
    assert physical["region"] == {"startLine": 7}
    assert re.fullmatch(r"[^\s]+", physical["artifactLocation"]["uri"])


def test_override_is_a_logical_location() -> None:
    (location,) = run()["results"][1]["locations"]
    assert "physicalLocation" not in location
    (logical,) = location["logicalLocations"]
    assert logical["name"] == "override seed=x"
    assert logical["fullyQualifiedName"] == "seed"


def test_finding_without_a_place_has_no_location_and_a_whole_file_no_region() -> None:
    assert "locations" not in run()["results"][2]
    (location,) = run()["results"][3]["locations"]
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == Path("/etc/slo.yaml").as_uri()
    assert "region" not in location["physicalLocation"]


def test_fingerprint_stays_when_lines_move() -> None:
    moved = [
        (
            Finding(
                f.check, f.status, f.message, key=f.key,
                place=f.place and Place(f.place.origin, (f.place.line or 0) + 3, f.place.key),
            ),
            names,
        )
        for f, names in FINDINGS[:1]
    ]  # fmt: skip
    document: Any = as_sarif(moved, meaning=str, version="1")
    (result,) = document["runs"][0]["results"]
    assert result["partialFingerprints"] == run()["results"][0]["partialFingerprints"]
