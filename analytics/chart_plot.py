"""The data of a chart within its axes: rate, gaps, peaks with their numbers, rows of surges and donations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from analytics import language as words
from analytics.chart_marks import Mark, placed
from analytics.chart_series import ChartSeries
from analytics.chart_text import font
from analytics.language import Language, text

# Lengths are pixels of a chart of this size; SCALE makes the file sharp on dense screens and when zoomed.
WIDTH: Final = 1600
HEIGHT: Final = 700
SCALE: Final = 2
LEFT, RIGHT = 104, 1560  # of the data
LANE: Final = 20  # height of the row of surges, of donations
_HEADROOM: Final = 36  # above the highest point, for its number

PAPER, INK, SOFT, FAINT, GRID = "#ffffff", "#14171f", "#566070", "#97a0ae", "#e9ecf0"
AREA, EDGE, MEAN = "#dce5f1", "#9fb4d1", "#2f3d57"
SPAN, BURST = "#fdf1ee", "#f6bdb3"
PEAK, SURGE, DONATION = "#e5432d", "#0b8a80", "#c48a0a"
GAP, HATCH = "#f5f6f8", "#c6cdd6"

LABELLED: Final = 10  # peaks with a number on one page


@dataclass(frozen=True)
class ChartPage:
    """One file of a broadcast's chart: the seconds [start, end) of it, file `number` of `count`."""

    start: float
    end: float
    number: int = 1
    count: int = 1

    @property
    def across(self) -> float:
        """Pixels of a second."""
        return (RIGHT - LEFT) / (self.end - self.start)

    def x(self, sec: float) -> float:
        """Pixels from the left edge of the chart."""
        return LEFT + (sec - self.start) * self.across

    def holds(self, sec: float) -> bool:
        """Whether a moment is on this page; the very end of the broadcast is on its last."""
        return self.start <= sec < self.end or (self.number == self.count and sec == self.end)


def page_axes(figure: Figure, page: ChartPage, top: float, base: float) -> Axes:
    """Empty axes over the page's seconds, between two heights in pixels from the top, without lines of their own."""
    axes = figure.add_axes((LEFT / WIDTH, 1 - base / HEIGHT, (RIGHT - LEFT) / WIDTH, (base - top) / HEIGHT))
    axes.set_xlim(page.start, page.end)
    axes.set_facecolor("none")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def plot_rate(axes: Axes, data: ChartSeries, height: float, language: Language) -> None:
    """Area of the rate and line of its rolling mean over a light grid; a sentence instead when there is no chat."""
    top = max(data.highest, 5.0) * height / (height - _HEADROOM)
    axes.set_ylim(0, top)
    axes.axhline(0, color=INK, linewidth=1.1, zorder=4)
    if not data.chats:
        empty = axes.text(0.5, 0.5, text("chart.empty", language), fontproperties=font(22), color=FAINT, gid="empty")
        empty.set(transform=axes.transAxes, ha="center", va="center", zorder=8)
        empty.set_bbox({"facecolor": PAPER, "edgecolor": "none", "boxstyle": "round,pad=0.5"})
        return
    ticks = _round_values(top)
    axes.set_yticks(ticks, [f"{tick:,.0f}" for tick in ticks], fontproperties=font(14), color=SOFT)
    axes.tick_params(axis="y", length=0, pad=8 * 0.72)
    axes.grid(axis="y", color=GRID, linewidth=0.8, linestyle="-", alpha=1)
    axes.set_axisbelow(True)
    axes.fill_between(data.secs, data.rate, 0, facecolor=AREA, linewidth=0, zorder=2).set_gid("rate")
    axes.plot(data.secs, data.rate, color=EDGE, linewidth=0.8, zorder=2.5, solid_joinstyle="round")
    axes.plot(data.secs, data.rolling, color=MEAN, linewidth=1.7, zorder=3, solid_capstyle="round", gid="rolling")


def _round_values(top: float) -> list[float]:
    """Three to six whole values from 0 up to `top`."""
    power = 10 ** math.floor(math.log10(max(top / 5, 1)))
    steps = (power * factor for factor in (1, 2, 2.5, 5, 10))
    step = next(step for step in steps if step >= top / 5 and step % 1 == 0)
    return [step * index for index in range(int(top / step) + 1)]


def plot_gaps(axes: Axes, data: ChartSeries, page: ChartPage, language: Language) -> None:
    """Hatches the seconds without a connection, and says how long where there is room."""
    for start, end in data.gaps:
        if end <= page.start or start >= page.end:
            continue
        # A gap of a second must be seen too: two pixels at least.
        box = Rectangle((start, 0), max(end - start, 2 / page.across), 1, facecolor=GAP, edgecolor=HATCH, hatch="////")
        box.set(transform=axes.get_xaxis_transform(), linewidth=0, zorder=2.8, gid="gap")
        box.set_hatch_linewidth(0.8)
        axes.add_patch(box)
        shown = max(start, page.start), min(end, page.end)
        if (shown[1] - shown[0]) * page.across > 120:
            line = f"{text('chart.gap', language)}\n{words.duration(end - start, language)}"
            label = axes.text(sum(shown) / 2, 0.5, line, fontproperties=font(13), color=SOFT, zorder=3.5)
            label.set(transform=axes.get_xaxis_transform(), ha="center", va="center", linespacing=1.4)
            label.set_bbox({"facecolor": PAPER, "edgecolor": "none", "boxstyle": "round,pad=0.4"})


def gap_patch() -> Patch:
    """What a gap looks like, for the legend."""
    patch = Patch(facecolor=GAP, edgecolor=HATCH, hatch="//////", linewidth=0)
    patch.set_hatch_linewidth(0.8)
    return patch


def plot_peaks(axes: Axes, data: ChartSeries, peaks: Sequence[Mark], page: ChartPage, height: float) -> None:
    """The best peaks of the page (peaks come by rank) as coloured spans with a number above, the others as dots."""
    top = axes.get_ylim()[1]
    summits = [_summit(data, mark) for mark in peaks]
    numbered = list(zip(peaks, summits, strict=True))[:LABELLED]
    for mark, _ in numbered:
        wide = max(mark.end - mark.start, 3 / page.across)
        span = Rectangle((mark.middle - wide / 2, 0), wide, 1, facecolor=SPAN, linewidth=0, zorder=1.5)
        span.set(transform=axes.get_xaxis_transform(), gid=f"peak-span-{mark.rank}")
        axes.add_patch(span)
        # The same area once more, in the colour of peaks, seen through the span only.
        axes.fill_between(data.secs, data.rate, 0, facecolor=BURST, linewidth=0, zorder=2.2).set_clip_path(span)
    curve_x, curve_y = (data.secs - page.start) * page.across, np.nan_to_num(data.rate) / top * height
    wanted = [((x - page.start) * page.across, y / top * height) for _, (x, y) in numbered]
    spots = placed(wanted, curve_x, curve_y, (RIGHT - LEFT, height))
    for (mark, (summit_x, summit_y)), spot in zip(numbered, spots, strict=True):
        x, y = spot.x / page.across + page.start, spot.y / height * top
        axes.plot([summit_x, x], [summit_y, y], color=PEAK, linewidth=1, zorder=5, gid=f"peak-stem-{mark.rank}")
        circle = numbered_circle(x, y, 22)
        circle.set(transform=axes.transData, gid=f"peak-{mark.rank}", zorder=6, clip_on=False)
        axes.add_line(circle)
        number = axes.text(x, y, str(mark.rank), fontproperties=font(13, bold=True), color=PAPER, zorder=7)
        number.set(ha="center", va="center_baseline", gid=f"peak-number-{mark.rank}")
    for mark, (x, y) in list(zip(peaks, summits, strict=True))[LABELLED:]:
        dot = axes.plot([x], [y + 7 / height * top], "o", color=PEAK, markersize=4, markeredgewidth=0, zorder=5)[0]
        dot.set_gid(f"peak-{mark.rank}")


def _summit(data: ChartSeries, mark: Mark) -> tuple[float, float]:
    """Second and rate of the highest point of the drawn curve within a peak, its middle if it is level."""
    inside = data.secs[(data.secs >= mark.start) & (data.secs <= mark.end)]
    secs = np.concatenate([[mark.middle, mark.start, mark.end], inside])
    rates = np.interp(secs, data.secs, np.nan_to_num(data.rate)) if len(data.secs) else np.zeros(len(secs))
    best = int(rates.argmax())
    return float(secs[best]), float(rates[best])


def numbered_circle(x: float, y: float, pixels: float) -> Line2D:
    """The circle that a peak's number stands in."""
    circle = Line2D([x], [y], marker="o", linestyle="none", markersize=pixels * 0.72, color=PEAK)
    circle.set(markeredgecolor=PAPER, markeredgewidth=1.2)
    return circle


def plot_lane(axes: Axes, secs: npt.NDArray[np.float64], gid: str) -> None:
    """One row of small marks: triangles for surges, strokes for donations."""
    axes.set_ylim(0, 1)
    axes.axhline(0, color=GRID, linewidth=0.8)
    line = Line2D(secs, np.full(len(secs), 0.5), linestyle="none", clip_on=False, gid=gid)
    if gid == "surges":
        line.set(marker="^", color=SURGE, markersize=7.5, markeredgecolor=PAPER, markeredgewidth=0.6)
    else:
        line.set(marker="|", color=DONATION, markersize=8, markeredgewidth=1.2, alpha=0.7)
    axes.add_line(line)
