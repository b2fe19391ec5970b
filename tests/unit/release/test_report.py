"""Reports: a decision as JSON, JUnit XML, Markdown and text.

The files in `tests/golden/release` are what the reports must say to the letter. After a change
that is meant, write them anew and read the difference:

    pytest tests/unit/release --regenerate-golden
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlops.base.errors import Place
from mlops.base.verdict import Finding, Status, Verdict
from mlops.release.gates import Decision, decide
from mlops.release.report import GateReport, ReportFormat, as_document, render
from mlops.release.spec import ReleaseSpec, ReportPaths
from mlops.release.wording import clean

CONF = Path(__file__).parents[3] / "conf" / "release"
BUNDLE = "sha256:" + "0123456789abcdef" * 4
FORMATS: tuple[ReportFormat, ...] = get_args(ReportFormat)
SUFFIX = {"document": "json", "junit": "xml", "markdown": "md", "text": "txt"}

SCHEMA = Verdict("schema", (Finding("schema.click", Status.PASS, "the bundle keeps the contract"),))
EMPTY = Verdict("parity")
QUALITY = Verdict(
    "quality",
    (
        Finding("quality.apply.auc", Status.PASS, "0.7 (95 % between 0.66 and 0.74)", 0.7, 0.65),
        Finding(
            "quality.hire.auc",
            Status.UNKNOWN,
            "too few events: 16 events are there, 136 are needed",
            0.4818,
            0.55,
        ),
        Finding(
            "quality.revenue_per_1000_at_10.versus.popularity",
            Status.WARN,
            "+41,360 EUR | kept, but by less than the noise",
            41_360.0,
            -10_830.0,
            "EUR",
        ),
    ),
)
LATENCY = Verdict(
    "latency",
    (
        Finding("latency.typical", Status.FAIL, "12 ms & more <wanted 10 ms>", 12.0, 10.0, "ms"),
        Finding(
            "latency.config",
            Status.FAIL,
            "@team: key is wrong, see #12",
            place=Place("conf/release/default.yaml", line=3, key="max_latency_ms"),
        ),
    ),
)

DECISIONS: dict[str, Decision] = {
    "passed": decide("open_bandit", [SCHEMA, EMPTY], unknown_blocks=True),
    "unknown": decide("open_bandit", [SCHEMA, EMPTY, QUALITY], unknown_blocks=False),
    "blocked": decide("search_ranking", [SCHEMA, EMPTY, QUALITY, LATENCY], unknown_blocks=True),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("case", DECISIONS)
def test_reports_are_the_golden_ones(
    case: str, kind: ReportFormat, golden: Callable[[str, str], None]
) -> None:
    golden(f"release/{case}.{SUFFIX[kind]}", render(DECISIONS[case], BUNDLE, kind))


def test_the_documents_schema_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    schema = GateReport.model_json_schema(mode="serialization")
    golden("release/gate-report.schema.json", json.dumps(schema, indent=2) + "\n")


@pytest.mark.parametrize("case", DECISIONS)
def test_the_document_reads_back(case: str) -> None:
    document = as_document(DECISIONS[case], BUNDLE)
    assert GateReport.model_validate_json(render(DECISIONS[case], BUNDLE, "document")) == document


def test_a_figure_that_is_no_number_is_null_in_the_document() -> None:
    odd = Verdict("parity", (Finding("parity", Status.FAIL, "far off", value=float("inf")),))
    text = render(decide("shop", [odd], unknown_blocks=True), BUNDLE, "document")
    assert json.loads(text)["verdicts"][0]["findings"][0]["value"] is None


# The part of Jenkins' junit-10.xsd that is used: element -> its attributes, its children.
_JUNIT: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped"}, {"properties", "testcase"}),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, {"failure", "skipped", "system-out"}),
    "failure": ({"message", "type"}, set()),
    "skipped": ({"message"}, set()),
    "system-out": (set(), set()),
}


def _check_junit(text: str, decision: Decision) -> None:
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = _JUNIT[element.tag]
        assert set(element.attrib) == attributes
        assert {child.tag for child in element} <= children
    for suite in root:
        cases = suite.findall("testcase")
        assert len({case.get("name") for case in cases}) == len(cases)
        assert suite.get("tests") == str(len(cases)) != "0"
        assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))
    failures = root.findall("testsuite/testcase/failure")
    assert root.get("failures") == str(len(failures)) == str(len(decision.blocking))


TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
FINDINGS = st.builds(
    Finding,
    check=TEXTS,
    status=st.sampled_from(list(Status)),
    message=TEXTS,
    value=st.none() | st.floats(),
    limit=st.none() | st.floats(),
    unit=TEXTS,
    place=st.none() | st.builds(Place, origin=TEXTS, line=st.none() | st.integers(1, 9)),
)
VERDICTS = st.lists(st.builds(Verdict, name=TEXTS, findings=st.lists(FINDINGS).map(tuple)))


@given(service=TEXTS, verdicts=VERDICTS.filter(bool), bundle=TEXTS, strict=st.booleans())
@example(
    service="]]>&<\x00\ud800\ufffe",
    verdicts=[Verdict("v", (Finding("c", Status.FAIL, "]]><x>\x1b[31m|\n| a |"),) * 2)],
    bundle='"`',
    strict=True,
)
def test_no_text_breaks_a_report(
    service: str, verdicts: list[Verdict], bundle: str, strict: bool
) -> None:
    decision = decide(service, verdicts, unknown_blocks=strict)
    _check_junit(render(decision, bundle, "junit"), decision)
    table = [x for x in render(decision, bundle, "markdown").splitlines() if x.startswith("|")]
    # Each row has its five cells, whatever stands in them.
    assert {line.replace("\\\\", "").replace("\\|", "").count("|") for line in table} <= {6}
    for kind in ("junit", "markdown", "text"):
        text = render(decision, bundle, kind)
        text.encode()  # no lone surrogate
        assert not any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 for c in text)


def test_a_mention_in_a_message_calls_nobody() -> None:
    text = render(DECISIONS["blocked"], BUNDLE, "markdown")
    assert "@team" not in text
    assert "#12" not in text


def test_the_worst_stands_first() -> None:
    text = render(DECISIONS["blocked"], BUNDLE, "markdown")
    checks = ["latency.typical", "quality.hire.auc", "revenue", "quality.apply.auc"]
    places = [text.index(check) for check in checks]
    assert places == sorted(places)


def test_controls_are_shown_as_question_marks() -> None:
    assert clean("a\x1b[0m\r\nb\u202e\ud800") == "a?[0m b??"


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configuration_is_valid(path: Path) -> None:
    document = json.dumps(yaml.safe_load(path.read_text()))
    assert ReleaseSpec.model_validate_json(document) == ReleaseSpec()


def test_every_format_has_a_path_to_be_written_to() -> None:
    assert set(ReportPaths.model_fields) == set(FORMATS)


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(ValidationError, match="junit"):
        ReleaseSpec.model_validate_json('{"reports": {"junit": ""}}')
