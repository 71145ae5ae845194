"""The chart of a broadcast: the picture an editor looks at first, in one file or, for long broadcasts, several."""

from __future__ import annotations

import gc
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from analytics.chart_figure import chart_figure
from analytics.chart_marks import marks
from analytics.chart_plot import ChartPage
from analytics.chart_series import Columns, chart_series
from analytics.language import Language

SEOUL: Final = ZoneInfo("Asia/Seoul")

# Of an empty series, which has no length of its own.
_SHORTEST_PAGE: Final = 60  # seconds


def draw_chart(
    series: Columns,
    peaks: Sequence[Mapping[str, Any]],
    surges: Sequence[Mapping[str, Any]],
    *,
    opened_at: datetime,
    streamer: str,
    title: str | None,
    language: Language,
    out: Path,
    part_hours: float = 6.0,
    rolling_sec: int = 600,
    step_sec: int | None = None,
) -> list[Path]:
    """Draws the chat rate over the clock in Seoul into PNG files of 3200 × 1400 px and returns their paths in order.

    `series`: the columns sec (since opened_at) and chat_count; donation_count, in_gap and viewers may be missing. A row
    is a second or more: `step_sec`, or the smallest distance of rows. `peaks`, `surges`: entries of peaks.json.
    A broadcast of up to `part_hours` becomes `out`; a longer one is cut into parts of one length and one scale, named
    `_part1` and so on before the suffix; the folder is made. Files are complete when they appear under their names, and
    files of an earlier run that no longer belong (`out` beside parts, more parts than now) are removed after that.

    The same input gives the same bytes. Settings of matplotlib and pyplot are neither changed nor needed.
    Raises ValueError for a naive `opened_at`, a series without its columns or of over 31 days, an entry without
    start_sec or end_sec; OSError when a file cannot be written. Either way what was there before stays.
    """
    if opened_at.tzinfo is None:
        raise ValueError(f"opened_at has no time zone: {opened_at.isoformat()}")
    if not part_hours > 0:
        raise ValueError(f"part_hours is a number above 0, not {part_hours}")
    opened_at = opened_at.astimezone(SEOUL)
    ranked_peaks, ranked_surges = marks(peaks, kind="peak"), marks(surges, kind="surge")
    data = chart_series(series, span=part_hours * 3600, rolling_sec=rolling_sec, step=step_sec)
    pages = chart_pages(data.duration, part_hours)
    paths = [out] if len(pages) == 1 else [part_path(out, page.number) for page in pages]
    # Hidden and unique, so that neither a reader nor a second run at the same time takes it for the chart.
    beside = [path.with_name(f".{path.name}.{uuid.uuid4().hex}") for path in paths]
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        for page, path in zip(pages, beside, strict=True):
            figure = chart_figure(
                data,
                ranked_peaks,
                ranked_surges,
                page,
                opened_at=opened_at,
                streamer=streamer,
                title=title,
                language=language,
            )
            # Not savefig, which follows the settings of the process. The name replaces matplotlib's version: a file is
            # to change only with what it shows.
            canvas: Any = figure.canvas
            canvas.print_png(path, metadata={"Software": "NokChart"})
            # A figure is a ring of references with 18 MB of pixels: without this, parts would pile up.
            del figure, canvas
            gc.collect()
        for made, path in zip(beside, paths, strict=True):
            made.replace(path)
    finally:
        for path in beside:
            path.unlink(missing_ok=True)
    for path in _charts_of(out) - set(paths):
        path.unlink(missing_ok=True)
    return paths


def chart_pages(duration: float, part_hours: float) -> list[ChartPage]:
    """Pages of one length of at most `part_hours` for a broadcast of `duration` seconds; at least one."""
    count = max(math.ceil(duration / (part_hours * 3600)), 1)
    length = max(duration, _SHORTEST_PAGE if not duration else 0) / count
    return [ChartPage(index * length, (index + 1) * length, index + 1, count) for index in range(count)]


def part_path(out: Path, number: int) -> Path:
    """The name of a part: chart_chat_rate.png → chart_chat_rate_part1.png."""
    return out.with_name(f"{out.stem}_part{number}{out.suffix}")


def _charts_of(out: Path) -> set[Path]:
    """The files in the folder that a run for `out` can have made."""
    name = re.compile(rf"{re.escape(out.stem)}(_part[1-9]\d*)?{re.escape(out.suffix)}")
    return {path for path in out.parent.iterdir() if name.fullmatch(path.name)}
