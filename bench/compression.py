"""Bytes of a stored message: a day of eight channels in the project's schema, before and after the columnstore's job.

    python -m bench.compression [--database URL] [--scale 1.0] [--write]

The day is played twice: with the simulator's own lines, which repeat themselves more than people do, and with two of
three chats replaced by sentences that hardly repeat (see bench/sentences.py). Neither is real chat.
"""

import argparse
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from psycopg import Connection

from bench.sentences import Sentences
from bench.table import Table, machine
from bench.timescale import opened, run_jobs, schedule_jobs
from collector.chzzk.decode import decode_frame
from simulator import Broadcast, frames, random_bursts
from store.event import Event

_WANTED_BYTES = 45.0
# Chats a second, chatters and hours of each channel.
_CHANNELS: tuple[tuple[float, int, float], ...] = (
    (18, 18_000, 8),
    (11, 10_000, 7),
    (7, 7_000, 7),
    (6, 5_000, 6.5),
    (4.3, 4_000, 7),
    (2.9, 2_500, 6),
    (2.2, 1_800, 8),
    (1.4, 1_200, 6),
)
_BURSTS_PER_HOUR = 6
_VARIED_SHARE = 0.65

_COPY = """
COPY event (
    ts, broadcast_id, kind, event_key, user_id, nickname, content, amount, hidden, source, received_at, extra
) FROM STDIN
"""
_BROADCAST = """
WITH named AS (INSERT INTO channel (channel_id) VALUES (%(name)s))
INSERT INTO broadcast (stream_id, channel_id, opened_at, closed_at)
VALUES (%(name)s, %(name)s, %(opened_at)s, %(closed_at)s)
RETURNING broadcast_id
"""
_PACKED = """
SELECT sum(before_compression_total_bytes)::float8, sum(after_compression_total_bytes)::float8
FROM chunk_compression_stats('event') AS s
INNER JOIN timescaledb_information.chunks AS c USING (chunk_schema, chunk_name)
WHERE c.hypertable_name = 'event' AND c.range_start <= %(day)s AND c.range_end > %(day)s
"""


@dataclass(frozen=True)
class Day:
    """What a day took."""

    events: int
    distinct: float
    """Share of the chats whose text no earlier one had."""
    before: float
    """Bytes."""
    after: float


def day_of(connection: Connection[tuple[object, ...]], start: datetime, scale: float, varied: bool) -> Day:
    """Loads the day that begins at `start` and packs it. `connection` is in autocommit mode."""
    total = 0
    texts: set[str | None] = set()
    chats = 0
    sentences = iter(Sentences())
    chance = random.Random("varied")
    for nth, (rate, chatters, hours) in enumerate(_CHANNELS):
        length = timedelta(hours=hours * scale)
        opened_at = start + timedelta(hours=1, minutes=13 * nth)
        name = f"{start:%Y%m%d}_{nth}"
        values = {"name": name, "opened_at": opened_at, "closed_at": opened_at + length}
        (broadcast_id,) = connection.execute(_BROADCAST, values).fetchone() or (None,)
        with connection.cursor().copy(_COPY) as copy:
            for event in _events(name, opened_at, length, rate, chatters):
                if event.kind == "chat":
                    chats += 1
                    if varied and chance.random() < _VARIED_SHARE:
                        event = event._replace(content=next(sentences))
                    texts.add(event.content)
                total += 1
                copy.write_row(_row(event, broadcast_id))
    connection.execute("ANALYZE event")
    run_jobs(connection, "compression")
    before, after = connection.execute(_PACKED, {"day": start + timedelta(hours=3)}).fetchone() or (None, None)
    if before is None or after is None:
        raise RuntimeError("the columnstore's job has packed nothing")
    return Day(total, len(texts) / chats, float(str(before)), float(str(after)))


def _events(name: str, opened_at: datetime, length: timedelta, rate: float, chatters: int) -> Iterator[Event]:
    """A broadcast as the collector would have it: through the socket's frames, each message once."""
    seconds = round(length.total_seconds())
    bursts = random_bursts(name, seconds, max(1, seconds * _BURSTS_PER_HOUR // 3600), min_gap_sec=120)
    broadcast = Broadcast(seconds, rate, bursts, chatters=chatters, donations_per_min=1 + rate / 10)
    known: set[tuple[int, int]] = set()
    delay = random.Random(name)
    sent_ms = int(opened_at.timestamp() * 1000)
    for frame in frames(broadcast, name, audience=name, open_date=opened_at):
        received_ms = sent_ms + 3_600_000 * 24
        events = decode_frame(frame, received_ms, sent_ms).events
        sent_ms = max((event.ts_ms for event in events), default=sent_ms)
        received_ms = sent_ms + 30 + int(delay.lognormvariate(4, 0.5))
        for event in events:
            if (event.ts_ms, event.event_key) not in known:
                known.add((event.ts_ms, event.event_key))
                yield event._replace(received_ms=received_ms)


def _row(event: Event, broadcast_id: object) -> tuple[object, ...]:
    received = None if event.received_ms is None else _moment(event.received_ms)
    own = (event.kind, event.event_key, event.user_id, event.nickname, event.content, event.amount, event.hidden)
    return (_moment(event.ts_ms), broadcast_id, *own, event.source, received, event.extra)


def _moment(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def main() -> None:
    """The command line of `python -m bench.compression`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="a libpq URI of an empty database; default: the TimescaleDB of the tests")
    parser.add_argument("--scale", type=float, default=1.0, help="of the broadcasts' length")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    table = Table()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with (
        tempfile.TemporaryDirectory() as home,
        opened(options.database, Path(home)) as (database, server),
        database.connect(autocommit=True) as connection,
    ):
        schedule_jobs(connection, False)
        for days_ago, varied in ((6, False), (4, True)):
            day = day_of(connection, midnight - timedelta(days=days_ago), options.scale, varied)
            text = "sentences that hardly repeat" if varied else "the simulator's lines"
            packed = day.after / day.events
            table.add(f"messages, {text}", f"{day.events:,}, {day.distinct:.0%} of the chats distinct")
            table.add("bytes of each as it comes, index included", f"{day.before / day.events:.0f}")
            table.add(
                "the same, packed",
                f"{packed:.1f}, a {day.before / day.after:.1f}th",
                f"at most {_WANTED_BYTES:.0f}",
                met=packed <= _WANTED_BYTES,
            )
        schedule_jobs(connection, True)
    if options.write:
        table.keep("compression", f"`python -m bench.compression --write`, on {machine()}, {server}.")
    table.finish()


if __name__ == "__main__":
    main()
