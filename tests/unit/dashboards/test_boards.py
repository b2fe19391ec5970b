"""Dashboards as values: what is on them, and that each question is PromQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.base.telemetry import ALL, exported_series
from mlops.dashboards.panel import Board
from mlops.dashboards.service import boards, service_board
from mlops.dashboards.windows import chosen_windows, uid_of
from mlops.slo.calendar import Calendar
from mlops.slo.catalog import read_catalog
from mlops.slo.promql import check_expression, selectors
from mlops.slo.sampled import Sampled
from mlops.slo.spec import SloSpec, Tier
from tests.components.objectives import SHOP, by_calendar

ROOT = Path(__file__).parents[3]
OURS = read_catalog(sorted((ROOT / "slo").glob("*.yaml"))).objectives
ZURICH = by_calendar(Calendar(1, "M", datetime(2026, 1, 1), "Europe/Zurich"))  # noqa: DTZ001 - a wall clock
DRIFT = replace(SHOP, slo="shop-drift", indicator=Sampled("max(drift_psi)", "lt", "0.2"))


def every_board() -> Iterator[Board]:
    yield from boards(OURS, SloSpec())
    yield from boards([SHOP, replace(ZURICH, slo="shop-month"), DRIFT], SloSpec())


def titles(board: Board) -> list[str]:
    return [panel.title for row in board.rows for panel in row.panels]


@pytest.mark.parametrize("board", list(every_board()), ids=lambda board: board.uid)
def test_every_question_is_promql_at_every_window_and_asks_what_somebody_writes(
    board: Board,
) -> None:
    for where, query in board.asked():
        for window in board.windows:
            expr = query.expanded(window)
            assert "$" not in expr, where
            check_expression(expr)
            for series in selectors(expr):
                ours = series.metric in exported_series()
                assert ours or series.metric.startswith(("slo:", "ALERTS", "drift_psi")), where


@pytest.mark.parametrize("board", list(every_board()), ids=lambda board: board.uid)
def test_every_picture_says_what_it_means_and_lines_fill_the_width(board: Board) -> None:
    for row in board.rows:
        used = 0
        for panel in row.panels:
            assert panel.title
            assert panel.description.strip(), panel.title
            used += panel.width
            assert used <= 24, (row.title, panel.title)
            used %= 24


def test_the_fleet_has_a_link_to_each_service_and_each_service_one_back() -> None:
    fleet, *services = boards(OURS, SloSpec())
    assert [uid for _, uid in fleet.links] == [board.uid for board in services]
    assert {board.links for board in services} == {(("All services", fleet.uid),)}
    assert len({board.uid for board in (fleet, *services)}) == 1 + len(services)


def test_no_objective_makes_no_dashboard() -> None:
    assert boards([], SloSpec()) == ()


def test_only_a_service_of_our_own_server_has_rows_about_the_server() -> None:
    ours = service_board([OURS[0]], SloSpec())
    theirs = service_board([SHOP], SloSpec())
    assert [row.title for row in theirs.rows] == ["availability: 99.9% over 28d"]
    assert {"Traffic", "Decisions", "Model", "Breaker and fallback", "Decision log"} <= {
        row.title for row in ours.rows
    }


def test_where_no_rule_tells_what_is_left_the_row_says_so_and_asks_nothing_empty() -> None:
    board = service_board([ZURICH], SloSpec())
    assert "Budget left" not in titles(board)
    (events,) = [panel for panel in board.rows[0].panels if panel.title == "Events"]
    assert "Europe/Zurich" in events.description


def test_what_is_looked_at_is_drawn_as_it_is() -> None:
    (measured,) = [
        panel
        for panel in service_board([DRIFT], SloSpec()).rows[0].panels
        if panel.title == "What is measured"
    ]
    assert [query.expr for query in measured.queries] == ["max(drift_psi)"]


def test_a_window_is_offered_only_if_all_have_recorded_it() -> None:
    own = replace(
        SHOP, tiers=(Tier(factor=2, long_s=7_200, short_s=1_800, severity="ticket"),), slo="own"
    )
    assert chosen_windows([SHOP], SloSpec()) == ("5m", "30m", "1h")
    assert chosen_windows([SHOP, own], SloSpec()) == ("5m", "30m")


@given(st.lists(st.text(min_size=1, max_size=80), min_size=2, max_size=9, unique=True))
def test_addresses_are_short_plain_and_each_services_own(services: list[str]) -> None:
    uids = [uid_of(service) for service in services]
    assert len(set(uids)) == len(services)
    for uid in uids:
        assert len(uid) <= 40
        assert uid.replace("-", "").replace("_", "").isascii()
        assert uid.replace("-", "").replace("_", "").isalnum()


def test_the_page_tells_of_every_row_of_our_own_server() -> None:
    page = (ROOT / "docs" / "dashboards.md").read_text()
    for row in service_board([OURS[0]], SloSpec()).rows[1:]:
        assert f"| {row.title} |" in page
    assert f"`{boards(OURS, SloSpec())[0].uid}`" in page


def test_every_exported_series_is_on_the_dashboard_of_its_server() -> None:
    asked = {
        series.metric
        for _, query in service_board([OURS[0]], SloSpec()).asked()
        for series in selectors(query.expanded("5m"))
    }
    missing = [
        metric.name for metric in ALL
        if not any(name.startswith(metric.name) for name in asked)
    ]  # fmt: skip
    assert missing == []
