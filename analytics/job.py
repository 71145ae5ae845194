"""All files of a broadcast, in one go: from the database, or from a folder with an events.jsonl."""

import hashlib
import importlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from analytics.event_lines import Notes
from analytics.events_file import write_events
from analytics.folder import OutputError, broadcast_folder, sweep, write_json
from analytics.language import Language
from analytics.parquet import parquet_path, write_parquet
from analytics.peaks import Peaks, PeakSettings, find_peaks, peaks_content, store_peaks, with_video
from analytics.report import collection_report, made_report, parameters
from analytics.series import Span, fill_series, read_columns, write_series
from analytics.session import AloneSession, Connection, analysis_session
from analytics.source import load_source
from analytics.subject import Subject
from analytics.topics import find_topics
from analytics.totals import Totals, count_totals, early_chatters, store_total
from store.database import Database
from store.queries import query

# Raised when files get another shape or other contents: then those of all broadcasts are made again.
FILES_VERSION = 1


@dataclass(frozen=True)
class JobSettings:
    """What the files depend on."""

    peaks: PeakSettings = field(default_factory=PeakSettings)
    rolling_sec: int = 600
    language: Language = "ko"
    parquet: bool = False
    """Finished broadcasts go to Parquet as well."""

    @property
    def up_to_date(self) -> list[str]:
        """What `broadcast.exported_with` says of files as these settings make them; the first is what to write there.

        Who does not want Parquet is content with files that were made together with it.
        """
        known = [FILES_VERSION, parameters(self.peaks, self.rolling_sec, self.language)]
        digest = hashlib.blake2b(orjson.dumps(known, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
        with_parquet = f"{digest}+parquet"
        return [with_parquet] if self.parquet else [digest, with_parquet]


@dataclass(frozen=True)
class Made:
    """What a job has made."""

    folder: Path
    files: list[Path]
    peaks: Peaks
    totals: Totals
    notes: Notes | None
    """What was wrong with the folder's events.jsonl; None for a broadcast from the database."""


def export_broadcast(database: Database, broadcast_id: int, outdir: Path, settings: JobSettings) -> Made:
    """Writes the folder of a broadcast, and its peaks and totals into the database.

    Everything is of one moment, even while the broadcast is still being collected. OutputError where a file cannot be
    written; what was there before stays.
    """
    with AloneSession(database, broadcast_id) as session:
        with session.analysis() as connection:
            # By the database's clock, like the time of the row's last change.
            now = connection.execute("SELECT now() AS begun_at").fetchone()
            row = connection.execute(query("one_broadcast"), {"broadcast_id": broadcast_id}).fetchone()
            if now is None or row is None:
                raise LookupError(f"broadcast {broadcast_id} was forgotten meanwhile")
            subject = Subject.from_row(row)
            folder = broadcast_folder(outdir, subject.opened_at, subject.streamer, subject.stream_id)
            sweep(folder)
            events = folder / "events.jsonl"
            write_events(connection, events, broadcast_id, subject.stream_id, subject.opened_at)
            if settings.parquet and subject.closed_at is not None:
                path = parquet_path(outdir, subject.opened_at, row["channel_id"], subject.stream_id)
                write_parquet(connection, path, broadcast_id, subject.stream_id, subject.opened_at)
            span = subject.span(connection)
            made = _make_files(connection, subject, span, folder, settings, [events], "openDate", None)
            early = early_chatters(connection, broadcast_id, subject.opened_at)
        of_export = {
            "broadcast_id": broadcast_id,
            "updated_at": row["updated_at"],
            "begun_at": now["begun_at"],
            "exported_with": settings.up_to_date[0],
        }
        with session.result() as connection:
            connection.execute(query("mark_exported"), of_export)
            store_total(connection, broadcast_id, made.totals, early, now["begun_at"])
            store_peaks(connection, broadcast_id, made.peaks)
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
        found = find_peaks(connection, settings.peaks)
        peaks = with_video(connection, subject.broadcast_id, subject.opened_at, found)
        columns = read_columns(connection)
        if not keep_report and (notes is not None or subject.close_cause == "import"):
            del columns["in_gap"]  # nobody knows, and the chart must not say 100 %
        drawing = artist.submit(_draw, columns, subject, peaks, folder, settings)
        totals = count_totals(connection, subject.broadcast_id)
        files += write_series(connection, folder, span, settings.rolling_sec)
        for name, content in {
            "peaks.json": peaks_content(subject.stream_id, peaks, settings.peaks),
            "topics.json": find_topics(connection, subject.stream_id, subject.broadcast_id, span),
            "collection_report.json": None
            if keep_report
            else collection_report(connection, subject, span, totals, collected=notes is None),
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
    return Made(folder, [*files, folder / "report.json"], peaks, totals, notes)


def _draw(
    columns: dict[str, list[Any]], subject: Subject, peaks: Peaks, folder: Path, settings: JobSettings
) -> list[Path]:
    from analytics.chart import draw_chart

    try:
        return draw_chart(
            columns,
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
