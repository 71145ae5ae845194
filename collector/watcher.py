"""All channels: watches those that are this collector's, says how it is doing, and stops without losing anything."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from collector.broadcast import Broadcast
from collector.channel import ChannelWatch, WatchSettings
from collector.chzzk.api import ChzzkApi
from collector.committer import AWAY
from collector.roster import BEAT_SEC, Roster
from collector.slot import Slot
from collector.snapshot import ChannelSnapshot, Snapshot, write_snapshot
from collector.writer import Writer
from store.errors import NokchartError, cause_of

log = structlog.get_logger(__name__)

# A container is killed ten seconds after SIGTERM: one deadline for all that must be done before, and a second one for
# what the database has not taken by then to be kept on disk.
_DRAIN_SEC = 5.0
_KEEP_SEC = 2.0
_LEAVE_SEC = 1.0

# How long the database may take to say whose the channels are, at the start.
_FIRST_ANSWER_SEC = 5.0

# Requests of different channels are at least so far apart, so that two hundred channels are no burst.
_SPREAD_SEC = 0.2


@dataclass
class Watcher:
    """Watches `channels` until `stop` is set, then drains, flushes and closes its rows.

    Of several collectors with the same list each watches its part. While the database is away a collector keeps what it
    has, and one that has never reached it watches all: rather twice than never.
    """

    api: ChzzkApi
    writer: Writer
    roster: Roster
    slot: Slot
    channels: Sequence[str]
    settings: WatchSettings
    revive: Callable[[], Awaitable[None]]
    """Called while the database is away; what it raises means that it still is."""
    on_ended: Callable[[str], Awaitable[None]]
    """Called with the stream_id of each broadcast that ended, once all of it is committed."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    watches: dict[str, ChannelWatch] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _began: float = field(default_factory=time.monotonic)
    _started: bool = False

    @property
    def broadcasts(self) -> list[Broadcast]:
        """The broadcasts on air now."""
        return [watch.broadcast for watch in self.watches.values() if watch.broadcast is not None]

    async def run(self) -> None:
        """Returns when stopped. Raises what a side task died of: a collector that lost a part must not stay."""
        writing = asyncio.create_task(self.writer.run(), name="writer")
        beating = asyncio.create_task(self._beat_forever(), name="roster")
        stopping = asyncio.create_task(self.stop.wait(), name="stop")
        try:
            while not stopping.done():
                running = {writing, beating, stopping, *self._tasks.values()}
                # The set of channels changes now and then.
                done, _ = await asyncio.wait(running, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {stopping}:
                    if not task.cancelled():
                        task.result()
        finally:
            log.info("stopping", live=len(self.broadcasts))
            stopping.cancel()
            beating.cancel()
            deadline = time.monotonic() + _DRAIN_SEC
            await self._end([beating, *self._tasks.values()], deadline)
            await self.writer.stop()
            await asyncio.wait({writing}, timeout=max(0.0, deadline - time.monotonic()))
            if not writing.done():
                writing.cancel()
                await asyncio.wait({writing}, timeout=_KEEP_SEC)
                if not writing.done():
                    log.error("stopped before everything was written", queued=self.writer.queued)
            await self._leave()
            log.info("stopped", events=self.writer.counts.events)
        if writing.done() and not writing.cancelled():
            writing.result()

    def snapshot(self) -> Snapshot:
        """How it is doing now."""
        writer, counts = self.writer, self.writer.counts
        now = time.monotonic()
        return Snapshot(
            collector_id=self.slot.collector_id,
            pid=os.getpid(),
            at=datetime.now(UTC),
            started_at=self._started_at,
            running_sec=now - self._began,
            poll_interval_sec=self.settings.poll_interval_sec,
            channels=[_channel_snapshot(watch, now) for watch in self.watches.values()],
            database_away_sec=writer.away_sec,
            commit_age_sec=None if counts.committed_at is None else now - counts.committed_at,
            queued_rows=writer.queued,
            queue_limit_rows=writer.queue_limit,
            spool_bytes=writer.spool_bytes,
            spool_limit_bytes=writer.spool_limit,
            spool_full=writer.spool_full,
            events=counts.events,
            repeated=counts.repeated,
            rejected=counts.rejected,
            dropped=writer.losses.messages,
            commit_errors=counts.retries,
            delay_sec=counts.delay_sec,
        )

    async def _beat_forever(self) -> None:
        away = False
        while True:
            try:
                self._watch_only(await self._held())
                if away:
                    log.info("database is back", spool_bytes=self.writer.spool_bytes)
                away = False
            except AWAY as error:
                if not away:
                    log.warning("database away, collecting to disk", error=cause_of(error))
                away = True
                if not self._started:
                    self._watch_only(set(self.channels))
                with suppress(NokchartError, *AWAY):
                    await self.revive()
            self._started = True
            try:
                write_snapshot(self.slot.folder, self.snapshot())
            except OSError as error:
                log.error("status not written", error=cause_of(error))
            await asyncio.sleep(BEAT_SEC)

    async def _held(self) -> set[str]:
        """The channels to watch, by the database. One of AWAY where it does not say."""
        beat = asyncio.create_task(self.roster.beat(self.snapshot()))
        if not self._started:
            # A schema that is being upgraded may take minutes: the chat does not wait for it.
            await asyncio.wait({beat}, timeout=_FIRST_ANSWER_SEC)
            if not beat.done():
                log.warning("database does not answer yet, collecting to disk")
                self._watch_only(set(self.channels))
                self._started = True
        return await beat

    def _watch_only(self, held: set[str]) -> None:
        """Begins with the channels that are new, and ends those that another collector has now."""
        for channel_id in [known for known in self._tasks if known not in held]:
            log.info("channel handed over", channel_id=channel_id)
            self._tasks.pop(channel_id).cancel()
            self.watches.pop(channel_id)
        new = [channel_id for channel_id in self.channels if channel_id in held and channel_id not in self._tasks]
        spread = min(_SPREAD_SEC, self.settings.poll_interval_sec / max(1, len(new)))
        for index, channel_id in enumerate(new):
            watch = ChannelWatch(
                channel_id,
                self.api,
                self.writer,
                self.settings,
                on_ended=self.on_ended,
                first_poll_after=index * spread,
                started=not self._started,
            )
            self.watches[channel_id] = watch
            self._tasks[channel_id] = asyncio.create_task(watch.run(), name=f"watch {channel_id}")

    @staticmethod
    async def _end(tasks: Sequence["asyncio.Task[None]"], deadline: float) -> None:
        for task in tasks:
            task.cancel()
        done, _ = await asyncio.wait(tasks, timeout=max(0.0, deadline - time.monotonic()))
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("died", task=task.get_name(), error=cause_of(error))

    async def _leave(self) -> None:
        leaving = asyncio.create_task(self.roster.leave(self.snapshot()))
        # Not asyncio.timeout: a server that hangs would be asked to roll back, and waited for.
        await asyncio.wait({leaving}, timeout=_LEAVE_SEC)
        if not leaving.done() or leaving.exception() is not None:
            leaving.cancel()
            log.warning("leases not given back")


def _channel_snapshot(watch: ChannelWatch, now: float) -> ChannelSnapshot:
    broadcast = watch.broadcast
    counts = None if broadcast is None else broadcast.counts
    return ChannelSnapshot(
        channel_id=watch.channel_id,
        live=broadcast is not None,
        connected=counts is not None and counts.connected,
        poll_age_sec=now - watch.polled_at,
        frame_age_sec=None if broadcast is None else broadcast.silent_sec,
        events=counts.events if counts else 0,
        rejected=counts.rejected if counts else 0,
        connections=counts.connections if counts else 0,
        gaps=counts.gaps if counts else 0,
    )
