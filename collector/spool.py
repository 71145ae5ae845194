"""What could not be committed yet, on disk: append-only segments with a checksum a record, replayed in order.

A segment is forgotten once all of it is committed. Who is killed in between replays it from its beginning: every record
may be written twice. Reading survives whatever is in a file: a record that was torn by a kill, or rotted, is skipped.
"""

import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from collector.records import Events, Record, Statement
from store.errors import cause_of
from store.event import Event

log = structlog.get_logger(__name__)

SEGMENT_BYTES = 1024 * 1024
DEFAULT_LIMIT_BYTES = 1024**3

_sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter

_MAGIC = b"\x8aNC\x01"
_HEAD = struct.Struct("<4sII")  # magic, CRC-32 of the payload, its length


class SpoolFull(OSError):
    """The spool has reached its bound."""


@dataclass(slots=True)
class _Segment:
    path: Path
    size: int
    rows: int = 0
    """Rows that this process has put in; those of an earlier one are not counted."""


class Spool:
    """The records of one collector for one database. Threads may share it, processes may not."""

    def __init__(self, folder: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        """Takes in what an earlier process has left in `folder`. OSError where that cannot be made or listed."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.limit_bytes = limit_bytes
        self._segments = deque(_Segment(path, path.stat().st_size) for path in sorted(folder.glob("*.spool")))
        self._next = 1 + max((int(segment.path.stem) for segment in self._segments), default=0)
        self._tail: _Segment | None = None  # the one that is appended to
        self._descriptor = -1
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._segments

    def adopt(self, folder: Path) -> None:
        """Takes over the segments of a collector that is gone. OSError as above."""
        for path in sorted(folder.glob("*.spool")):
            mine = self._path()
            path.replace(mine)
            self._segments.append(_Segment(mine, mine.stat().st_size))

    def append(self, records: Sequence[Record], rows: int) -> None:
        """Keeps records, all of them or none; they are on the disk when this returns.

        SpoolFull at the bound; OSError where the disk takes no more: then nothing has changed.
        """
        blob = b"".join(_packed(record) for record in records)
        with self._lock:
            self._append(blob, rows)

    def _append(self, blob: bytes, rows: int) -> None:
        if self.size_bytes + len(blob) > self.limit_bytes:
            raise SpoolFull(f"the spool's bound of {self.limit_bytes} bytes is reached")
        if self._tail is not None and self._tail.size >= SEGMENT_BYTES:
            self._close_tail()
        tail = self._tail or self._open_tail()
        try:
            _write_all(self._descriptor, blob)
            _sync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, tail.size)
            os.lseek(self._descriptor, tail.size, os.SEEK_SET)
            raise
        tail.size += len(blob)
        tail.rows += rows

    def oldest(self) -> list[Record]:
        """The records of the oldest segment, in order; what is damaged is left out. OSError where it cannot be read."""
        with self._lock:
            segment = self._segments[0]
            if segment is self._tail:
                self._close_tail()
        records, lost = _unpacked(segment.path.read_bytes())
        if lost:
            # Of a kill, the record it was writing; more is the disk's fault, and nobody can say what it was.
            log.error("spool damaged", segment=segment.path.name, lost_bytes=lost, records=len(records))
        return records

    def forget_oldest(self) -> int:
        """The oldest segment is committed. Returns how many rows of this process it held."""
        with self._lock:
            segment = self._segments.popleft()
            if segment is self._tail:
                self._close_tail()
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            log.error("spool segment stays", segment=segment.path.name, error=cause_of(error))
        return segment.rows

    def close(self) -> None:
        """Closes the open segment; what is in the spool stays."""
        self._close_tail()

    def _path(self) -> Path:
        path = self._folder / f"{self._next:012d}.spool"
        self._next += 1
        return path

    def _open_tail(self) -> _Segment:
        path = self._path()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._tail = _Segment(path, 0)
        self._segments.append(self._tail)
        return self._tail

    def _close_tail(self) -> None:
        if self._tail is not None:
            self._tail = None
            os.close(self._descriptor)


def _write_all(descriptor: int, blob: bytes) -> None:
    left = memoryview(blob)
    while left:
        left = left[os.write(descriptor, left) :]


def _packed(record: Record) -> bytes:
    if isinstance(record, Events):
        payload = msgspec.msgpack.encode((record.stream_id, [tuple(event) for event in record.events]))
    else:
        payload = msgspec.msgpack.encode((record.query, record.arguments, None))
    return _HEAD.pack(_MAGIC, zlib.crc32(payload), len(payload)) + payload


def _unpacked(data: bytes) -> tuple[list[Record], int]:
    """The sound records of a segment, and how many bytes are none."""
    records: list[Record] = []
    sound = at = 0
    while (at := data.find(_MAGIC, at)) >= 0 and at + _HEAD.size <= len(data):
        _, checksum, length = _HEAD.unpack_from(data, at)
        payload = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(payload) == length and zlib.crc32(payload) == checksum and (record := _record(payload)) is not None:
            records.append(record)
            sound += _HEAD.size + length
            at += _HEAD.size + length
        else:
            at += 1
    return records, len(data) - sound


def _record(payload: bytes) -> Record | None:
    """The record, or None where another version of NokChart wrote it in a way that this one does not know."""
    try:
        match msgspec.msgpack.decode(payload):
            case [str(stream_id), list(rows)]:
                return Events(stream_id, [Event(*row) for row in rows])
            case [str(query), list(arguments), None]:
                return Statement(query, tuple(arguments))
    except (msgspec.MsgspecError, TypeError):
        pass
    return None
