"""The server: a whole simulated Chzzk on one loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from aiohttp import web

from simulator.api import Api
from simulator.clock import Clock
from simulator.dialect import OddItem
from simulator.doorkeeper import Doorkeeper
from simulator.journal import ConnectionRecord, Journal, RequestRecord
from simulator.ledger import Onset, SentItem, write_ledger
from simulator.script import Channel, ScriptError
from simulator.stage import Stage
from simulator.visitor import Manners, Visitor

# A self-signed certificate for localhost and 127.0.0.1, with its key in the open: for loopback only.
TLS_FOLDER = Path(__file__).parent / "tls"
CERTIFICATE = TLS_FOLDER / "certificate.pem"
GOODBYE_SEC = 1.0  # how long clients may take to say goodbye when the simulator stops


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a channel's script has been played."""

    simulated_sec: float  # since the start, at most duration_sec
    duration_sec: float  # of the channel's whole script
    items_sent: int


class Simulator:
    """A Chzzk on loopback: ``async with Simulator([Channel(...)], speed=10) as chzzk: ...``.

    Time runs from entering the context. Attributes are valid from then on.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        *,
        speed: float = 1.0,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        silence_limit_sec: float = 60.0,
        ping_interval_sec: float = 20.0,
        send_timeout_sec: float = 10.0,
        token_life_sec: float | None = None,
    ) -> None:
        """``speed``: simulated seconds per real second; the limits and intervals are real seconds.

        ``port`` 0 takes a free one. ``token_life_sec`` None: access tokens do not expire. Raises ScriptError for two
        channels with one id, FaultError for a fault that cannot be played, ValueError for a speed of 0 or less.
        """
        span_sec = max((channel.span_sec() for channel in channels), default=0.0)
        self._clock = Clock(speed, span_sec)
        self._journal = Journal()
        self._doorkeeper = Doorkeeper(token_life_sec)
        self._manners = Manners(ping_interval_sec, silence_limit_sec, send_timeout_sec)
        self._stages: dict[str, Stage] = {}
        for number, channel in enumerate(channels):
            if channel.channel_id in self._stages:
                raise ScriptError(f"two channels have the id {channel.channel_id}")
            stage = Stage(channel, number, self._clock, seed, self._doorkeeper.open_room)
            self._stages[channel.channel_id] = stage
            self._doorkeeper.watch(stage)
        self._visitors: set[Visitor] = set()
        self._empty = asyncio.Event()  # set while there is no visitor
        self._empty.set()
        self._plays: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None
        self._host = host
        self.port = port
        self._tls = tls

    async def __aenter__(self) -> Simulator:
        """Listen and start the clock; raises OSError when the port is taken."""
        app = web.Application()
        app.add_routes(Api(self._stages, self._doorkeeper, self._clock, self._journal).routes())
        app.add_routes([web.get("/chat", self._chat), web.get("/chat/{server}", self._chat)])
        # handle_signals and access logs belong to whoever runs us.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=GOODBYE_SEC)
        await self._runner.setup()
        context = None
        if self._tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE, TLS_FOLDER / "key.pem")
        try:
            await web.TCPSite(self._runner, self._host, self.port, ssl_context=context).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        self._clock.start()
        self._ticking = asyncio.create_task(self._clock.run())
        self._plays = [asyncio.create_task(stage.play()) for stage in self._stages.values()]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in (self._ticking, *self._plays):
            task.cancel()
        results = await asyncio.gather(*self._plays, return_exceptions=True)
        for visitor in list(self._visitors):
            visitor.close(1001, "going away", cause="shutdown")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), GOODBYE_SEC)
        for visitor in list(self._visitors):
            visitor.cut("shutdown")
        if self._runner is not None:
            await self._runner.cleanup()
        if error is None:
            _raise_first(results)

    @property
    def api_url(self) -> str:
        """Stands for https://api.chzzk.naver.com."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    @property
    def game_api_url(self) -> str:
        """Stands for https://comm-api.game.naver.com."""
        return self.api_url

    @property
    def chat_url(self) -> str:
        """Stands for wss://kr-ss{server}.chat.naver.com/chat: a template with ``{server}``."""
        return f"{'wss' if self._tls else 'ws'}://{self._host}:{self.port}/chat/{{server}}"

    @property
    def certificate(self) -> Path | None:
        """The certificate to trust when TLS is on, else None."""
        return CERTIFICATE if self._tls else None

    @property
    def connections(self) -> list[ConnectionRecord]:
        """Every WebSocket connection and attempt, in the order of their beginning."""
        return self._journal.connections

    @property
    def requests(self) -> list[RequestRecord]:
        """Every HTTP request, in order."""
        return self._journal.requests

    def sent(self, channel_id: str) -> list[SentItem]:
        """The ledger: every item emitted so far, in order. Raises KeyError for a channel that is not ours."""
        return list(self._stages[channel_id].sent)

    def odd(self, channel_id: str) -> list[OddItem]:
        """Everything that faults of kind ``odd_items`` have sent. Raises KeyError for a channel that is not ours."""
        return list(self._stages[channel_id].odd)

    def truth(self, channel_id: str) -> list[Onset]:
        """The scripted bursts of all the channel's broadcasts. Raises KeyError for a channel that is not ours."""
        return self._stages[channel_id].truth()

    def progress(self, channel_id: str) -> Progress:
        """How far a channel is. Raises KeyError for a channel that is not ours."""
        stage = self._stages[channel_id]
        span_sec = stage.channel.span_sec()
        return Progress(min(self._clock.now_sec(), span_sec), span_sec, len(stage.sent))

    def write_ledger(self, path: Path) -> int:
        """Write what was sent as JSON lines and return how many."""
        return write_ledger(path, {channel_id: stage.sent for channel_id, stage in self._stages.items()})

    async def wait_finished(self) -> None:
        """Return when every script has been played to its end; raises what a script's task raised."""
        _raise_first(await asyncio.shield(asyncio.gather(*self._plays, return_exceptions=True)))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        record = ConnectionRecord(self._clock.real_sec(), request.match_info.get("server", ""))
        self._journal.connections.append(record)
        status = self._doorkeeper.rejection()
        if status is not None:
            record.closed_sec, record.cause = record.opened_sec, f"rejected {status}"
            return web.Response(status=status, text="rejected")
        visitor = Visitor(request, record, self._doorkeeper, self._manners, self._clock.real_sec)
        self._visitors.add(visitor)
        self._empty.clear()
        try:
            return await visitor.serve()
        finally:
            self._visitors.discard(visitor)
            if not self._visitors:
                self._empty.set()


def _raise_first(results: Iterable[BaseException | None]) -> None:
    """Raise the first error among the results of finished tasks; being cancelled is none."""
    for result in results:
        if isinstance(result, Exception):
            raise result
