"""Both kinds of peaks of a broadcast of twelve hours, in SQL."""

import time
from pathlib import Path

from analytics.loading import load_events
from analytics.peaks import Peaks, PeakSettings, find_peaks
from analytics.series import Span, fill_series
from analytics.session import SCRATCH_ID, analysis_session
from bench.dataset import OPENED_AT
from store.database import Database


def peaks_ms(database: Database, folder: Path, hours: float, runs: int = 15) -> tuple[list[float], Peaks]:
    """Milliseconds of each run, sorted, on the series of the folder; and what was found."""
    with analysis_session(database, scratch=True) as connection:
        load_events(connection, folder / "events.jsonl", OPENED_AT)
        fill_series(connection, SCRATCH_ID, Span(OPENED_AT, round(hours * 3600)), 600)
        times = []
        for _ in range(runs):
            begun = time.perf_counter()
            peaks = find_peaks(connection, PeakSettings())
            times.append(1000 * (time.perf_counter() - begun))
    return sorted(times), peaks
