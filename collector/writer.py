"""The single writer: takes records in order and commits them in batches; what cannot be committed soon goes to disk.

The order is always: the batch that is being committed, then the spool, then the queue in memory.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median_low

import structlog

from collector.backoff import Backoff
from collector.committer import AWAY, Committed, Committer
from collector.losses import Losses
from collector.record_queue import RecordQueue, rows_of
from collector.records import Events, Record
from collector.spool import Spool
from store.errors import cause_of

log = structlog.get_logger(__name__)

BATCH_ROWS = 1_000
BATCH_SEC = 0.25

# About 40 MB of chat.
QUEUE_ROWS = 50_000

# A database that has committed nothing for so long is away: what waits goes to disk, where a kill does not reach it.
SPILL_AFTER_SEC = 2.0
_LOOK_EVERY_SEC = 0.25
_SPILL_ROWS = 5_000  # in one piece

# A disk that was full is tried again after so long, and people are told of what does not pass every minute.
_FULL_RETRY_SEC = 2.0
_COMPLAIN_EVERY_SEC = 60.0

_RETRY_CAP_SEC = 5.0


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
    committed_at: float | None = None
    """The same by time.monotonic()."""
    delay_sec: float | None = None
    """From a message's time to its commit: the newest batch's median, by our clock."""


@dataclass(slots=True)
class _Batch:
    """What is being committed."""

    records: list[Record]
    from_spool: bool
    kept: bool = False  # it came from memory, and is in the spool by now: its rows are finished when that copy is
    done: bool = False

    @property
    def rows(self) -> int:
        return sum(rows_of(record) for record in self.records)


class Writer:
    """Commits records in the order they were put, at 1,000 rows or 250 ms, whichever is first.

    While the database is away, or too slow, records are kept in the spool, and replayed from there in order. Where the
    disk has no room either, the queue fills; then messages are dropped, and recorded as gaps.
    """

    def __init__(self, committer: Committer, spool: Spool, *, queue_rows: int = QUEUE_ROWS) -> None:
        self._committer = committer
        self._spool = spool
        self.queue_limit = queue_rows
        self._queue = RecordQueue()
        self._batch: _Batch | None = None
        self._disk = asyncio.Lock()  # held by who moves records between queue, spool and batch
        self._changed = asyncio.Condition()
        self._waiting_since = 0.0  # since when the first of the queue is there, time.monotonic()
        self._progress_at = time.monotonic()
        self._put = 0  # rows so far
        self._finished = 0  # of those, in the same order
        self._stopping = False
        self._ending = asyncio.Event()
        self._full_until = 0.0  # the disk took nothing; it is tried again then
        self._complained_at = self._away_said_at = -_COMPLAIN_EVERY_SEC
        self.spool_full = False
        self.losses = Losses()
        self.counts = WriterCounts()

    @property
    def queued(self) -> int:
        """Rows that are in memory only."""
        batch = self._batch
        return self._queue.rows + (0 if batch is None or batch.from_spool or batch.kept else batch.rows)

    @property
    def spool_bytes(self) -> int:
        """Bytes on disk that are not committed."""
        return self._spool.size_bytes

    @property
    def spool_limit(self) -> int:
        """The spool's bound in bytes."""
        return self._spool.limit_bytes

    @property
    def away_sec(self) -> float:
        """Since when nothing was committed although something waits, seconds."""
        waits = self._batch is not None or self._queue or not self._spool.empty
        return time.monotonic() - self._progress_at if waits else 0.0

    async def put(self, *records: Record) -> None:
        """Hands records over, all or none in one piece; waits while memory is full and the disk has room."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._queue.rows < self.queue_limit or self.spool_full)
            left: Iterable[Record] = records
            if self._queue.rows >= self.queue_limit:
                left = self.losses.drop(records)
            elif self.losses:
                left = [*self.losses.take(), *records]
            if not self._queue:
                self._waiting_since = time.monotonic()
                if self._batch is None and self._spool.empty:
                    self._progress_at = self._waiting_since  # until now there was nothing to do
            self._put += self._queue.put(left)
            self._changed.notify_all()

    async def flush(self) -> None:
        """Returns when everything that was put so far is committed."""
        async with self._changed:
            until = self._put
            await self._changed.wait_for(lambda: self._finished >= until)

    async def stop(self) -> None:
        """`run` returns once everything is committed, or safe in the spool where the database is away."""
        async with self._changed:
            self._stopping = True
            self._changed.notify_all()

    async def run(self) -> None:
        """Writes until `stop`. When cancelled, what is not committed is kept in the spool."""
        draining, spilling = asyncio.create_task(self._drain()), asyncio.create_task(self._spill_forever())
        try:
            done, _ = await asyncio.wait({draining, spilling}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            # A commit may be given up in its middle, for it can be repeated; the writing of the spool may not.
            draining.cancel()
            self._ending.set()
            await asyncio.wait({spilling})
            await self._keep_rest()

    async def _drain(self) -> None:
        while (batch := await self._next_batch()) is not None:
            backoff = Backoff(first=0.2, cap=_RETRY_CAP_SEC)
            while not (batch.done or batch.kept):
                try:
                    await self._commit(batch)
                except AWAY as error:
                    if self._stopping and self.away_sec > SPILL_AFTER_SEC:
                        return
                    self.counts.retries += 1
                    self._say_away(error)
                    await asyncio.sleep(backoff.seconds())

    def _say_away(self, error: Exception) -> None:
        if time.monotonic() - self._away_said_at < _COMPLAIN_EVERY_SEC:
            return
        self._away_said_at = time.monotonic()
        log.warning("not committed", error=cause_of(error), queued=self.queued, spool_bytes=self.spool_bytes)

    async def _next_batch(self) -> _Batch | None:
        """What is to be committed next; None when there will be no more."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._queue or not self._spool.empty or self._stopping)
            # The age of a batch is counted from its first record, so that no row waits longer than BATCH_SEC.
            deadline = self._waiting_since + BATCH_SEC
            while self._spool.empty and self._queue.rows < BATCH_ROWS and not self._stopping:
                try:
                    async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                        await self._changed.wait()
                except TimeoutError:
                    break
        async with self._disk:
            self._batch = None
            if not self._spool.empty:
                records = await self._oldest_of_spool()
                self._batch = _Batch(records, from_spool=True)
            elif self._queue:
                self._batch = _Batch(self._queue.take(BATCH_ROWS), from_spool=False)
            return self._batch

    async def _oldest_of_spool(self) -> list[Record]:
        while True:
            try:
                return await asyncio.to_thread(self._spool.oldest)
            except OSError as error:  # no file descriptor is left, for one: that passes
                log.error("the spool cannot be read", error=cause_of(error))
                await asyncio.sleep(_FULL_RETRY_SEC)

    async def _commit(self, batch: _Batch) -> None:
        """Commits a batch, of a spool's segment piece by piece."""
        for piece in RecordQueue(batch.records).pieces(BATCH_ROWS):
            self._note(await self._committer.commit(piece), piece)
        batch.done = True
        async with self._disk:
            rows = self._spool.forget_oldest() if batch.from_spool else 0 if batch.kept else batch.rows
            self._batch = None
            if self._spool.empty:
                self.spool_full = False  # nobody needs its room any more
        async with self._changed:
            self._finished += rows
            self._changed.notify_all()

    def _note(self, committed: Committed, piece: list[Record]) -> None:
        counts = self.counts
        counts.events += committed.events
        counts.repeated += committed.repeated
        counts.rejected += committed.rejected
        counts.batches += 1
        counts.last_commit_at = datetime.now(UTC)
        counts.committed_at = self._progress_at = time.monotonic()
        times = [event.ts_ms for record in piece if isinstance(record, Events) for event in record.events]
        if times:
            counts.delay_sec = counts.last_commit_at.timestamp() - median_low(times) / 1000

    async def _spill_forever(self) -> None:
        while not self._ending.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _LOOK_EVERY_SEC)
            late = self.away_sec > SPILL_AFTER_SEC
            if (late or self._queue.rows > self.queue_limit // 2) and time.monotonic() >= self._full_until:
                await self._spill()
            if self.losses and time.monotonic() - self._complained_at >= _COMPLAIN_EVERY_SEC:
                self._complained_at = time.monotonic()
                log.error("messages dropped: no room in memory and on disk", dropped=self.losses.messages)

    async def _spill(self) -> None:
        """Moves what waits in memory to the spool: first the batch that does not get through, then the queue."""
        async with self._disk:
            batch = self._batch
            if batch is not None and not (batch.from_spool or batch.kept or batch.done):
                batch.kept = await self._keep(batch.records)
            while self._queue and (batch is None or batch.from_spool or batch.kept or batch.done):
                records = self._queue.take(_SPILL_ROWS)
                if not await self._keep(records):
                    self._queue.put_back(records)
                    break
        async with self._changed:
            self._changed.notify_all()

    async def _keep(self, records: list[Record]) -> bool:
        try:
            await asyncio.to_thread(self._spool.append, records, sum(rows_of(record) for record in records))
        except OSError as error:
            if not self.spool_full:
                log.error("the spool takes no more", error=cause_of(error), spool_bytes=self.spool_bytes)
            self.spool_full, self._full_until = True, time.monotonic() + _FULL_RETRY_SEC
            return False
        if self.spool_full:
            log.info("the spool has room again", dropped=self.losses.messages)
        self.spool_full = False
        return True

    async def _keep_rest(self) -> None:
        """At the end: whatever is not committed is kept on disk."""
        if self.losses:
            self._queue.put(self.losses.take())
        if self.queued or self._queue:
            await self._spill()
        if self.queued or self._queue:
            log.error("stopped before everything was written", lost=self.queued)
        if not self._spool.empty:
            log.warning("left in the spool for the next start", spool_bytes=self.spool_bytes)
