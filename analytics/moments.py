"""What of a broadcast is worth a mark in somebody else's chart: its whole length, and its best peaks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.rows import dict_row

from analytics.harmless import one_line
from analytics.language import Language
from store.database import Database
from store.queries import query


@dataclass(frozen=True)
class Moment:
    """A broadcast, or a peak of it. What people wrote is one line of printable characters."""

    kind: str
    """broadcast, volume or surge."""
    begin: datetime
    end: datetime
    """The same as begin, for a peak; now, for a broadcast on air."""
    channel: str
    text: str


def moments_of(
    database: Database, rows: list[dict[str, Any]], top: int, language: Language
) -> Iterator[tuple[str, list[Moment]]]:
    """Per broadcast (rows of find_broadcasts) its stream_id and its moments: itself, then the first `top` of its peaks
    of either kind, with their reasons in `language`. Peaks are there once a broadcast's files were made."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    with database.connect(row_factory=dict_row) as connection:
        for row in rows:
            channel = one_line(row["streamer"]) or row["channel_id"]
            begin = row["opened_at"]
            end = row["closed_at"] or max(begin, now)
            about = " · ".join(words for words in (one_line(row["title"]), one_line(row["category"])) if words)
            moments = [Moment("broadcast", begin, end, channel, about)]
            of_peaks = {"broadcast_id": row["broadcast_id"], "top": top, "language": language}
            peaks: list[dict[str, Any]] = connection.execute(query("best_peaks"), of_peaks).fetchall()  # type: ignore[assignment]
            for peak in peaks:
                why = f"{peak['value']} · {peak['reasons']}".removesuffix(" · ")
                moments.append(Moment(peak["method"], peak["moment"], peak["moment"], channel, why))
            yield row["stream_id"], moments
