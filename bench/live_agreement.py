"""How well the peaks that are told live agree with those that the files list when the broadcast is over.

    python -m bench.live_agreement [--seeds 4]

Each broadcast is played second by second into what `nokchart live` and `notify` hold, looked at every 5 s, and analysed
as a whole at the end. Short ones are the demo's, chat by chat; long ones are those of bench.peak_scenes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import dict_row

from analytics.alerts import SAME_PEAK_SEC
from analytics.live import LiveReader
from analytics.live_series import SETTLE_SEC, LiveSeries
from analytics.peaks import PeakSettings
from bench.peak_detectors import connect, surges
from bench.peak_scenes import make_broadcast
from bench.short_broadcasts import chats_and_crowd
from simulator import demo_channels

LOOK_SEC = 5
OPENED_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
FIRST_SEED = 2_620_000


@dataclass
class Agreement:
    """Sums over several broadcasts."""

    name: str
    hours: float = 0.0
    batch: int = 0
    told: int = 0  # of the batch's, those that were told
    live: int = 0
    false: int = 0  # told, and not in the batch's list
    late: list[float] = field(default_factory=list)  # seconds from the onset to the look that tells it

    def __str__(self) -> str:
        late = self.late or [float("nan")]
        return (
            f"{self.name:28} {self.hours:5.1f} h  batch {self.batch:4}  told {self.told / max(self.batch, 1):6.1%}"
            f"  late {np.median(late):3.0f} / {np.percentile(late, 95):3.0f} s  false {self.false:3} of {self.live:4}"
        )


def told_live(
    connection: psycopg.Connection[dict[str, Any]], counts: Sequence[int], crowd: Sequence[int], least: float
) -> Iterator[tuple[int, int, float]]:
    """(start, onset, seconds since the opening) of each peak, when a look first shows it."""
    reader = LiveReader(PeakSettings())
    series = LiveSeries(OPENED_AT)
    told: list[int] = []
    held: list[Any] = []
    whole = True
    for second in range(60, len(counts) + SETTLE_SEC, LOOK_SEC):
        before = series.edge_sec
        series.move_to(OPENED_AT + timedelta(seconds=second))
        new = range(before, min(series.edge_sec, len(counts)))
        rows = [
            {"sec": sec, "chats": int(counts[sec]), "crowd": int(crowd[sec]), "donations": 0, "amount": 0}
            for sec in new
            if counts[sec]
        ]
        series.replace_from(before, rows)
        held = list(reader.find_peaks(connection, series, held, anew=whole))
        whole = False
        for peak in held:
            if peak.score >= least and all(abs(peak.start_sec - start) >= SAME_PEAK_SEC for start in told):
                told.append(peak.start_sec)
                yield peak.start_sec, peak.onset_sec, second


def compare(
    connection: psycopg.Connection[dict[str, Any]],
    plain: psycopg.Connection[Any],
    sums: Agreement,
    counts: Sequence[int],
    crowd: Sequence[int],
    least: float,
) -> None:
    """Plays one broadcast, and adds what came of it."""
    listed = surges(plain, counts, crowd=crowd)
    wanted = [peak for peak in listed if peak.score >= least]
    live = list(told_live(connection, counts, crowd, least))
    sums.hours += len(counts) / 3600
    sums.batch += len(wanted)
    sums.live += len(live)
    for peak in wanted:
        found = [at for start, onset, at in live if abs(start - peak.start_sec) < SAME_PEAK_SEC]
        sums.told += bool(found)
        sums.late += [at - peak.onset_sec for at in found[:1]]
    # Against the whole list: what the batch lists with a lower score is no false alarm.
    sums.false += sum(all(abs(start - peak.start_sec) >= SAME_PEAK_SEC for peak in listed) for start, _, _ in live)


def broadcasts(seeds: int) -> Iterator[tuple[str, Sequence[int], Sequence[int]]]:
    """(name of its kind, chats by the second, crowd by the second)."""
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for minutes in (15, 45):
            for channel in demo_channels(seed, minutes):
                chats, crowd = chats_and_crowd(channel.broadcasts[0], seed)
                yield f"demo, {minutes} min", chats, crowd
        for rate in (0.5, 1.0, 3.0, 12.0):
            counts, _ = make_broadcast(rate, 6, 40, seed)
            yield f"6 h, 40 bursts, {rate:g}/s", counts, counts
            counts, _ = make_broadcast(rate, 6, 0, seed)
            yield f"6 h, no burst, {rate:g}/s", counts, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsn", help="a database in which the schema is installed; without it, an embedded one")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    results: dict[tuple[str, float], Agreement] = {}
    with connect(options.dsn) as plain, psycopg.connect(plain.info.dsn, autocommit=True, row_factory=dict_row) as dicts:
        for name, counts, crowd in broadcasts(options.seeds):
            for least in (0.0, 6.0):
                label = name if not least else f"{name}, score ≥ {least:g}"
                compare(dicts, plain, results.setdefault((name, least), Agreement(label)), counts, crowd, least)
    for _, result in sorted(results.items()):
        print(result)


if __name__ == "__main__":
    main()
