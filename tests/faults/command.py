"""`nokchart watch` as its users run it: a process of its own, started, stopped and killed as a test says."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from simulator import Channel, Simulator

ROOT = Path(__file__).parents[2]
PATIENCE_SEC = 60.0

_RECEIVED = re.compile(r"^nokchart_channel_events_total\S* (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """What the runs of one command have in common: what it watches, and where it keeps what."""

    environment: dict[str, str]
    arguments: tuple[str, ...]
    home: Path
    metrics_port: int

    @property
    def log(self) -> Path:
        """What all runs have said."""
        return self.home / "watch.log"

    def spool_bytes(self) -> int:
        """What is on disk for a database that is away."""
        return sum(path.stat().st_size for path in self.home.glob("collector/*/spool/*/*.spool"))


def place(chzzk: Simulator, channels: Sequence[Channel], url: str, home: Path, **settings: str) -> Place:
    """A place for a command that watches `channels`; `url` is the database's, `home` its data folder."""
    home.mkdir(exist_ok=True)
    listed = home / "channels.yaml"
    listed.write_text("channels:\n" + "".join(f'  - "{channel.channel_id}"\n' for channel in channels))
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    named = {
        "CHZZK_API_URL": chzzk.api_url,
        "CHZZK_GAME_API_URL": chzzk.game_api_url,
        "CHZZK_CHAT_URL": chzzk.chat_url,
        "DATABASE_URL": url,
        "HOME": str(home),
        "METRICS_PORT": str(port),
        "OUTDIR": str(home / "output"),
        "POLL_INTERVAL_SEC": "0.2",
        **{name.upper(): value for name, value in settings.items()},
    }
    environment = {**os.environ, **{f"NOKCHART_{name}": value for name, value in named.items()}}
    return Place(environment, ("watch", "--channels", str(listed)), home, port)


class Run:
    """A process that watches."""

    def __init__(self, process: asyncio.subprocess.Process, where: Place) -> None:
        self.pid = process.pid
        self._process = process
        self._where = where

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, if it still lives."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self) -> tuple[int, float]:
        """Its exit code, negative for a signal that ended it, and the seconds that it took from now to its end."""
        began = time.monotonic()
        async with asyncio.timeout(PATIENCE_SEC):
            return await self._process.wait(), time.monotonic() - began

    async def received(self, at_least: int) -> int:
        """How many messages it has received, by its own metrics, once there are so many."""
        url = f"http://127.0.0.1:{self._where.metrics_port}/metrics"
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_SEC):
            while True:
                assert self._process.returncode is None, self._where.log.read_text()
                try:
                    async with session.get(url) as answer:
                        count = sum(int(float(number)) for number in _RECEIVED.findall(await answer.text()))
                except aiohttp.ClientError:  # it has just begun
                    count = 0
                if count >= at_least:
                    return count
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(where: Place, command: Sequence[str] = ("-m", "nokchart")) -> AsyncIterator[Run]:
    """Runs the command, or another one of Python's with its arguments; kills it if it outlives the block."""
    with where.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *command, *where.arguments), env=where.environment, cwd=ROOT, stdout=log, stderr=log
        )
    run = Run(process, where)
    try:
        yield run
    finally:
        run.signal(signal.SIGKILL)
        await run.ended()


async def assert_ended(run: Run, expected: int, within_sec: float) -> None:
    """It ends with this code (negative: by a signal), and soon."""
    code, took_sec = await run.ended()
    assert code == expected
    assert took_sec < within_sec
