"""A studio: a simulated Chzzk, a database, and the real collector between them, with its times scaled down."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from collector.backoff import Backoff
from collector.channel import WatchSettings
from collector.chzzk.api import ChzzkApi, Endpoints
from collector.chzzk.chat import Heartbeat
from collector.committer import Committer
from collector.roster import Roster
from collector.slot import taken_slot
from collector.watcher import Watcher
from collector.writer import Writer
from simulator import SentItem, Simulator
from store.database import Database
from store.pool import PatientPool

PATIENCE_SEC = 30.0  # far more than a test needs: a busy machine is no failure

Row = tuple[Any, ...]


async def until(done: Callable[[], Any], what: str) -> Any:
    """What `done` returns, once that is true."""
    give_up = time.monotonic() + PATIENCE_SEC
    while not (found := done()):
        assert time.monotonic() < give_up, f"waited {PATIENCE_SEC} s for {what}"
        await asyncio.sleep(0.01)
    return found


def endpoints(chzzk: Simulator) -> Endpoints:
    """Where the simulated Chzzk is."""
    return Endpoints(chzzk.api_url, chzzk.game_api_url, chzzk.chat_url)


def quick(**changes: Any) -> WatchSettings:
    """Settings for a broadcast that is played fast: real seconds, about a hundredth of those in production."""
    values: dict[str, Any] = {
        "poll_interval_sec": 0.2,
        "heartbeat": Heartbeat(ping_after=5.0, dead_after=10.0, handshake=10.0),
        "backoff": lambda: Backoff(first=0.05, cap=0.2),
    }
    return WatchSettings(**{**values, **changes})


@dataclass
class Collecting:
    """A collector at work."""

    watcher: Watcher
    pool: PatientPool
    task: asyncio.Task[None]
    ended: list[str] = field(default_factory=list)

    async def finish(self) -> None:
        """Asks for a stop and waits for it; raises what the collector died of."""
        self.watcher.stop.set()
        async with asyncio.timeout(PATIENCE_SEC):
            await self.task


@asynccontextmanager
async def collecting(
    chzzk: Simulator,
    database: Database | Callable[[], Database],
    channels: Sequence[str],
    settings: WatchSettings | None = None,
    home: Path | None = None,
) -> AsyncIterator[Collecting]:
    """Runs a watcher of `channels` until the block ends; what it keeps on disk is under `home`."""
    ended: list[str] = []

    async def on_ended(stream_id: str) -> None:
        ended.append(stream_id)

    with TemporaryDirectory() as folder, taken_slot(home or Path(folder), "test") as slot:
        async with (
            ChzzkApi(endpoints(chzzk)) as api,
            PatientPool(database if callable(database) else lambda: database) as pool,
        ):
            watcher = Watcher(
                api,
                Writer(Committer(pool), slot.spool),
                Roster(pool, slot.collector_id, channels),
                slot,
                channels,
                settings or quick(),
                revive=pool.revive,
                on_ended=on_ended,
            )
            work = Collecting(watcher, pool, asyncio.create_task(watcher.run()), ended)
            try:
                yield work
            finally:
                if not work.task.done():
                    await work.finish()


def fetch(database: Database, statement: str, *arguments: Any) -> list[Row]:
    """The rows of one statement, on a connection of its own."""
    with database.connect() as connection:
        return connection.execute(statement, arguments).fetchall()


def stored_items(database: Database, channel_id: str | None = None) -> list[Row]:
    """What is stored, in the words of `sent_items`; channel events, which are no items, are left out."""
    statement = """
        SELECT b.stream_id, (extract(epoch FROM e.ts) * 1000)::bigint, e.kind, e.user_id, e.nickname, e.content,
            e.amount, e.hidden, CASE WHEN e.kind = 'donation' THEN e.extra ->> 'id' END
        FROM event AS e JOIN broadcast AS b USING (broadcast_id)
        WHERE e.user_id IS NOT NULL AND b.channel_id = coalesce(%s, b.channel_id)
    """
    return sorted(fetch(database, statement, channel_id), key=repr)


def sent_items(channel_id: str, items: Iterable[SentItem]) -> list[Row]:
    """What was sent, one row an item: stream_id, time, kind, author, nickname, text, amount, hidden, donationId."""
    rows = [
        (
            f"{item.open_date.timestamp() + 9 * 3600:.0f}",
            item.time_ms,
            {"shop": "other"}.get(item.kind, item.kind),
            item.user_id,
            item.nickname,
            item.text,
            item.amount,
            item.hidden,
            item.donation_id,
        )
        for item in items
    ]
    named = {row[0]: f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(int(row[0])))}_{channel_id}" for row in rows}
    return sorted(((named[row[0]], *row[1:]) for row in rows), key=repr)


def assert_same(stored: Sequence[Row], sent: Sequence[Row]) -> None:
    """Every item is exactly one row, field by field; says what is lost, invented or twice."""
    have, want = Counter(stored), Counter(sent)
    lost, invented = list((want - have).elements()), list((have - want).elements())
    assert not lost + invented, (
        f"{len(lost)} of {len(sent)} lost or changed, first {lost[:2]}; {len(invented)} too many, first {invented[:2]}"
    )


def gaps(database: Database, channel_id: str | None = None) -> list[Row]:
    """(from, to, cause) of every gap, ms since 1970."""
    statement = """
        SELECT (extract(epoch FROM from_ts) * 1000)::bigint, (extract(epoch FROM to_ts) * 1000)::bigint, cause
        FROM gap JOIN broadcast AS b USING (broadcast_id)
        WHERE b.channel_id = coalesce(%s, b.channel_id) ORDER BY from_ts
    """
    return fetch(database, statement, channel_id)


def causes(database: Database, channel_id: str | None = None) -> list[str | None]:
    """Why each connection ended, in order; None: it has not."""
    statement = """
        SELECT cause FROM connection JOIN broadcast AS b USING (broadcast_id)
        WHERE b.channel_id = coalesce(%s, b.channel_id) ORDER BY connected_at
    """
    return [cause for (cause,) in fetch(database, statement, channel_id)]
