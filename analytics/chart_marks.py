"""Peaks and surges as marks on a chart: read from peaks.json, and placed so that no number covers another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_RADIUS: Final = 12.0  # pixels, of a number's circle with its white ring
_CLEAR: Final = 7.0  # pixels between a circle and the curve below it
_APART: Final = 2 * _RADIUS + 1.0  # pixels between the middles of two circles
_TRIES: Final = 12  # places looked at on each side and upwards


@dataclass(frozen=True)
class Mark:
    """A peak or a surge: seconds since the broadcast opened, its rank among its kind, its chats if known."""

    start: float
    end: float
    onset: float
    rank: int
    value: float | None

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class Spot:
    """Where a number goes, in pixels from the lower left of the data."""

    x: float
    y: float


def marks(entries: Sequence[Mapping[str, Any]], *, kind: str) -> list[Mark]:
    """Reads entries of peaks.json, old ones without onset_sec, rank or score too; sorted by rank.

    ValueError names the entry whose start_sec or end_sec is missing or no number.
    """
    found: list[Mark] = []
    for position, entry in enumerate(entries, start=1):
        start = _number(entry, "start_sec", kind, position)
        end = _number(entry, "end_sec", kind, position)
        onset, rank, value = (_finite(entry.get(field)) for field in ("onset_sec", "rank", "value"))
        found.append(
            Mark(
                start=start,
                end=max(start, end),
                onset=start if onset is None else onset,
                rank=int(rank) if rank and rank > 0 else position,
                value=value,
            )
        )
    return sorted(found, key=lambda mark: mark.rank)


def _number(entry: Mapping[str, Any], field: str, kind: str, position: int) -> float:
    number = _finite(entry.get(field))
    if number is None:
        raise ValueError(f"{kind} {position} has no {field} that is a number: {entry.get(field)!r}")
    return number


def _finite(value: object) -> float | None:
    """A number of whatever kind a file, pandas or the database gives, or None."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal) or not math.isfinite(value):
        return None
    return float(value)


def placed(
    wanted: Sequence[tuple[float, float]],
    curve_x: npt.NDArray[np.float64],
    curve_y: npt.NDArray[np.float64],
    size: tuple[float, float],
) -> list[Spot]:
    """Places for numbers, best ranks first: above each point of `wanted`, or as near to it as there is room.

    `curve_x` (rising) and `curve_y` are the curve in pixels, `size` is width and height of the data. Every
    wanted number gets a place; should all of its candidates be taken, it lies on the one that is least covered.
    """
    spots: list[Spot] = []
    for x, summit in wanted:
        best, best_cost = Spot(x, summit), math.inf
        for aside in (step * _APART / 2 * sign for step in range(_TRIES) for sign in ((1, -1) if step else (1,))):
            at = min(max(x + aside, _RADIUS), size[0] - _RADIUS)
            floor = max(_highest(curve_x, curve_y, at, _RADIUS + 2), summit if at == x else 0.0) + _CLEAR + _RADIUS
            for up in (step * _APART / 2 for step in range(_TRIES)):
                y = min(floor + up, size[1] - _RADIUS)
                nearest = min((math.hypot(at - other.x, y - other.y) for other in spots), default=math.inf)
                covered = max(_APART - nearest, 0.0) * 100 + max(floor - y, 0.0) * 10
                # Straight above is easier to read than aside, so a step aside costs more.
                cost = covered + abs(at - x) * 1.6 + (y - floor if y > floor else 0.0)
                if cost < best_cost:
                    best, best_cost = Spot(at, y), cost
        spots.append(best)
    return spots


def _highest(curve_x: npt.NDArray[np.float64], curve_y: npt.NDArray[np.float64], x: float, reach: float) -> float:
    """The highest point of the curve within `reach` of x."""
    if not len(curve_x):
        return 0.0
    inside = curve_y[(curve_x >= x - reach) & (curve_x <= x + reach)]
    return max(float(inside.max(initial=0.0)), float(np.interp(x, curve_x, curve_y)))
