"""Where a broadcast's files go, and how they get there: safe names, and never half a file."""

import os
import re
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import orjson

from store.errors import NokchartError
from store.event import KST, require_aware

_MAX_NAME_BYTES = 80

# What some file system forbids, and the control and formatting characters (right-to-left marks among them).
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_OPENED = re.compile(r"\d{8}-\d{6}_")

# The names of files that are being written, here and by the chart; nobody writes one for an hour.
_HALF = re.compile(r"\..+\.(part|[0-9a-f]{32})")
_ABANDONED_SEC = 3600

_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class OutputError(NokchartError):
    """A file cannot be written."""


def safe_name(name: str | None) -> str:
    """`name` as a part of a path on any file system: at most 80 bytes, no separators, no `..`, never empty."""
    composed = unicodedata.normalize("NFC", name or "")
    kept = "".join(char for char in composed if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    safe = re.sub(r"\.{2,}", ".", re.sub(r"\s+", " ", _FORBIDDEN.sub("_", kept))).strip(" .")
    while len(safe.encode()) > _MAX_NAME_BYTES:
        safe = safe[:-1]
    safe = safe.strip(" .")
    if not safe or _DEVICE.fullmatch(safe):
        return f"_{safe}"[:_MAX_NAME_BYTES] if safe else "unknown"
    return safe


def broadcast_folder(outdir: Path, opened_at: datetime, streamer: str | None, stream_id: str) -> Path:
    """`<outdir>/<day it opened in Asia/Seoul>/<streamer>_<stream_id>`. The folder is not made here.

    One that is there under an earlier name of the streamer is the same broadcast's, and keeps its name.
    """
    day = outdir / require_aware(opened_at).astimezone(KST).strftime("%Y-%m-%d")
    named = day / f"{safe_name(streamer)}_{safe_name(stream_id)}"
    # Other ids may be the end of one another: of unknown_1 and 1, one would get the other's folder.
    if not _OPENED.match(stream_id) or named.is_dir() or not day.is_dir():
        return named
    same = (path for path in sorted(day.iterdir()) if path.name.endswith(f"_{safe_name(stream_id)}") and path.is_dir())
    return next(same, named)


def sweep(folder: Path) -> None:
    """Removes what a process that was killed has left half written there."""
    for path in folder.glob(".*"):
        if _HALF.fullmatch(path.name) and time.time() - path.stat().st_mtime > _ABANDONED_SEC:
            path.unlink(missing_ok=True)


@contextmanager
def complete_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes its name only when it is complete; on any error what was there before stays.

    OutputError, in one sentence, where the disk is full or the folder may not be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}): what was there before is unchanged."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes `value` as indented JSON with a final newline. OutputError as in `complete_file`."""
    with complete_file(path) as file:
        file.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
