"""One broadcast: kept connected to its chat from the first OPEN to the second CLOSE, whatever happens in between."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import structlog

from collector import records
from collector.backoff import Backoff
from collector.chzzk.api import ChzzkApi, ChzzkUnavailable, LiveStatus
from collector.chzzk.chat import RECENT_CHAT_PROVEN, ChatClosed, ChatSocket, ChatUnreachable, Heartbeat
from collector.chzzk.decode import Frame
from collector.coverage import Change, Coverage, GapClosed
from collector.records import Events, Statement
from collector.writer import Writer
from store.event import require_aware, stream_id

log = structlog.get_logger(__name__)

# A status this young need not be asked for again before a reconnect: Chzzk wants to be polled every 10 s at most.
_STATUS_FRESH_SEC = 10.0

_MOVED = "chat channel changed"
_STOPPED = "stopped"
_ENDED = "broadcast ended"


@dataclass(slots=True)
class BroadcastCounts:
    """What came in so far, for the people who watch."""

    events: int = 0
    """Messages of somebody; channel events are not counted."""
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
        anew_at: datetime | None = None,
        heartbeat: Heartbeat | None = None,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        """`anew_at`: since when this recording is one of its own, beside an earlier one of the same broadcast."""
        self.channel_id = channel_id
        self.opened_at = require_aware(opened_at)
        self.stream_id = stream_id(channel_id, opened_at, anew_at)
        self._anew_at = anew_at
        self.status = status
        self.chat_channel_id = status.chat_channel_id
        self.counts = BroadcastCounts()
        self._status_at = time.monotonic()
        self._api = api
        self._writer = writer
        self._heartbeat = heartbeat or Heartbeat()
        self._backoff = backoff()
        self._coverage = Coverage()
        self._socket: ChatSocket | None = None
        self._leaving: str | None = None  # why the connection is to be given up
        self._left_behind: str | None = None  # a chat channel whose last words nobody has heard yet
        self._joined: str | None = None  # the chat channel of the last connection
        self._followed = True  # nothing of that chat channel can be missing up to the moment it was left
        self._refilled = 0  # items of recent chat that this connection brought
        self._titled = (status.title, status.category)
        self._last_event_at = self._heard_at = time.monotonic()

    @property
    def idle_sec(self) -> float:
        """Seconds of real time since the last message."""
        return time.monotonic() - self._last_event_at

    @property
    def silent_sec(self) -> float:
        """Seconds of real time since the last frame, pongs included; before the first, since it was found on air."""
        return time.monotonic() - (self._heard_at if self._socket is None else self._socket.heard_at)

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
                    self._anew_at,
                ),
            ),
            records.close_abandoned(self.channel_id, self.stream_id),
            Statement("end_stale_connections", (self.stream_id, datetime.now(UTC))),
            Statement("change_broadcast", (self.stream_id, status.answered_at, *self._titled)),
            records.gap(self.stream_id, self._coverage.began()),
        )
        await self._sample(status)

    async def update(self, status: LiveStatus) -> None:
        """Takes in what a poll found while the broadcast is on air."""
        self.status, self._status_at = status, time.monotonic()
        # Any field may be null in any answer: that is no change.
        titled = (status.title or self._titled[0], status.category or self._titled[1])
        if titled != self._titled:
            self._titled = titled
            await self._writer.put(Statement("change_broadcast", (self.stream_id, status.answered_at, *titled)))
        await self._sample(status)
        await self.follow(status)

    async def follow(self, status: LiveStatus) -> None:
        """Goes to the chat that a status names; one of the end of the broadcast may name another one, too."""
        if status.chat_channel_id and status.chat_channel_id != self.chat_channel_id:
            log.info("chat channel changed", stream_id=self.stream_id)
            if self._socket is None:
                self._left_behind = self._left_behind or self.chat_channel_id
            self.chat_channel_id = status.chat_channel_id
            await self._writer.put(Statement("move_chat", (self.stream_id, status.chat_channel_id)))
            await self._leave(_MOVED)

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
            if cause == _ENDED:
                return
            if cause == _MOVED:
                continue  # nothing failed: the new chat is waited for
            delay = self._backoff.seconds()
            log.info("reconnecting", stream_id=self.stream_id, cause=cause, delay_sec=round(delay, 2))
            await asyncio.sleep(delay)
            await self._refresh_status()

    async def leave(self) -> None:
        """The broadcast is over: what the server has on its way is read, then `run` returns."""
        await self._leave(_ENDED)

    async def end(self, closed_at: datetime, cause: str) -> None:
        """Closes the broadcast's row; `run` has returned, or been cancelled, before."""
        # A collector that handed the channel over in its first seconds may have opened a gap after ours was answered:
        # nobody else is there to close it, and everything since our answer is stored.
        await self._report(self._coverage.ended(int(closed_at.timestamp() * 1000)) or [GapClosed(None)])
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
        moved = status.chat_channel_id not in (None, self.chat_channel_id)
        if status.status == "OPEN" and (status.opened_at == self.opened_at or (status.opened_at is None and not moved)):
            await self.update(status)

    async def _connect_once(self) -> str:
        """One connection from start to end. Returns the cause of its end."""
        # A chat that moved while there was no connection is asked for its recent chat once, before it is left for good.
        behind, self._left_behind = self._left_behind, None
        chat, self._leaving = behind or self.chat_channel_id, _MOVED if behind else None
        if chat is None:
            return "adult, or no chat channel" if self.status.adult else "no chat channel"
        try:
            token = await self._api.access_token(chat)
            socket = await ChatSocket.open(self._api, chat, token, self._heartbeat)
        except ChzzkUnavailable as error:
            return f"no token: {error}"
        except ChatUnreachable as error:
            self._left_behind = behind  # neither chat would have been reached
            return str(error)
        except ChatClosed as error:
            return str(error)
        connection_id, cause = uuid4(), _STOPPED
        self.counts.connections += 1
        self.counts.connected = True
        self._refilled = 0
        # The history of a chat channel tells nothing of another one, unless that one was followed to its end.
        self._followed = self._followed or chat == self._joined
        self._joined = chat
        try:
            await self._writer.put(Statement("start_connection", (self.stream_id, connection_id, datetime.now(UTC))))
            log.info("connected", stream_id=self.stream_id, connections=self.counts.connections)
            cause = await self._read_until_closed(socket)
        finally:
            await socket.close()
            # Stopping is no loss: an end of the broadcast is whole, and the next start goes on from what is stored.
            whole = cause in (_STOPPED, _ENDED)
            await self._report(self._coverage.stopped() if whole else self._coverage.lost(cause))
            end = (connection_id, datetime.now(UTC), cause, self._refilled)
            await self._writer.put(Statement("end_connection", end))
        return cause

    async def _leave(self, cause: str) -> None:
        """Gives up the connection, or the one that is being made, but first reads what the server has sent."""
        self._leaving = cause
        if self._socket is not None:
            await self._socket.leave()

    async def _read_until_closed(self, socket: ChatSocket) -> str:
        self._socket = socket
        visit = None if self._leaving is None else self._heartbeat.handshake  # come for the recent chat only
        try:
            async with asyncio.timeout(visit):
                async for frame in socket.frames():
                    await self._take(frame)
                    if visit is not None and frame.is_recent_chat:
                        await socket.leave()
        except (ChatClosed, TimeoutError) as error:
            # Only a goodbye that was answered shows that nothing was on its way any more.
            self._followed = self._leaving is not None and str(error) == "close 1000"
            return self._leaving or str(error)
        finally:
            self._socket, self._heard_at = None, socket.heard_at
        raise AssertionError("a socket's frames end with ChatClosed")

    async def _take(self, frame: Frame) -> None:
        """Hands on what a frame said."""
        out: list[records.Record] = []
        if frame.events:
            out.append(Events(self.stream_id, frame.events))
            self._last_event_at = time.monotonic()
            self.counts.events += sum(event.user_id is not None for event in frame.events)
        out.extend(records.hide(self.stream_id, blind) for blind in frame.blinds)
        out.extend(records.reject(self.stream_id, rejected) for rejected in frame.rejected)
        self.counts.rejected += len(frame.rejected)
        if frame.rejected:
            reasons = sorted({rejected.reason for rejected in frame.rejected})
            log.warning("items not understood", stream_id=self.stream_id, count=len(frame.rejected), reasons=reasons)
        if frame.is_recent_chat and frame.events:
            out.append(records.settle(self.stream_id, frame.events))
        if out:
            await self._writer.put(*out)
        # Only now: who is killed in between must not have said that there is what is not stored yet.
        if frame.is_recent_chat:
            self._refilled += frame.items or 0
            whole = frame.items is not None and frame.items < RECENT_CHAT_PROVEN and self._followed
            closed = self._coverage.saw_recent([event.ts_ms for event in frame.events], whole)
            if closed is not None:
                await self._report([closed])
        else:
            for event in frame.events:
                if event.user_id is not None:
                    self._coverage.saw_live(event.ts_ms)

    async def _report(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if isinstance(change, GapClosed) and (missing_ms := self._coverage.missing_ms(change)):
                self.counts.gaps += 1
                log.warning("gap", stream_id=self.stream_id, seconds=round(missing_ms / 1000, 1))
            await self._writer.put(records.gap(self.stream_id, change))

    async def _sample(self, status: LiveStatus) -> None:
        if status.viewers is not None:
            await self._writer.put(
                Statement("insert_viewer_sample", (self.stream_id, status.answered_at, status.viewers))
            )
