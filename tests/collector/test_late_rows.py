"""What comes after the end of a broadcast makes its files due again; what comes before or twice does not."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from collector.chzzk.decode import Blind
from collector.coverage import GapClosed
from collector.records import Events, Statement, gap, hide, settle
from store.database import Database
from tests.collector.test_gap_rows import OPEN, committing, database, said
from tests.collector.test_writer import OPENED, OPENED_MS, event

__all__ = ["database"]  # the fixture: either edition

CLOSE = Statement("close_broadcast", ("s", OPENED + timedelta(hours=1), "closed"))


def _updated_at(database: Database) -> datetime:
    with database.connect() as connection:
        row = connection.execute("SELECT updated_at FROM broadcast WHERE stream_id = 's'").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


async def test_only_what_is_new_after_the_end_touches_the_broadcast(database: Database) -> None:
    async with committing(database) as write:

        async def touches(*records: Events | Statement) -> bool:
            before = await asyncio.to_thread(_updated_at, database)
            await write(*records)
            return await asyncio.to_thread(_updated_at, database) > before

        blind = Blind(event(1000).user_id or "", OPENED_MS + 1000, True)
        assert not await touches(said(1000, 2000))
        assert not await touches(hide("s", blind))
        assert not await touches(OPEN)
        assert await touches(CLOSE)
        assert not await touches(said(1000, 2000))  # from the spool, a second time
        assert await touches(said(2000, 3000))
        assert not await touches(hide("s", blind))
        assert await touches(hide("s", blind._replace(hidden=False)))
        hidden = [event(2000)._replace(hidden=True)]
        assert await touches(settle("s", hidden))
        assert not await touches(settle("s", hidden))
        assert await touches(gap("s", GapClosed(OPENED_MS + 4000)))
        assert not await touches(gap("s", GapClosed(OPENED_MS + 4000)))


async def test_late_rows_of_the_same_broadcasts_from_two_collectors_do_not_block_each_other(
    plain_database: Database,
) -> None:
    names = [f"s{number}" for number in range(8)]
    async with committing(plain_database) as write, committing(plain_database) as write_too:
        for name in names:
            arguments = (name, "c", OPENED + timedelta(minutes=int(name[1:]) + 1), None, None, None, None)
            await write(Statement("open_broadcast", arguments), Statement("close_broadcast", (name, OPENED, "closed")))
        for round_ in range(20):
            there = [Events(name, [event(10_000 * round_ + 1)]) for name in names]
            back = [Events(name, [event(10_000 * round_ + 2)]) for name in reversed(names)]
            await asyncio.gather(write(*there), write_too(*back))
    with plain_database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM event").fetchone()
    assert row == (2 * 20 * len(names),)
