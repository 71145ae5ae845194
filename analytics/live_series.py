"""The last hour of one broadcast, second by second, as a follower keeps it between its looks at the database."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final

HOUR_SEC: Final = 3600
"""What is kept: from an hour on, a broadcast's own noise counts in full (docs/peaks.md)."""

SETTLE_SEC: Final = 3
"""The newest seconds still fill up: a message is committed 0.5 to 1.5 s after Chzzk's time of it, as a rule."""

SLOT_SEC: Final = 30
"""The crowd is counted by half minutes of broadcast time, so nothing smaller is read anew."""

SPARK_SEC: Final = 900
SPARK_STEP_SEC: Final = 10

UNSETTLED_SEC: Final = 90
"""A surge with too little before it is shown when it is this old: a burst has gone by then, and what stays is none."""

NOW_SEC: Final = 10
"""Chats a second "now" are those of so many seconds."""

EXCITED_SEC: Final = 30

_QUIET: Final = 0.2  # chats/s: no pace is taken for less, as in surge_peaks


@dataclass
class Second:
    """What was counted in one second of broadcast time."""

    chats: int = 0
    crowd: int = 0
    """Chats, with whoever wrote most in the half minute counted once."""
    donations: int = 0
    amount: int = 0
    """KRW."""


_SILENT: Final = Second()


@dataclass
class LiveSeries:
    """The seconds [first_sec, edge_sec) of a broadcast; those in a gap are unknown."""

    opened_at: datetime
    first_sec: int = 0
    edge_sec: int = 0
    gaps: list[tuple[float, float]] = field(default_factory=list)
    """[from, to) in seconds of broadcast time; an open gap ends at infinity."""
    seconds: dict[int, Second] = field(default_factory=dict)
    """Those in which somebody wrote or gave."""

    _arrays: tuple[list[int], list[bool], list[int]] | None = None

    def move_to(self, now: datetime) -> None:
        """The edge follows the clock of the database; what is older than an hour is forgotten."""
        self._arrays = None
        self.edge_sec = max(0, math.floor((now - self.opened_at).total_seconds()) - SETTLE_SEC)
        first = max(0, self.edge_sec - HOUR_SEC)
        self.first_sec = first - first % SLOT_SEC
        for sec in [sec for sec in self.seconds if sec < self.first_sec]:
            del self.seconds[sec]

    def set_gaps(self, begins: Sequence[datetime], ends: Sequence[datetime | None]) -> bool:
        """Takes over the gaps as they are now. Returns whether they are others than before."""
        gaps = [
            (
                (begin - self.opened_at).total_seconds(),
                math.inf if end is None else (end - self.opened_at).total_seconds(),
            )
            for begin, end in zip(begins, ends, strict=True)
        ]
        changed, self.gaps, self._arrays = gaps != self.gaps, gaps, None
        return changed

    def replace_from(self, from_sec: int, rows: Iterable[dict[str, Any]]) -> None:
        """What the database has from `from_sec` on: rows of the query live_seconds, instead of what was known."""
        self._arrays = None
        for sec in [sec for sec in self.seconds if sec >= from_sec]:
            del self.seconds[sec]
        for row in rows:
            self.seconds[row["sec"]] = Second(row["chats"], row["crowd"], row["donations"], row["amount"])

    def arrays(self) -> tuple[list[int], list[bool], list[int]]:
        """Chats, in_gap and crowd of each second, as the peak functions take them; nothing is known in a silent gap."""
        if self._arrays is None:
            self._arrays = self._compute()
        return self._arrays

    def spark(self) -> list[float | None]:
        """Chats a second of each 10 s of the last 15 minutes, oldest first.

        None: not collected (more than half of it lies in a gap), or before the broadcast.
        """
        chats, in_gap, _ = self.arrays()
        steps: list[float | None] = []
        for begin in range(self.edge_sec - SPARK_SEC, self.edge_sec, SPARK_STEP_SEC):
            seen = [
                chats[index]
                for index in range(begin - self.first_sec, begin - self.first_sec + SPARK_STEP_SEC)
                if 0 <= index < len(chats) and not in_gap[index]
            ]
            steps.append(round(sum(seen) / len(seen), 2) if len(seen) * 2 > SPARK_STEP_SEC else None)
        return steps

    def chats_per_sec(self) -> float | None:
        """The pace of the last 10 s; None where they were not collected."""
        return self._pace(NOW_SEC)

    def excitement(self) -> float:
        """How many sigmas the last 30 s stand above the median pace of the last 15 minutes; 0 where nothing is known.

        The scale is that of the peaks: twice the square root of the count plus 3/8.
        """
        pace = self._pace(EXCITED_SEC)
        usual = [one for one in self.spark() if one is not None]
        if pace is None or not usual:
            return 0.0
        return _root(EXCITED_SEC * pace) - _root(EXCITED_SEC * max(median(usual), _QUIET))

    def donated(self) -> tuple[int, int]:
        """Donations of the last 15 minutes: how many, and KRW."""
        given = [one for sec, one in self.seconds.items() if sec >= self.edge_sec - SPARK_SEC]
        return sum(one.donations for one in given), sum(one.amount for one in given)

    def missing_sec(self) -> int:
        """Seconds of the last 15 minutes that lie in a gap."""
        return sum(self.arrays()[1][-SPARK_SEC:])

    def may_surge(self, threshold: float, min_gap_sec: int) -> bool:
        """Whether a surge can have begun in the last minute; False means that surge_peaks would list none there.

        A bound of its score that costs next to nothing: the rise over the last minute in sigmas of a Poisson count, the
        smallest there are, against what the last of as many surges as find room would need.
        """
        _, in_gap, crowd = self.arrays()
        near = len(crowd) - 90
        if any(in_gap[max(0, near - 60) :]):
            return True
        room = len(crowd) / max(min_gap_sec, 30) + 1
        least = math.sqrt(max(threshold**2 - 2 * math.log(room), 0))
        total = [0]
        for chats in crowd:
            total.append(total[-1] + chats)
        for start in range(max(20, near), len(crowd) - 14):
            minute = min(60, start)
            before = (total[start] - total[start - minute]) / minute
            for span in (15, 30):
                ahead = total[min(start + span, len(crowd))] - total[start]
                if (_root(ahead) - _root(span * max(before, _QUIET))) / math.sqrt(1 + span / minute) > least:
                    return True
        return False

    def is_settled(self, start_sec: int) -> bool:
        """Whether a surge that starts there will be judged at the end as it is now.

        With less than two of the minutes before it known, surge_peaks compares it with what comes after, too: at the
        start of a broadcast, a chat that fills up looks like one for a while.
        """
        chats, in_gap, _ = self.arrays()
        first_chat = next((index for index, count in enumerate(chats) if count), len(chats))
        start = start_sec - self.first_sec
        known = sum(not gap for gap in in_gap[max(first_chat, start - 300) : max(0, start - 60)])
        return known >= 120 or self.edge_sec - start_sec >= UNSETTLED_SEC

    def at(self, sec: int) -> datetime:
        """A second of the broadcast as a clock time."""
        return self.opened_at + timedelta(seconds=sec)

    def _compute(self) -> tuple[list[int], list[bool], list[int]]:
        known = [self.seconds.get(sec, _SILENT) for sec in range(self.first_sec, self.edge_sec)]
        in_gap = [False] * len(known)
        for begin, end in self.gaps:  # a second is in a gap that it touches, as in fill_series
            first = max(0, math.floor(begin) - self.first_sec)
            last = len(known) if math.isinf(end) else min(len(known), math.ceil(end) - self.first_sec)
            in_gap[first:last] = [True] * max(0, last - first)
        return [one.chats for one in known], in_gap, [one.crowd for one in known]

    def _pace(self, span: int) -> float | None:
        chats, in_gap, _ = self.arrays()
        seen = [count for count, gap in zip(chats[-span:], in_gap[-span:], strict=True) if not gap]
        return sum(seen) / len(seen) if len(seen) * 2 > min(span, len(chats) or 1) else None


def _root(chats: float) -> float:
    return 2 * math.sqrt(chats + 0.375)
