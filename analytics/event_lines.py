"""events.jsonl, read: each line becomes an event or a note that says what is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from store.errors import NokchartError
from store.text import clean_json, load_json

# A broadcast is not longer than a month; a time beyond that is a mistake, and would make a series of millions of rows.
MAX_T_MS = 30 * 86_400_000
_MIN_T_MS = -86_400_000

_NAMED_NOTES = 10
_CHUNK_BYTES = 1 << 22


class EventsFileError(NokchartError):
    """An events.jsonl cannot be used."""


# KRW as the column keeps it.
Amount = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


class Line(msgspec.Struct, gc=False):
    """One line as it is written; keys beyond these are ignored."""

    type: str
    t_ms: int
    user: str | None = None
    text: str | None = None
    user_id: str | None = None
    amount: Amount | None = None
    received_at: datetime | None = None
    sent_at: datetime | None = None
    hidden: bool = False
    extra: msgspec.Raw = msgspec.Raw(b"null")  # a union with None would always be None


@dataclass
class Notes:
    """What was wrong with a file, for the user and for report.json."""

    lines: int = 0
    used: int = 0
    broken: int = 0
    """Lines that are no event."""
    blank: int = 0
    repeated: int = 0
    """Events that the file has more than once; one of each is used."""
    out_of_order: int = 0
    """Lines that are earlier than the one before them; they are put in order."""
    named: list[str] = field(default_factory=list)
    """The first ten broken lines, each with its number and what is wrong."""

    ignored_fields: int = 0
    """Fields that could not be understood in lines that are used without them."""

    def broke(self, number: int, reason: str) -> None:
        """Counts a broken line, and names it while few are."""
        self.broken += 1
        if len(self.named) < _NAMED_NOTES:
            self.named.append(f"line {number}: {reason}")

    def ignored(self, number: int, reason: str) -> None:
        """Counts a field that is left out, and names its line while few are."""
        self.ignored_fields += 1
        if len(self.named) < _NAMED_NOTES:
            self.named.append(f"line {number}: {reason}")


class Block(NamedTuple):
    """Some thousand sound lines."""

    lines: list[Line]
    escaped: list[bool]
    """Of each line: whether its JSON has a backslash, without which no text in it can need care."""


def read_lines(path: Path, notes: Notes) -> Iterator[Block]:
    """The sound lines of an events.jsonl in blocks; what is not sound is noted.

    Memory does not grow with the file. EventsFileError where it is missing or cannot be read.
    """
    decoder = msgspec.json.Decoder(Line)
    newest = _MIN_T_MS
    try:
        with path.open("rb") as file:
            if file.read(3) != b"\xef\xbb\xbf":
                file.seek(0)
            while raw := file.readlines(_CHUNK_BYTES):
                block = _all_at_once(decoder, raw) or _one_by_one(decoder, raw, notes)
                notes.lines += len(raw)
                notes.used += len(block.lines)
                times = [line.t_ms for line in block.lines]
                if times and (times[0] < newest or times != sorted(times)):
                    highest = accumulate(times, max, initial=newest)
                    notes.out_of_order += sum(time < before for time, before in zip(times, highest, strict=False))
                newest = max([newest, *times])
                if block.lines:
                    yield block
    except FileNotFoundError as error:
        raise EventsFileError(f"{path} does not exist.") from error
    except OSError as error:
        raise EventsFileError(f"{path} cannot be read: {error.strerror}.") from error


def _all_at_once(decoder: "msgspec.json.Decoder[Line]", raw: list[bytes]) -> Block | None:
    """The lines in `raw` if every one is sound, which is what nearly every block is; else None."""
    try:
        lines = decoder.decode_lines(b"".join(raw))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if len(lines) != len(raw):  # blank lines are no lines to the decoder
        return None
    if not all(_MIN_T_MS <= line.t_ms <= MAX_T_MS for line in lines):
        return None
    return Block(lines, [b"\\" in data for data in raw])


def _one_by_one(decoder: "msgspec.json.Decoder[Line]", raw: list[bytes], notes: Notes) -> Block:
    """The sound lines among `raw`; the others are noted."""
    block = Block([], [])
    for number, data in enumerate(raw, notes.lines + 1):
        if not data.strip():
            notes.blank += 1
            continue
        try:
            line = decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            mended = _mended(data, number, notes)
            if mended is None:
                continue
            line = mended
        if _MIN_T_MS <= line.t_ms <= MAX_T_MS:
            block.lines.append(line)
            block.escaped.append(b"\\" in data)
        else:
            notes.broke(number, f"t_ms is {line.t_ms}, which is no time of a broadcast in milliseconds")
    return block


def _mended(data: bytes, number: int, notes: Notes) -> Line | None:
    """A line whose type and time are sound, without those of its other fields that are not."""
    value = load_json(data)
    if not isinstance(value, dict):
        notes.broke(number, "not a JSON object" if value is not None else "not JSON")
        return None
    for name, kind in (("type", str), ("t_ms", int)):
        if name not in value:
            notes.broke(number, f"{name} is missing")
            return None
        try:
            value[name] = msgspec.convert(value[name], kind)
        except (msgspec.ValidationError, ValueError):
            notes.broke(number, f"{name} is {'not a number of milliseconds' if name == 't_ms' else 'not a text'}")
            return None
    value["extra"] = msgspec.Raw(clean_json(value.get("extra")).encode())
    for name, kind in _OPTIONAL.items():
        if name in value:
            try:
                value[name] = msgspec.convert(value[name], kind)
            except (msgspec.ValidationError, ValueError):
                del value[name]
                notes.ignored(number, f"{name} is not what it should be, and is left out")
    return Line(**{name: value[name] for name in value if name in Line.__struct_fields__})


_OPTIONAL: dict[str, Any] = {
    "user": str | None,
    "text": str | None,
    "user_id": str | None,
    "amount": Amount | None,
    "received_at": datetime | None,
    "sent_at": datetime | None,
    "hidden": bool,
}
