"""All channels: polls each, starts its broadcasts, ends them, and keeps the collector's own row fresh."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from collector.broadcast import Broadcast
from collector.channel import ChannelWatch, WatchSettings
from collector.chzzk.api import ChzzkApi
from collector.records import Statement
from collector.writer import Writer

log = structlog.get_logger(__name__)

_REPORT_SEC = 10.0

# A container is killed ten seconds after SIGTERM: one deadline for all that must be done before.
_DRAIN_SEC = 8.0

# Requests of different channels are at least so far apart, so that two hundred channels are no burst.
_SPREAD_SEC = 0.2


@dataclass
class Watcher:
    """Watches `channels` until `stop` is set, then drains, flushes and closes its rows."""

    api: ChzzkApi
    writer: Writer
    channels: Sequence[str]
    settings: WatchSettings
    newest_event: Callable[[str], Awaitable[int | None]]
    """The newest stored message of a stream_id, ms since 1970: where a restarted collector goes on."""
    on_ended: Callable[[str], Awaitable[None]]
    """Called with the stream_id of each broadcast that ended, once all of it is committed."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    watches: list[ChannelWatch] = field(default_factory=list)

    @property
    def broadcasts(self) -> list[Broadcast]:
        """The broadcasts on air now."""
        return [watch.broadcast for watch in self.watches if watch.broadcast is not None]

    async def run(self) -> None:
        """Returns when stopped. Raises what a side task died of: a collector that lost a part must not stay."""
        started_at = datetime.now(UTC)
        collector_id = f"{socket.gethostname()}:{os.getpid()}"
        writing = asyncio.create_task(self.writer.run(), name="writer")
        spread = min(_SPREAD_SEC, self.settings.poll_interval_sec / max(1, len(self.channels)))
        self.watches = [
            ChannelWatch(
                channel_id,
                self.api,
                self.writer,
                self.settings,
                newest_event=self.newest_event,
                on_ended=self.on_ended,
                first_poll_after=index * spread,
            )
            for index, channel_id in enumerate(self.channels)
        ]
        tasks = [asyncio.create_task(watch.run(), name=f"watch {watch.channel_id}") for watch in self.watches]
        tasks.append(asyncio.create_task(self._report_forever(collector_id, started_at), name="report"))
        stopping = asyncio.create_task(self.stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait({stopping, writing, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            log.info("stopping", live=len(self.broadcasts))
            stopping.cancel()
            deadline = time.monotonic() + _DRAIN_SEC
            # What a watch puts last may find the queue full while the database is away: nothing here waits for ever.
            tasks.append(asyncio.create_task(self._report(collector_id, started_at, stopped_at=datetime.now(UTC))))
            for task in tasks[:-1]:
                task.cancel()
            done, _ = await asyncio.wait(tasks, timeout=_DRAIN_SEC)
            for task in done:
                if not task.cancelled() and (error := task.exception()) is not None:
                    log.error("died", task=task.get_name(), error=f"{type(error).__name__}: {error}")
            await self.writer.stop()
            await asyncio.wait({writing}, timeout=max(0.0, deadline - time.monotonic()))
            if not writing.done():
                log.error("stopped before everything was written", queued=self.writer.queued)
                writing.cancel()
                await asyncio.wait({writing}, timeout=1.0)
            log.info("stopped", events=self.writer.counts.events)
        if writing.done() and not writing.cancelled():
            writing.result()

    async def _report_forever(self, collector_id: str, started_at: datetime) -> None:
        while True:
            await self._report(collector_id, started_at, stopped_at=None)
            await asyncio.sleep(_REPORT_SEC)

    async def _report(self, collector_id: str, started_at: datetime, stopped_at: datetime | None) -> None:
        counts = self.writer.counts
        await self.writer.put(
            Statement(
                "report_collector",
                (
                    collector_id,
                    started_at,
                    datetime.now(UTC),
                    stopped_at,
                    len(self.channels),
                    len(self.broadcasts),
                    counts.events,
                    counts.rejected,
                    self.writer.queued,
                    counts.last_commit_at,
                ),
            )
        )
