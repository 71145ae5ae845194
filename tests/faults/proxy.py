"""A proxy on loopback before PostgreSQL, whose connections break when and how a test says."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from psycopg import conninfo

from store.database import Database
from store.migrate import Edition

_HOST = "127.0.0.1"
_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: closing sends RST


class DatabaseProxy:
    """Passes everything on, until told otherwise: ``async with DatabaseProxy(database.parameters) as proxy: ...``.

    `parameters` are libpq's, of the real server: `host` may be a Unix socket's folder. It lives in the event loop of
    its caller, who must not block it by a synchronous query through the proxy.
    """

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.delay = 0.0
        """Seconds that each piece of what a client sends is held back."""
        self.accepted = 0
        """Connections so far."""
        self._parameters = dict(parameters)
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._hanging = False
        self._bytes_left: int | None = None  # until the cut that `cut_after` asked for
        self._last_words: bytes | None = None  # what `cut_answer_to` waits for
        self._was_cut = asyncio.Event()
        # Bound for good, and never listening: while the listener is closed nobody else can get the port, not even a
        # client that connects to itself by chance.
        self._seat = socket.socket()

    async def __aenter__(self) -> Self:
        self._seat.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._seat.bind((_HOST, 0))
        await self.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
        while self._tasks:
            self.cut()
            await asyncio.wait(self._tasks, timeout=0.1)
        self._seat.close()

    @property
    def parameters(self) -> dict[str, str]:
        """libpq's parameters of the server behind the proxy, by way of the proxy."""
        elsewhere = {name: value for name, value in self._parameters.items() if name != "hostaddr"}
        return {**elsewhere, "host": _HOST, "port": str(self._seat.getsockname()[1])}

    @property
    def url(self) -> str:
        """The same as a conninfo string, for a child's NOKCHART_DATABASE_URL."""
        return conninfo.make_conninfo("", **self.parameters)

    def database(self, edition: Edition = "postgresql") -> Database:
        """The database behind the proxy, which is migrated already."""
        return Database(self.parameters, edition)

    # -- the ways to break -----------------------------------------------------------------------------------------

    def down(self) -> None:
        """Like a server that was stopped: no connection survives, and new ones are refused until `up`."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()

    async def up(self) -> None:
        """Listens again, on the same port."""
        if self._listener is None:
            port = self._seat.getsockname()[1]
            self._listener = await asyncio.start_server(self._serve, _HOST, port, reuse_port=True)

    async def refuse(self, seconds: float) -> None:
        """Is down for so long; returns when it is up again."""
        self.down()
        await asyncio.sleep(seconds)
        await self.up()

    def cut(self) -> None:
        """Resets every connection now, whatever is on its way."""
        for link in list(self._links):
            link.cut()

    def cut_after(self, count: int) -> asyncio.Event:
        """Passes on so many more bytes of what clients send, all together, and then resets the connection of the last.

        The server gets these bytes and then the end: with the right number, half a statement. The event is set then.
        """
        self._bytes_left, self._was_cut = count, asyncio.Event()
        return self._was_cut

    def cut_answer_to(self, words: bytes) -> asyncio.Event:
        """Passes on the next piece that has `words` in it, and resets its connection instead of passing on the answer.

        With ``b"COMMIT"`` the transaction is committed and its client cannot know. The event is set then.
        """
        self._last_words, self._was_cut = words, asyncio.Event()
        return self._was_cut

    def hang(self, hanging: bool) -> None:
        """Connections, new ones too, are open and dead: what either side says is lost. At the end those are reset."""
        self._hanging = hanging
        if not hanging:
            for link in [link for link in self._links if link.lost_words]:
                link.cut()

    # -- passing on ------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        link = _Link(self, writer)
        self._links.add(link)
        try:
            with suppress(OSError):  # the server is not there, or one of the two has gone
                await link.pass_on(reader, *await self._reach_server())
        finally:
            self._links.discard(link)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _reach_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._parameters.get("host", "localhost"), self._parameters.get("port", "5432")
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(self._parameters.get("hostaddr", host), int(port))

    def _allowed(self, data: bytes) -> bytes:
        """The part of a client's `data` that comes before the cut."""
        if self._bytes_left is None:
            return data
        head = data[: self._bytes_left]
        self._bytes_left -= len(head)
        return head

    def _cut_is_due(self) -> bool:
        return self._bytes_left == 0


class _Link:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(self, proxy: DatabaseProxy, client: asyncio.StreamWriter) -> None:
        self.lost_words = False
        self._proxy = proxy
        self._client = client
        self._server: asyncio.StreamWriter | None = None
        self._unanswered = False  # the next answer is the one that nobody may hear

    def cut(self) -> None:
        """Resets the client's connection, and closes the server's: what has been passed on to it arrives."""
        with suppress(OSError):
            self._client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        for writer in (self._client, self._server):
            if writer is not None:
                writer.transport.abort()

    async def pass_on(
        self, from_client: asyncio.StreamReader, from_server: asyncio.StreamReader, server: asyncio.StreamWriter
    ) -> None:
        """Both ways, until either side ends."""
        self._server = server
        server.transport.set_write_buffer_limits(0)  # `drain` returns when the system has all of it
        ways = [
            asyncio.create_task(self._to_server(from_client, server)),
            asyncio.create_task(self._to_client(from_server)),
        ]
        try:
            if self._client.transport.is_closing():  # cut before the server was reached
                return
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server.close()
            with suppress(OSError):
                await server.wait_closed()

    async def _to_server(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        proxy = self._proxy
        while data := await reader.read(_CHUNK):
            if proxy.delay:
                await asyncio.sleep(proxy.delay)
            if proxy._hanging or self.lost_words:
                self.lost_words = True
                continue
            if proxy._last_words is not None and proxy._last_words in data:
                proxy._last_words, self._unanswered = None, True
            server.write(proxy._allowed(data))
            await server.drain()
            if proxy._cut_is_due():
                proxy._bytes_left = None
                self.cut()
                proxy._was_cut.set()

    async def _to_client(self, reader: asyncio.StreamReader) -> None:
        proxy = self._proxy
        while data := await reader.read(_CHUNK):
            if proxy._hanging or self.lost_words:
                self.lost_words = True
                continue
            if self._unanswered:
                self.cut()
                proxy._was_cut.set()
                return
            self._client.write(data)
            await self._client.drain()
