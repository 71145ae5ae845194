"""Panels of single values: large numbers, the newest of a series before its course, and bars from least to most."""

import math

from matplotlib.patches import Rectangle

from panels import look as looks
from panels.panel import Panel


def draw_stat(panel: Panel) -> None:
    if panel.model["targets"][0]["format"] == "time_series":
        _draw_newest(panel)
    else:
        _draw_numbers(panel)


def draw_bargauge(panel: Panel) -> None:
    axes, w, answer = panel.axes, panel.width, panel.answer
    look = panel.look(answer.columns[-1])
    least, most = look["min"], look["max"]
    places = max(len(answer.rows), 4)
    axes.set_xlim(0, w)
    axes.set_ylim(0, places)
    for number, (name, value) in enumerate(answer.rows):
        y = places - number - 0.5
        share = (float(value) - least) / (most - least)
        color = looks.color(look, value)
        axes.text(0, y, name, size=10, va="center")
        axes.add_patch(Rectangle((130, y - 0.3), w - 215, 0.6, color=looks.TROUGH))
        axes.add_patch(Rectangle((130, y - 0.3), max(share, 0) * (w - 215), 0.6, color=color, alpha=0.8))
        axes.text(w, y, looks.text(value, look), size=11, va="center", ha="right", color=color)


def _draw_numbers(panel: Panel) -> None:
    """The only row's values side by side, each under its name."""
    axes, answer = panel.axes, panel.answer
    for number, name in enumerate(answer.columns):
        look = panel.look(name)
        value = answer.rows[0][number] if answer.rows else None
        middle = (number + 0.5) / len(answer.columns)
        shown, color = looks.text(value, look), looks.color(look, value)
        axes.text(middle, 0.36, shown, size=25, weight="semibold", ha="center", va="center", color=color)
        axes.text(middle, 0.88, look["displayName"], size=10, ha="center", va="center", color=looks.FAINT)


def _draw_newest(panel: Panel) -> None:
    """The series below each other, all to one scale."""
    lines = panel.answer.series()
    high = max((float(value) for line in lines for value in line.y if value is not None), default=1)
    for number, (name, x, y) in enumerate(lines):
        color = looks.SERIES[number % len(looks.SERIES)]
        low = 1 - (number + 1) / len(lines)
        spark = panel.axes.inset_axes((0, low + 0.02, 1, 0.96 / len(lines)), zorder=1)
        spark.set_axis_off()
        known = [math.nan if value is None else float(value) for value in y]
        spark.fill_between(x, known, color=color, alpha=0.25, linewidth=0)
        spark.plot(x, known, color=color, linewidth=1)
        spark.set_ylim(0, high * 1.5)
        spark.text(0.02, 0.62, name, transform=spark.transAxes, size=10.5, va="center")
        newest = looks.text(y[-1] if y else None, panel.defaults)
        look = {"size": 21, "weight": "semibold", "color": color}
        spark.text(0.98, 0.6, newest, look, transform=spark.transAxes, ha="right", va="center")
