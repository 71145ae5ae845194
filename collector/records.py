"""What the collector writes: events, and statements that name their broadcast by its stream_id.

No record needs an answer from the database, so a record can wait for it, in memory or on disk, and be written in order.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from collector.chzzk.decode import Blind, Rejected
from collector.coverage import Change, GapOpened
from store.event import Event
from store.queries import query


@dataclass(frozen=True, slots=True)
class Events:
    """Messages of one broadcast."""

    stream_id: str
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Statement:
    """One of the queries in sql/queries/collector, with its arguments in order."""

    query: str
    arguments: tuple[Any, ...]


Record = Events | Statement


def hide(stream_id: str, blind: Blind) -> Statement:
    """A message was hidden or shown again."""
    return Statement("hide_event", (stream_id, blind.ts_ms, blind.user_id, blind.hidden))


def settle(stream_id: str, events: Sequence[Event]) -> Statement:
    """What was blinded or restored while nobody was connected: the recent chat has each message's state of now."""
    messages = sorted((event for event in events if event.user_id is not None), key=lambda event: event.ts_ms)
    times, keys = [event.ts_ms for event in messages], [event.event_key for event in messages]
    return Statement("settle_events", (stream_id, times, keys, [event.hidden for event in messages]))


def reject(stream_id: str, rejected: Rejected) -> Statement:
    """An item that could not be understood is kept as it came."""
    # The recent chat brings an item again with each connection: that is still one item.
    item_id = uuid4() if rejected.source == "live" else _name_of(stream_id, rejected.raw)
    return _insert_rejected(stream_id, item_id, rejected)


def reject_event(stream_id: str, event: Event, reason: str) -> Statement:
    """An event that the database refused is kept as an item that could not be understood."""
    raw = ascii(tuple(event))
    return _insert_rejected(stream_id, _name_of(stream_id, raw), Rejected(event.source, reason, raw))


def gap(stream_id: str, change: Change) -> Statement:
    """A gap opens, or its end is known."""
    if isinstance(change, GapOpened):
        return Statement("open_gap", (stream_id, uuid4(), change.from_ms, change.cause))
    return Statement("close_gap", (stream_id, change.to_ms))


def close_abandoned(
    channel_id: str, stream_id: str | None, opened_at: datetime | None = None, closed_at: datetime | None = None
) -> Statement:
    """Broadcasts of a channel, other than one, are over; of the one that was opened then Chzzk knows when."""
    return Statement("close_abandoned", (channel_id, stream_id, opened_at, closed_at, uuid4()))


@cache
def argument_count(name: str) -> int:
    """How many arguments a query takes. KeyError where there is no such query."""
    return max((int(number) for number in re.findall(r"\$(\d+)", query(name))), default=0)


def event_columns(rows: Sequence[tuple[str, Event]]) -> tuple[list[Any], ...]:
    """The arguments of insert_events: one list a column, of (stream_id, event) pairs."""
    columns = list(zip(*(event for _, event in rows), strict=True))
    return ([stream_id for stream_id, _ in rows], *(list(column) for column in columns))


def _insert_rejected(stream_id: str, item_id: UUID, rejected: Rejected) -> Statement:
    arguments = (stream_id, item_id, datetime.now(UTC), rejected.source, rejected.reason, rejected.raw)
    return Statement("insert_rejected_item", arguments)


def _name_of(stream_id: str, raw: str) -> UUID:
    return uuid5(NAMESPACE_OID, f"{stream_id}\x1f{raw}")
