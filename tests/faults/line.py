"""A line: TLS in front of the simulator's chat, under a name that has to be looked up, and both can fail."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

import aiohttp.connector
import pytest

from simulator import Simulator
from simulator.server import CERTIFICATE, TLS_FOLDER

_NAME = "localhost"  # as on the certificate

Outcome = Literal["no such name", "not trusted", "connected"]


class Line:
    """Stands for a simulator in `collecting`: its HTTP as it is, its chat behind TLS and a name."""

    def __init__(self, chzzk: Simulator, port: int, outcomes: Sequence[Outcome], patch: pytest.MonkeyPatch) -> None:
        """`outcomes`: what becomes of each attempt to connect, in order; of all that follow, they are connected."""
        self.api_url = chzzk.api_url
        self.game_api_url = chzzk.game_api_url
        self.chat_url = f"wss://{_NAME}:{port}/chat/{{server}}"
        self.seen: list[Outcome] = []
        self._outcome: Outcome = "connected"
        left = iter(outcomes)
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        usual = aiohttp.connector.TCPConnector._get_ssl_context
        look_up = socket.getaddrinfo

        def trust(connector: Any, request: Any) -> ssl.SSLContext | None:  # an attempt begins with this
            context = usual(connector, request)
            if context is None:
                return None
            self._outcome = next(left, "connected")
            self.seen.append(self._outcome)
            return trusting if self._outcome == "connected" else context

        def find(host: Any, *arguments: Any, **options: Any) -> Any:
            if host == _NAME and self._outcome == "no such name":
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return look_up("127.0.0.1" if host == _NAME else host, *arguments, **options)

        patch.setattr(socket, "getaddrinfo", find)
        patch.setattr(aiohttp.connector._DNSCacheTable, "expired", lambda table, key: True)
        patch.setattr(aiohttp.connector.TCPConnector, "_get_ssl_context", trust)


@asynccontextmanager
async def line(chzzk: Simulator, outcomes: Sequence[Outcome], patch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    """A line to the simulator's chat."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, TLS_FOLDER / "key.pem")

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chat_reader, chat_writer = await asyncio.open_connection("127.0.0.1", chzzk.port)
        await asyncio.gather(_pass_on(reader, chat_writer), _pass_on(chat_reader, writer))

    server = await asyncio.start_server(join, "127.0.0.1", 0, ssl=context)
    async with server:
        yield Line(chzzk, server.sockets[0].getsockname()[1], outcomes, patch)


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()
