"""One channel: polls its status, and decides when a broadcast begins, when it is another one, and when it is over."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from collector.backoff import Backoff
from collector.broadcast import Broadcast
from collector.chzzk.api import ChzzkApi, ChzzkUnavailable, LiveDetail, LiveStatus
from collector.chzzk.chat import Heartbeat
from collector.records import close_abandoned
from collector.writer import Writer

log = structlog.get_logger(__name__)

# A single CLOSE is sometimes false; two in a row, one poll apart, are the end.
_CLOSES_TO_END = 2

# An answer without an open date is an odd one; so many in a row mean that there is none to be had.
_UNDATED_TO_BEGIN = 3


@dataclass(frozen=True)
class WatchSettings:
    """How to watch. Times are seconds of real time."""

    poll_interval_sec: float = 60.0
    idle_timeout_sec: float = 1800.0
    """After so long without a message the status is asked; only a CLOSE ends the broadcast then."""
    resume: bool = True
    """A broadcast that is on air when the collector starts goes on; False: a recording of its own begins."""
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    backoff: Callable[[], Backoff] = Backoff


class ChannelWatch:
    """Watches one channel until cancelled."""

    def __init__(
        self,
        channel_id: str,
        api: ChzzkApi,
        writer: Writer,
        settings: WatchSettings,
        *,
        on_ended: Callable[[str], Awaitable[None]],
        first_poll_after: float = 0.0,
        started: bool = False,
    ) -> None:
        """`started`: the collector itself starts now, and with it the watching of this channel."""
        self.channel_id = channel_id
        self.broadcast: Broadcast | None = None
        self.polled_at = time.monotonic()
        """Of the last poll that got an answer; before the first, when the watching began."""
        self._api = api
        self._writer = writer
        self._settings = settings
        self._on_ended = on_ended
        self._first_poll_after = first_poll_after
        self._collecting: asyncio.Task[None] | None = None
        self._stopping = False  # not the task's `cancelling()`: a timeout of its own that expires counts there too
        self._announcing: set[asyncio.Task[None]] = set()
        self._undated: list[datetime] = []  # when it was on air without an open date
        self._closes = 0
        self._closed_at: datetime | None = None  # when the first CLOSE of a row was seen
        self._swept = False
        self._anew = started and not settings.resume  # what is on air at the first answer begins anew
        self._anew_of: datetime | None = None  # the open date of the broadcast that did
        self._anew_at = datetime.now(UTC)
        self._name: str | None = None

    async def run(self) -> None:
        """Polls forever. When cancelled, the broadcast on air is left open: the next start goes on with it."""
        next_poll = time.monotonic() + self._first_poll_after
        try:
            while True:
                await asyncio.sleep(max(0.0, next_poll - time.monotonic()))
                pause = await self._poll()
                next_poll = next_beat(next_poll, self._settings.poll_interval_sec, time.monotonic() + pause)
        finally:
            for announcement in self._announcing:
                announcement.cancel()
            await self._stop_collecting()

    async def _poll(self) -> float:
        """One poll. Returns the seconds that must pass before the next, beyond the interval's own rhythm."""
        if self._collecting is not None and self._collecting.done():
            self._collecting.result()  # a broadcast's task never ends by itself: let its error be seen
        for announcement in [task for task in self._announcing if task.done()]:
            self._announcing.discard(announcement)
            announcement.result()
        try:
            status = await self._api.live_status(self.channel_id)
        except ChzzkUnavailable as error:
            log.warning("poll failed", channel_id=self.channel_id, error=str(error))
            return error.retry_after or 0.0
        self.polled_at = time.monotonic()
        if status.status == "OPEN":
            self._closes = 0
            await self._on_air(status)
        elif status.status == "CLOSE":
            await self._off_air(status)
        # Anything else is unknown, and says nothing.
        self._anew = self._anew and status.status == "OPEN" and self.broadcast is None
        return 0.0

    async def _on_air(self, status: LiveStatus) -> None:
        current = self.broadcast
        # Some versions of the answer have no open date; a new chat channel then hints at a new broadcast.
        moved = current is not None and status.chat_channel_id not in (None, current.chat_channel_id)
        opened_at = status.opened_at
        if opened_at is None and (current is None or moved):
            detail = await self._detail()
            if detail is None:
                return  # which broadcast this is decides where its chat belongs: the next poll asks again
            opened_at = detail.opened_at
        if opened_at is None and current is None:
            # Under a date of ours its chat would be another broadcast's as soon as Chzzk tells the right one.
            self._undated.append(status.answered_at.replace(microsecond=0))
            if len(self._undated) < _UNDATED_TO_BEGIN:
                return
            opened_at = self._undated[0]
        self._undated.clear()
        if current is not None and (opened_at is None or opened_at == current.opened_at):
            await current.update(status)
            return
        if current is not None:
            await self._end(status.answered_at, "replaced")
        assert opened_at is not None  # of a broadcast that begins
        await self._start(status, opened_at)

    async def _off_air(self, status: LiveStatus) -> None:
        self._closes += 1
        if self._closes == 1:
            self._closed_at = status.answered_at
            if self.broadcast is not None and status.opened_at in (None, self.broadcast.opened_at):
                await self.broadcast.follow(status)  # it moved after the last poll, and has last words there
        idle = self.broadcast is not None and self.broadcast.idle_sec >= self._settings.idle_timeout_sec
        if self._closes < _CLOSES_TO_END and not idle:
            return
        if self.broadcast is not None:
            cause = "closed" if self._closes >= _CLOSES_TO_END else "idle"
            await self._end(self._closed_at or status.answered_at, cause)
        elif not self._swept:
            detail = await self._detail()
            last = (None, None) if detail is None else (detail.opened_at, detail.closed_at)
            await self._writer.put(close_abandoned(self.channel_id, None, *last))
        self._swept = True

    async def _start(self, status: LiveStatus, opened_at: datetime) -> None:
        if self._anew:
            self._anew_of = opened_at
        if self._name is None:
            self._name = await self._find_name()
        self.broadcast = Broadcast(
            self._api,
            self._writer,
            self.channel_id,
            opened_at,
            status,
            anew_at=self._anew_at if self._anew_of == opened_at else None,
            heartbeat=self._settings.heartbeat,
            backoff=self._settings.backoff,
        )
        self._swept = True
        log.info("on air", channel_id=self.channel_id, stream_id=self.broadcast.stream_id, streamer=self._name)
        await self.broadcast.begin(self._name)
        self._collecting = asyncio.create_task(self.broadcast.run(), name=f"broadcast {self.broadcast.stream_id}")

    async def _end(self, closed_at: datetime, cause: str) -> None:
        assert self.broadcast is not None
        ended = self.broadcast
        if cause != "replaced":
            detail = await self._detail()
            if detail is not None and detail.closed_at is not None and detail.opened_at in (None, ended.opened_at):
                closed_at = detail.closed_at
        await ended.leave()
        if ended.counts.connected and self._collecting is not None:
            await asyncio.wait({self._collecting})  # it ends with what the server still had to say
        await self._stop_collecting()
        await ended.end(max(closed_at, ended.opened_at), cause)
        self.broadcast = None
        # Not waited for: while the database is away the channel's next broadcast may begin.
        self._announcing.add(asyncio.create_task(self._announce(ended.stream_id), name=f"ended {ended.stream_id}"))

    async def _announce(self, ended: str) -> None:
        await self._writer.flush()
        await self._on_ended(ended)

    async def _stop_collecting(self) -> None:
        if self._collecting is None:
            return
        if not self._stopping:  # a second cancel would interrupt its last words
            self._stopping = True
            self._collecting.cancel()
        await asyncio.wait({self._collecting})
        task, self._collecting, self._stopping = self._collecting, None, False
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def _detail(self) -> LiveDetail | None:
        """None where there is no usable answer."""
        try:
            return await self._api.live_detail(self.channel_id)
        except ChzzkUnavailable as error:
            log.warning("detail failed", channel_id=self.channel_id, error=str(error))
            return None

    async def _find_name(self) -> str | None:
        try:
            return await self._api.channel_name(self.channel_id)
        except ChzzkUnavailable:
            detail = await self._detail()
            return None if detail is None else detail.channel_name


def next_beat(last: float, interval: float, earliest: float) -> float:
    """The first moment of the rhythm last + n * interval (n at least 1) that is not before `earliest`.

    Beats that were missed, while the machine slept or an answer hung, are left out: they must not become a burst.
    """
    return last + interval * max(1, math.ceil((earliest - last) / interval))
