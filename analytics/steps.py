"""The job's steps one by one, from file to file: what `build-ts`, `peaks` and `plot` do."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from analytics.chart import draw_chart
from analytics.event_lines import Notes
from analytics.folder import OutputError, write_json
from analytics.language import Language
from analytics.peaks import PeakSettings, find_peaks, peaks_content
from analytics.series import fill_series, write_series
from analytics.series_frame import load_series, read_series_file
from analytics.session import SCRATCH_ID, analysis_session
from analytics.source import load_source
from analytics.subject import Subject, read_collection_report, stream_id_of
from store.database import Database
from store.errors import NokchartError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PeaksFileError(NokchartError):
    """A peaks.json cannot be used."""


def build_series(database: Database, events: Path, out: Path, rolling_sec: int) -> tuple[list[Path], Notes]:
    """Writes the three chat_ts files of an events.jsonl into the folder `out`."""
    with analysis_session(database, scratch=True) as connection:
        source = load_source(connection, events, None)
        fill_series(connection, SCRATCH_ID, source.span, rolling_sec)
        return write_series(connection, out, source.span, rolling_sec), source.notes


def find_series_peaks(database: Database, series: Path, stream_id: str, out: Path, settings: PeakSettings) -> None:
    """Writes the peaks.json of a chat_ts_1s.csv."""
    with analysis_session(database) as connection:
        load_series(connection, series)
        write_json(out, peaks_content(stream_id, find_peaks(connection, settings), settings))


def plot_series(series: Path, peaks: Path, out: Path, rolling_sec: int, language: Language) -> list[Path]:
    """Writes the chart of a chat_ts file and a peaks.json; a long broadcast becomes several files."""
    frame, opened_at = read_series_file(series)
    found = _read_peaks(peaks)
    folder = series.resolve().parent
    report = read_collection_report(folder)
    stream_id = str(found.get("stream_id") or stream_id_of(folder, report))
    subject = Subject.from_folder(folder, stream_id, opened_at or _EPOCH, report)
    try:
        return draw_chart(
            frame,
            found["peaks"],
            found.get("surges") or [],
            opened_at=subject.opened_at,
            streamer=subject.streamer or stream_id,
            title=subject.title,
            language=language,
            out=out,
            rolling_sec=rolling_sec,
        )
    except ValueError as error:
        raise PeaksFileError(f"{peaks} and {series} cannot be drawn: {error}.") from error
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror or error}).") from error


def _read_peaks(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise PeaksFileError(f"{path} does not exist: `nokchart peaks` makes it.") from error
    except OSError as error:
        raise PeaksFileError(f"{path} cannot be read: {error.strerror or os.strerror(error.errno or 0)}.") from error
    except orjson.JSONDecodeError as error:
        raise PeaksFileError(f"{path} is not JSON ({error}).") from error
    if isinstance(found, dict) and "peaks" not in found and "peaks_by_volume" in found:
        found["peaks"] = found["peaks_by_volume"]  # as the old tool once called it
    lists = [found.get("peaks"), found.get("surges", [])] if isinstance(found, dict) else [None]
    if any(not isinstance(entries, list) or any(not isinstance(one, dict) for one in entries) for entries in lists):
        raise PeaksFileError(f'{path} has no list "peaks": it is not a peaks.json.')
    known: dict[str, Any] = found
    return known
