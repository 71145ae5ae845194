"""Wires the collector to the configuration, the database, the signals, and the files of a broadcast that ended."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import structlog

from collector.backoff import Backoff
from collector.channel import WatchSettings
from collector.chzzk.api import ChzzkApi, Endpoints
from collector.committer import Committer
from collector.roster import Roster
from collector.slot import taken_slot
from collector.videos import VideoFinder
from collector.watcher import Watcher
from collector.writer import Writer
from nokchart.config import Config
from nokchart.threads import DaemonThreads
from store.database import Database
from store.errors import cause_of
from store.pool import PatientPool

log = structlog.get_logger(__name__)

# The longest broadcasts take minutes on a small machine: who takes longer waits for a database that does not answer.
_EXPORT_LIMIT_SEC = 3600.0

# A container is killed ten seconds after it was asked to stop.
_PATIENCE_SEC = 5.0
_LEAVE_SEC = 1.0


async def collect(
    config: Config,
    channels: Sequence[str],
    reach: Callable[[], Database],
    *,
    place: str,
    home: Path,
    outdir: Path,
    watching: Callable[[Watcher], None] = lambda watcher: None,
    ended: Callable[[str], None] = lambda stream_id: None,
) -> None:
    """Watches `channels` until SIGTERM or SIGINT, and makes the files of each broadcast that ends, and again
    once its video is known (`export_at_end`).

    `reach` gives the database; while it raises DatabaseUnavailable, chat is kept on disk, in a folder under `home` that
    is named after the `place` of the database. `watching` gets the watcher, whose `stop` ends it too; `ended` gets the
    stream_id of each broadcast that ended.
    """
    endpoints = Endpoints(config.chzzk_api_url, config.chzzk_game_api_url, config.chzzk_chat_url)
    exports: set[asyncio.Task[None]] = set()
    one_at_a_time = asyncio.Semaphore(1)  # of a 1 GB machine an export takes a fifth

    async def export(stream_id: str) -> None:
        async with one_at_a_time:
            assert pool.database is not None  # a broadcast is only told of once it is committed
            await _export_in_child(config, pool.database, stream_id, outdir)

    async def make_files(stream_id: str) -> None:
        if not config.export_at_end:
            return
        task = asyncio.create_task(export(stream_id))
        exports.add(task)
        task.add_done_callback(exports.discard)

    async def on_ended(stream_id: str) -> None:
        ended(stream_id)
        await make_files(stream_id)

    asyncio.get_running_loop().set_default_executor(DaemonThreads())
    with taken_slot(home, place, config.spool_limit_mb * 1024**2) as slot:
        async with ChzzkApi(endpoints, config.cookies) as api, PatientPool(reach) as pool:
            watcher = Watcher(
                api,
                Writer(Committer(pool), slot.spool),
                Roster(pool, slot.collector_id, channels),
                slot,
                channels,
                WatchSettings(
                    poll_interval_sec=config.poll_interval_sec,
                    idle_timeout_sec=config.idle_timeout_minutes * 60,
                    resume=config.restart_resume,
                    backoff=lambda: Backoff(factor=config.backoff_factor),
                ),
                revive=pool.revive,
                on_ended=on_ended,
            )
            watching(watcher)
            signalled = _stop_on_signals(watcher.stop)
            videos = VideoFinder(api, pool, lambda: watcher.watches, make_files)
            async with _metrics(watcher, config), _beside(videos.run()):
                await watcher.run()
    if exports:
        if signalled.is_set():
            # A container has ten seconds, and the nightly job makes what is missing.
            for task in exports:
                task.cancel()
        await asyncio.wait(exports)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Does `work` for as long as the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=_LEAVE_SEC)


def _metrics(watcher: Watcher, config: Config) -> AbstractAsyncContextManager[object]:
    if config.metrics_port is None:
        return nullcontext()
    from collector.metrics import serve_metrics  # 3 MB that few need

    return serve_metrics(watcher.snapshot, config.metrics_address, config.metrics_port)


async def _export_in_child(config: Config, database: Database, stream_id: str, outdir: Path) -> None:
    """Makes the files in a process of its own: the event loop has chat to read, and the memory is given back."""
    settings = {
        f"NOKCHART_{key.upper()}": str(value) for key, value in config.model_dump().items() if value is not None
    }
    environment = {**os.environ, **settings, "NOKCHART_DATABASE_URL": database.url}
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nokchart", "export", "--broadcast", stream_id, "--outdir", str(outdir), "--quiet"),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C in the terminal is for us to handle
        )
    except OSError as error:  # no process or file descriptor is left
        log.error("files not made", stream_id=stream_id, error=cause_of(error))
        return
    try:
        async with asyncio.timeout(_EXPORT_LIMIT_SEC):
            _, errors = await child.communicate()
    except asyncio.CancelledError:
        await _end(child)
        raise
    except TimeoutError:
        await _end(child)
        log.error("files not made", stream_id=stream_id, error=f"not ready after {_EXPORT_LIMIT_SEC:.0f} s")
        return
    if child.returncode == 0:
        log.info("files made", stream_id=stream_id)
    else:
        # The nightly job makes what is missing.
        log.error("files not made", stream_id=stream_id, code=child.returncode, error=_sentence(errors))


async def _end(child: asyncio.subprocess.Process) -> None:
    child.terminate()
    try:
        async with asyncio.timeout(_PATIENCE_SEC):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


def _sentence(errors: bytes) -> str | None:
    """The last thing that a child said in our words; None where there is only a traceback, which may quote chat."""
    lines = errors.decode(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.startswith("nokchart: ")), None)


def _stop_on_signals(stop: asyncio.Event) -> asyncio.Event:
    """The first SIGTERM or SIGINT asks for a stop; another one ends the process at once. Returns what tells of one."""
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def ask() -> None:
        signalled.set()
        stop.set()
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)  # Python's own for Ctrl-C would begin an orderly end once more

    for number in numbers:
        with suppress(NotImplementedError):  # Windows has no such handlers: Ctrl-C ends the process there
            loop.add_signal_handler(number, ask)
    return signalled
