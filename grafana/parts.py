"""What dashboards are put together from: statements as targets, panels of a few kinds, colours, links, variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, stat, table, timeseries, trend
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.cog import variants as cogvariants
from grafana_foundation_sdk.models import common as commons
from grafana_foundation_sdk.models import dashboard as models

import sql
from grafana.words import Say

SOURCE = commons.DataSourceRef(type_val="grafana-postgresql-datasource", uid="nokchart")

# By Okabe and Ito: told apart with any kind of colour vision. Series of channels use Grafana's palette of that kind.
BLUE, ORANGE, GREEN, VERMILION, YELLOW, GREY = "#56B4E9", "#E69F00", "#009E73", "#D55E00", "#F0E442", "#8E8E8E"

BROADCAST = "nokchart-broadcast"  # uid of the dashboard that links lead to

PALETTE = {"mode": "palette-colorblind"}


@dataclass
class Statement(cogbuilder.Builder[cogvariants.Dataquery], cogvariants.Dataquery):
    """A named statement of sql/queries as a target; the SDK has no type for PostgreSQL."""

    name: str
    time_series: bool = False
    ref_id: str = "A"

    def build(self) -> "Statement":
        return self

    def to_json(self) -> dict[str, object]:
        return {
            "refId": self.ref_id,
            "datasource": SOURCE,
            "editorMode": "code",
            "format": "time_series" if self.time_series else "table",
            "rawQuery": True,
            "rawSql": statement(self.name),
        }


def statement(name: str) -> str:
    """A statement without the words that describe it: in them Grafana would replace what looks like a variable."""
    lines = sql.query(name).removesuffix(";").splitlines()
    while lines[0].startswith("--"):
        del lines[0]
    return "\n".join(lines)


class Page:
    """The panels of a dashboard, placed by hand in 24 columns."""

    def __init__(self) -> None:
        self.panels: list[models.Panel] = []

    def place(self, panel: Any, x: int, y: int, w: int, h: int) -> None:
        """Puts a panel at column x and row y, w columns wide and h rows high, under the next free id."""
        built = panel.id(len(self.panels) + 1).grid_pos(models.GridPos(x=x, y=y, w=w, h=h)).build()
        self.panels.append(built)


def field(panel: Any, name: str, title: str, **settings: Any) -> None:
    """Names a column, and sets properties of it: `unit`, `decimals`, `noValue`, `custom__width` for custom.width, .."""
    properties = {"displayName": title} | {key.replace("__", "."): value for key, value in settings.items()}
    panel.override_by_name(
        name, [models.DynamicConfigValue(id_val=key, value=value) for key, value in properties.items()]
    )


def hide(panel: Any, *names: str) -> None:
    """Columns that only links need."""
    for name in names:
        value = {"viz": True, "legend": True, "tooltip": True}
        panel.override_by_name(name, [models.DynamicConfigValue(id_val="custom.hideFrom", value=value)])


def thresholds(*steps: tuple[float | None, str]) -> dict[str, object]:
    """From each value on a colour; the first from None, the bottom."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def colour(color: str) -> dict[str, object]:
    return {"mode": "fixed", "fixedColor": color}


def link(title: str, url: str) -> dict[str, object]:
    return {"title": title, "url": url, "targetBlank": False}


def outside(title: str, url: str) -> dict[str, object]:
    """A link that leaves Grafana, in a tab of its own."""
    return {"title": title, "url": url, "targetBlank": True}


def broadcast_link(say: Say) -> dict[str, object]:
    """From a row with channel_id, stream_id, from_ms and to_ms to that broadcast and time."""
    return link(say("방송 보기", "Open the broadcast"), _from_row("channel_id", "stream_id", "from_ms", "to_ms"))


def moment_link(say: Say) -> dict[str, object]:
    """As broadcast_link, from a row with moment_ms, whose messages are shown."""
    url = _from_row("channel_id", "stream_id", "from_ms", "to_ms", "moment_ms")
    return link(say("그 순간 보기", "Open the moment"), url)


def moment_of_series(say: Say) -> dict[str, object]:
    """From a point of a channel's series to its broadcast, and the messages of that moment."""
    where = "var-channel=${__field.labels.channel_id}&${__url_time_range}&var-moment=${__value.time}"
    return link(say("그 순간 보기", "Open the moment"), f"/d/{BROADCAST}?{where}")


def _from_row(*columns: str) -> str:
    parameters = {
        "channel_id": "var-channel",
        "stream_id": "var-broadcast",
        "from_ms": "from",
        "to_ms": "to",
        "moment_ms": "var-moment",
    }
    return f"/d/{BROADCAST}?" + "&".join(f"{parameters[one]}=${{__data.fields.{one}}}" for one in columns)


def stats(name: str, title: str, description: str) -> stat.Panel:
    """One statement of one row, a stat for each of its columns."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(Statement(name))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .graph_mode(commons.BigValueGraphMode.NONE)
        .color_mode(commons.BigValueColorMode.VALUE)
        .justify_mode(commons.BigValueJustifyMode.CENTER)
        .text_mode(commons.BigValueTextMode.VALUE_AND_NAME)
        .wide_layout(False)
    )


def rows(name: str, title: str, description: str) -> table.Panel:
    """One statement as a table."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(Statement(name))
        .cell_height(commons.TableCellHeight.SM)
        .show_header(True)
    )


def series(name: str, title: str, description: str, points: int, interval: str = "1s") -> timeseries.Panel:
    """One statement as lines, of at most so many points and at least such an interval. What is NULL is a gap."""
    return _timed(timeseries.Panel(), name, title, description, points, interval).fill_opacity(8).line_width(1)


def bars(name: str, title: str, description: str, points: int, interval: str = "1m") -> timeseries.Panel:
    """One statement as bars, stacked."""
    panel = _timed(timeseries.Panel(), name, title, description, points, interval)
    stacked = common.StackingConfig().mode(commons.StackingMode.NORMAL).group("A")
    return panel.draw_style(commons.GraphDrawStyle.BARS).fill_opacity(80).line_width(0).stacking(stacked).min(0)


def _timed(
    panel: timeseries.Panel, name: str, title: str, description: str, points: int, interval: str
) -> timeseries.Panel:
    return (
        panel.title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(Statement(name, time_series=True))
        .max_data_points(points)
        .interval(interval)
        .show_points(commons.VisibilityMode.NEVER)
        .span_nulls(False)
        .min(0)
        .legend(_legend())
        .tooltip(_tooltip())
    )


def elapsed(name: str, title: str, description: str, x_field: str) -> trend.Panel:
    """One statement over a column of seconds."""
    return (
        trend.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(Statement(name))
        .x_field(x_field)
        .show_points(commons.VisibilityMode.NEVER)
        .span_nulls(False)
        .fill_opacity(8)
        .line_width(1)
        .min(0)
        .legend(_legend())
        .tooltip(_tooltip())
    )


def gauges(name: str, title: str, description: str) -> bargauge.Panel:
    """One statement as horizontal bars, one a row."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(Statement(name))
        .orientation(commons.VizOrientation.HORIZONTAL)
        .display_mode(commons.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(True))
    )


def by_channel(panel: Any, *links: dict[str, object]) -> None:
    """Series are called by their channel, in colours that colour-blind people tell apart."""
    field(panel, "value", "${__field.labels.channel}", color=PALETTE, links=list(links))


def channel_variable(say: Say, *, several: bool) -> dashboard.QueryVariable:
    """The channels, all of them or one."""
    variable = _variable("channel", say("채널", "Channel"), "choose_channel").refresh(models.VariableRefresh(1))
    if several:
        every = models.VariableOption(selected=True, text=["All"], value=["$__all"])
        variable.multi(True).include_all(True).current(every)
    return variable


def broadcast_variable(say: Say) -> dashboard.QueryVariable:
    """The broadcasts of the channel: asked anew whenever another channel is chosen."""
    return _variable("broadcast", say("방송", "Broadcast"), "choose_broadcast").refresh(models.VariableRefresh(1))


def bucket_variable(say: Say) -> dashboard.CustomVariable:
    """The least width of a bucket; panels take it as their least interval."""
    widths = {"1s": say("1초", "1 s"), "10s": say("10초", "10 s"), "1m": say("1분", "1 min"), "5m": say("5분", "5 min")}
    return (
        dashboard.CustomVariable("bucket")
        .label(say("최소 간격", "Finest bucket"))
        .values(", ".join(f"{text} : {value}" for value, text in widths.items()))
        .current(models.VariableOption(selected=True, text=widths["1s"], value="1s"))
    )


def language_variable(say: Say) -> dashboard.ConstantVariable:
    """In what language statements answer where they make words: a constant of the dashboard, and nobody's choice."""
    return dashboard.ConstantVariable("language").value(say("ko", "en"))


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(statement(query))
        .sort(models.VariableSort.DISABLED)
    )


def annotation(name: str, query: str, color: str) -> dashboard.AnnotationQuery:
    """A statement with the columns time, timeend (of regions), text and tags, shown on every panel over time."""
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(SOURCE)
        .enable(True)
        .icon_color(color)
        .target(Statement(query, ref_id="Anno"))
    )


def plain(built: object) -> Any:
    """What the SDK built, as plain dicts and lists."""
    if hasattr(built, "to_json"):
        return plain(built.to_json())
    if isinstance(built, Mapping):
        return {key: plain(value) for key, value in built.items()}
    if isinstance(built, list):
        return [plain(value) for value in built]
    return built


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(commons.LegendDisplayMode.LIST)
        .placement(commons.LegendPlacement.BOTTOM)
        .calcs([])
    )


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(commons.TooltipDisplayMode.MULTI).sort(commons.SortOrder.DESCENDING)
