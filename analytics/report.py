"""The two reports: how a broadcast was collected, and what was made from what."""

import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from analytics.event_lines import Notes
from analytics.peaks import Peaks, PeakSettings, clock_text
from analytics.series import Span
from analytics.session import Connection
from analytics.subject import Subject
from analytics.totals import Totals
from store.queries import query

COLLECTED = "database"
"""`made_from` of a report on a broadcast that was collected; of a folder's it is 'events.jsonl'."""

_SUMMARY_PEAKS = 5


def collection_report(
    connection: Connection, subject: Subject, span: Span, totals: Totals, *, collected: bool
) -> dict[str, Any]:
    """collection_report.json: the stream, its counts, and how complete it is.

    Of a folder (`collected` false) and of an import nobody knows the connections: those are null, and so is coverage.
    """
    of_subject = {"broadcast_id": subject.broadcast_id}
    gaps = connection.execute(query("gaps"), of_subject).fetchall()
    ended_at = span.opened_at + timedelta(seconds=span.length_sec)
    report: dict[str, Any] = {
        "stream_id": subject.stream_id,
        "made_from": COLLECTED if collected else "events.jsonl",
        "channel_id": subject.channel_id,
        "streamer": subject.streamer,
        "title": subject.title,
        "category": subject.category,
        "opened_at": iso(subject.opened_at),
        "closed_at": iso(subject.closed_at),
        "close_cause": subject.close_cause,
        "duration_sec": span.length_sec,
        "counts": {kind: row["events"] for kind, row in totals.kinds.items()},
        "chat_count": totals.events("chat"),
        "donation_count": totals.events("donation"),
        "donation_amount": sum(int(row["amount"]) for row in totals.kinds.values()),
        "chatters": totals.chatters,
        "hidden": sum(row["hidden"] for row in totals.kinds.values()),
        "gaps": [
            {
                "from": iso(gap["from_ts"]),
                "to": iso(gap["to_ts"]),
                "seconds": (gap["to_ts"] - gap["from_ts"]).total_seconds(),
                "cause": gap["cause"],
                "repaired": gap["repaired_at"] is not None,
            }
            for gap in gaps
        ],
        "rejected": None,
        "connections": None,
        "reconnects": None,
        "coverage_percent": None,
        "latency": None,
        "versions": {"nokchart": nokchart_version(), "python": platform.python_version()},
    }
    if collected and subject.close_cause != "import":
        connections = connection.execute(query("connections"), of_subject).fetchall()
        rejected = connection.execute(query("rejected_count"), of_subject).fetchone()
        latency = connection.execute(query("event_latency"), of_subject).fetchone()
        report |= {
            "rejected": rejected["rejected"] if rejected else 0,
            "connections": [
                {
                    "connected_at": iso(row["connected_at"]),
                    "disconnected_at": iso(row["disconnected_at"]),
                    "cause": row["cause"],
                    "refilled": row["refilled"],
                }
                for row in connections
            ],
            "reconnects": max(0, len(connections) - 1),
            "coverage_percent": coverage_percent(gaps, span.opened_at, ended_at),
            "latency": {name: None if value is None else round(value, 3) for name, value in (latency or {}).items()},
        }
    return report


def coverage_percent(gaps: Sequence[dict[str, Any]], opened_at: datetime, ended_at: datetime) -> float:
    """The share of the broadcast's time outside of gaps that are not repaired, in percent with two decimals."""
    missing = timedelta()
    counted_to = opened_at
    for gap in sorted(gaps, key=lambda gap: gap["from_ts"]):
        if gap["repaired_at"] is None:
            begin, end = max(gap["from_ts"], counted_to), min(gap["to_ts"], ended_at)
            if end > begin:
                missing += end - begin
                counted_to = end
    return round(100 * (1 - missing / (ended_at - opened_at)), 2)


def made_report(
    subject: Subject,
    folder: Path,
    files: Sequence[Path],
    peaks: Peaks,
    parameters: dict[str, Any],
    *,
    opened_at_from: str,
    notes: Notes | None,
) -> dict[str, Any]:
    """report.json: what was made from what. It says nothing of when, so that the same input gives the same file."""
    return {
        "stream_id": subject.stream_id,
        "made_from": "events.jsonl" if notes is not None else COLLECTED,
        "opened_at": iso(subject.opened_at),
        "opened_at_from": opened_at_from,
        "input": None if notes is None else asdict(notes),
        "parameters": parameters,
        "files": {str(path.relative_to(folder)): path.stat().st_size for path in files},
        "peaks": {
            "found": len(peaks.volume),
            "surges_found": len(peaks.surge),
            "top": [
                {"rank": peak["rank"], "start_time": clock_text(peak["start_sec"]), "value": peak["value"]}
                for peak in peaks.volume[:_SUMMARY_PEAKS]
            ],
        },
        "versions": {"nokchart": nokchart_version()},
    }


def parameters(settings: PeakSettings, rolling_sec: int, language: str) -> dict[str, Any]:
    """The parameters that the files depend on."""
    return {**asdict(settings), "rolling_sec": rolling_sec, "language": language}


def nokchart_version() -> str:
    """The version of this program; 'unknown' in a checkout that was never installed."""
    try:
        return version("nokchart")
    except PackageNotFoundError:
        return "unknown"


def iso(moment: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC, with `Z`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
