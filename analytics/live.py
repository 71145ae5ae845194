"""What is on air now: each channel's pace, its last quarter hour, its peaks as they happen, how well it is collected.

A `LiveReader` follows the database. It asks only for what may have changed since its last look, the last minute of chat
as a rule, and keeps the last hour of each broadcast itself: a look costs the same after 90 days as on the first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from analytics.harmless import one_line
from analytics.live_series import SLOT_SEC, LiveSeries
from analytics.live_view import CURRENT_SEC, LiveChannel, LiveCollector, LivePeak, LiveView
from analytics.peaks import PeakSettings
from store.database import Database
from store.queries import query

STALLED_SEC: Final = 60
"""A collector reports every few seconds; one that has not for so long hangs, is gone, or cannot reach the database."""

# Chat that comes late: the recent chat after a reconnect (which changes the gaps, too), the spool after an outage.
_REREAD_SEC: Final = 300
_LATE_SEC: Final = 60

_WORDS: Final = 4

# A network that swallows everything is noticed within a minute.
_PATIENCE: Final = {"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000}

Connection = psycopg.Connection[dict[str, Any]]


@dataclass
class _Followed:
    """What is remembered of a broadcast between two looks."""

    series: LiveSeries
    whole_at: datetime | None = None
    peaks: list[LivePeak] = field(default_factory=list)


class LiveReader:
    """Follows one database. `look` may be called again after any error; it connects anew."""

    def __init__(self, settings: PeakSettings, *, peaks: bool = True) -> None:
        """`peaks`: whether to look for them, which is most of the work."""
        self._settings = settings
        self._with_peaks = peaks
        self._followed: dict[int, _Followed] = {}
        self._heartbeats: dict[str, tuple[datetime, datetime]] = {}  # as it is, and since when by the database's clock
        self._connection: Connection | None = None

    def look(self, database: Database, ended_after: datetime | None = None, also: Collection[str] = ()) -> LiveView:
        """The state of now; also of broadcasts that `ended_after` a moment, and of those with the stream_ids `also`.

        Raises DatabaseUnavailable, or psycopg.Error, where the database does not answer.
        """
        try:
            return self._look(self._connected(database), ended_after, also)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the connection; the next look makes another."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _connected(self, database: Database) -> Connection:
        if self._connection is None:
            patience = {name: value for name, value in _PATIENCE.items() if name not in database.parameters}
            connection: Connection = database.connect(  # type: ignore[assignment]
                row_factory=dict_row, autocommit=True, **patience
            )
            self._connection = connection
            for name, value in (
                ("statement_timeout", "10s"),
                ("jit", "off"),
                ("TimeZone", "UTC"),
                ("application_name", "nokchart live"),
            ):
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        return self._connection

    def _look(self, connection: Connection, ended_after: datetime | None, also: Collection[str]) -> LiveView:
        states = connection.execute(query("live_collectors")).fetchall()
        now: datetime = states[0]["at"]
        rows = connection.execute(
            query("broadcasts_on_air"), {"ended_after": ended_after, "stream_ids": list(also)}
        ).fetchall()
        self._read(connection, [row for row in rows if row["closed_at"] is None], now)
        channels = [self._channel(connection, row, now) for row in rows]
        return LiveView(
            at=now,
            channels=sorted(
                channels, key=lambda one: (one.closed_at is not None, -round(one.heat), -(one.viewers or 0))
            ),
            collectors=[self._collector(row, now) for row in states if row["collector_id"] is not None],
        )

    def _read(self, connection: Connection, rows: list[dict[str, Any]], now: datetime) -> None:
        """Brings the series of the broadcasts on air up to now, all with one statement."""
        on_air = {row["broadcast_id"] for row in rows}
        self._followed = {number: one for number, one in self._followed.items() if number in on_air}
        starts: dict[int, int] = {}
        for row in rows:
            number = row["broadcast_id"]
            one = self._followed.setdefault(number, _Followed(LiveSeries(row["opened_at"])))
            seen_until = one.series.edge_sec
            gaps_changed = one.series.set_gaps(row["gap_from"], row["gap_to"])
            one.series.move_to(now)
            whole = one.whole_at is None or gaps_changed or abs(now - one.whole_at) > timedelta(seconds=_REREAD_SEC)
            if whole:
                one.whole_at, starts[number] = now, one.series.first_sec
            else:
                late = max(one.series.first_sec, min(seen_until, one.series.edge_sec) - _LATE_SEC)
                starts[number] = late - late % SLOT_SEC
        if not starts:
            return
        begins = [self._followed[number].series.at(start) for number, start in starts.items()]
        counted: dict[int, list[dict[str, Any]]] = {number: [] for number in starts}
        for second in connection.execute(
            query("live_seconds"),
            {
                "broadcast_id": list(starts),
                "opened_at": [self._followed[number].series.opened_at for number in starts],
                "from_ts": begins,
                "not_before": min(begins),
            },
        ):
            counted[second["broadcast_id"]].append(second)
        for number, start in starts.items():
            self._followed[number].series.replace_from(start, counted[number])

    def _channel(self, connection: Connection, row: dict[str, Any], now: datetime) -> LiveChannel:
        one = self._followed.get(row["broadcast_id"]) or _Followed(LiveSeries(row["opened_at"]))
        series = one.series
        if row["closed_at"] is None and self._with_peaks:
            one.peaks = list(
                self.find_peaks(
                    connection,
                    series,
                    one.peaks,
                    anew=one.whole_at == now,
                    broadcast_id=row["broadcast_id"],
                )
            )
        donations, donated = series.donated()
        return LiveChannel(
            channel_id=row["channel_id"],
            stream_id=row["stream_id"],
            streamer=one_line(row["streamer"]),
            title=one_line(row["title"]),
            category=one_line(row["category"]),
            opened_at=row["opened_at"],
            closed_at=row["closed_at"],
            elapsed_sec=max(0, int(((row["closed_at"] or now) - row["opened_at"]).total_seconds())),
            viewers=row["viewers"],
            viewers_at=row["viewers_at"],
            chats_per_sec=series.chats_per_sec(),
            excitement=round(series.excitement(), 2),
            chats_15min=series.spark(),
            donations_15min=donations,
            donated_15min=donated,
            missing_15min=series.missing_sec(),
            gap_open=None in row["gap_to"],
            peaks=one.peaks,
        )

    def find_peaks(
        self,
        connection: Connection,
        series: LiveSeries,
        before: Sequence[LivePeak],
        *,
        anew: bool,
        broadcast_id: int | None = None,
    ) -> Iterator[LivePeak]:
        """The surges of the hour that `series` holds, in order; `before`: those of the last look at it.

        Where none can have begun since then, it is those of the last look, and the database is not asked; `anew`: it is
        asked whatever may be. Words are looked for where `broadcast_id` says in what.
        """
        settings = self._settings
        asked = anew or any(peak.current for peak in before)
        if not asked and not series.may_surge(settings.surge_threshold, settings.surge_min_gap_sec):
            yield from (peak for peak in before if peak.start_sec >= series.first_sec)
            return
        counts, in_gap, crowd = series.arrays()
        known = {peak.start_sec: peak.words for peak in before}
        for found in connection.execute(
            query("live_surges"),
            {
                "counts": counts,
                "in_gap": in_gap,
                "crowd": crowd,
                "min_gap_sec": settings.surge_min_gap_sec,
                "topk": settings.surge_topk,
                "threshold": settings.surge_threshold,
            },
        ).fetchall():
            start, end = series.first_sec + found["start_sec"], series.first_sec + found["end_sec"]
            if not series.is_settled(start):
                continue
            current = start >= series.edge_sec - CURRENT_SEC
            words = known.get(start)
            if words is None and current and broadcast_id is not None:
                words = self._words(connection, broadcast_id, series.at(start), series.at(end))
            yield LivePeak(
                start_sec=start,
                end_sec=end,
                onset_sec=series.first_sec + found["onset_sec"],
                value=found["value"],
                score=round(found["score"], 2),
                times_usual=round(found["value"] / (end - start) / found["baseline"], 1),
                reasons=found["reasons"],
                words=words or [],
                current=current,
            )

    def _words(self, connection: Connection, broadcast_id: int, begin: datetime, end: datetime) -> list[str]:
        rows = connection.execute(
            query("live_words"), {"broadcast_id": broadcast_id, "begin_at": begin, "end_at": end, "words": _WORDS}
        ).fetchall()
        return [word for row in rows if (word := one_line(row["word"]))]

    def _collector(self, row: dict[str, Any], now: datetime) -> LiveCollector:
        """A heartbeat is dated by the collector's clock, which may be wrong: from the second look on, what counts is
        how long ago it changed, by the database's.
        """
        name, beat = row["collector_id"], row["heartbeat_at"]
        known = self._heartbeats.get(name)
        since = min(beat, now) if known is None else (known[1] if known[0] == beat else now)
        self._heartbeats[name] = beat, since
        silent_sec = max(0.0, (now - since).total_seconds())
        return LiveCollector(
            collector_id=one_line(name),
            heartbeat_at=beat,
            silent_sec=round(silent_sec, 1),
            stopped=row["stopped"],
            stalled=not row["stopped"] and silent_sec > STALLED_SEC,
            channels=row["channels"],
            on_air=row["live"],
            queued=row["queued"],
            spool_bytes=row["spool_bytes"],
            delay_sec=row["delay_sec"],
        )
