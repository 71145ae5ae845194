"""Lines of an events.jsonl as rows for COPY: the hot path, for a broadcast has a million of them."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from analytics.event_lines import MAX_T_MS, Block, Line
from store.event import TYPE_OF_KIND, event_key
from store.text import clean_json, clean_text, load_json

_EPOCH, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)

# A message is a few seconds under way; a minute is none.
_TOLERANCE_MS = 60_000

_NULL = "\\N"
_FRACTIONS = [f".{ms:03d}+00" for ms in range(1000)]
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class CopyRows(ABC):
    """Makes rows in COPY's text format. `copy` and `copy_repeated` name the queries that take them."""

    copy: str
    copy_repeated: str
    """For rows of which some are there already."""

    def __init__(self, opened_ms: int) -> None:
        """`opened_ms`: second 0, ms since 1970."""
        self._opened_ms = opened_ms

    @abstractmethod
    def rows(self, block: Block) -> bytes:
        """The block in COPY's text format."""


class BriefRows(CopyRows):
    """What an analysis reads of an event: no nickname, no time of arrival, nothing that has no column."""

    copy = "copy_brief_events"
    copy_repeated = "copy_brief_incoming"

    def rows(self, block: Block) -> bytes:
        # One loop without a call in it for nearly every line: this is what the time of `nokchart process` goes into.
        rows: list[str] = []
        append = rows.append
        opened_ms = self._opened_ms
        for line, escaped in zip(block.lines, block.escaped, strict=True):
            second, ms = divmod(opened_ms + line.t_ms, 1000)
            kind, text, author, amount = line.type, line.text, line.user_id, _NULL
            if author is None:
                author = line.user  # files of the old tool have no ids
            # Only to tell repeated events apart, in a table that goes with the session: the fast hash will do.
            if kind == "chat":
                key = hash((author, text))
            else:
                kind, _, own_id, _ = _kind_of(line)
                amount = _NULL if line.amount is None else str(line.amount)
                key = hash((kind, author, text, own_id, amount))
            if escaped or text is None or author is None:
                text, author = _escaped(_cleaned(text)), _escaped(_cleaned(author))
            append(f"{_clock(second)}{_FRACTIONS[ms]}\t{kind}\t{key}\t{author}\t{text}\t{amount}\t{line.hidden}\n")
        return "".join(rows).encode()


class WholeRows(CopyRows):
    """All of an event, under the key that it has however it came.

    A t_ms that has nothing to do with received_at is wrong: the old tool's began anew with each restart of the
    collector, began with the collector and not with the broadcast, or counted seconds. Then the arrival is the time.
    """

    copy = "copy_events"
    copy_repeated = "copy_incoming"

    def __init__(self, opened_ms: int, counts_seconds: bool = False) -> None:
        """`counts_seconds`: every t_ms is wrong, for it counts seconds."""
        super().__init__(opened_ms)
        self._tolerance_ms = 0 if counts_seconds else _TOLERANCE_MS
        self.mended = 0
        """Lines whose t_ms was wrong."""

    def rows(self, block: Block) -> bytes:
        return "".join(map(self._row, block.lines)).encode()

    def _row(self, line: Line) -> str:
        ts_ms = self._ts_ms(line)
        second, ms = divmod(ts_ms, 1000)
        author = _cleaned(line.user if line.user_id is None else line.user_id)
        user, text = _cleaned(line.user), _cleaned(line.text)
        kind, code, own_id, extra = _kind_of(line)
        key = event_key(code, author, ts_ms, text, own_id, line.amount)
        received = _NULL if line.received_at is None else line.received_at.isoformat()
        return (
            f"{_clock(second)}{_FRACTIONS[ms]}\t{kind}\t{key}\t{_escaped(author)}\t{_escaped(user)}\t{_escaped(text)}\t"
            f"{_NULL if line.amount is None else line.amount}\t{line.hidden}\t{received}\t"
            f"{_NULL if extra is None else _escaped(clean_json(extra))}\n"
        )

    def _ts_ms(self, line: Line) -> int:
        ts_ms = self._opened_ms + line.t_ms
        # A line with sent_at is of ours: the recent chat arrives long after it was said.
        if line.received_at is None or line.sent_at is not None:
            return ts_ms
        received_ms = (aware(line.received_at) - _EPOCH) // _MS
        if not self._tolerance_ms < abs(received_ms - ts_ms) <= MAX_T_MS:  # a clock that was never set is no help
            return ts_ms
        self.mended += 1
        return received_ms


def aware(moment: datetime) -> datetime:
    """`moment`, as UTC where it names no zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _kind_of(line: Line) -> tuple[str, int, str | None, dict[str, Any] | None]:
    """Kind, type code, the message's own id, and what has no column."""
    extra = load_json(bytes(line.extra))
    if not isinstance(extra, dict):
        extra = None
    own_id = None if extra is None or extra.get("id") is None else clean_text(str(extra["id"]))
    if line.type in TYPE_OF_KIND:
        return line.type, TYPE_OF_KIND[line.type], own_id, extra
    code = None if extra is None else extra.get("type")
    return "other", code if isinstance(code, int) else 0, own_id, extra


@lru_cache(maxsize=64)
def _clock(second: int) -> str:
    # Formatting a time costs more than the rest of a row, and most rows share their second with the one before.
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _cleaned(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def _escaped(text: str | None) -> str:
    return _NULL if text is None else text.translate(_ESCAPES)
