"""A verification: rules are generated, and their tests are run.

What it says of an alert is proved, and not read off the rules: an alert that fires just above its
factor did so in Prometheus' own program.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mlops.base.verdict import Finding, Status, Verdict
from mlops.slo import names
from mlops.slo.alerts import number
from mlops.slo.catalog import Catalog
from mlops.slo.check import judge
from mlops.slo.expected import Alarm
from mlops.slo.objective import Objective
from mlops.slo.period_proof import period_test_of
from mlops.slo.promtool import RuleTester
from mlops.slo.proof import scenarios, subject_of, test_file, test_of
from mlops.slo.recorded_drive import RecordedDrive
from mlops.slo.rules import generate
from mlops.slo.scenario import Scenario, Subject
from mlops.slo.spec import SloSpec, Tier
from mlops.slo.windows import prometheus_duration

_AT_ONCE = 2
_RULES = "slo.rules.yml"
_TESTS = "slo.rules.test.yml"
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class _Trial:
    """A test file to run, and what it is about."""

    name: str
    tests: str
    scenario: Scenario | None = None


def verify(catalog: Catalog, spec: SloSpec, tester: RuleTester) -> Verdict:
    """Prove the rules of all objectives.

    Args:
        catalog: The definitions.
        spec: Windows and intervals.
        tester: Runs the tests.

    Returns:
        Verdict `slo.proof`: for each alert whether it is proved, for each objective what failed or
        could not be tested. An alert that cannot fire at all is a warning; a window that is shorter
        than four scrapes, or longer than the retention, a failure.

    Raises:
        UnavailableError: The tests cannot be run.
    """
    wrong = tuple(
        finding
        for finding in judge(catalog, spec).findings
        if finding.status is not Status.PASS and finding.check in {"slo.reach", "slo.window"}
    )
    broken = {id(f.place) for f in wrong if f.status is Status.FAIL}
    findings = [*wrong]
    for objective in catalog.objectives:
        findings += _retention(objective, spec)
        if id(objective.place) not in broken:
            findings += _proved(objective, spec, tester)
    return Verdict("slo.proof", tuple(findings))


def _retention(objective: Objective, spec: SloSpec) -> Iterator[Finding]:
    """Find a period that Prometheus forgets before it is over."""
    kept_s = spec.retention_days * _DAY_S
    period_s = objective.period(spec)
    if period_s > kept_s:
        yield Finding(
            "slo.window",
            Status.FAIL,
            f"{objective.slo}: Prometheus keeps no data for as long as its period lasts",
            value=period_s,
            limit=kept_s,
            unit="s",
            place=objective.place,
            hint="give Prometheus a longer retention, and say so in slo.retention_days",
        )


def _proved(objective: Objective, spec: SloSpec, tester: RuleTester) -> Iterator[Finding]:
    subject = subject_of(objective, spec)
    if subject is None:
        yield Finding(
            "slo.proof",
            Status.WARN,
            f"{objective.slo}: not proved: its queries have values without any series",
            place=objective.asked_at,
            hint="leave out `or vector(0)`: what counts nothing counts as 0 by itself",
        )
        return
    rules = generate([objective], spec, elsewhere={objective.service})
    trials = [*_trials(subject)]

    def run(trial: _Trial) -> str:
        return tester.test({_RULES: rules, _TESTS: trial.tests}, _TESTS)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        failures = list(pool.map(run, trials))
    for trial, failure in zip(trials, failures, strict=True):
        if failure:
            message = f"{objective.slo}: {trial.name}: {failure}"
            yield Finding("slo.proof", Status.FAIL, message, place=objective.place)
    if not any(failures):
        yield from _told(subject, trials)


def _trials(subject: Subject) -> Iterator[_Trial]:
    for scenario in scenarios(subject):
        text = test_file([test_of(subject, scenario)], subject.spec, rules=_RULES)
        yield _Trial(scenario.name, text, scenario)
    period = period_test_of(subject.objective, subject.spec, rules=_RULES)
    if period is not None:
        yield _Trial("a whole period", period)


def _told(subject: Subject, trials: Sequence[_Trial]) -> Iterator[Finding]:
    """Yield what the tests of an SLO, all of which passed, have shown."""
    objective = subject.objective
    for tier in subject.tiers:
        seen = _seen(subject, tier, trials)
        name = f"{objective.slo}: {names.alert(tier)}"
        lacking = [alarm.value for alarm in (Alarm.FIRES, Alarm.SILENT) if alarm not in seen]
        if lacking:
            message = f"{name}: no test could show that it {' or '.join(lacking)}"
            yield Finding("slo.proof", Status.UNKNOWN, message, place=objective.place)
            continue
        yield Finding(
            "slo.proof",
            Status.PASS,
            f"{name} fires above {number(tier.factor)}x and is silent below, in windows of "
            f"{prometheus_duration(tier.long_s)} and {prometheus_duration(tier.short_s)}",
            place=objective.place,
        )
    told = [f"{objective.slo}: {len(trials)} tests hold"]
    if not any(trial.scenario is None for trial in trials):
        told.append("its whole period is not among them")
    status = Status.PASS
    if isinstance(subject.drive, RecordedDrive):
        told.append("they begin with recorded steps, so its queries are not tested")
        status = Status.WARN
    yield Finding(
        "slo.proof",
        status,
        "; ".join(told),
        value=len(trials),
        unit="tests",
        place=objective.place,
    )


def _seen(subject: Subject, tier: Tier, trials: Sequence[_Trial]) -> set[Alarm]:
    """Return in which states a tier's alert was seen by all tests together."""
    seen: set[Alarm] = set()
    for scenario in (trial.scenario for trial in trials if trial.scenario is not None):
        expected = subject.expected(scenario.load)
        seen |= {expected.alarm(tier, at_s) for at_s in scenario.looks_s}
    return seen
