"""One chat socket: the handshake, the heartbeat both ways, and every way in which it can end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from collector.chzzk.api import ChzzkApi, Endpoints
from collector.chzzk.chat import RECENT_CHAT_COUNT, ChatClosed, ChatSocket, Heartbeat
from collector.chzzk.decode import Frame
from simulator import Broadcast, Channel, Fault, Simulator
from tests.collector.studio import endpoints, until

QUICK = Heartbeat(ping_after=0.2, dead_after=0.6, handshake=5.0)
WELCOME = json.dumps({"cmd": 10100, "retCode": 0, "bdy": {"sid": "s1"}})
Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


class Reader:
    """Reads a socket to its end."""

    def __init__(self, socket: ChatSocket) -> None:
        self.socket = socket
        self.frames: list[Frame] = []
        self.pause = 0.0
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> str:
        try:
            async for frame in self.socket.frames():
                self.frames.append(frame)
                await asyncio.sleep(self.pause)
        except ChatClosed as error:
            return str(error)
        finally:
            await self.socket.close()
        raise AssertionError("frames ended without ChatClosed")

    @property
    def texts(self) -> list[str | None]:
        return [event.content for frame in self.frames for event in frame.events]

    async def cause(self) -> str:
        async with asyncio.timeout(20):
            return await self.task


@asynccontextmanager
async def server(
    talk: Talk, *, welcome: str | None = WELCOME, **options: Any
) -> AsyncIterator[tuple[ChzzkApi, list[Any]]]:
    """A chat server that welcomes, then talks. Yields a client's API and what clients have said."""
    said: list[Any] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(**options)
        await socket.prepare(request)
        said.append(json.loads((await socket.receive()).data))
        if welcome is not None:
            await socket.send_str(welcome)
        await talk(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                said.append(json.loads(message.data))
        return socket

    app = web.Application()
    app.add_routes([web.get("/chat", handler)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with ChzzkApi(Endpoints(url, url, f"ws{url[4:]}/chat")) as api:
            yield api, said
    finally:
        await runner.cleanup()


async def silence(socket: web.WebSocketResponse) -> None:
    """Says nothing."""


def chat_frame(*texts: str) -> str:
    now = int(time.time() * 1000)
    items = [{"uid": "u", "msgTime": now, "msg": text, "msgTypeCode": 1} for text in texts]
    return json.dumps({"cmd": 93101, "bdy": items}, ensure_ascii=False)


async def test_the_handshake_says_what_a_browser_says() -> None:
    async with server(silence) as (api, said):
        reader = Reader(await ChatSocket.open(api, "N1", "token", QUICK))
        await until(lambda: len(said) >= 2, "the request for recent chat")
        hello, recent = said[:2]
        assert (hello["cmd"], hello["cid"], hello["ver"], hello["svcid"]) == (100, "N1", "2", "game")
        assert hello["bdy"] == {"uid": None, "devType": 2001, "accTkn": "token", "auth": "READ"}
        assert (recent["cmd"], recent["sid"], recent["cid"]) == (5101, "s1", "N1")
        assert recent["bdy"]["recentMessageCount"] == RECENT_CHAT_COUNT
        reader.task.cancel()


async def test_a_frame_before_the_welcome_is_not_lost() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_str('{"cmd":0}')
        await socket.send_str(chat_frame("일찍"))
        await socket.send_str(WELCOME)
        await socket.send_str(chat_frame("나중"))

    async with server(talk, welcome=None) as (api, said):
        reader = Reader(await ChatSocket.open(api, "N1", "token", QUICK))
        await until(lambda: len(reader.texts) == 2, "both")
        assert reader.texts == ["일찍", "나중"]
        assert {"cmd": 10000, "ver": 2} in said
        reader.task.cancel()


@pytest.mark.parametrize(
    ("welcome", "cause"),
    [
        ('{"cmd":10100,"retCode":105,"retMsg":"no"}', "refused with code 105"),
        ('{"cmd":10100,"retCode":0,"bdy":{}}', "welcomed without a session"),
        ('{"cmd":10100,"retCode":0}', "welcomed without a session"),
        (None, "no welcome"),
        ("nonsense", "no welcome"),
    ],
)
async def test_no_proper_welcome(welcome: str | None, cause: str) -> None:
    async with server(silence, welcome=welcome) as (api, _):
        patience = Heartbeat(handshake=0.4 if cause == "no welcome" else 10.0)
        with pytest.raises(ChatClosed, match=cause):
            await ChatSocket.open(api, "N1", "token", patience)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Fault(0, "handshake_reject", code=403), "handshake 403"),
        (Fault(0, "handshake_reject", code=429), "handshake 429"),
        (Fault(0, "ret_code", code=401), "refused with code 401"),
    ],
)
async def test_refusals_of_the_simulator(fault: Fault, cause: str) -> None:
    channel = Channel("시험", [Broadcast(600)], [fault])
    async with Simulator([channel]) as chzzk, ChzzkApi(endpoints(chzzk)) as api:
        await asyncio.sleep(0.1)
        chat = (await api.live_status(channel.channel_id)).chat_channel_id or ""
        with pytest.raises(ChatClosed, match=cause):
            await ChatSocket.open(api, chat, await api.access_token(chat), QUICK)
        with pytest.raises(ChatClosed, match="refused"):
            await ChatSocket.open(api, chat, "stolen", QUICK)
        await (await ChatSocket.open(api, chat, await api.access_token(chat), QUICK)).close()


async def test_a_server_that_is_not_there() -> None:
    async with ChzzkApi(Endpoints(chat_url="ws://127.0.0.1:1/chat")) as api:
        with pytest.raises(ChatClosed, match="connect failed"):
            await ChatSocket.open(api, "N1", "token", QUICK)


async def test_more_channels_at_once_than_aiohttp_lets_in_by_default() -> None:
    async with server(silence) as (api, _):
        sockets = [await ChatSocket.open(api, "N1", "token", QUICK) for _ in range(120)]
        await asyncio.gather(*(socket.close() for socket in sockets))


async def test_pings_are_answered_and_silence_is_answered_with_a_ping() -> None:
    channel = Channel("시험", [Broadcast(600, 0, channel_events_per_min=0)])
    async with (
        Simulator([channel], ping_interval_sec=0.5, silence_limit_sec=2.0) as chzzk,
        ChzzkApi(endpoints(chzzk)) as api,
    ):
        chat = (await api.live_status(channel.channel_id)).chat_channel_id or ""
        # Its pings are answered: a client that said nothing for two seconds would be dropped.
        polite = Reader(await ChatSocket.open(api, chat, await api.access_token(chat), Heartbeat()))
        # It pings itself, and the pongs keep it alive far longer than `dead_after`.
        patient = Heartbeat(ping_after=0.3, dead_after=2.0)
        lively = Reader(await ChatSocket.open(api, chat, await api.access_token(chat), patient))
        await asyncio.sleep(4.5)
        assert not polite.task.done()
        assert not lively.task.done()
        polite.task.cancel()
        lively.task.cancel()


async def test_a_half_open_socket_is_noticed() -> None:
    async with server(silence) as (api, said):
        started = time.monotonic()
        reader = Reader(await ChatSocket.open(api, "N1", "token", QUICK))
        assert await reader.cause() == "silent for 0.6 s"
        assert time.monotonic() - started >= 0.6
        assert {"cmd": 0, "ver": 2} in said


async def test_leaving_at_the_very_moment_when_the_silence_is_up() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        async for _ in socket:  # answers a goodbye
            pass

    async with server(talk) as (api, _):
        socket = await ChatSocket.open(api, "N1", "token", Heartbeat(ping_after=60.0))
        reader = Reader(socket)
        patience = await until(lambda: socket._patience, "a reader that waits")
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def leave() -> None:
            await gate
            await socket.leave()

        leaving = asyncio.create_task(leave())
        await asyncio.sleep(0)
        # In one turn of the loop the way is free, then the silence is up; in the next, `leave` comes before the reader.
        asyncio.get_running_loop().call_soon(gate.set_result, None)
        patience.reschedule(0.0)
        await leaving
        assert await reader.cause() == "close 1000"


async def test_time_that_the_reader_takes_is_no_silence() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_str(chat_frame("하나"))
        async for message in socket:
            if json.loads(message.data)["cmd"] == 0:
                await socket.send_str('{"cmd":10000}')

    async with server(talk) as (api, _):
        reader = Reader(await ChatSocket.open(api, "N1", "token", QUICK))
        reader.pause = 0.9  # longer than `dead_after`: the database was away
        await asyncio.sleep(1.4)
        assert reader.texts == ["하나"]
        assert not reader.task.done()
        reader.task.cancel()


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
async def test_close_codes_are_causes(code: int) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_str(chat_frame("끝"))
        await socket.close(code=code)

    async with server(talk) as (api, _):
        reader = Reader(await ChatSocket.open(api, "N1", "token", QUICK))
        assert await reader.cause() == f"close {code}"
        assert reader.texts == ["끝"]


async def test_a_connection_that_is_cut_is_1006() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        assert socket._req is not None
        await asyncio.sleep(0.1)
        socket._req.transport.abort()

    async with server(talk) as (api, _):
        reader = Reader(await ChatSocket.open(api, "N1", "token", QUICK))
        assert await reader.cause() in ("close 1006", "connection lost while sending", "connection lost")


async def test_binary_empty_fragmented_large_and_unreadable_frames() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(chat_frame("바이트").encode())
        await socket.send_str("")
        await socket.send_str("<html>")
        # One message in three fragments, a ping of the WebSocket's own in between.
        whole = chat_frame("조각난 말").encode()
        writer = socket._writer
        assert writer is not None
        parts = [whole[:7], whole[7:30], whole[30:]]
        for number, part in enumerate(parts):
            first_byte = (0x80 if number == 2 else 0) | (WSMsgType.TEXT if number == 0 else WSMsgType.CONTINUATION)
            writer.transport.write(bytes([first_byte, len(part)]) + part)
            if number == 0:
                await socket.ping(b"x")
        await socket.send_str(chat_frame("가" * 2_000_000))

    async with server(talk) as (api, _):
        reader = Reader(await ChatSocket.open(api, "N1", "token", Heartbeat()))
        await until(lambda: len(reader.texts) == 3, "the last frame")
        assert reader.texts == ["바이트", "조각난 말", "가" * 2_000_000]
        assert sum(len(frame.rejected) for frame in reader.frames) == 2
        reader.task.cancel()


async def test_leaving_hears_the_server_out() -> None:
    frames = 300

    async def talk(socket: web.WebSocketResponse) -> None:
        for number in range(frames):
            await socket.send_str(chat_frame(str(number)))

    async with server(talk) as (api, _):
        reader = Reader(await ChatSocket.open(api, "N1", "token", QUICK))
        reader.pause = 0.001  # slower than the server: most of it waits in buffers
        await until(lambda: reader.texts, "the first frame")
        await reader.socket.leave()
        assert await reader.cause() == "close 1000"
        assert reader.texts == [str(number) for number in range(frames)]


async def test_leaving_a_dead_server_does_not_take_for_ever() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await asyncio.sleep(30)

    async with server(talk) as (api, _):
        reader = Reader(await ChatSocket.open(api, "N1", "token", Heartbeat()))
        await asyncio.sleep(0.05)
        await reader.socket.leave()
        assert await reader.cause() == "no goodbye"
