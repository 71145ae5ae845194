"""A visitor: one WebSocket client, from its first frame to its last."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from simulator import wire
from simulator.dialect import ASK_RECENT, CONNECT, CONNECTED, PING, PONG, RECENT, Frame, frame
from simulator.doorkeeper import Doorkeeper
from simulator.journal import ConnectionRecord
from simulator.room import Room

BACKLOG_FRAMES = 2_000  # a client that is so far behind is dropped, as a real server would


@dataclass(frozen=True, slots=True)
class Manners:
    """How long the server waits, in real seconds."""

    ping_interval_sec: float = 20.0
    silence_limit_sec: float = 60.0  # a client that sent nothing for so long is dropped
    send_timeout_sec: float = 10.0  # a client that takes no data for so long is dropped


@dataclass(frozen=True, slots=True)
class _Farewell:
    """Close the socket with this code, or cut it without one, after what is already queued."""

    code: int | None
    reason: str
    cause: str


class Visitor:
    """One connection. Frames are queued and sent by a task of its own, so a slow client delays nobody else."""

    def __init__(
        self,
        request: web.Request,
        record: ConnectionRecord,
        doorkeeper: Doorkeeper,
        manners: Manners,
        real_sec: Callable[[], float],
    ) -> None:
        self.record = record
        self._request = request
        self._doorkeeper = doorkeeper
        self._manners = manners
        self._real_sec = real_sec
        self._socket = web.WebSocketResponse(timeout=1.0, compress=False)
        self._outbox: asyncio.Queue[Frame | bytes | _Farewell] = asyncio.Queue(BACKLOG_FRAMES)
        self._room: Room | None = None
        self._heard_sec = 0.0
        self._deaf_until_sec = 0.0
        self._says_goodbye = False
        self._pace: float | None = None  # bytes a real second; None: as fast as they can be taken

    async def serve(self) -> web.WebSocketResponse:
        """Speak the protocol until the connection ends."""
        await self._socket.prepare(self._request)
        self._heard_sec = self._real_sec()
        writer, keeper = asyncio.create_task(self._write()), asyncio.create_task(self._keep())
        if self._doorkeeper.slams():
            self.cut("slammed")
        try:
            await self._read()
        finally:
            if self._room is not None:
                self._room.visitors.discard(self)
            keeper.cancel()
            if not self._says_goodbye:  # a close that has begun must end, or its frame may be lost
                writer.cancel()
            await asyncio.gather(writer, keeper, return_exceptions=True)
            self.record.closed_sec = self._real_sec()
            if not self.record.cause:
                self.record.cause, self.record.close_code = "client", self._socket.close_code
        return self._socket

    def offer(self, message: Frame | bytes) -> None:
        """Queue a frame; a half-open client's frames are lost, an overfull client is cut off."""
        if self._is_deaf():
            return
        try:
            self._outbox.put_nowait(message)
        except asyncio.QueueFull:
            self.cut("slow")

    def close(self, code: int, reason: str = "", cause: str = "fault") -> None:
        """Close with a code, after what is already queued."""
        try:
            self._outbox.put_nowait(_Farewell(code, reason, cause))
        except asyncio.QueueFull:
            self.cut("slow")

    def cut(self, cause: str = "cut") -> None:
        """End the TCP connection without a word."""
        self.record.cause = self.record.cause or cause
        if self._request.transport is not None:
            self._request.transport.abort()

    def go_deaf(self, real_sec: float) -> None:
        """Become half-open: for so long nothing is sent, and nothing that arrives is read, a close neither."""
        self._deaf_until_sec = self._real_sec() + real_sec
        transport = self._request.transport
        if isinstance(transport, asyncio.ReadTransport):
            transport.pause_reading()
            if math.isfinite(real_sec):
                # What was not sent meanwhile is gone: a TCP connection cannot go on after that, only break.
                asyncio.get_running_loop().call_later(real_sec, self.cut, "half-open")

    def dribble(self, bytes_per_real_sec: float) -> None:
        """From now on send at this pace only."""
        self._pace = bytes_per_real_sec

    def _is_deaf(self) -> bool:
        return self._real_sec() < self._deaf_until_sec

    async def _read(self) -> None:
        async for message in self._socket:
            self._heard_sec = self._real_sec()
            if message.type is WSMsgType.TEXT:
                with contextlib.suppress(ValueError, AttributeError):  # what is not an object is ignored
                    self._answer(json.loads(message.data))

    def _answer(self, message: dict[str, Any]) -> None:
        # "ver" is not looked at: chzzkpy sends 2 in pings and pongs and "2" elsewhere.
        match message.get("cmd"):
            case int(command) if command == PING:
                self.offer(Frame(json.dumps({"ver": "2", "cmd": PONG})))
            case int(command) if command == CONNECT:
                self._connect(message)
            case int(command) if command == ASK_RECENT:
                self._recall(message)

    def _connect(self, message: dict[str, Any]) -> None:
        body = message.get("bdy") or {}
        chat_channel_id = str(message.get("cid"))
        verdict = self._doorkeeper.admit(chat_channel_id, str(body.get("accTkn")))
        tid = str(message.get("tid"))  # comes back as a string whatever it was
        if not isinstance(verdict, Room):
            code, reason = verdict
            answer = {"svcid": "game", "ver": "1", "cmd": CONNECTED, "retCode": code, "retMsg": reason, "tid": tid}
            self.offer(Frame(json.dumps(answer)))
            self.close(1000, "Bye", cause="refused")
            return
        self._leave()
        self._room = verdict
        self.record.channel_id = verdict.channel_id
        self.record.chat_channel_id = chat_channel_id
        self.record.session_id = secrets.token_urlsafe(24)
        answer_body = {
            "accTkn": body.get("accTkn"),
            "auth": body.get("auth", "READ"),
            "sid": self.record.session_id,
            "uuid": secrets.token_hex(8),
        }
        text = frame(CONNECTED, answer_body, chat_channel_id, retCode=0, retMsg="SUCCESS", tid=tid)
        self.offer(Frame(text))
        if self._doorkeeper.throws_out(verdict):
            self._outbox.put_nowait(_Farewell(None, "", "thrown out"))
            return
        verdict.visitors.add(self)

    def _leave(self) -> None:
        if self._room is not None:
            self._room.visitors.discard(self)

    def _recall(self, message: dict[str, Any]) -> None:
        if self._room is None or message.get("sid") != self.record.session_id:
            return
        count = int((message.get("bdy") or {}).get("recentMessageCount", 50))
        self.record.recent_asked.append(count)
        body = self._room.recent_body(count)
        text = frame(RECENT, body, self._room.chat_channel_id, retCode=0, retMsg="SUCCESS", tid=str(message.get("tid")))
        self.offer(Frame(text))

    async def _write(self) -> None:
        while True:
            message = await self._outbox.get()
            if isinstance(message, _Farewell):
                if message.code is None:
                    self.cut(message.cause)
                    return
                self._says_goodbye = True
                self.record.cause, self.record.close_code = message.cause, message.code
                await self._socket.close(code=message.code, message=message.reason.encode())
                return
            try:
                async with asyncio.timeout(None if self._pace else self._manners.send_timeout_sec):
                    await self._send(message)
            except TimeoutError:
                self.cut("slow")
                return
            except ConnectionError:
                return  # the reading side ends by itself
            if isinstance(message, Frame):
                for item in message.items:
                    item.delivered += 1

    async def _send(self, message: Frame | bytes) -> None:
        frame = Frame("", binary=True) if isinstance(message, bytes) else message
        if self._pace is not None or frame.parts > 1:
            await self._send_in_pieces(message if isinstance(message, bytes) else frame.text.encode(), frame)
        elif isinstance(message, bytes):
            await self._socket.send_bytes(message)
        elif message.binary:
            await self._socket.send_bytes(message.text.encode())
        else:
            await self._socket.send_str(message.text)

    async def _send_in_pieces(self, payload: bytes, frame: Frame) -> None:
        """What aiohttp does not write. Nothing else is written meanwhile but what may stand between two parts."""
        for number, part in enumerate(wire.message(payload, wire.BINARY if frame.binary else wire.TEXT, frame.parts)):
            if number > 0:
                await self._socket.ping(b"between")
            await self._put_on_the_wire(part)

    async def _put_on_the_wire(self, data: bytes) -> None:
        transport = self._request.transport
        if transport is None:
            raise ConnectionResetError
        if self._pace is None:
            transport.write(data)
            return
        for byte in data:
            transport.write(bytes([byte]))
            await asyncio.sleep(1 / self._pace)

    async def _keep(self) -> None:
        """Ping at intervals, and drop a client that says nothing."""
        manners = self._manners
        pinged_sec = self._real_sec()
        while True:
            now = self._real_sec()
            if self._is_deaf():
                self._heard_sec = now  # the server's side of a half-open connection believes nothing is wrong
            elif now - self._heard_sec >= manners.silence_limit_sec:
                self.close(1000, "", cause="silent")
                return
            if now - pinged_sec >= manners.ping_interval_sec:
                self.offer(Frame(json.dumps({"ver": "2", "cmd": PING})))
                pinged_sec = now
            next_sec = min(pinged_sec + manners.ping_interval_sec, self._heard_sec + manners.silence_limit_sec)
            await asyncio.sleep(max(0.01, next_sec - now))
