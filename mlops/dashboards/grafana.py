"""Grafana: our dashboards as JSON that Grafana 11 reads; the only file that names its SDK.

The SDK's classes are generated from Grafana's own schema, so what it writes has no unknown key.
"""

import json

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models import prometheus as prometheus_model

from mlops.dashboards.panel import Board, Draw, Panel, Query, Unit

TAG = "slo"
_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_SPAN = "now-6h"
_REFRESH = "1m"
_LETTERS = "ABCDEFGHIJ"
"""What Grafana calls the queries of a panel."""


def board_json(board: Board) -> str:
    """Return a dashboard as JSON; the same one always gives the same text."""
    builder = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .timezone("browser")
        .time(_SPAN, "now")
        .refresh(_REFRESH)
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        )
        .with_variable(_window(board))
    )
    for title, uid in board.links:
        builder.link(
            dashboard.DashboardLink(title)
            .type(model.DashboardLinkType.LINK)
            .url(f"/d/{uid}")
            .include_vars(True)
            .keep_time(True)
        )
    for mark in board.annotations:
        builder.annotation(
            dashboard.AnnotationQuery()
            .name(mark.name)
            .datasource(_SOURCE)
            .enable(True)
            .icon_color("red")
            .expr(mark.expr)
        )
    number = 0
    for row in board.rows:
        number += 1
        builder.with_row(dashboard.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            builder.with_panel(_Drawn(panel, number))
    return _text(builder.build())


def read_back(text: str) -> str:
    """Return a dashboard's JSON as the SDK's own model reads and writes it again.

    Args:
        text: JSON of a dashboard.

    Returns:
        The same text, if every key in it is one of Grafana's schema.
    """
    from grafana_foundation_sdk.cog.plugins import register_default_plugins

    register_default_plugins()
    return _text(model.Dashboard.from_json(json.loads(text)))


def _text(built: model.Dashboard) -> str:
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _window(board: Board) -> dashboard.CustomVariable:
    first = board.windows[0]
    options = [
        model.VariableOption(selected=each == first, text=each, value=each)
        for each in board.windows
    ]
    return (
        dashboard.CustomVariable("window")
        .label("Window")
        .description("Over how long rates and error ratios are taken.")
        .values(",".join(board.windows))
        .options(options)
        .current(options[0])
    )


class _Drawn(Builder[model.Panel]):
    """A panel of ours as the SDK's builder of a dashboard takes it.

    Args:
        panel: The panel.
        number: Its number on the dashboard.
    """

    def __init__(self, panel: Panel, number: int) -> None:
        self._panel = panel
        self._number = number

    def build(self) -> model.Panel:
        """Return the SDK's own panel."""
        panel = self._panel
        built = _builder(panel).build()
        built.id_val = self._number
        built.title, built.description = panel.title, panel.description
        built.datasource = _SOURCE
        built.grid_pos = model.GridPos(w=panel.width, h=panel.height)
        built.targets = [
            _target(query, panel.draw, name)
            for name, query in zip(_LETTERS, panel.queries, strict=False)
        ]
        return built


def _builder(panel: Panel) -> Builder[model.Panel]:
    match panel.draw:
        case Draw.LINES | Draw.SHARES:
            return _lines(panel)
        case Draw.VALUE:
            return _value(panel)
        case Draw.TABLE:
            return _table(panel)
        case Draw.HEAT:
            return _heat(panel)


def _target(query: Query, draw: Draw, name: str) -> prometheus_model.Dataquery:
    asked = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(name)
    match draw:
        case Draw.LINES | Draw.SHARES:
            asked.range()
        case Draw.VALUE:
            asked.instant()
        case Draw.TABLE:
            asked.instant().format(prometheus_model.PromQueryFormat.TABLE)
        case Draw.HEAT:
            asked.range().format(prometheus_model.PromQueryFormat.HEATMAP)
    return asked.build()


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [model.Threshold(value=None, color=panel.base)]
    steps += [model.Threshold(value=limit.above, color=limit.color) for limit in panel.limits]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _lines(panel: Panel) -> lines.Panel:
    shares = panel.draw is Draw.SHARES
    drawn = (
        lines.Panel()
        .unit(panel.unit)
        .min(0)
        .no_value(panel.no_value)
        .fill_opacity(40 if shares else 0)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common_model.LegendDisplayMode.LIST)
            .placement(common_model.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI))
        .thresholds(_thresholds(panel))
    )
    if shares:
        drawn.max(1).stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL))
    if panel.limits:
        drawn.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_model.GraphThresholdsStyleMode.DASHED)
        )
    return drawn


def _value(panel: Panel) -> stat.Panel:
    return (
        stat.Panel()
        .unit(panel.unit)
        .no_value(panel.no_value)
        .color_mode(common_model.BigValueColorMode.BACKGROUND)
        .graph_mode(common_model.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(panel))
    )


def _table(panel: Panel) -> table.Panel:
    """Return a table with one row for each set of labels and a column for each query."""
    columns = {
        f"Value #{letter}" if len(panel.queries) > 1 else "Value": query.legend
        for letter, query in zip(_LETTERS, panel.queries, strict=False)
    }
    drawn = table.Panel().inspect(False).no_value(panel.no_value).thresholds(_thresholds(panel))
    if len(panel.queries) > 1:
        drawn.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    drawn.with_transformation(
        model.DataTransformerConfig(
            id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": columns}
        )
    )
    for query, unit in zip(panel.queries, panel.columns, strict=True):
        drawn.override_by_name(
            query.legend, [model.DynamicConfigValue(id_val="unit", value=unit.value)]
        )
    if panel.link:
        drawn.data_links([dashboard.DashboardLink("Open").url(panel.link)])
    return drawn


def _heat(panel: Panel) -> heatmap.Panel:
    return (
        heatmap.Panel()
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_model.HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .steps(64)
        )
        .y_axis(heatmap.YAxisConfig().unit(Unit(panel.unit).value))
        .show_legend()
    )
