"""A JUnit report: a decision in the XML that CI servers show as test results.

A verdict is a suite and a finding a case. What blocks is a failure; an unknown that does not block
is skipped; a warning passes and tells itself in `system-out`. Elements and attributes are those
that Jenkins' schema (junit-10.xsd) and GitHub's reporters share.
"""

from itertools import chain, count
from xml.etree import ElementTree

from mlops.base.verdict import Finding, Status, Verdict
from mlops.release.gates import Decision
from mlops.release.wording import clean, figures, ordered


def as_junit(decision: Decision, bundle: str) -> str:
    """Return the decision as JUnit XML.

    Args:
        decision: What was decided.
        bundle: Digest of the bundle, written as a property of each suite.
    """
    suites = [_suite(decision, verdict, bundle) for verdict in ordered(decision)]
    root = ElementTree.Element("testsuites", name=f"mlops gate {clean(decision.service)}")
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in suites)))
    root.extend(suites)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(decision: Decision, verdict: Verdict, bundle: str) -> ElementTree.Element:
    name = f"{clean(decision.service)}.{clean(verdict.name)}"
    findings = verdict.findings or (
        Finding(verdict.name, Status.PASS, "nothing was asked, which passes"),
    )
    failures = sum(decision.blocks(finding) for finding in findings)
    skipped = sum(_is_skipped(decision, finding) for finding in findings)
    counts = {"tests": len(findings), "failures": failures, "errors": 0, "skipped": skipped}
    suite = ElementTree.Element(
        "testsuite", {"name": name, **{key: str(number) for key, number in counts.items()}}
    )
    properties = ElementTree.SubElement(suite, "properties")
    ElementTree.SubElement(properties, "property", name="bundle", value=clean(bundle))
    used: set[str] = set()
    for finding in findings:
        case_name = _unused(clean(finding.check), used)
        used.add(case_name)
        suite.append(_case(decision, finding, suite=name, name=case_name))
    return suite


def _unused(name: str, used: set[str]) -> str:
    """Return a name that no case has: reporters show only the last of two cases of one name."""
    numbered = (f"{name} ({number})" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in used)


def _case(decision: Decision, finding: Finding, *, suite: str, name: str) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=suite, name=name, time="0")
    message = clean(finding.message)
    detail = "\n".join([message, *_details(finding)])
    if decision.blocks(finding):
        failure = ElementTree.SubElement(
            case, "failure", message=message, type=finding.status.value
        )
        failure.text = detail
    elif _is_skipped(decision, finding):
        ElementTree.SubElement(case, "skipped", message=f"unknown: {message}")
    elif finding.status is Status.WARN:
        ElementTree.SubElement(case, "system-out").text = f"warning: {detail}"
    return case


def _is_skipped(decision: Decision, finding: Finding) -> bool:
    return finding.status is Status.UNKNOWN and not decision.blocks(finding)


def _details(finding: Finding) -> list[str]:
    lines = []
    held = figures(finding)
    if held:
        lines.append(held)
    if finding.place is not None:
        lines.append(f"at {clean(str(finding.place))}")
    return lines
