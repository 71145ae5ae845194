"""One chat socket: the handshake, the heartbeat both ways, and raw frames until it is dead.

Built on chzzkpy's ChzzkWebSocket for what is sent. Its read loop is not used: it never notices a half-open socket,
takes close code 1000 for the end of the broadcast, and drops commands that it does not know.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
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


class ChatSocket:
    """A chat connection that the server has welcomed."""

    def __init__(self, gateway: ChzzkWebSocket, heartbeat: Heartbeat, early: list[Frame]) -> None:
        self._gateway = gateway
        self._heartbeat = heartbeat
        self._early = early

    @classmethod
    async def open(cls, api: ChzzkApi, chat_channel_id: str, token: str, heartbeat: Heartbeat) -> "ChatSocket":
        """Connects, is welcomed, and has asked for the recent chat. ChatClosed where any of that fails."""
        url = api.endpoints.chat_url.replace("{server}", str(random.randint(1, _SERVERS)))
        try:
            async with asyncio.timeout(heartbeat.handshake):
                socket = await api.chat_session.ws_connect(
                    url, max_msg_size=_MAX_FRAME_BYTES, autoping=True, timeout=aiohttp.ClientWSTimeout(ws_close=2.0)
                )
        except aiohttp.WSServerHandshakeError as error:
            raise ChatClosed(f"handshake {error.status}") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ChatClosed(f"connect failed: {type(error).__name__}") from error
        gateway = ChzzkWebSocket(socket, asyncio.get_running_loop())
        try:
            async with asyncio.timeout(heartbeat.handshake):
                await gateway.send_open(token, chat_channel_id, "READ")
                early = await cls._await_welcome(gateway)
                await gateway.request_recent_chat(RECENT_CHAT_COUNT, chat_channel_id)
        except TimeoutError as error:
            await gateway.close()
            raise ChatClosed("no welcome") from error
        except ConnectionError as error:
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
            silence = time.monotonic() - last_heard
            limit = self._heartbeat.dead_after if pinged else self._heartbeat.ping_after
            try:
                async with asyncio.timeout(max(0.0, limit - silence)):
                    message = await self._gateway.socket.receive()
            except TimeoutError:
                if pinged:
                    raise ChatClosed(f"silent for {self._heartbeat.dead_after:g} s") from None
                pinged = True
                await self._send_ping()
                continue
            last_heard, pinged = time.monotonic(), False
            frame = _read(message)
            if frame.command == ChatCmd.PING:
                await self._send_pong()
            elif frame.command != ChatCmd.PONG:
                yield frame

    async def close(self) -> None:
        """Closes the socket, at once if the other side does not answer."""
        await self._gateway.close()

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

    async def _send_ping(self) -> None:
        await self._send(self._gateway.send_ping())

    async def _send_pong(self) -> None:
        await self._send(self._gateway.send_pong())

    async def _send(self, sending: "asyncio.Future[None] | object") -> None:
        try:
            async with asyncio.timeout(self._heartbeat.handshake):
                await sending  # type: ignore[misc]
        except (ConnectionError, TimeoutError) as error:
            raise ChatClosed("connection lost while sending") from error


def _read(message: aiohttp.WSMessage) -> Frame:
    """The frame in a WebSocket message; ChatClosed where the message is the end of the socket."""
    if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
        return decode_frame(message.data, int(time.time() * 1000))
    if message.type == aiohttp.WSMsgType.CLOSE:
        raise ChatClosed(f"close {message.data}")
    if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
        raise ChatClosed("close 1006")
    if message.type == aiohttp.WSMsgType.ERROR:
        raise ChatClosed(f"socket error: {type(message.data).__name__}")
    return Frame()
