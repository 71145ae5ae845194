"""The single writer: takes records in order, and commits them in batches."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import asyncpg
import structlog

from collector.backoff import Backoff
from collector.records import Events, Record, Statement, event_columns, reject_event
from store.event import Event
from store.queries import query

log = structlog.get_logger(__name__)

BATCH_ROWS = 1_000
BATCH_SEC = 0.25

# About 100 MB of chat. A full queue makes the connections wait: the server's buffers, then recent chat, hold the rest.
QUEUE_EVENTS = 200_000

# What can only be the data's own fault: the same rows would be refused for ever.
_REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.PLPGSQLError,
    ValueError,
    TypeError,
    OverflowError,
)

# Everything else that a server says, or does not say, passes, or is for a person to put right (away, busy, read-only,
# full, migrated, a right that was taken): the same batch is tried again.
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(slots=True)
class WriterCounts:
    """What the writer has done since it started."""

    events: int = 0
    """Rows that are new; a second delivery does not count."""
    repeated: int = 0
    rejected: int = 0
    batches: int = 0
    retries: int = 0
    last_commit_at: datetime | None = None


class Writer:
    """Commits records in the order they were put, at 1,000 rows or 250 ms, whichever is first.

    A batch that fails because the database is away is tried again until it comes back; one that the database refuses is
    halved until the record at fault is alone, and that one is kept in rejected_item.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", *, queue_events: int = QUEUE_EVENTS) -> None:
        self._pool = pool
        self._limit = queue_events
        self._queue: deque[Record] = deque()
        self._queued = 0
        self._changed = asyncio.Condition()
        self._waiting_since = 0.0  # since when the first of the queue is there, time.monotonic()
        self._put = 0  # rows so far
        self._finished = 0  # of those, in the same order
        self._stopping = False
        self.counts = WriterCounts()

    @property
    def queued(self) -> int:
        """Rows that wait to be committed, those of the running batch included."""
        return self._put - self._finished

    async def put(self, *records: Record) -> None:
        """Hands records over, all or none in one piece; waits while the queue is full."""
        size = sum(_rows(record) for record in records)
        async with self._changed:
            await self._changed.wait_for(lambda: self._queued < self._limit)
            if not self._queue:
                self._waiting_since = time.monotonic()
            self._queue.extend(records)
            self._queued += size
            self._put += size
            self._changed.notify_all()

    async def flush(self) -> None:
        """Returns when everything that was put so far is committed."""
        async with self._changed:
            until = self._put
            await self._changed.wait_for(lambda: self._finished >= until)

    async def stop(self) -> None:
        """`run` returns once everything that was put is committed."""
        async with self._changed:
            self._stopping = True
            self._changed.notify_all()

    async def run(self) -> None:
        """Writes until `stop`."""
        while batch := await self._next_batch():
            await self._commit_until_done(batch)
            async with self._changed:
                self._finished += sum(_rows(record) for record in batch)
                self._changed.notify_all()

    async def _next_batch(self) -> list[Record]:
        """The records of the next batch; empty when there will be no more."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._queue or self._stopping)
            # The age of a batch is counted from its first record, so that no row waits longer than BATCH_SEC.
            deadline = self._waiting_since + BATCH_SEC
            while self._queued < BATCH_ROWS and not self._stopping:
                try:
                    async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                        await self._changed.wait()
                except TimeoutError:
                    break
            batch: list[Record] = []
            rows = 0
            while self._queue and rows < BATCH_ROWS:
                record = self._queue.popleft()
                if isinstance(record, Events) and len(record.events) > BATCH_ROWS:
                    self._queue.appendleft(Events(record.stream_id, record.events[BATCH_ROWS:]))
                    record = Events(record.stream_id, record.events[:BATCH_ROWS])
                batch.append(record)
                rows += _rows(record)
            self._queued -= rows
            self._changed.notify_all()
            return batch

    async def _commit_until_done(self, batch: list[Record]) -> None:
        backoff = Backoff(first=0.2)
        while True:
            try:
                await self._commit(batch)
                return
            except _REFUSED as error:
                await self._commit_apart(batch, error)
                return
            except AWAY as error:
                delay = backoff.seconds()
                self.counts.retries += 1
                log.warning("database away", error=type(error).__name__, retry_sec=round(delay, 2), queued=self.queued)
                await asyncio.sleep(delay)

    async def _commit(self, batch: list[Record]) -> None:
        new = total = 0
        async with self._pool.acquire() as connection, connection.transaction():
            for is_events, records in groupby(batch, lambda record: isinstance(record, Events)):
                if is_events:
                    rows = list(_event_rows(records))
                    total += len(rows)
                    new += await _insert_events(connection, rows)
                else:
                    for record in records:
                        assert isinstance(record, Statement)
                        await connection.execute(query(record.query), *record.arguments)
        self.counts.events += new
        self.counts.repeated += total - new
        self.counts.rejected += sum(
            1 for record in batch if isinstance(record, Statement) and record.query == "insert_rejected_item"
        )
        self.counts.batches += 1
        self.counts.last_commit_at = datetime.now(UTC)

    async def _commit_apart(self, batch: list[Record], error: Exception) -> None:
        """Halves a batch that the database refused, down to the record at fault."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._commit_until_done(batch[:middle])
            await self._commit_until_done(batch[middle:])
            return
        (record,) = batch
        if isinstance(record, Statement):
            log.error("record refused", query=record.query, error=type(error).__name__)  # its message may quote chat
            return
        if len(record.events) > 1:
            middle = len(record.events) // 2
            await self._commit_until_done([Events(record.stream_id, record.events[:middle])])
            await self._commit_until_done([Events(record.stream_id, record.events[middle:])])
            return
        log.error("event refused", stream_id=record.stream_id, error=type(error).__name__)
        await self._commit_until_done([reject_event(record.stream_id, record.events[0], f"refused: {error}")])


async def _insert_events(connection: Any, rows: list[tuple[str, Event]]) -> int:
    if not rows:
        return 0
    status = await connection.execute(query("insert_events"), *event_columns(rows))
    return int(status.rsplit(" ", 1)[1])


def _event_rows(records: Iterable[Record]) -> Iterable[tuple[str, Event]]:
    for record in records:
        assert isinstance(record, Events)
        for event in record.events:
            yield record.stream_id, event


def _rows(record: Record) -> int:
    return len(record.events) if isinstance(record, Events) else 1
