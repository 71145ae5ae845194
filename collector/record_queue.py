"""Records in order, counted by the rows that they are."""

from collections import deque
from collections.abc import Iterable, Iterator

from collector.records import Events, Record


def rows_of(record: Record) -> int:
    """How many rows a record is, about."""
    return len(record.events) if isinstance(record, Events) else 1


class RecordQueue:
    """First in, first out."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records = deque(records)
        self.rows = sum(rows_of(record) for record in self._records)

    def __bool__(self) -> bool:
        return bool(self._records)

    def put(self, records: Iterable[Record]) -> int:
        """Adds records at the end; returns their rows."""
        before = self.rows
        for record in records:
            self._records.append(record)
            self.rows += rows_of(record)
        return self.rows - before

    def take(self, limit: int) -> list[Record]:
        """The first records, of `limit` rows or a few more; one of more events than that is divided."""
        taken: list[Record] = []
        rows = 0
        while self._records and rows < limit:
            record = self._records.popleft()
            if isinstance(record, Events) and len(record.events) > limit:
                self._records.appendleft(Events(record.stream_id, record.events[limit:]))
                record = Events(record.stream_id, record.events[:limit])
            taken.append(record)
            rows += rows_of(record)
        self.rows -= rows
        return taken

    def put_back(self, records: list[Record]) -> None:
        """Undoes a `take`."""
        self._records.extendleft(reversed(records))
        self.rows += sum(rows_of(record) for record in records)

    def pieces(self, limit: int) -> Iterator[list[Record]]:
        """Takes all of it, piece by piece."""
        while self._records:
            yield self.take(limit)
