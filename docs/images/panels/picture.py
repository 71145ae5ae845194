"""The picture of a dashboard: its title, the time it shows, and its panels in their places."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import psycopg
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from grafana.macros import View
from grafana.walk import constants
from panels.charts import draw_timeseries, draw_trend
from panels.look import EDGE, FAINT, GROUND, KOREA, PANEL, TEXT
from panels.panel import Annotation, Panel, ask, view_of
from panels.table import draw_table
from panels.values import draw_bargauge, draw_stat

_COLUMN, _ROW = 76, 38  # pixels of a grid unit, as in a window of 1,850 pixels
_DRAW = {
    "bargauge": draw_bargauge,
    "stat": draw_stat,
    "table": draw_table,
    "timeseries": draw_timeseries,
    "trend": draw_trend,
}

for font in (Path(__file__).parents[3] / "analytics" / "fonts").glob("*.otf"):
    font_manager.fontManager.addfont(font)
mpl.rcParams |= {
    "font.family": "Pretendard JP",
    "text.color": TEXT,
    "axes.unicode_minus": False,
    "text.parse_math": False,
}


@dataclass
class Box:
    """A part of the picture, in pixels from its lower left corner."""

    left: float
    low: float
    width: float
    height: float


class Picture:
    """One dashboard as somebody sees it who looks at `view`."""

    def __init__(self, connection: psycopg.Connection[Any], model: dict[str, Any], view: View) -> None:
        self.connection, self.model = connection, model
        self.view = replace(view, variables={**view.variables, **constants(model)})
        rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in model["panels"])
        self.width, self.height = 24 * _COLUMN + 16, rows * _ROW + 64

    def save(self, path: Path) -> None:
        """Draws the picture, and writes it as a file of the kind that the path's ending names."""
        figure = plt.figure(figsize=(self.width / 100, self.height / 100), dpi=100, facecolor=GROUND)
        self._draw_head(figure)
        annotations = [
            Annotation(one["iconColor"], ask(self.connection, one["target"], self.view))
            for one in self.model["annotations"].get("list", [])
        ]
        for model in self.model["panels"]:
            box = self._box(model["gridPos"])
            self._draw_frame(figure, model["title"], box)
            inner = Box(box.left + 12, box.low + 8, box.width - 24, box.height - 44)
            axes = figure.add_axes(
                (inner.left / self.width, inner.low / self.height, inner.width / self.width, inner.height / self.height)
            )
            axes.set_axis_off()
            view = view_of(model, self.view)
            answer = ask(self.connection, model["targets"][0], view)
            _DRAW[model["type"]](Panel(model, view, answer, annotations, axes, inner.width, inner.height))
        figure.savefig(path, facecolor=GROUND)
        plt.close(figure)

    def _box(self, place: dict[str, int]) -> Box:
        """Where a panel is, by its place on the grid, whose rows go down."""
        width, height = place["w"] * _COLUMN - 8, place["h"] * _ROW - 8
        top = 60 + place["y"] * _ROW + 4
        return Box(8 + place["x"] * _COLUMN + 4, self.height - top - height, width, height)

    def _draw_head(self, figure: Figure) -> None:
        y = 1 - 32 / self.height
        span = f"{_clock(self.view.since)}  →  {_clock(self.view.until)}"
        figure.text(16 / self.width, y, self.model["title"], size=15, weight="semibold", va="center")
        figure.text(1 - 16 / self.width, y, span, size=10, color=FAINT, ha="right", va="center")

    def _draw_frame(self, figure: Figure, title: str, box: Box) -> None:
        frame = FancyBboxPatch(
            (box.left / self.width, box.low / self.height),
            box.width / self.width,
            box.height / self.height,
            boxstyle="square,pad=0",
            facecolor=PANEL,
            edgecolor=EDGE,
            linewidth=0.8,
            transform=figure.transFigure,
            zorder=-1,
        )
        figure.add_artist(frame)
        x, y = (box.left + 12) / self.width, (box.low + box.height - 18) / self.height
        figure.text(x, y, title, size=10.5, weight="semibold", va="center")


def _clock(moment: datetime) -> str:
    return moment.astimezone(KOREA).strftime("%Y-%m-%d %H:%M")
