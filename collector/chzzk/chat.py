"""One chat socket: the handshake, the heartbeat both ways, and raw frames until it is dead.

Built on chzzkpy's ChzzkWebSocket for what is sent. Its read loop is not used: it never notices a half-open socket,
takes close code 1000 for the end of the broadcast, and drops commands that it does not know.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
from chzzkpy.unofficial.chat.enums import ChatCmd
from chzzkpy.unofficial.chat.gateway import ChzzkWebSocket

from collector.chzzk.api import ChzzkApi
from collector.chzzk.decode import Frame, decode_frame

# kr-ss1 to kr-ss10 by habit; any of them serves any channel.
_SERVERS = 10

# The web client asks for 50. How far back more than about 100 would reach is unknown.
RECENT_CHAT_COUNT = 100
# Of fewer than this it is known that there is nothing older: 50 have always been given.
RECENT_CHAT_PROVEN = 50

# A frame of 100,000 items is about 60 MB; more is not chat.
_MAX_FRAME_BYTES = 128 * 1024 * 1024

# How long a server may take to answer a goodbye, seconds.
_GOODBYE_SEC = 2.0
_GOODBYE_FRAME = (1000).to_bytes(2, "big")


@dataclass(frozen=True)
class Heartbeat:
    """The rhythm of a socket, in seconds of real time."""

    ping_after: float = 20.0
    """Silence after which the web client sends a ping; the server drops a client silent for a minute."""
    dead_after: float = 55.0
    """Silence, pongs included, that means a dead socket even when TCP says otherwise."""
    handshake: float = 10.0
    """How long a connect, and then the server's welcome, may take."""


class ChatClosed(Exception):
    """The connection ended, or never began. The message is the cause, in a few words."""


class ChatUnreachable(ChatClosed):
    """No chat server let us in: it says nothing about the chat channel."""


class ChatSocket:
    """A chat connection that the server has welcomed."""

    def __init__(self, gateway: ChzzkWebSocket, heartbeat: Heartbeat, early: list[Frame]) -> None:
        self._gateway = gateway
        self._heartbeat = heartbeat
        self._early = early
        self._patience: asyncio.Timeout | None = None  # of the `receive` that is waiting now
        self._leave_until: float | None = None
        self._told: tuple[int, float] | None = None  # a message's time by Chzzk's clock, and when it came by ours
        self.heard_at = time.monotonic()
        """When the server was last heard, pings and pongs included."""

    @classmethod
    async def open(cls, api: ChzzkApi, chat_channel_id: str, token: str, heartbeat: Heartbeat) -> "ChatSocket":
        """Connects, is welcomed, and has asked for the recent chat. ChatClosed where any of that fails."""
        url = api.endpoints.chat_url.replace("{server}", str(random.randint(1, _SERVERS)))
        try:
            async with asyncio.timeout(heartbeat.handshake):
                patience = aiohttp.ClientWSTimeout(ws_close=_GOODBYE_SEC)
                socket = await api.chat_session.ws_connect(url, max_msg_size=_MAX_FRAME_BYTES, timeout=patience)
        except aiohttp.WSServerHandshakeError as error:
            raise ChatUnreachable(f"handshake {error.status}") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ChatUnreachable(f"connect failed: {type(error).__name__}") from error
        gateway = ChzzkWebSocket(socket, asyncio.get_running_loop())
        try:
            async with asyncio.timeout(heartbeat.handshake):
                await gateway.send_open(token, chat_channel_id, "READ")
                early = await cls._await_welcome(gateway)
                await gateway.request_recent_chat(RECENT_CHAT_COUNT, chat_channel_id)
        except TimeoutError as error:
            await gateway.close()
            raise ChatClosed("no welcome") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            await gateway.close()
            raise ChatClosed("connection lost in the handshake") from error
        except BaseException:
            await gateway.close()
            raise
        return cls(gateway, heartbeat, early)

    async def frames(self) -> AsyncIterator[Frame]:
        """Every frame that says something, decoded, until the socket ends: then ChatClosed with the cause."""
        for frame in self._early:
            yield frame
        last_heard = time.monotonic()
        pinged = False
        while True:
            limit = self._heartbeat.dead_after if pinged else self._heartbeat.ping_after
            try:
                message = await self._receive(self._leave_until or last_heard + limit)
            except TimeoutError:
                if self._leave_until is not None:
                    if time.monotonic() < self._leave_until:
                        continue  # the silence was up at the moment of leaving: what comes now is heard all the same
                    raise ChatClosed("no goodbye") from None
                if pinged:
                    raise ChatClosed(f"silent for {self._heartbeat.dead_after:g} s") from None
                pinged = True
                await self._send(self._gateway.send_ping())
                continue
            frame = _read(message, self._server_ms())
            self.heard_at = time.monotonic()
            self._set_clock(frame)
            if frame.command == ChatCmd.PING:
                await self._send(self._gateway.send_pong())
            elif frame.command != ChatCmd.PONG:
                yield frame
            # After the yield: the time that the reader took over a frame is no silence of the server's.
            last_heard, pinged = time.monotonic(), False

    async def leave(self) -> None:
        """Says goodbye; `frames` goes on until the server has answered that, so that nothing on its way is lost.

        `close` instead throws away what has arrived and is not read yet.
        """
        self._leave_until = time.monotonic() + _GOODBYE_SEC
        if self._patience is not None:
            with suppress(RuntimeError):  # it expires at this very moment, and `frames` is about to see it
                self._patience.reschedule(asyncio.get_running_loop().time() + _GOODBYE_SEC)
        with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_SEC):
                await self._gateway.socket.send_frame(_GOODBYE_FRAME, aiohttp.WSMsgType.CLOSE)

    async def close(self) -> None:
        """Closes the socket, at once if the other side does not answer."""
        await self._gateway.close()

    async def _receive(self, until: float) -> aiohttp.WSMessage:
        """The next message; TimeoutError at `until` (time.monotonic). What has arrived is never left behind."""
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())) as self._patience:
                message: aiohttp.WSMessage = await self._gateway.socket.receive()
                return message
        except (aiohttp.ClientError, ConnectionError) as error:
            # aiohttp answers a WebSocket ping by itself, and lets the failure of that through.
            raise ChatClosed("connection lost") from error
        finally:
            self._patience = None

    def _server_ms(self) -> int | None:
        """Now by Chzzk's clock, as far as its messages tell."""
        if self._told is None:
            return None
        ts_ms, came_at = self._told
        return ts_ms + round((time.monotonic() - came_at) * 1000)

    def _set_clock(self, frame: Frame) -> None:
        said = [event.ts_ms for event in frame.events if event.user_id is not None]
        if said and not frame.is_recent_chat:
            self._told = said[-1], self.heard_at

    @staticmethod
    async def _await_welcome(gateway: ChzzkWebSocket) -> list[Frame]:
        early: list[Frame] = []
        while True:
            frame = _read(await gateway.socket.receive())
            if frame.command == ChatCmd.CONNECTED:
                if frame.return_code != 0:
                    raise ChatClosed(f"refused with code {frame.return_code}")
                session_id = frame.body.get("sid") if isinstance(frame.body, dict) else None
                if not isinstance(session_id, str):
                    raise ChatClosed("welcomed without a session")
                gateway.session_id = session_id
                return early
            if frame.command == ChatCmd.PING:
                await gateway.send_pong()
            else:
                early.append(frame)

    async def _send(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._heartbeat.handshake):
                await sending
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise ChatClosed("connection lost while sending") from error


def _read(message: aiohttp.WSMessage, server_ms: int | None = None) -> Frame:
    """The frame in a WebSocket message; ChatClosed where the message is the end of the socket."""
    if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
        return decode_frame(message.data, int(time.time() * 1000), server_ms)
    if message.type == aiohttp.WSMsgType.CLOSE:
        raise ChatClosed(f"close {message.data}")
    if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
        raise ChatClosed("close 1006")
    if message.type == aiohttp.WSMsgType.ERROR:
        raise ChatClosed(f"socket error: {type(message.data).__name__}")
    return Frame()
