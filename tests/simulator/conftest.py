"""A plain client of a Chzzk, written for these tests from the protocol's description and on nothing but aiohttp."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from simulator import Broadcast, Channel, Simulator

PATIENCE_SEC = 20.0  # far more than a test needs: a busy machine is no failure


class Listener:
    """One chat connection that keeps every frame it gets."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, chat_channel_id: str) -> None:
        self.socket = socket
        self.chat_channel_id = chat_channel_id
        self.frames: list[dict[str, Any]] = []
        self.raw: list[str | bytes] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            self.raw.append(message.data)
            if message.type is aiohttp.WSMsgType.TEXT and message.data.startswith('{"'):
                self.frames.append(json.loads(message.data))

    def of(self, *commands: int) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["cmd"] in commands]

    def items(self) -> list[dict[str, Any]]:
        return [item for frame in self.of(93101, 93102) for item in frame["bdy"]]

    async def until(self, done: Callable[[], Any], what: str) -> None:
        give_up = time.monotonic() + PATIENCE_SEC
        while not done():
            assert time.monotonic() < give_up, f"waited {PATIENCE_SEC} s for {what}"
            await asyncio.sleep(0.005)

    async def frame(self, command: int) -> dict[str, Any]:
        await self.until(lambda: self.of(command), f"a frame {command}")
        return self.of(command)[0]

    async def say(self, command: int, **rest: Any) -> None:
        head = {"ver": "2", "cmd": command, "svcid": "game", "cid": self.chat_channel_id}
        await self.socket.send_json({**head, **rest})

    async def hello(self, token: str) -> dict[str, Any]:
        await self.say(100, tid=1, bdy={"uid": None, "devType": 2001, "accTkn": token, "auth": "READ"})
        return await self.frame(10100)

    async def recent(self, sid: str, count: int) -> list[dict[str, Any]]:
        await self.say(5101, tid=2, sid=sid, bdy={"recentMessageCount": count})
        return list((await self.frame(15101))["bdy"]["messageList"])

    async def closed(self) -> int | None:
        async with asyncio.timeout(PATIENCE_SEC):
            await self.reader
        return self.socket.close_code


class Client:
    """Talks to one simulator."""

    def __init__(self, chzzk: Simulator, http: aiohttp.ClientSession) -> None:
        self.chzzk = chzzk
        self.http = http

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        async with self.http.get(self.chzzk.api_url + path, **options) as response:
            return response.status, await response.json()

    async def content(self, path: str, **options: Any) -> Any:
        status, body = await self.get(path, **options)
        assert (status, body["code"], body["message"]) == (200, 200, None)
        return body["content"]

    async def status(self, channel: Channel, version: str = "v2") -> Any:
        return await self.content(f"/polling/{version}/channels/{channel.channel_id}/live-status")

    async def token(self, chat_channel_id: str) -> str:
        path = f"/nng_main/v1/chats/access-token?channelId={chat_channel_id}&chatType=STREAMING"
        return str((await self.content(path))["accessToken"])

    async def open(self, chat_channel_id: str, server: int = 1) -> Listener:
        return Listener(await self.http.ws_connect(self.chzzk.chat_url.format(server=server)), chat_channel_id)

    async def join(self, channel: Channel) -> tuple[Listener, dict[str, Any]]:
        chat_channel_id = (await self.status(channel))["chatChannelId"]
        listener = await self.open(chat_channel_id)
        return listener, await listener.hello(await self.token(chat_channel_id))

    async def video_chat(self, video_no: int) -> list[dict[str, Any]]:
        """All pages of a replay, as a collector walks them."""
        chats: list[dict[str, Any]] = []
        at_ms: int = 0
        while True:
            page = await self.content(
                f"/service/v1/videos/{video_no}/chats?playerMessageTime={at_ms}&previousVideoChatSize=0"
            )
            chats += page["videoChats"]
            next_ms = page["nextPlayerMessageTime"]
            if next_ms is None or next_ms <= at_ms:
                return chats
            at_ms = next_ms


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def client(http: aiohttp.ClientSession) -> Callable[[Simulator], Client]:
    return lambda chzzk: Client(chzzk, http)


@pytest.fixture
def show() -> Callable[..., Channel]:
    """Makes a channel with one lively broadcast; keywords go to Broadcast, ``faults`` to Channel."""

    def make(*faults: Any, duration_sec: float = 60, base_rate: float = 10, **rest: Any) -> Channel:
        return Channel("시험방송", [Broadcast(duration_sec, base_rate, **rest)], faults)

    return make
