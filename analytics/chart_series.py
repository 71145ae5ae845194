"""The numbers behind a chart: a broadcast's series turned into a rate with about as many points as pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

_COLUMNS: Final = ("sec", "chat_count", "donation_count", "viewers", "in_gap")

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_BINS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds
_SHORTEST_BIN: Final = 10  # seconds; below that single messages make the line jump
_QUIET_BIN: Final = 60  # seconds; up to this a bin grows in a quiet channel ..
_CHATS_PER_BIN: Final = 4.0  # .. until it holds this many chats on average
_MOST_BINS: Final = 760  # of one chart: about one for every two pixels
_LONGEST: Final = 31 * 86_400  # seconds; a longer series is a wrong file, and would fill the memory


class Columns(Protocol):
    """Columns by name, each with a value a row: a dict of lists or arrays, or a data frame."""

    def __contains__(self, name: Any, /) -> bool: ...

    def __getitem__(self, name: Any, /) -> Any: ...


@dataclass(frozen=True)
class ChartSeries:
    """What a chart shows of a broadcast. Positions are seconds since it opened, rates are chats per minute."""

    duration: int
    chats: int
    bin_sec: int
    secs: Floats  # the points of both curves: start of the broadcast, middles of the bins, its end
    rate: Floats  # of each bin, over the seconds that were collected; NaN where most of a bin is missing
    rolling: Floats  # mean of the `rolling_sec` up to each bin's end; NaN where rate is
    rolling_sec: int
    gaps: list[tuple[int, int]]  # [from, to)
    coverage: float | None  # collected share of the duration; None when the series does not say
    busiest: tuple[int, float] | None  # start of the minute with most chats, and its chats
    donations: int | None  # None when the series has no such column
    donation_secs: Floats  # where there was at least one
    viewers: int | None  # most at once

    @property
    def average(self) -> float:
        """Chats per minute of the broadcast, gaps included, as `nokchart stats` has it."""
        return self.chats * 60 / self.duration if self.duration else 0.0

    @property
    def highest(self) -> float:
        """The highest rate that is drawn, 0 when nothing is."""
        drawn = np.concatenate([self.rate, self.rolling])
        return float(np.nanmax(drawn)) if np.isfinite(drawn).any() else 0.0


def chart_series(series: Columns, *, span: float, rolling_sec: int, step: int | None = None) -> ChartSeries:
    """Reads a series with the columns sec and chat_count; donation_count, in_gap and viewers may be missing.

    `span`: seconds that one chart shows. `step`: seconds of a row; found from the rows when None. Rows may be unsorted
    and incomplete: seconds without a row are seconds without chat. ValueError when a column is missing or the series is
    longer than 31 days.
    """
    if missing := [name for name in ("chat_count", "sec") if name not in series]:
        raise ValueError(f"the series has no column {' and '.join(missing)}")
    secs = np.asarray(series["sec"], dtype=np.int64)
    if (secs < 0).any():
        series = {name: np.asarray(series[name])[secs >= 0] for name in _COLUMNS if name in series}
        secs = secs[secs >= 0]
    if len(secs) and secs.max() > _LONGEST:
        raise ValueError(f"the series runs to second {secs.max():,}: no broadcast is longer than 31 days")
    step = step or _step(secs)
    rows = secs // step
    size = int(rows.max()) + 1 if len(rows) else 0
    duration = size * step

    chats = np.bincount(rows, weights=_numbers(series, "chat_count"), minlength=size).astype(np.float64)
    lost = np.minimum(np.bincount(rows, weights=_lost(series, step), minlength=size), step)
    known = step - lost
    bin_sec = _bin(step, min(span, duration), chats.sum() / max(duration, 1))
    per_bin = bin_sec // step
    edges = np.arange(0, size + per_bin, per_bin).clip(max=size) if size else np.zeros(1, dtype=np.int64)
    # What was refilled of a lost row has no time to be divided by: left out of rates, not of the total.
    chats_so_far, known_so_far = _running(np.where(lost < step, chats, 0)), _running(known)
    rate = _rate(chats_so_far, known_so_far, edges[:-1], edges[1:])
    most_missing = np.diff(known_so_far[edges]) < np.diff(edges) * step / 2
    since = (edges[1:] - max(rolling_sec // step, 1)).clip(min=0)
    rolling = _rate(chats_so_far, known_so_far, since, edges[1:])
    donations = _numbers(series, "donation_count") if "donation_count" in series else None
    viewers = _numbers(series, "viewers").max(initial=0) if "viewers" in series else 0
    return ChartSeries(
        duration=duration,
        chats=round(chats.sum()),
        bin_sec=bin_sec,
        secs=np.concatenate([[0.0], (edges[:-1] + edges[1:]) * step / 2, [duration]]) if size else np.zeros(0),
        rate=_to_the_ends(np.where(most_missing, np.nan, rate)),
        rolling=_to_the_ends(np.where(most_missing, np.nan, rolling)),
        rolling_sec=rolling_sec,
        gaps=_runs(lost >= step / 2, step),
        coverage=1 - float(lost.sum()) / duration if "in_gap" in series and duration else None,
        busiest=_busiest(chats, step),
        donations=None if donations is None else round(donations.sum()),
        donation_secs=np.zeros(0)
        if donations is None
        else (np.unique(secs[donations > 0]) + step / 2).astype(np.float64),
        viewers=int(viewers) or None,
    )


def _step(secs: npt.NDArray[np.int64]) -> int:
    distances = np.diff(np.unique(secs))
    return int(distances.min()) if len(distances) else 1


def _numbers(series: Columns, column: str) -> Floats:
    values: Floats = np.asarray(series[column], dtype=np.float64)
    return np.nan_to_num(values, nan=0.0, posinf=0.0).clip(min=0)


def _lost(series: Columns, step: int) -> Floats:
    """Seconds of each row that lie in a gap, from a column of truth values or, in coarse series, of seconds."""
    if "in_gap" not in series:
        return np.zeros(len(series["sec"]))
    column = np.asarray(series["in_gap"])
    if column.dtype.kind in "iuf":
        seconds = _numbers(series, "in_gap")
        return seconds if seconds.max(initial=0) > 1 else seconds * step
    said: list[Any] = column.tolist()
    return np.array([step if str(value).lower() in {"true", "t", "1"} else 0 for value in said], dtype=np.float64)


def _bin(step: int, span: float, chats_per_sec: float) -> int:
    """Width of a bin in seconds: a multiple of the step, not finer than pixels or the chat allow."""
    wanted = max(_SHORTEST_BIN, span / _MOST_BINS)
    if chats_per_sec > 0:
        wanted = max(wanted, min(_CHATS_PER_BIN / chats_per_sec, _QUIET_BIN))
    nice = next((width for width in _BINS if width >= wanted), _BINS[-1])
    return max(math.ceil(nice / step), 1) * step


def _running(values: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values)])


def _rate(chats: Floats, known: Floats, since: npt.NDArray[np.int64], until: npt.NDArray[np.int64]) -> Floats:
    """Chats per collected minute between rows, from running sums; NaN where nothing was collected."""
    seconds = known[until] - known[since]
    rate = np.full(len(until), np.nan)
    np.divide((chats[until] - chats[since]) * 60, seconds, out=rate, where=seconds > 0)
    return rate


def _to_the_ends(values: Floats) -> Floats:
    """The first and the last value twice: the outer bins reach to the ends of the broadcast, not to their middles."""
    return np.concatenate([values[:1], values, values[-1:]])


def _runs(marked: Bools, step: int) -> list[tuple[int, int]]:
    turns = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return [(int(start) * step, int(end) * step) for start, end in turns.reshape(-1, 2)]


def _busiest(chats: Floats, step: int) -> tuple[int, float] | None:
    """The minute with most chats, the earliest of equals; in series coarser than a minute, the mean of the best row."""
    if not chats.any():
        return None
    rows = max(60 // step, 1)
    running = _running(chats)
    ends = np.minimum(np.arange(len(chats)) + rows, len(chats))
    sums = running[ends] - running[:-1]
    best = int(sums.argmax())
    return best * step, float(sums[best]) * min(60 / (rows * step), 1.0)
