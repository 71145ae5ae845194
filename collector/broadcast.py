"""One broadcast: kept connected to its chat from the first OPEN to the second CLOSE, whatever happens in between."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import structlog

from collector import records
from collector.backoff import Backoff
from collector.chzzk.api import ChzzkApi, ChzzkUnavailable, LiveStatus
from collector.chzzk.chat import RECENT_CHAT_PROVEN, ChatClosed, ChatSocket, Heartbeat
from collector.chzzk.decode import Frame
from collector.coverage import Coverage, Missing
from collector.records import Events, Statement
from collector.writer import Writer
from store.event import require_aware, stream_id

log = structlog.get_logger(__name__)

# A status this young need not be asked for again before a reconnect: Chzzk wants to be polled every 10 s at most.
_STATUS_FRESH_SEC = 10.0

_MOVED = "chat channel changed"
_STOPPED = "stopped"


@dataclass(slots=True)
class BroadcastCounts:
    """What came in so far, for the people who watch."""

    events: int = 0
    rejected: int = 0
    connections: int = 0
    gaps: int = 0
    connected: bool = False


class Broadcast:
    """Collects one broadcast of one channel. The channel's poller feeds it each status and says when it is over."""

    def __init__(
        self,
        api: ChzzkApi,
        writer: Writer,
        channel_id: str,
        opened_at: datetime,
        status: LiveStatus,
        *,
        known_until_ms: int | None = None,
        heartbeat: Heartbeat | None = None,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        """`known_until_ms`: the newest message that an earlier run has stored, None where there was none."""
        self.channel_id = channel_id
        self.opened_at = require_aware(opened_at)
        self.stream_id = stream_id(channel_id, opened_at)
        self.status = status
        self.chat_channel_id = status.chat_channel_id
        self.counts = BroadcastCounts()
        self._status_at = time.monotonic()
        self._api = api
        self._writer = writer
        self._heartbeat = heartbeat or Heartbeat()
        self._backoff = backoff()
        opened_ms = int(opened_at.timestamp() * 1000)
        if known_until_ms is None:
            self._coverage = Coverage(opened_ms, "late start")
        else:
            self._coverage = Coverage(max(opened_ms, known_until_ms), "collector away")
        self._socket: ChatSocket | None = None
        self._move: str | None = None  # why the connection is to be given up for another
        self._last_event_at = time.monotonic()

    @property
    def idle_sec(self) -> float:
        """Seconds of real time since the last message."""
        return time.monotonic() - self._last_event_at

    async def begin(self, name: str | None) -> None:
        """Makes or finds the broadcast's row."""
        status = self.status
        await self._writer.put(
            Statement("upsert_channel", (self.channel_id, name)),
            Statement(
                "open_broadcast",
                (
                    self.stream_id,
                    self.channel_id,
                    self.opened_at,
                    status.title,
                    status.category,
                    self.chat_channel_id,
                ),
            ),
            Statement("close_abandoned", (self.channel_id, self.stream_id)),
            Statement("end_stale_connections", (self.stream_id,)),
            Statement("change_broadcast", (self.stream_id, status.answered_at, status.title, status.category)),
        )
        await self._sample(status)

    async def update(self, status: LiveStatus) -> None:
        """Takes in what a poll found while the broadcast is on air."""
        before, self.status, self._status_at = self.status, status, time.monotonic()
        if (status.title, status.category) != (before.title, before.category) and status.title is not None:
            await self._writer.put(
                Statement("change_broadcast", (self.stream_id, status.answered_at, status.title, status.category))
            )
        await self._sample(status)
        if status.chat_channel_id and status.chat_channel_id != self.chat_channel_id:
            log.info("chat channel changed", stream_id=self.stream_id)
            self.chat_channel_id = status.chat_channel_id
            await self._writer.put(Statement("move_chat", (self.stream_id, status.chat_channel_id)))
            self._move = _MOVED
            if self._socket is not None:
                await self._socket.close()

    async def run(self) -> None:
        """Stays connected until cancelled: while the broadcast is on air there is no last attempt."""
        while True:
            started = time.monotonic()
            received = self.counts.events
            try:
                cause = await self._connect_once()
            finally:
                self.counts.connected = False
            if self.counts.events > received:
                self._backoff.worked_for(time.monotonic() - started)
            if cause == _MOVED:
                continue  # nothing failed: the new chat is waited for
            delay = self._backoff.seconds()
            log.info("reconnecting", stream_id=self.stream_id, cause=cause, delay_sec=round(delay, 2))
            await asyncio.sleep(delay)
            await self._refresh_status()

    async def end(self, closed_at: datetime, cause: str) -> None:
        """Closes the broadcast's row; `run` has been cancelled before."""
        missing = self._coverage.ended(int(closed_at.timestamp() * 1000))
        if missing is not None:
            await self._report_gap(missing)
        await self._writer.put(Statement("close_broadcast", (self.stream_id, closed_at, cause)))
        log.info("broadcast ended", stream_id=self.stream_id, cause=cause, events=self.counts.events)

    async def _refresh_status(self) -> None:
        if time.monotonic() - self._status_at < _STATUS_FRESH_SEC:
            return
        try:
            status = await self._api.live_status(self.channel_id)
        except ChzzkUnavailable:
            return  # says nothing about the broadcast
        # Whether it is over, or another one, is for the poller to decide: it sees every answer, and counts CLOSEs.
        if status.status == "OPEN" and status.opened_at in (None, self.opened_at):
            await self.update(status)

    async def _connect_once(self) -> str:
        """One connection from start to end. Returns the cause of its end."""
        self._move = None
        if self.chat_channel_id is None:
            return "adult, or no chat channel" if self.status.adult else "no chat channel"
        try:
            token = await self._api.access_token(self.chat_channel_id)
            socket = await ChatSocket.open(self._api, self.chat_channel_id, token, self._heartbeat)
        except ChzzkUnavailable as error:
            return f"no token: {error}"
        except ChatClosed as error:
            return str(error)
        connection_id = uuid4()
        self.counts.connections += 1
        self.counts.connected = True
        await self._writer.put(Statement("start_connection", (self.stream_id, connection_id, datetime.now(UTC))))
        log.info("connected", stream_id=self.stream_id, connections=self.counts.connections)
        cause, refilled = _STOPPED, 0
        try:
            cause, refilled = await self._read_until_closed(socket)
        finally:
            await socket.close()
            # Stopping is no loss: an end of the broadcast is whole, and the next start goes on from what is stored.
            missing = self._coverage.lost(cause) if cause != _STOPPED else None
            if missing is not None:
                await self._report_gap(missing)
            await self._writer.put(Statement("end_connection", (connection_id, datetime.now(UTC), cause, refilled)))
        return cause

    async def _read_until_closed(self, socket: ChatSocket) -> tuple[str, int]:
        refilled = 0
        self._socket = socket
        try:
            async for frame in socket.frames():
                refilled += await self._take(frame)
        except ChatClosed as error:
            return self._move or str(error), refilled
        finally:
            self._socket = None
        raise AssertionError("a socket's frames end with ChatClosed")

    async def _take(self, frame: Frame) -> int:
        """Hands on what a frame said. Returns how many items of recent chat it brought."""
        out: list[records.Record] = []
        if frame.events:
            out.append(Events(self.stream_id, frame.events))
            self._last_event_at = time.monotonic()
            self.counts.events += len(frame.events)
        out.extend(records.hide(self.stream_id, blind) for blind in frame.blinds)
        out.extend(records.reject(self.stream_id, rejected) for rejected in frame.rejected)
        self.counts.rejected += len(frame.rejected)
        if frame.rejected:
            reasons = sorted({rejected.reason for rejected in frame.rejected})
            log.warning("items not understood", stream_id=self.stream_id, count=len(frame.rejected), reasons=reasons)
        refilled = 0
        if frame.is_recent_chat:
            refilled = frame.items
            times = [event.ts_ms for event in frame.events]
            missing = self._coverage.saw_recent(
                min(times, default=None), max(times, default=None), frame.items < RECENT_CHAT_PROVEN
            )
            if missing is not None:
                await self._report_gap(missing)
        else:
            for event in frame.events:
                if event.user_id is not None:
                    self._coverage.saw_live(event.ts_ms)
        if out:
            await self._writer.put(*out)
        return refilled

    async def _report_gap(self, missing: Missing) -> None:
        self.counts.gaps += 1
        seconds = (missing.to_ms - missing.from_ms) / 1000
        log.warning("gap", stream_id=self.stream_id, seconds=round(seconds, 1), cause=missing.cause)
        await self._writer.put(records.gap(self.stream_id, uuid4(), missing))

    async def _sample(self, status: LiveStatus) -> None:
        if status.viewers is not None:
            await self._writer.put(
                Statement("insert_viewer_sample", (self.stream_id, status.answered_at, status.viewers))
            )
