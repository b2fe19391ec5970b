"""Grafana's JSON: it holds what the boards say, and nothing that Grafana does not know."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlops.dashboards.grafana import board_json, read_back
from mlops.dashboards.panel import Board
from mlops.dashboards.service import boards
from mlops.slo.catalog import read_catalog
from mlops.slo.spec import SloSpec

ROOT = Path(__file__).parents[3]
BOARDS = boards(read_catalog(sorted((ROOT / "slo").glob("*.yaml"))).objectives, SloSpec())

each = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)


def read(board: Board) -> Any:
    return json.loads(board_json(board))


@each
def test_grafanas_schema_knows_every_key(board: Board) -> None:
    text = board_json(board)
    assert read_back(text) == text


def test_a_key_that_grafana_does_not_know_does_not_come_back() -> None:
    tree = read(BOARDS[0])
    tree["panels"][1]["fieldConfig"]["defaults"]["unknown"] = 1
    assert "unknown" not in read_back(json.dumps(tree))


@each
def test_the_same_board_gives_the_same_text(board: Board) -> None:
    assert board_json(board) == board_json(board)


@each
def test_every_query_is_asked_of_the_chosen_source(board: Board) -> None:
    tree = read(board)
    pictures = [panel for panel in tree["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in pictures} == {"${datasource}"}
    asked = [target["expr"] for panel in pictures for target in panel["targets"]]
    marks = [mark["expr"] for mark in tree["annotations"]["list"]]
    assert asked + marks == [query.expr for _, query in board.asked()]
    for panel in pictures:
        names = [target["refId"] for target in panel["targets"]]
        assert len(set(names)) == len(names)


@each
def test_panels_have_numbers_of_their_own_and_do_not_overlap(board: Board) -> None:
    tree = read(board)
    assert len({panel["id"] for panel in tree["panels"]}) == len(tree["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in tree["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@each
def test_source_and_window_can_be_chosen(board: Board) -> None:
    source, window = read(board)["templating"]["list"]
    assert (source["name"], source["query"]) == ("datasource", "prometheus")
    assert window["query"].split(",") == list(board.windows)
    assert window["current"]["value"] == board.windows[0]


def test_the_table_has_a_row_for_each_slo_and_leads_to_its_service() -> None:
    (table,) = [panel for panel in read(BOARDS[0])["panels"] if panel["type"] == "table"]
    assert [step["id"] for step in table["transformations"]] == ["merge", "organize"]
    assert table["transformations"][1]["options"]["renameByName"]["Value #B"] == "budget left"
    (link,) = table["fieldConfig"]["defaults"]["links"]
    assert link["url"].startswith("/d/slo-service-${__data.fields.service}")
