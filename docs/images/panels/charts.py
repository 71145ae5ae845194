"""Panels with an axis: series over time, and over the length of a broadcast."""

import math
from datetime import datetime
from typing import Any

import matplotlib.dates as mdates
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from panels import look as looks
from panels.panel import Annotation, Panel, Series

_GAPS = "#D55E00"  # annotations of this colour are drawn as long as they last
_DAY_MS = 86_400_000


def draw_timeseries(panel: Panel) -> None:
    axes, view = panel.axes, panel.view
    lines = panel.answer.series()
    second_axis = any(_on_the_right(_look(panel, one.name)) for one in lines)
    _leave_room(panel, right=62 if second_axis else 8)
    _draw_series(panel, lines, view.interval_ms / _DAY_MS)
    for annotation in panel.annotations:
        _mark(axes, annotation)
    axes.set_xlim(mdates.date2num(view.since), mdates.date2num(view.until))
    locator = mdates.AutoDateLocator(tz=looks.KOREA, minticks=3, maxticks=max(3, int(panel.width / 130)))
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, tz=looks.KOREA, show_offset=False))


def draw_trend(panel: Panel) -> None:
    axes, answer, field = panel.axes, panel.answer, panel.model["options"]["xField"]
    x = answer.column(field)
    _leave_room(panel, right=8)
    _draw_series(panel, [Series(name, x, answer.column(name)) for name in answer.columns if name != field])
    axes.set_xlim(0, max(x, default=1))
    axes.xaxis.set_major_locator(MultipleLocator(1800))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda second, _: looks.text(second, {"unit": "dthms"})))


def _look(panel: Panel, name: str) -> dict[str, Any]:
    """A series that has its name from a label has its look from the column of the values."""
    return panel.look(name if name in panel.overridden else "value")


def _on_the_right(look: dict[str, Any]) -> bool:
    return bool(look.get("custom.axisPlacement") == "right")


def _leave_room(panel: Panel, right: float, left: float = 62, low: float = 44, top: float = 4) -> None:
    """Pixels for the axes' numbers and the legend."""
    box = panel.axes.get_position()
    across, up = box.width / panel.width, box.height / panel.height
    panel.axes.set_position(
        (
            box.x0 + left * across,
            box.y0 + low * up,
            box.width - (left + right) * across,
            box.height - (low + top) * up,
        )
    )


def _draw_series(panel: Panel, lines: list[Series], step_days: float = 0) -> None:
    """Lines, and bars upon each other; those of one axis have one unit."""
    left = panel.axes
    left.set_axis_on()
    left.set_facecolor(looks.PANEL)
    both = [left]
    floor: dict[datetime, float] = {}
    for number, (name, x, y) in enumerate(lines):
        look = _look(panel, name)
        color = look.get("color", {}).get("fixedColor") or looks.SERIES[number % len(looks.SERIES)]
        label = look["displayName"] if "${" not in look.get("displayName", "${") else name
        on = left
        if _on_the_right(look):
            on = left.twinx()
            both.append(on)
        if look.get("custom.drawStyle") == "bars":
            values = [value or 0 for value in y]
            below = [floor.get(moment, 0) for moment in x]
            floor |= {moment: low + value for moment, low, value in zip(x, below, values, strict=True)}
            on.bar(x, values, bottom=below, width=step_days * 0.85, align="edge", color=color, label=label)
        else:
            known = [math.nan if value is None else float(value) for value in y]
            on.plot(x, known, color=color, linewidth=look["custom.lineWidth"] * 0.9 + 0.2, label=label)
            if look["custom.fillOpacity"]:
                on.fill_between(x, known, color=color, alpha=0.1, linewidth=0)
    unit = _look(panel, lines[0].name if lines else "value").get("unit", "")
    for axes in both:
        _draw_axis(axes, {"unit": unit, "decimals": panel.defaults.get("decimals")})
    left.grid(color=looks.GRID, linewidth=0.7)
    left.set_axisbelow(True)
    _draw_legend(both)


def _draw_axis(axes: Axes, look: dict[str, Any]) -> None:
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: looks.text(value, look)))
    axes.tick_params(colors=looks.FAINT, labelsize=8.5, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_legend(both: list[Axes]) -> None:
    """Below the axis, in one row."""
    left = both[0]
    found = [one for axes in both for one in zip(*axes.get_legend_handles_labels(), strict=True)]
    if found:
        height = left.get_position().height * left.figure.get_figheight() * 100
        left.legend(
            [handle for handle, _ in found],
            [label for _, label in found],
            loc="upper left",
            bbox_to_anchor=(-0.005, -28 / height + 0.02),
            ncols=8,
            frameon=False,
            fontsize=8.5,
            labelcolor=looks.TEXT,
            handlelength=1.1,
            columnspacing=1.2,
            borderaxespad=0,
        )


def _mark(axes: Axes, annotation: Annotation) -> None:
    color, answer = annotation.color, annotation.answer
    if color == _GAPS:
        for begin, end in zip(answer.column("time"), answer.column("timeend"), strict=True):
            axes.axvspan(begin, end, color=color, alpha=0.22, linewidth=0)
    else:
        for moment in answer.column("time"):
            axes.axvline(moment, color=color, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.8)
