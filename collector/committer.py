"""From records to committed rows: one transaction a batch, and the record at fault kept aside where one is refused."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog

from collector.records import Events, Record, Statement, argument_count, event_columns, reject_event
from store.database import DatabaseUnavailable
from store.event import Event
from store.queries import query

log = structlog.get_logger(__name__)

Pool = Callable[[], Awaitable["asyncpg.Pool[asyncpg.Record]"]]
"""Gives the pool, or raises one of AWAY while there is no database to have one of."""

# How long to wait for a connection, and when it is given back for the server to say that it is idle.
_CONNECTION_SEC = 5.0

# What can only be the data's own fault: the same rows would be refused for ever.
REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.PLPGSQLError,
    ValueError,
    TypeError,
    OverflowError,
    LookupError,  # a record of another version of NokChart, from the spool
)

# Everything else that a server says, or does not say, passes, or is for a person to put right (away, busy, read-only,
# full, migrated, a right that was taken): the same batch is tried again.
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, DatabaseUnavailable)


@dataclass(slots=True)
class Committed:
    """What a batch has changed."""

    events: int = 0
    """Rows that are new."""
    repeated: int = 0
    rejected: int = 0


# These may come after events that were put later: a message is hidden once it is there, the others are no part of it.
_AFTER_EVENTS = frozenset({"hide_event", "insert_viewer_sample", "insert_rejected_item"})


class Committer:
    """Commits batches of records. A second delivery changes nothing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def commit(self, batch: Sequence[Record]) -> Committed:
        """Commits all of a batch; what the database refuses goes to rejected_item. One of AWAY: try again later."""
        try:
            return await self._transaction(batch)
        except REFUSED as error:
            return await self._apart(batch, error)

    async def _transaction(self, batch: Sequence[Record]) -> Committed:
        done = Committed()
        pool = await self._pool()
        async with pool.acquire(timeout=_CONNECTION_SEC) as connection, connection.transaction():
            for name, group in _groups(batch):
                if name is None:
                    rows = list(_event_rows(group))
                    new = await _insert_events(connection, rows)
                    done.events += new
                    done.repeated += len(rows) - new
                    continue
                arguments = [record.arguments for record in group if isinstance(record, Statement)]
                if any(len(each) != argument_count(name) for each in arguments):
                    raise ValueError(f"{name} takes {argument_count(name)} arguments")
                # In one go, in order: a server that is far away is asked once, not once a record.
                await connection.executemany(query(name), arguments)
                done.rejected += len(arguments) if name == "insert_rejected_item" else 0
        return done

    async def _apart(self, batch: Sequence[Record], error: Exception) -> Committed:
        """Halves a batch that the database refused, down to the record at fault."""
        if len(batch) > 1:
            middle = len(batch) // 2
            return _sum(await self.commit(batch[:middle]), await self.commit(batch[middle:]))
        (record,) = batch
        if isinstance(record, Statement):
            log.error("record refused", query=record.query, error=type(error).__name__)  # its message may quote chat
            return Committed()
        if len(record.events) > 1:
            middle = len(record.events) // 2
            return _sum(
                await self.commit([Events(record.stream_id, record.events[:middle])]),
                await self.commit([Events(record.stream_id, record.events[middle:])]),
            )
        log.error("event refused", stream_id=record.stream_id, error=type(error).__name__)
        return await self.commit([reject_event(record.stream_id, record.events[0], f"refused: {error}")])


def _groups(batch: Iterable[Record]) -> Iterator[tuple[str | None, list[Record]]]:
    """A batch in as few statements as its order allows, each with its name, events with None."""
    waiting: dict[str | None, list[Record]] = {None: []}
    for record in batch:
        name = record.query if isinstance(record, Statement) else None
        if name is None or name in _AFTER_EVENTS:
            waiting.setdefault(name, []).append(record)
            continue
        yield from waiting.items()
        waiting = {None: []}
        yield name, [record]
    yield from waiting.items()


def _sum(one: Committed, other: Committed) -> Committed:
    return Committed(one.events + other.events, one.repeated + other.repeated, one.rejected + other.rejected)


async def _insert_events(connection: Any, rows: list[tuple[str, Event]]) -> int:
    if not rows:
        return 0
    return int(await connection.fetchval(query("insert_events"), *event_columns(rows)))


def _event_rows(records: Iterable[Record]) -> Iterable[tuple[str, Event]]:
    for record in records:
        assert isinstance(record, Events)
        for event in record.events:
            yield record.stream_id, event
