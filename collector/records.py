"""What the collector writes: events, and statements that name their broadcast by its stream_id.

No record needs an answer from the database, so a record can wait for it, in memory or on disk, and be written in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from collector.chzzk.decode import Blind, Rejected
from collector.coverage import Missing
from store.event import Event


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


def reject(stream_id: str, rejected: Rejected) -> Statement:
    """An item that could not be understood is kept as it came."""
    return Statement(
        "insert_rejected_item", (stream_id, datetime.now(UTC), rejected.source, rejected.reason, rejected.raw)
    )


def gap(stream_id: str, gap_id: UUID, missing: Missing) -> Statement:
    """Chat that was not delivered."""
    return Statement("insert_gap", (stream_id, gap_id, missing.from_ms, missing.to_ms, missing.cause))


def reject_event(stream_id: str, event: Event, reason: str) -> Statement:
    """An event that the database refused is kept as an item that could not be understood."""
    rejected = Rejected(event.source, reason, ascii(tuple(event)))
    return reject(stream_id, rejected)


def event_columns(rows: Sequence[tuple[str, Event]]) -> tuple[list[Any], ...]:
    """The arguments of insert_events: one list a column, of (stream_id, event) pairs."""
    columns = list(zip(*(event for _, event in rows), strict=True))
    return ([stream_id for stream_id, _ in rows], *(list(column) for column in columns))
