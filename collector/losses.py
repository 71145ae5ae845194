"""What was delivered and could be kept nowhere: neither database, disk nor memory had room. It becomes gaps."""

from collections.abc import Iterable
from uuid import uuid4

from collector.records import Events, Record, Statement

CAUSE = "no room"

# What a full collector can do without. Everything else says where the chat is complete, and is little.
_DISPENSABLE = frozenset({"hide_event", "insert_rejected_item", "insert_viewer_sample"})


class Losses:
    """Counts what is dropped, and knows its place in each broadcast."""

    def __init__(self) -> None:
        self.messages = 0
        """Dropped since the start."""
        self._spans: dict[str, tuple[int, int]] = {}

    def __bool__(self) -> bool:
        """Whether there are gaps that nobody has recorded yet."""
        return bool(self._spans)

    def drop(self, records: Iterable[Record]) -> list[Record]:
        """Drops what can be dropped. Returns what must be kept all the same."""
        kept: list[Record] = []
        for record in records:
            if isinstance(record, Events):
                self.messages += len(record.events)
                times = [event.ts_ms for event in record.events]
                first, last = self._spans.get(record.stream_id, (times[0], times[0]))
                self._spans[record.stream_id] = (min(first, *times), max(last, *times))
            elif record.query not in _DISPENSABLE:
                kept.append(record)
        return kept

    def take(self) -> list[Record]:
        """The gaps since the last time, one a broadcast."""
        spans, self._spans = self._spans, {}
        # A gap ends before the first message that is there: what was dropped lies within it.
        return [
            Statement("insert_gap", (stream_id, uuid4(), first - 1, last + 1, CAUSE))
            for stream_id, (first, last) in spans.items()
        ]
