"""One page of a chart as a matplotlib figure: heading, legend, clock and list of peaks around the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analytics import language as words
from analytics.chart_marks import Mark
from analytics.chart_plot import (
    AREA,
    DONATION,
    EDGE,
    FAINT,
    GRID,
    HEIGHT,
    INK,
    LABELLED,
    LANE,
    LEFT,
    MEAN,
    PAPER,
    PEAK,
    RIGHT,
    SCALE,
    SOFT,
    SURGE,
    WIDTH,
    ChartPage,
    gap_patch,
    numbered_circle,
    page_axes,
    plot_gaps,
    plot_lane,
    plot_peaks,
    plot_rate,
)
from analytics.chart_series import ChartSeries
from analytics.chart_text import drawable, fitted, font, width
from analytics.language import Language, text

_MARGIN: Final = 40
_TOP: Final = 156  # of the data
_BOTTOM: Final = 652  # of the clock and everything above it
_CLOCK: Final = 56  # height of the clock's two rows
_LANES_BELOW: Final = 8  # of the data, for the 0 of the axis
_LIST: Final = 66  # height of the list of peaks, taken from what is above it

_TICKS: Final = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)  # seconds
_MOST_TICKS: Final = 13
_DAY: Final = 86_400


def chart_figure(
    data: ChartSeries,
    peaks: Sequence[Mark],
    surges: Sequence[Mark],
    page: ChartPage,
    *,
    opened_at: datetime,
    streamer: str,
    title: str | None,
    language: Language,
) -> Figure:
    """The figure of one page, 16 × 7 in at 200 dpi. x is seconds since `opened_at` (in the zone to show), y chats/min.

    Artists that carry meaning have a gid: streamer, title, rate, rolling, gap, peak-<rank>, peak-number-<rank>,
    peak-span-<rank>, surges, donations, clock, date, listed, empty.
    """
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100 * SCALE, facecolor=PAPER)
    FigureCanvasAgg(figure)
    # What rows there are follows from the whole broadcast, so that all its pages have one scale.
    lanes = [
        (gid, secs, color)
        for gid, secs, color in (
            ("surges", np.array([mark.onset for mark in surges], dtype=np.float64), SURGE),
            ("donations", data.donation_secs, DONATION),
        )
        if len(secs)
    ]
    base = _BOTTOM - _CLOCK - len(lanes) * LANE - bool(lanes) * _LANES_BELOW - (_LIST - 20 if peaks else 0)
    here = [mark for mark in peaks if page.holds(mark.middle)]
    axes = page_axes(figure, page, _TOP, base)
    plot_rate(axes, data, base - _TOP, language)
    plot_gaps(axes, data, page, language)
    plot_peaks(axes, data, here, page, base - _TOP)
    below = base + _LANES_BELOW if lanes else base
    for gid, secs, color in lanes:
        plot_lane(page_axes(figure, page, below, below + LANE), secs[[page.holds(sec) for sec in secs]], gid)
        _write(figure, LEFT - 11, below + LANE / 2 + 4.5, text(f"chart.{gid}", language), 12.5, color, ha="right")
        below += LANE
    for sec in _clock(figure, page, below, opened_at, language):
        axes.axvline(sec, color=GRID, linewidth=0.8, zorder=0.5)
    _heading(figure, page, streamer, title, opened_at, language)
    _summary(figure, data, opened_at, language)
    _legend(figure, data, bool(here), language)
    _list(figure, here[:LABELLED], opened_at, language)
    return figure


def _renderer(figure: Figure) -> RendererAgg:
    canvas: Any = figure.canvas
    return cast(RendererAgg, canvas.get_renderer())


def _write(figure: Figure, x: float, y: float, line: str, size: float, color: str, **more: Any) -> float:
    """Puts a line at pixels from the upper left, y being its baseline, and returns its width in pixels."""
    properties = font(size, bold=more.pop("bold", False))
    # Names hold $ and _: never mathematics.
    more = {"fontproperties": properties, "color": color, "parse_math": False, **more}
    figure.text(x / WIDTH, 1 - y / HEIGHT, line, **more)
    return width(line, properties, _renderer(figure)) / SCALE


def _heading(
    figure: Figure, page: ChartPage, streamer: str, title: str | None, opened_at: datetime, language: Language
) -> None:
    """Who and what, and which part at the right; names too long for the line end in an ellipsis."""
    right: float = WIDTH - _MARGIN
    if page.count > 1:
        ends = [f"{opened_at + timedelta(seconds=round(sec)):%H:%M}" for sec in (page.start, page.end)]
        part = text("chart.part", language, part=page.number, parts=page.count)
        right -= _write(figure, right, 57, part, 20, PEAK, bold=True, ha="right", gid="part") + 14
        right -= _write(figure, right, 57, " – ".join(ends), 17, SOFT, ha="right") + 28
    name, line = drawable(streamer) or text("chart.unnamed", language), drawable(title or "")
    limit = (right - _MARGIN) * SCALE
    name = fitted(name, limit * (0.45 if line else 1), font(28, bold=True), _renderer(figure))
    x = _MARGIN + _write(figure, _MARGIN, 57, name, 28, INK, bold=True, gid="streamer")
    if line:
        x += _write(figure, x + 13, 57, "—", 24, FAINT) + 26
        line = fitted(line, (right - x) * SCALE, font(24), _renderer(figure))
        _write(figure, x, 57, line, 24, SOFT, gid="title")


def _summary(figure: Figure, data: ChartSeries, opened_at: datetime, language: Language) -> None:
    """Date, times and the few numbers that say how large the broadcast was and how much of it was collected."""
    closed_at = opened_at + timedelta(seconds=data.duration)
    date = words.long_date(opened_at.date(), language)
    when = text("chart.when", language, date=date, start=words.clock(opened_at), end=words.clock(closed_at))
    found = [
        (when, words.duration(data.duration, language)),
        (text("chart.chats", language), words.count(data.chats, language)),
        (text("chart.per_minute", language), text("chart.rate_value", language, rate=words.decimal(data.average))),
    ]
    if data.busiest:
        start, chats = data.busiest
        rate = text("chart.rate_value", language, rate=f"{chats:,.0f}")
        at = f"{opened_at + timedelta(seconds=start):%H:%M}"
        found.append((text("chart.busiest", language), text("chart.busiest_value", language, count=rate, clock=at)))
    if data.donations is not None:
        found.append((text("chart.donations", language), words.count(data.donations, language)))
    if data.coverage is not None:
        found.append((text("chart.coverage", language), words.percent(data.coverage)))
    if data.viewers:
        found.append((text("chart.viewers", language), f"{data.viewers:,}"))
    x: float = _MARGIN
    for label, value in found:
        wide = width(label, font(16), _renderer(figure)) + width(value, font(16, bold=True), _renderer(figure))
        if x + 7 + wide / SCALE > RIGHT:
            break
        x += _write(figure, x, 92, label, 16, SOFT) + 7
        x += _write(figure, x, 92, value, 16, INK, bold=True, gid="summary") + 24


def _legend(figure: Figure, data: ChartSeries, peaks: bool, language: Language) -> None:
    """What the y axis counts at the left, what the shapes mean at the right, both above the data."""
    y = _TOP - 18
    x = _MARGIN + _write(figure, _MARGIN, y, text("chart.axis", language), 15, INK, bold=True) + 8
    _write(figure, x, y, text("chart.axis_bin", language, bin=words.duration(data.bin_sec, language)), 14, FAINT)
    shown: list[tuple[Patch | Line2D, str]] = []
    if data.chats:
        window = words.duration(data.rolling_sec, language)
        shown.append((Patch(facecolor=AREA, edgecolor=EDGE, linewidth=0.9), text("chart.rate", language)))
        shown.append((Line2D([], [], color=MEAN, linewidth=1.8), text("chart.rolling", language, window=window)))
    if peaks:
        shown.append((numbered_circle(0, 0, 13), text("chart.peak", language)))
    if data.gaps:
        shown.append((gap_patch(), text("chart.gap", language)))
    if shown:
        handles, labels = zip(*shown, strict=True)
        legend = figure.legend(
            handles,
            labels,
            loc="center right",
            bbox_to_anchor=((RIGHT + 4) / WIDTH, 1 - (y - 5) / HEIGHT),
            ncols=len(labels),
            prop=font(14),
            labelcolor=SOFT,
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            columnspacing=1.8,
            handlelength=1.5,
            handletextpad=0.6,
        )
        legend.set_gid("legend")


def _clock(figure: Figure, page: ChartPage, top: float, opened_at: datetime, language: Language) -> list[float]:
    """Writes round times of day, and the date at the start and where a day begins; returns their seconds."""
    length = page.end - page.start
    whole_days = math.ceil(length / _MOST_TICKS / _DAY) * _DAY
    step = next((step for step in _TICKS if length / step <= _MOST_TICKS), whole_days)
    midnight = opened_at.replace(hour=0, minute=0, second=0, microsecond=0)
    offset = (opened_at - midnight).total_seconds()
    first, last = math.ceil((page.start + offset) / step), math.floor((page.end + offset) / step)
    ticks = [index * step - offset for index in range(first, last + 1)]
    dates = {page.start: "left"}
    for tick in ticks:
        moment = opened_at + timedelta(seconds=tick)
        new_day = (tick + offset) % _DAY == 0
        if new_day:
            dates[tick] = "right" if page.x(tick) > RIGHT - 60 else "center"
        line = f"{moment:%H:%M:%S}" if step < 60 else f"{moment:%H:%M}"
        _write(
            figure, page.x(tick), top + 24, line, 14, INK if new_day else SOFT, ha="center", bold=new_day, gid="clock"
        )
    room = math.inf
    for sec, align in sorted(dates.items(), reverse=True):
        # Where two would touch, the one at the start gives way: the midnight after it says more.
        if page.x(sec) + 140 < room:
            day = words.short_date((opened_at + timedelta(seconds=sec)).date(), language)
            bold = align != "left"
            _write(figure, page.x(sec), top + 44, day, 13, INK if bold else SOFT, ha=align, bold=bold, gid="date")
            room = page.x(sec)
    return ticks


def _list(figure: Figure, peaks: Sequence[Mark], opened_at: datetime, language: Language) -> None:
    """The numbered peaks with what an editor types: clock, position in the recording, chats."""
    if not peaks:
        return
    top = HEIGHT - _LIST - 12
    rule = Line2D([_MARGIN / WIDTH, RIGHT / WIDTH], [1 - top / HEIGHT] * 2, color=GRID, linewidth=0.8)
    figure.add_artist(rule)
    _write(figure, _MARGIN, top + 29, text("chart.best", language), 15, INK, bold=True)
    hint = _write(figure, _MARGIN, top + 55, text("chart.best_hint", language), 12.5, FAINT)
    left = _MARGIN + hint + 36
    column = (RIGHT - left) / 5
    for index, mark in enumerate(peaks):
        x, y = left + index % 5 * column, top + 29 + index // 5 * 26
        figure.add_artist(numbered_circle((x + 9) / WIDTH, 1 - (y - 5) / HEIGHT, 19))
        size = 11 if mark.rank < 100 else 9
        _write(figure, x + 9, y - 5, str(mark.rank), size, PAPER, bold=True, ha="center", va="center_baseline")
        clock = words.clock(opened_at + timedelta(seconds=mark.start))
        x += 26 + _write(figure, x + 26, y, clock, 14.5, INK, bold=True, gid="listed") + 10
        x += _write(figure, x, y, words.elapsed(mark.start), 13.5, SOFT) + 10
        if mark.value is not None:
            _write(figure, x, y, words.count(round(mark.value), language), 13.5, SOFT)
