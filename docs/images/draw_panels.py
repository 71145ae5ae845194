"""Draws Grafana panels with matplotlib: the same statements, titles, units, colours and places, on a dark ground."""

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import psycopg
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.ticker import FuncFormatter, MultipleLocator

from grafana.macros import View, expand
from grafana.walk import constants

KOREA = ZoneInfo("Asia/Seoul")
GROUND, PANEL, EDGE, TEXT, FAINT, GRID = "#111217", "#181b1f", "#2c3235", "#ccccdc", "#8e9297", "#2a2e33"
SERIES = ["#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00", "#BBBBBB"]
COLUMN, ROW = 76, 38  # pixels of a grid unit, as in a window of 1,850 pixels
LEAST_MS = {"1s": 1_000, "$bucket": 1_000, "1m": 60_000, "5m": 300_000, "1d": 86_400_000}

for font in (Path(__file__).parents[2] / "analytics" / "fonts").glob("*.otf"):
    font_manager.fontManager.addfont(font)
mpl.rcParams |= {
    "font.family": "Pretendard JP",
    "text.color": TEXT,
    "axes.unicode_minus": False,
    "text.parse_math": False,
}


@dataclass
class Result:
    """What a statement returned."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def column(self, name: str) -> list[Any]:
        return [row[self.columns.index(name)] for row in self.rows]


@dataclass
class Artist:
    """Draws one dashboard as somebody sees it who looks at `view`."""

    connection: psycopg.Connection[Any]
    model: dict[str, Any]
    view: View

    def ask(self, statement: str, points: int = 1000, least: str = "1s") -> Result:
        variables = {**self.view.variables, **constants(self.model)}
        view = View(self.view.since, self.view.until, points, LEAST_MS[least], variables)
        cursor = self.connection.execute(expand(statement, view).encode())
        return Result([column.name for column in cursor.description or []], cursor.fetchall())

    def save(self, path: Path) -> None:
        panels = self.model["panels"]
        height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) * ROW + 64
        width = 24 * COLUMN + 16
        figure = plt.figure(figsize=(width / 100, height / 100), dpi=100, facecolor=GROUND)
        figure.text(16 / width, 1 - 32 / height, self.model["title"], size=15, weight="semibold", va="center")
        span = f"{self._clock(self.view.since)}  →  {self._clock(self.view.until)}"
        figure.text(1 - 16 / width, 1 - 32 / height, span, size=10, color=FAINT, ha="right", va="center")
        marks = [(one, self.ask(one["target"]["rawSql"])) for one in self.model["annotations"].get("list", [])]
        for panel in panels:
            place = panel["gridPos"]
            left, top = 8 + place["x"] * COLUMN + 4, 60 + place["y"] * ROW + 4
            w, h = place["w"] * COLUMN - 8, place["h"] * ROW - 8
            self._frame(figure, panel["title"], left, height - top - h, w, h, width, height)
            inner = (left + 12, height - top - h + 8, w - 24, h - 44)
            axes = figure.add_axes((inner[0] / width, inner[1] / height, inner[2] / width, inner[3] / height))
            axes.set_axis_off()
            getattr(self, f"_{panel['type']}")(axes, panel, inner[2], inner[3], marks)
        figure.savefig(path, facecolor=GROUND)
        plt.close(figure)

    @staticmethod
    def _clock(moment: datetime) -> str:
        return moment.astimezone(KOREA).strftime("%Y-%m-%d %H:%M")

    @staticmethod
    def _frame(figure: Any, title: str, left: float, low: float, w: float, h: float, width: int, height: int) -> None:
        box = FancyBboxPatch(
            (left / width, low / height),
            w / width,
            h / height,
            boxstyle="square,pad=0",
            facecolor=PANEL,
            edgecolor=EDGE,
            linewidth=0.8,
            transform=figure.transFigure,
            zorder=-1,
        )
        figure.add_artist(box)
        figure.text((left + 12) / width, (low + h - 18) / height, title, size=10.5, weight="semibold", va="center")

    # -- panels over time

    def _timeseries(self, axes: Axes, panel: dict[str, Any], w: float, h: float, marks: list[Any]) -> None:
        target = panel["targets"][0]
        result = self.ask(target["rawSql"], int(panel["maxDataPoints"]), panel.get("interval", "1s"))
        right = 62 if "right" in str(panel["fieldConfig"]["overrides"]) else 8
        axes.set_position(_shrunk(axes, w, h, left=62, low=44, right=right, top=4))
        lines = _lines(panel, result)
        bars = panel["fieldConfig"]["defaults"].get("custom", {}).get("drawStyle") == "bars"
        step = View(
            self.view.since, self.view.until, int(panel["maxDataPoints"]), LEAST_MS[panel.get("interval", "1s")]
        ).interval_ms
        self._plot(axes, panel, lines, bars, step / 86_400_000)
        for one, found in marks:
            for number in range(len(found.rows)):
                _mark(axes, one["iconColor"], found, number)
        axes.set_xlim(mdates.date2num(self.view.since), mdates.date2num(self.view.until))
        locator = mdates.AutoDateLocator(tz=KOREA, minticks=3, maxticks=max(3, int(w / 130)))
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, tz=KOREA, show_offset=False))

    def _trend(self, axes: Axes, panel: dict[str, Any], w: float, h: float, marks: list[Any]) -> None:
        result = self.ask(panel["targets"][0]["rawSql"])
        axes.set_position(_shrunk(axes, w, h, left=62, low=44, right=8, top=4))
        x = result.column(panel["options"]["xField"])
        lines = [(name, x, result.column(name)) for name in result.columns if name != panel["options"]["xField"]]
        self._plot(axes, panel, lines, False, 0)
        axes.set_xlim(0, max(x, default=1))
        axes.xaxis.set_major_locator(MultipleLocator(1800))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda second, _: _text(second, "dthms", None)))

    def _plot(self, axes: Axes, panel: dict[str, Any], lines: list[Any], bars: bool, step: float) -> None:
        defaults = panel["fieldConfig"]["defaults"]
        floor: dict[float, float] = {}
        axes.set_axis_on()
        axes.set_facecolor(PANEL)
        right = None
        for number, (name, x, y) in enumerate(lines):
            look = _overrides(panel, name if name in _named(panel) else "value")
            color = look.get("color", {}).get("fixedColor") or SERIES[number % len(SERIES)]
            label = look["displayName"] if "${" not in look.get("displayName", "${") else name
            on = axes
            if look.get("custom.axisPlacement") == "right":
                on = right = axes.twinx()
            if bars and look.get("custom.drawStyle") != "line":
                values = [value or 0 for value in y]
                below = [floor.get(_number(moment), 0) for moment in x]
                floor |= {_number(moment): low + value for moment, low, value in zip(x, below, values, strict=True)}
                on.bar(x, values, bottom=below, width=step * 0.85, align="edge", color=color, label=label)
            else:
                known = [math.nan if value is None else float(value) for value in y]
                on.plot(x, known, color=color, linewidth=look.get("custom.lineWidth", 1) * 0.9 + 0.2, label=label)
                if look.get("custom.fillOpacity", 8):
                    on.fill_between(x, known, color=color, alpha=0.1, linewidth=0)
        unit, decimals = defaults.get("unit", ""), defaults.get("decimals")
        for one in [axes, right]:
            if one is not None:
                one.set_ylim(bottom=0)
                one.yaxis.set_major_formatter(
                    FuncFormatter(lambda value, _: _text(value, unit or _unit(panel), decimals))
                )
                one.tick_params(colors=FAINT, labelsize=8.5, length=0)
                for spine in one.spines.values():
                    spine.set_visible(False)
        axes.grid(color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        handles, labels = axes.get_legend_handles_labels()
        if right is not None:
            more, texts = right.get_legend_handles_labels()
            handles, labels = handles + more, labels + texts
        if labels:
            axes.legend(
                handles,
                labels,
                loc="upper left",
                bbox_to_anchor=(-0.005, -28 / (axes.get_position().height * axes.figure.get_figheight() * 100) + 0.02),
                ncols=8,
                frameon=False,
                fontsize=8.5,
                labelcolor=TEXT,
                handlelength=1.1,
                columnspacing=1.2,
                borderaxespad=0,
            )

    # -- panels of values

    def _stat(self, axes: Axes, panel: dict[str, Any], w: float, h: float, marks: list[Any]) -> None:
        target = panel["targets"][0]
        if target["format"] == "time_series":
            self._sparks(axes, panel, w, h)
            return
        result = self.ask(target["rawSql"])
        for number, name in enumerate(result.columns):
            look = panel["fieldConfig"]["defaults"] | _overrides(panel, name)
            value = result.rows[0][number] if result.rows else None
            middle = (number + 0.5) / len(result.columns)
            shown = _text(value, look.get("unit", ""), look.get("decimals"), look.get("noValue", "–"))
            color = _colour(look, value)
            axes.text(middle, 0.36, shown, size=25, weight="semibold", ha="center", va="center", color=color)
            axes.text(middle, 0.88, look["displayName"], size=10, ha="center", va="center", color=FAINT)

    def _sparks(self, axes: Axes, panel: dict[str, Any], w: float, h: float) -> None:
        result = self.ask(panel["targets"][0]["rawSql"], int(panel["maxDataPoints"]))
        lines = _lines(panel, result)
        high = max((float(value) for _, _, y in lines for value in y if value is not None), default=1)
        for number, (name, x, y) in enumerate(lines):
            color = SERIES[number % len(SERIES)]
            low = 1 - (number + 1) / len(lines)
            spark = axes.inset_axes((0, low + 0.02, 1, 0.96 / len(lines)), zorder=1)
            spark.set_axis_off()
            known = [math.nan if value is None else float(value) for value in y]
            spark.fill_between(x, known, color=color, alpha=0.25, linewidth=0)
            spark.plot(x, known, color=color, linewidth=1)
            spark.set_ylim(0, high * 1.5)
            spark.text(0.02, 0.62, name, transform=spark.transAxes, size=10.5, va="center")
            last = _text(y[-1] if y else None, "", 1, panel["fieldConfig"]["defaults"].get("noValue", "–"))
            spark.text(
                0.98,
                0.6,
                last,
                transform=spark.transAxes,
                size=21,
                ha="right",
                va="center",
                color=color,
                weight="semibold",
            )

    def _bargauge(self, axes: Axes, panel: dict[str, Any], w: float, h: float, marks: list[Any]) -> None:
        result = self.ask(panel["targets"][0]["rawSql"])
        defaults = panel["fieldConfig"]["defaults"]
        look = defaults | _overrides(panel, result.columns[-1])
        axes.set_xlim(0, w)
        axes.set_ylim(0, max(len(result.rows), 4))
        for number, (name, value) in enumerate(result.rows):
            y = max(len(result.rows), 4) - number - 0.5
            share = (float(value) - defaults["min"]) / (defaults["max"] - defaults["min"])
            axes.text(0, y, name, size=10, va="center")
            axes.add_patch(Rectangle((130, y - 0.3), w - 215, 0.6, color="#22252b"))
            axes.add_patch(
                Rectangle((130, y - 0.3), max(share, 0) * (w - 215), 0.6, color=_colour(look, value), alpha=0.8)
            )
            shown = _text(value, look["unit"], look["decimals"])
            axes.text(w, y, shown, size=11, va="center", ha="right", color=_colour(look, value))

    def _table(self, axes: Axes, panel: dict[str, Any], w: float, h: float, marks: list[Any]) -> None:
        result = self.ask(panel["targets"][0]["rawSql"])
        if panel.get("transformations"):
            result = _matrix(result)
        names = [name for name in result.columns if not _overrides(panel, name).get("custom.hideFrom", {}).get("viz")]
        looks = {name: panel["fieldConfig"]["defaults"] | _overrides(panel, name) for name in names}
        fixed = {name: looks[name].get("custom.width") for name in names}
        flexible = sum(value is None for value in fixed.values())
        room = (w - sum(value for value in fixed.values() if value)) / max(flexible, 1)
        widths = {name: fixed[name] or room for name in names}
        tall = 34 if panel.get("transformations") else 27
        axes.set_xlim(0, w)
        axes.set_ylim(h, 0)
        x = 0.0
        for name in names:
            values = result.column(name)
            gauge = (looks[name].get("custom.cellOptions") or {}).get("type") == "gauge"
            right = (
                not gauge
                and not looks[name].get("mappings")
                and any(isinstance(v, int | float | Decimal) for v in values)
            )
            at, side = (x + widths[name] - 10, "right") if right else (x + 6, "left")
            axes.text(at, 12, looks[name].get("displayName", name), size=9.5, color="#6e9fff", va="center", ha=side)
            shared = result.rows if panel.get("transformations") else [values]
            numbers = [float(one) for row in shared for one in row if isinstance(one, int | float | Decimal)]
            most = looks[name].get("max") or max(numbers, default=1)
            for number, value in enumerate(values[: int((h - 26) // tall)]):
                y = 26 + number * tall
                _cell(axes, looks[name], value, x, y, widths[name], tall, most)
            x += widths[name]
        for number in range(min(len(result.rows), int((h - 26) // tall)) + 1):
            axes.plot([0, w], [26 + number * tall] * 2, color=GRID, linewidth=0.7)


def _cell(axes: Axes, look: dict[str, Any], value: Any, x: float, y: float, w: float, h: float, most: float) -> None:
    options = look.get("custom.cellOptions") or look.get("custom", {}).get("cellOptions") or {}
    mapped = {str(key): one for mapping in look.get("mappings") or [] for key, one in mapping["options"].items()}
    one = mapped.get(str(value))
    shown = one["text"] if one else _text(value, look.get("unit", ""), look.get("decimals"), look.get("noValue", ""))
    color = TEXT
    if options.get("type") == "color-background" and isinstance(value, int | float):
        axes.add_patch(Rectangle((x + 1, y + 1), w - 2, h - 2, color=_shade(float(value) / most)))
        axes.text(x + w / 2, y + h / 2, shown, size=9.5, ha="center", va="center", color="white")
        return
    if options.get("type") == "color-text":
        color = (one or {}).get("color") or _colour(look, value)
    if options.get("type") == "gauge" and value is not None:
        share = min(max(float(value) / most if most else 0, 0), 1)
        axes.add_patch(Rectangle((x + 6, y + 5), w - 74, h - 10, color="#22252b"))
        axes.add_patch(Rectangle((x + 6, y + 5), share * (w - 74), h - 10, color=_colour(look, value), alpha=0.85))
        axes.text(x + w - 8, y + h / 2, shown, size=9.5, va="center", ha="right", color=_colour(look, value))
        return
    if isinstance(value, int | float | Decimal) and not one:
        axes.text(x + w - 10, y + h / 2, shown, size=9.5, va="center", ha="right", color=color)
        return
    axes.text(x + 6, y + h / 2, _fit(shown, w - 12), size=9.5, va="center", color=color)


def _shade(share: float) -> tuple[float, float, float]:
    """From the panel's ground to blue, as Grafana's continuous-blues."""
    return (0.09 + 0.08 * share, 0.11 + 0.33 * share, 0.13 + 0.74 * share)


def _fit(text: str, width: float) -> str:
    """As much of a text as there is room for; Korean characters are twice as wide."""
    used, kept = 0.0, ""
    for character in text.replace("\n", " "):
        used += 12.2 if ord(character) > 0x1100 else 6.6
        if used > width - 8:
            return kept.rstrip() + "…"
        kept += character
    return kept


def _matrix(result: Result) -> Result:
    """What Grafana's transformation groupingToMatrix makes: weekdays down, hours across."""
    hours = sorted(set(result.column("hour")))
    known = {(day, hour): value for day, hour, value in result.rows}
    days = sorted({row[0] for row in result.rows})
    return Result(["weekday\\hour", *hours], [(day, *(known.get((day, hour)) for hour in hours)) for day in days])


def _shrunk(axes: Axes, w: float, h: float, left: float, low: float, right: float, top: float) -> Any:
    box = axes.get_position()
    across, up = box.width / w, box.height / h
    return (
        box.x0 + left * across,
        box.y0 + low * up,
        box.width - (left + right) * across,
        box.height - (low + top) * up,
    )


def _lines(panel: dict[str, Any], result: Result) -> list[tuple[str, list[Any], list[Any]]]:
    """Series by their label, or by their column."""
    label = next((name for name in ("channel", "cause") if name in result.columns), None)
    if label is None:
        times = result.column("time")
        return [(name, times, result.column(name)) for name in result.columns if name != "time"]
    found: dict[str, tuple[list[Any], list[Any]]] = {}
    for moment, name, value in zip(result.column("time"), result.column(label), result.column("value"), strict=True):
        x, y = found.setdefault(name, ([], []))
        x.append(moment)
        y.append(value)
    return [(name, x, y) for name, (x, y) in sorted(found.items())]


def _mark(axes: Axes, color: str, found: Result, number: int) -> None:
    begin = found.column("time")[number]
    if "timeend" in found.columns and color == "#D55E00":
        axes.axvspan(begin, found.column("timeend")[number], color=color, alpha=0.22, linewidth=0)
    else:
        axes.axvline(begin, color=color, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.8)


def _named(panel: dict[str, Any]) -> set[str]:
    return {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}


def _overrides(panel: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        one["id"]: one.get("value")
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == name
        for one in override["properties"]
    }


def _unit(panel: dict[str, Any]) -> str:
    return next(
        (one["value"] for o in panel["fieldConfig"]["overrides"][1:] for one in o["properties"] if one["id"] == "unit"),
        "",
    )


def _colour(look: dict[str, Any], value: Any) -> str:
    color = look.get("color") or {}
    if color.get("mode") == "fixed":
        return str(color["fixedColor"])
    shown = TEXT
    for step in (look.get("thresholds") or {}).get("steps", []):
        if step["value"] is None or (value is not None and float(value) >= step["value"]):
            shown = step["color"]
    return TEXT if value is None or shown in ("green", "red") else shown


def _number(moment: Any) -> float:
    return float(mdates.date2num(moment)) if isinstance(moment, datetime) else float(moment)


def _text(value: Any, unit: str, decimals: int | None, nothing: str = "–") -> str:
    """A value as Grafana shows it."""
    if value is None:
        return nothing
    if isinstance(value, datetime):
        local = value.astimezone(KOREA)
        return local.strftime(
            {
                "time:HH:mm:ss": "%H:%M:%S",
                "time:MM-DD HH:mm": "%m-%d %H:%M",
                "time:MM-DD HH:mm:ss": "%m-%d %H:%M:%S",
                "dateTimeFromNow": "%m-%d %H:%M",
            }.get(unit, "%Y-%m-%d %H:%M:%S")
        )
    if isinstance(value, str):
        return value
    number = float(value)
    if unit == "dthms":
        return f"{int(number) // 3600:02d}:{int(number) // 60 % 60:02d}:{int(number) % 60:02d}"
    if unit == "currencyKRW":
        return "₩" + _short(number, decimals)
    if unit == "bytes":
        return _scaled(number, 1024, ["B", "KiB", "MiB", "GiB"], decimals)
    if unit == "s":
        for size, name in ((86400, "days"), (3600, "hours"), (60, "mins")):
            if abs(number) >= size:
                return f"{number / size:.{1 if decimals is None else decimals}f} {name}"
        return f"{number:.{2 if decimals is None else decimals}f} s".replace(".00 s", " s")
    if unit == "h":
        return f"{number:.0f} h"
    if unit == "locale":
        return f"{number:,.0f}"
    if unit == "percent":
        return f"{number:.{decimals or 0}f}%"
    if unit == "short":
        return _short(number, decimals)
    plain = (
        f"{number:.{decimals}f}"
        if decimals is not None
        else (f"{number:.0f}" if number == int(number) else f"{number:.3g}")
    )
    return plain + unit.removeprefix("suffix:") if unit.startswith("suffix:") else plain


def _short(number: float, decimals: int | None) -> str:
    return _scaled(number, 1000, ["", "K", "Mil", "Bil"], decimals)


def _scaled(number: float, base: int, names: list[str], decimals: int | None) -> str:
    power = 0
    while abs(number) >= base and power < len(names) - 1:
        number, power = number / base, power + 1
    shown = (
        f"{number:.{decimals}f}" if decimals is not None else f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"
    )
    return f"{shown} {names[power]}".strip()
