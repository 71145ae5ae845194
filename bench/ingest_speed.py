"""From frames of the chat socket to committed rows, in one process, against a raw COPY of the same rows."""

import asyncio
import time
from dataclasses import dataclass
from itertools import islice

from bench.dataset import OPENED_AT, live_frames
from collector.chzzk.decode import decode_frame
from collector.committer import Committer
from collector.records import Events, Statement, event_columns
from collector.spool import Spool
from collector.writer import Writer
from store.database import Database
from store.event import Event, stream_id
from store.pool import PatientPool

_CHANNEL = "bench"


@dataclass(frozen=True)
class Ingest:
    """What one run did."""

    events: int
    seconds: float
    copy_seconds: float
    """COPY of the same rows into the same table."""


async def ingest(database: Database, frame_count: int, spool: Spool) -> Ingest:
    """Decodes and writes the first `frame_count` frames of the broadcast."""
    frames = list(islice(live_frames(12), frame_count))
    received_ms = int(OPENED_AT.timestamp() * 1000) + 12 * 3_600_000
    stream = stream_id(_CHANNEL, OPENED_AT)
    async with PatientPool(lambda: database) as patient:
        pool = await patient()
        writer = Writer(Committer(patient), spool)
        writing = asyncio.create_task(writer.run())
        await writer.put(
            Statement("upsert_channel", (_CHANNEL, None)),
            Statement("open_broadcast", (stream, _CHANNEL, OPENED_AT, None, None, None, None)),
        )
        await writer.flush()
        decoded: list[Event] = []
        begun = time.perf_counter()
        for frame in frames:
            events = decode_frame(frame, received_ms).events
            if events:
                await writer.put(Events(stream, events))
                decoded.extend(events)
        await writer.flush()
        seconds = time.perf_counter() - begun
        await writer.stop()
        await writing
        stored = await pool.fetchval("SELECT count(*) FROM event")
        once = {(event.ts_ms, event.event_key): event for event in decoded}
        if stored != len(once):
            raise RuntimeError(f"{stored} rows of {len(once)} events")
        columns = event_columns([(stream, event) for event in once.values()])
        await pool.execute("TRUNCATE event")
        copied = await _copy(pool, columns)
    return Ingest(len(decoded), seconds, copied)


async def _copy(pool: object, columns: tuple[list[object], ...]) -> float:
    """asyncpg's COPY of the same columns; the conversion of times is not counted."""
    from datetime import UTC, datetime, timedelta

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    _, ts_ms, kind, key, user, nick, content, amount, hidden, source, received_ms, extra = columns

    def moments(values: list[object]) -> list[datetime]:
        return [epoch + timedelta(milliseconds=int(str(value))) for value in values]

    ones = [1] * len(ts_ms)
    records = list(
        zip(
            moments(ts_ms),
            ones,
            kind,
            key,
            user,
            nick,
            content,
            amount,
            hidden,
            source,
            moments(received_ms),
            extra,
            strict=True,
        )
    )
    names = ["ts", "broadcast_id", "kind", "event_key", "user_id", "nickname", "content", "amount"]
    names += ["hidden", "source", "received_at", "extra"]
    begun = time.perf_counter()
    await pool.copy_records_to_table("event", records=records, columns=names)  # type: ignore[attr-defined]
    return time.perf_counter() - begun
