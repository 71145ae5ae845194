"""All files of a broadcast, in one go: from the database, or from a folder with an events.jsonl."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analytics.event_lines import Notes
from analytics.events_file import write_events
from analytics.folder import OutputError, broadcast_folder, write_json
from analytics.language import Language
from analytics.peaks import Peaks, PeakSettings, find_peaks, peaks_content, store_peaks
from analytics.report import collection_report, made_report, parameters
from analytics.series import Span, fill_series, read_rows, write_series
from analytics.session import Connection, analysis_session
from analytics.source import load_source
from analytics.subject import Subject
from analytics.topics import find_topics
from store.database import Database
from store.queries import query


@dataclass(frozen=True)
class JobSettings:
    """What the files depend on."""

    peaks: PeakSettings = field(default_factory=PeakSettings)
    rolling_sec: int = 600
    language: Language = "ko"


@dataclass(frozen=True)
class Made:
    """What a job has made."""

    folder: Path
    files: list[Path]
    peaks: Peaks
    notes: Notes | None
    """What was wrong with the folder's events.jsonl; None for a broadcast from the database."""


def export_broadcast(database: Database, row: dict[str, Any], outdir: Path, settings: JobSettings) -> Made:
    """Writes the folder of a broadcast (a row of the query find_broadcasts), and its peaks into the database.

    Everything is of one moment, even while the broadcast is still being collected. OutputError where a file cannot be
    written; what was there before stays.
    """
    subject = Subject.from_row(row)
    folder = broadcast_folder(outdir, subject.opened_at, subject.streamer, subject.stream_id)
    with analysis_session(database) as connection:
        # By the database's clock, like the time of the row's last change.
        begun_at = connection.execute("SELECT now() AS begun_at").fetchone()
        events = folder / "events.jsonl"
        write_events(connection, events, subject.broadcast_id, subject.stream_id, subject.opened_at)
        span = subject.span(connection)
        made = _make_files(connection, subject, span, folder, settings, [events], "openDate", None)
    # In a transaction of its own: a collector that changed the row meanwhile must not undo the whole analysis.
    with database.connect() as connection_after:
        # First, for it locks the broadcast's row: of two exports at once, one waits here with its peaks.
        connection_after.execute(query("mark_exported"), {"broadcast_id": subject.broadcast_id, **(begun_at or {})})
        store_peaks(connection_after, subject.broadcast_id, made.peaks)
    return made


def process_folder(database: Database, folder: Path, stream_id: str | None, settings: JobSettings) -> Made:
    """Makes all other files of a folder from its events.jsonl. It leaves nothing in the database.

    `stream_id`: None for what the folder says. EventsFileError where the folder or the file is missing or holds no
    event; OutputError as above.
    """
    with analysis_session(database, scratch=True) as connection:
        source = load_source(connection, folder / "events.jsonl", stream_id)
        # A report of the collection itself knows more than the folder does, and stays.
        return _make_files(
            connection,
            source.subject,
            source.span,
            folder,
            settings,
            [],
            source.opened_at_from,
            source.notes,
            keep_report=source.collected,
        )


def _make_files(
    connection: Connection,
    subject: Subject,
    span: Span,
    folder: Path,
    settings: JobSettings,
    files: list[Path],
    opened_at_from: str,
    notes: Notes | None,
    keep_report: bool = False,
) -> Made:
    """The part that is the same for both: series, peaks, topics, chart, and the reports."""
    # Where the database has work, this process has time: to import the libraries of charts, and to draw.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="chart") as artist:
        artist.submit(importlib.import_module, "analytics.chart")
        fill_series(connection, subject.broadcast_id, span, settings.rolling_sec)
        peaks = find_peaks(connection, settings.peaks)
        rows = read_rows(connection)
        if not keep_report and (notes is not None or subject.close_cause == "import"):
            rows = [{**row, "in_gap": None} for row in rows]  # nobody knows, and the chart must not say 100 %
        drawing = artist.submit(_draw, rows, subject, peaks, folder, settings)
        files += write_series(connection, folder, span, settings.rolling_sec)
        for name, content in {
            "peaks.json": peaks_content(subject.stream_id, peaks, settings.peaks),
            "topics.json": find_topics(connection, subject.stream_id, subject.broadcast_id, span),
            "collection_report.json": None
            if keep_report
            else collection_report(connection, subject, span, collected=notes is None),
        }.items():
            if content is not None:
                write_json(folder / name, content)
                files.append(folder / name)
        files += drawing.result()
    report = made_report(
        subject,
        folder,
        files,
        peaks,
        parameters(settings.peaks, settings.rolling_sec, settings.language),
        opened_at_from=opened_at_from,
        notes=notes,
    )
    write_json(folder / "report.json", report)
    return Made(folder, [*files, folder / "report.json"], peaks, notes)


def _draw(
    rows: list[dict[str, Any]], subject: Subject, peaks: Peaks, folder: Path, settings: JobSettings
) -> list[Path]:
    from analytics.chart import draw_chart
    from analytics.series_frame import as_frame

    try:
        return draw_chart(
            as_frame(rows),
            peaks.volume,
            peaks.surge,
            opened_at=subject.opened_at,
            streamer=subject.streamer or subject.stream_id,
            title=subject.title,
            language=settings.language,
            out=folder / "chart_chat_rate.png",
            rolling_sec=settings.rolling_sec,
        )
    except OSError as error:
        raise OutputError(
            f"The chart in {folder} cannot be written ({error.strerror or error}): what was there before is unchanged."
        ) from error
