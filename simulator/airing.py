"""An airing: one broadcast with its place in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from simulator.script import Broadcast


@dataclass(slots=True)
class Airing:
    """A broadcast of the schedule, with dates; title and category are as they stand now."""

    broadcast: Broadcast
    index: int  # 0-based, within the channel's schedule
    opens_sec: int  # simulated seconds since the simulation's start
    open_date: datetime  # aware UTC, whole seconds
    close_date: datetime
    live_id: int
    title: str
    category: str
    chat_channel_id: str = ""  # the newest one

    @property
    def closes_sec(self) -> float:
        """Simulated second of the end."""
        return self.opens_sec + self.broadcast.duration_sec

    @property
    def video_no(self) -> int:
        """The number of the replay that is made of it."""
        return self.live_id + 5_000_000
