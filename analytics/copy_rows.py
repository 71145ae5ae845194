"""Lines of an events.jsonl as rows for COPY: the hot path, for a broadcast has a million of them."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from analytics.event_lines import Block, Line
from store.event import TYPE_OF_KIND, event_key
from store.text import clean_json, clean_text, load_json

_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class CopyRows(ABC):
    """Makes rows in COPY's text format. `copy` and `copy_repeated` name the queries that take them."""

    copy: str
    copy_repeated: str
    """For rows of which some are there already."""

    def __init__(self, opened_ms: int) -> None:
        """`opened_ms`: second 0, ms since 1970."""
        self._opened_ms = opened_ms

    def rows(self, block: Block) -> bytes:
        """The block in COPY's text format."""
        return "".join(map(self._row, block.lines, block.escaped)).encode()

    @abstractmethod
    def _row(self, line: Line, escaped: bool) -> str: ...


class BriefRows(CopyRows):
    """What an analysis reads of an event: no nickname, no time of arrival, nothing that has no column."""

    copy = "copy_brief_events"
    copy_repeated = "copy_brief_incoming"

    def __init__(self, opened_ms: int) -> None:
        super().__init__(opened_ms)
        # Authors are only told apart and counted: a number is read, stored and compared faster than 32 digits.
        self._numbers: dict[str, int] = {}

    def _row(self, line: Line, escaped: bool) -> str:
        ts_ms = self._opened_ms + line.t_ms
        author, text, kind, donation_id, amount = line.user_id, line.text, line.type, None, _NULL
        if author is None:
            author = line.user  # files of the old tool have no ids
        if kind != "chat":
            kind, _, donation_id, _ = _kind_of(line)
            amount = _NULL if line.amount is None else str(line.amount)
        # Only to tell repeated events apart, in a table that goes with the session: the fast hash will do.
        key = hash((kind, author, text, donation_id, amount))
        if escaped or text is None:
            text = _escaped(_cleaned(text))
        numbers = self._numbers
        number = _NULL if author is None else numbers.setdefault(author, len(numbers))
        return (
            f"{_clock(ts_ms // 1000)}.{ts_ms % 1000:03d}+00\t{kind}\t{key}\t{number}\t{text}\t{amount}\t{line.hidden}\n"
        )


class WholeRows(CopyRows):
    """All of an event, under the key that it has however it came."""

    copy = "copy_events"
    copy_repeated = "copy_incoming"

    def _row(self, line: Line, escaped: bool) -> str:
        ts_ms = self._opened_ms + line.t_ms
        author = _cleaned(line.user if line.user_id is None else line.user_id)
        user, text = _cleaned(line.user), _cleaned(line.text)
        kind, code, donation_id, extra = _kind_of(line)
        key = event_key(code, author, ts_ms, text, donation_id, line.amount)
        received = _NULL if line.received_at is None else line.received_at.isoformat()
        return (
            f"{_clock(ts_ms // 1000)}.{ts_ms % 1000:03d}+00\t{kind}\t{key}\t{_escaped(author)}\t{_escaped(user)}\t"
            f"{_escaped(text)}\t{_NULL if line.amount is None else line.amount}\t{line.hidden}\t{received}\t"
            f"{_NULL if extra is None else _escaped(clean_json(extra))}\n"
        )


def _kind_of(line: Line) -> tuple[str, int, str | None, dict[str, Any] | None]:
    """Kind, Chzzk's type code, donationId, and what has no column."""
    extra = load_json(bytes(line.extra))
    if not isinstance(extra, dict):
        extra = None
    donation_id = None if extra is None or extra.get("donationId") is None else clean_text(str(extra["donationId"]))
    if line.type in TYPE_OF_KIND:
        return line.type, TYPE_OF_KIND[line.type], donation_id, extra
    code = None if extra is None else extra.get("type")
    return "other", code if isinstance(code, int) else 0, donation_id, extra


@lru_cache(maxsize=64)
def _clock(second: int) -> str:
    # Formatting a time costs more than the rest of a row, and most rows share their second with the one before.
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _cleaned(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def _escaped(text: str | None) -> str:
    return _NULL if text is None else text.translate(_ESCAPES)
