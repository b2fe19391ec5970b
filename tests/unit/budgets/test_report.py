"""The report: a page, a table and a document that say the same, and what is so."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from mlops.base.errors import Place
from mlops.base.verdict import Status
from mlops.budgets.markdown import as_markdown
from mlops.budgets.page import as_page
from mlops.budgets.prometheus import Sample, Series
from mlops.budgets.report import Report, as_document, read_report
from mlops.slo.calendar import Calendar
from mlops.slo.objective import Objective
from mlops.slo.policy import Act, BudgetLeft, Policy, PolicyRule
from mlops.slo.spec import Maintenance, SloSpec
from tests.fakes.fake_prometheus import FakePrometheus
from tests.unit.slo.test_check import OBJECTIVE

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = int(AT.timestamp())
STEP_S, STEPS = 300, 288
DAY = replace(OBJECTIVE, period_s=STEP_S * STEPS)
DAILY = replace(DAY, calendar=Calendar(1, "d", datetime.fromisoformat("2026-01-01"), "UTC"))
EVENTS = dict.fromkeys(range(NOW - (STEPS - 1) * STEP_S, NOW + 1, STEP_S), 1_000.0)


def steady(each: float) -> dict[int, float]:
    return dict.fromkeys(EVENTS, each)


def burst(first: int, last: int, each: float) -> dict[int, float]:
    """Return bad events in the steps of some ages."""
    return {end: each if first <= (NOW - end) // STEP_S < last else 0.0 for end in EVENTS}


def freezing(below: float) -> Policy:
    place = Place("slo/shop.yaml", 1)
    rule = PolicyRule("stop", ("shop",), BudgetLeft(below), (Act.FREEZE,), None, place)
    return Policy("shop", "shop", "", (rule,), place)


def report(
    bad: Mapping[int, float],
    objective: Objective = DAY,
    *,
    events: Mapping[int, float] = EVENTS,
    maintenance: tuple[Maintenance, ...] = (),
) -> Report:
    """Return the report of one SLO whose budget is 0.1 % of 1,000 events a step."""
    labels = {"service": objective.service, "slo": objective.slo}
    began = NOW - STEP_S * STEPS
    if objective.calendar is not None:
        began = int(objective.calendar.began(AT).timestamp())
    counted = {end: value for end, value in events.items() if end > began}

    def one(value: float) -> list[Sample]:
        return [Sample(labels, value)] if counted else []

    prometheus = FakePrometheus(
        {
            "^sum_over_time.*sli_total": one(sum(counted.values())),
            "^sum_over_time.*sli_bad": one(sum(bad[end] for end in counted)),
            "^count_over_time": one(len(counted)),
            "^slo:sli_total": one(1),
        },
        {"sli_total": [Series(labels, counted)], "sli_bad": [Series(labels, bad)]},
    )
    spec = SloSpec(maintenance=maintenance)
    return read_report([objective], [freezing(0.1), freezing(0.25)], spec, prometheus, at=AT)


def work(age_h: float, hours: float, *services: str) -> Maintenance:
    start = AT - timedelta(hours=age_h)
    return Maintenance(
        start=start, end=start + timedelta(hours=hours), services=services, reason="a <move>"
    )


REPORTS: dict[str, Report] = {
    "nothing failed": report(steady(0)),
    "half is spent": report(steady(0.5)),
    "a sudden end": report(burst(30, 31, 500)),
    "far overspent": report(burst(0, 288, 400)),
    "no data": report({}, events={}),
    "one step": report(steady(1), events={NOW: 1_000.0}),
    "no traffic": report(steady(0), events=steady(0)),
    "a gap and maintenance": report(
        burst(200, 201, 30),
        events={end: 1_000.0 for end in EVENTS if not 50 < (NOW - end) // STEP_S < 90},
        maintenance=(work(12, 2), work(90, 1), work(6, 1, "other")),
    ),
    "a calendar's day": report(steady(1.5), DAILY),
    "a name with all that texts can do to pages": report(
        steady(0.5),
        replace(DAY, title='$x_1$ <b>&"', description="<script>alert(1)</script> a|b @all $y$"),
    ),
}
DRAWN = [sentence for sentence in REPORTS if sentence not in ("no data", "no traffic")]


def test_a_row_knows_when_it_freezes_and_when_it_is_spent() -> None:
    (row,) = REPORTS["half is spent"].rows
    assert row.frozen_below == 0.25
    assert row.budget.remaining == pytest.approx(0.5)
    assert row.spent_at is None  # as many old failures leave as new ones come
    (growing,) = report(burst(0, 12, 10)).rows
    assert growing.budget.remaining == pytest.approx(1 - 120 / 288)
    # 168 events more, of which 10 a step come, and none of those that leave first was bad.
    assert growing.spent_at == AT + timedelta(seconds=17 * STEP_S)
    (spent,) = REPORTS["far overspent"].rows
    assert spent.spent_at is None


def test_a_row_names_the_maintenance_of_its_period_only() -> None:
    (row,) = REPORTS["a gap and maintenance"].rows
    assert row.maintenance == (work(12, 2),)
    assert row.budget.period.left_out == 24


def test_the_document_is_what_a_machine_relies_on() -> None:
    document = json.loads(json.dumps(as_document(REPORTS["a calendar's day"])))
    (slo,) = document["slos"]
    assert {key: document[key] for key in ("version", "at", "status")} == {
        "version": 1, "at": "2026-01-01T12:00:00+00:00", "status": "fail",
    }  # fmt: skip
    assert sorted(slo) == [
        "at", "bad_events", "began", "budget_remaining", "burn_down", "burn_rate", "ends",
        "events", "firing", "frozen_below", "kept", "maintenance_s", "objective", "period",
        "reason", "recorded", "service", "slo", "spent_at_this_rate", "status", "title",
    ]  # fmt: skip
    assert (slo["began"], slo["ends"]) == (
        "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00",
    )  # fmt: skip
    assert slo["burn_down"][0] == ["2026-01-01T00:05:00+00:00", pytest.approx(1 - 1.5 / 144)]
    assert slo["burn_down"][-1] == [
        "2026-01-01T12:00:00+00:00", pytest.approx(slo["budget_remaining"]),
    ]  # fmt: skip


def test_a_long_line_is_thinned_and_keeps_its_ends() -> None:
    document = json.loads(json.dumps(as_document(REPORTS["half is spent"])))
    line = document["slos"][0]["burn_down"]
    assert len(line) == 200
    assert line[-1][1] == pytest.approx(0.5)


def test_markdown_puts_the_worst_first_and_cannot_be_broken_by_a_name() -> None:
    rows = (
        *REPORTS["nothing failed"].rows,
        *REPORTS["no data"].rows,
        *REPORTS["far overspent"].rows,
    )
    evil = replace(rows[0], budget=replace(rows[0].budget, slo="a|b @all <i>"))
    text = as_markdown(Report(AT, (evil, *rows[1:])))
    assert "1 budget spent, 1 unknown, 1 within budget" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert [line.count("|") - line.count("\\|") for line in table] == [9] * 5
    assert ["spent" in table[2], "unknown" in table[3], "within" in table[4]] == [True] * 3
    assert "a\\|b @\u200ball \\<i\\>" in table[4]
    assert "- shop: no data in 1d" in text


class Page(HTMLParser):
    """Reads a page and minds its tags."""

    VOID = frozenset({"meta", "link", "br", "hr", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "xlink:href", "src", "aria-labelledby"):
                self.targets.append(f"#{value}" if name == "aria-labelledby" else value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "


@pytest.mark.parametrize("sentence", REPORTS)
def test_a_page_is_whole_and_needs_nothing_else(sentence: str) -> None:
    text = as_page(REPORTS[sentence])
    page = Page(text)
    assert page.open == []
    assert sorted(set(page.ids)) == sorted(page.ids)
    assert {target for target in page.targets if target[1:] not in page.ids} == set()
    assert "script" not in page.tags
    assert set(re.findall(r"https?://[^\"' ]+", text)) <= {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
    }  # fmt: skip
    assert ("svg" in page.tags) is (sentence in DRAWN)
    used, defined = set(re.findall(r"var\((--\w+)\)", text)), set(re.findall(r"(--\w+):", text))
    assert used <= defined
    assert "#0102" not in text  # every stand-in became the page's own colour
    assert text == as_page(REPORTS[sentence])


def test_many_drawings_stand_in_one_page() -> None:
    rows = tuple(row for sentence in ("nothing failed", "far overspent")
                 for row in REPORTS[sentence].rows)  # fmt: skip
    page = Page(as_page(Report(AT, rows)))
    assert page.tags.count("svg") == 2
    assert sorted(set(page.ids)) == sorted(page.ids)


def test_a_page_shows_a_name_as_it_is() -> None:
    page = Page(as_page(REPORTS["a name with all that texts can do to pages"]))
    assert '$x_1$ <b>&"' in page.words
    assert "<script>alert(1)</script> a|b @all $y$" in page.words


def test_a_page_says_in_words_what_it_draws() -> None:
    words = " ".join(Page(as_page(REPORTS["a gap and maintenance"])).words.split())
    assert "left out 2026-01-01 00:00 UTC to 2026-01-01 02:00 UTC: a <move>" in words
    assert "It fell most in the step that ended on 2025-12-31 19:20 UTC." in words
    assert "below 25.00% of the budget" in words
    unknown = Page(as_page(REPORTS["no data"])).words
    assert "no data in 1d: are its rules loaded" in unknown


def test_a_page_without_slos_is_not_green() -> None:
    empty = Report(AT, ())
    assert empty.status is Status.UNKNOWN
    assert "No SLO is defined, so nothing is known." in Page(as_page(empty)).words
    assert "no SLO" in as_markdown(empty)


def test_states_are_told_by_more_than_their_colour() -> None:
    page = Page(as_page(REPORTS["far overspent"]))
    assert "budget spent" in page.words
    assert "✕" in page.words
