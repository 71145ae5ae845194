"""What people are told: what has begun, ended, erupted, stalled or recovered from one look to the next."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from analytics.live_view import LiveChannel, LivePeak, LiveView

Kind = Literal["started", "ended", "peak", "stalled", "recovered"]

NEWS_SEC: Final = 600
"""What is older when it is first seen, after a pause of ours, is no news: it is remembered, and not told."""

ENDED_NEWS_SEC: Final = 6 * 3600
"""So long after it one is still told that a broadcast has ended."""

SAME_PEAK_SEC: Final = 60
"""A peak moves by some seconds while the chat goes on; surges start at least so far apart."""

DATABASE: Final = "database"
"""The name of what has stalled where it is no collector."""

_REMEMBERED: Final = 100


class Alert(msgspec.Struct, frozen=True):
    """One thing to tell. Words of strangers are harmless for a terminal, and not yet for a service."""

    kind: Kind
    at: datetime
    """When it happened."""
    channel_id: str = ""
    streamer: str = ""
    title: str = ""
    category: str = ""
    elapsed_sec: int = 0
    """ended: how long it lasted; peak: where its rise begins; recovered: how long nothing was heard."""
    score: float = 0.0
    times_usual: float = 0.0
    words: tuple[str, ...] = ()
    name: str = ""
    """stalled and recovered: of the collector, or DATABASE."""


class Lookout(msgspec.Struct):
    """What has been told, so that nothing is told twice, not even after a restart."""

    looked_at: datetime | None = None
    """By the clock of the database."""
    on_air: dict[str, list[int]] = {}
    """By stream_id, the seconds in which its peaks start that need no telling any more."""
    ended: list[str] = []
    """The last streams whose end was told."""
    stalled: dict[str, datetime] = {}
    """By name, since when."""

    def see(self, view: LiveView, min_score: float, *, settled: bool = True) -> list[Alert]:
        """What is new. `settled`: collectors have had time to report since the database last was away."""
        first, self.looked_at = self.looked_at is None, view.at
        alerts: list[Alert] = []
        for channel in view.channels:
            if channel.closed_at is None:
                alerts += self._on_air(channel, view.at, min_score, first)
            elif channel.stream_id in self.on_air or not (first or channel.stream_id in self.ended):
                self.on_air.pop(channel.stream_id, None)
                self.ended = [*self.ended, channel.stream_id][-_REMEMBERED:]
                if (view.at - channel.closed_at).total_seconds() < ENDED_NEWS_SEC:
                    alerts.append(_of(channel, "ended", channel.closed_at, elapsed_sec=channel.elapsed_sec))
        seen = {channel.stream_id for channel in view.channels}
        self.on_air = {stream: peaks for stream, peaks in self.on_air.items() if stream in seen}  # others are forgotten
        return [*alerts, *(self._collectors(view) if settled else ())]

    def database_away(self, since: datetime) -> list[Alert]:
        """The database has not answered since then."""
        if DATABASE in self.stalled:
            return []
        self.stalled[DATABASE] = since
        return [Alert("stalled", since, name=DATABASE)]

    def database_back(self, now: datetime) -> list[Alert]:
        """It answers."""
        return [self._recovered(DATABASE, now)] if DATABASE in self.stalled else []

    def _on_air(self, channel: LiveChannel, now: datetime, min_score: float, first: bool) -> Iterator[Alert]:
        unseen = channel.stream_id not in self.on_air
        told = self.on_air.setdefault(channel.stream_id, [])
        # A broadcast that Chzzk said was over for a moment goes on: nobody is told again that it has begun.
        if unseen and not (first and channel.elapsed_sec > NEWS_SEC) and channel.stream_id not in self.ended:
            yield _of(channel, "started", channel.opened_at)
        self.ended = [stream for stream in self.ended if stream != channel.stream_id]
        for peak in channel.peaks:
            if peak.score < min_score or any(abs(peak.start_sec - start) < SAME_PEAK_SEC for start in told):
                continue
            told.append(peak.start_sec)
            del told[:-_REMEMBERED]
            if channel.elapsed_sec - peak.start_sec < NEWS_SEC and (peak.current or not first):
                yield _peak(channel, peak)

    def _collectors(self, view: LiveView) -> Iterator[Alert]:
        for one in view.collectors:
            if one.stalled and one.collector_id not in self.stalled:
                since = view.at - timedelta(seconds=one.silent_sec)
                self.stalled[one.collector_id] = since
                yield Alert("stalled", since, name=one.collector_id)
            elif not one.stalled and one.collector_id in self.stalled:
                if one.stopped:  # somebody has put it right by hand
                    del self.stalled[one.collector_id]
                else:
                    yield self._recovered(one.collector_id, view.at)
        known: Collection[str] = {DATABASE, *(one.collector_id for one in view.collectors)}
        self.stalled = {name: since for name, since in self.stalled.items() if name in known}

    def _recovered(self, name: str, now: datetime) -> Alert:
        since = self.stalled.pop(name)
        return Alert("recovered", now, name=name, elapsed_sec=max(0, int((now - since).total_seconds())))


def _peak(channel: LiveChannel, peak: LivePeak) -> Alert:
    return _of(
        channel,
        "peak",
        channel.opened_at + timedelta(seconds=peak.onset_sec),
        elapsed_sec=peak.onset_sec,
        score=peak.score,
        times_usual=peak.times_usual,
        words=tuple(peak.words),
    )


def _of(
    channel: LiveChannel,
    kind: Kind,
    at: datetime,
    *,
    elapsed_sec: int = 0,
    score: float = 0.0,
    times_usual: float = 0.0,
    words: tuple[str, ...] = (),
) -> Alert:
    return Alert(
        kind,
        at,
        channel_id=channel.channel_id,
        streamer=channel.streamer or channel.channel_id,
        title=channel.title,
        category=channel.category,
        elapsed_sec=elapsed_sec,
        score=score,
        times_usual=times_usual,
        words=words,
    )
