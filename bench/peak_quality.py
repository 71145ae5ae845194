"""How well the peak functions find bursts that are known, and what they make of scenes built to mislead them.

    python -m bench.peak_quality [--dsn postgresql://...] [--seeds 6]

Without --dsn an embedded server is started in a temporary folder. The long broadcasts are made here, from numpy alone:
Poisson chat whose base drifts by a factor of three both ways, with bursts of gain 2-9 that rise in 3 s and decay in
6-40 s. A gain is read the harder way unless said otherwise: a burst of gain 2 doubles the pace at its top (`times`);
the other reading adds twice the base to it (`added`). The short ones are the demo's, chat by chat.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from bench.peak_scenes import (
    SURGE_GAP,
    TOLERANCE,
    Counts,
    Peak,
    burst,
    crowd_of,
    drifting_base,
    make_broadcast,
    matches,
    scenes,
)
from simulator import demo_channels, generate
from store.database import open_database

Connection = psycopg.Connection[Any]

THRESHOLD = 4.5  # sigmas that a surge needs which stands alone
SURGE_TOPK = 100
WINDOW, VOLUME_GAP, TOPK, FALSE_ALARMS = 60, 120, 50, 0.5
RATES = (0.5, 1.0, 3.0, 12.0, 25.0)  # chats per second
SHAPES = ((6, 40), (12, 70))  # hours, bursts
SHORT_RATES, SHORT_MINUTES = (1.0, 4.0, 15.0), (5, 10, 15, 30)
FIRST_SEED = 2_610_000  # not looked at while the constants were chosen


def volume(
    connection: Connection,
    counts: Sequence[int] | Counts,
    in_gap: Sequence[bool] | None = None,
    *,
    window_sec: int = WINDOW,
    min_gap_sec: int = VOLUME_GAP,
    topk: int = TOPK,
    false_alarms: float | None = FALSE_ALARMS,
) -> list[Peak]:
    rows = connection.execute(
        "SELECT * FROM volume_peaks(%s::int[], %s::boolean[], %s, %s, %s, %s)",
        (_ints(counts), _bools(in_gap), window_sec, min_gap_sec, topk, false_alarms),
    ).fetchall()
    return [Peak(*row[:8]) for row in rows]


def surges(
    connection: Connection,
    counts: Sequence[int] | Counts,
    in_gap: Sequence[bool] | None = None,
    crowd: Sequence[int] | Counts | None = None,
    *,
    min_gap_sec: int = SURGE_GAP,
    topk: int = SURGE_TOPK,
    threshold: float = THRESHOLD,
) -> list[Peak]:
    rows = connection.execute(
        "SELECT * FROM surge_peaks(%s::int[], %s::boolean[], %s::int[], %s, %s, %s)",
        (_ints(counts), _bools(in_gap), None if crowd is None else _ints(crowd), min_gap_sec, topk, threshold),
    ).fetchall()
    return [Peak(*row[:8]) for row in rows]


def _ints(values: Sequence[int] | Counts) -> list[int]:
    return [int(value) for value in values]


def _bools(values: Sequence[bool] | None) -> list[bool] | None:
    return None if values is None else [bool(value) for value in values]


# ---------------------------------------------------------------------------------------------------- broadcasts


@dataclass
class Quality:
    """Sums over several broadcasts of one base rate."""

    rate: float
    bursts: int = 0
    found: int = 0  # among the first N, N the number of bursts
    hits: int = 0  # of those, true
    listed: int = 0  # in the list as it is with the default threshold, at most N
    listed_hits: int = 0
    errors: list[int] = field(default_factory=list)
    false_surges: list[int] = field(default_factory=list)  # for each broadcast of 6 h without a burst

    @property
    def precision(self) -> float:
        return self.hits / max(self.found, 1)

    @property
    def recall(self) -> float:
        return self.hits / max(self.bursts, 1)

    def __str__(self) -> str:
        error = np.abs(self.errors) if self.errors else np.zeros(1)
        return (
            f"{self.rate:5.1f}   {self.precision:.3f} / {self.recall:.3f}"
            f"   {self.listed_hits / max(self.listed, 1):.3f} / {self.listed_hits / max(self.bursts, 1):.3f}"
            f"   {np.median(error):4.0f} / {np.percentile(error, 95):2.0f}"
            f"   {np.mean(self.false_surges or [0]):5.2f}, most {max(self.false_surges, default=0)}"
        )


Detector = Callable[[Counts, float], list[tuple[int, float]]]  # counts, threshold -> (onset, score), best first


def detector(connection: Connection) -> Detector:
    def detect(counts: Counts, threshold: float) -> list[tuple[int, float]]:
        return [(peak.onset_sec, peak.score) for peak in surges(connection, counts, threshold=threshold)]

    return detect


def plain_z(counts: Counts, threshold: float) -> list[tuple[int, float]]:
    """The baseline to beat: the next 10 s against the last 60 s, greedy with the same gap."""
    total = np.concatenate([[0], np.cumsum(counts)])
    starts = np.arange(60, len(counts) - 10)
    usual = (total[starts] - total[starts - 60]) / 60
    z = ((total[starts + 10] - total[starts]) - 10 * usual) / np.sqrt(np.maximum(10 * usual, 1))
    taken: list[tuple[int, float]] = []
    for index in np.argsort(-z, kind="stable"):
        if z[index] <= threshold or len(taken) == SURGE_TOPK:
            break
        if all(abs(int(starts[index]) - start) >= SURGE_GAP for start, _ in taken):
            taken.append((int(starts[index]), float(z[index])))
    return taken


def evaluate(
    connection: Connection | None,
    rates: Sequence[float] = RATES,
    seeds: int = 5,
    shapes: Sequence[tuple[float, int]] = SHAPES,
    *,
    added: bool = False,
    calm: int = 1,
) -> list[Quality]:
    """Quality by base rate, `calm` broadcasts without a burst for each seed; no connection: that of the plain z."""
    detect = plain_z if connection is None else detector(connection)
    results = []
    for rate in rates:
        quality = Quality(rate)
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            for hours, bursts in shapes:
                counts, onsets = make_broadcast(rate, hours, bursts, seed, added=added)
                ranked = detect(counts, 0.0)[:bursts]
                errors = matches([onset for onset, _ in ranked], onsets)
                listed = detect(counts, THRESHOLD)[:bursts]
                quality.bursts += bursts
                quality.found += len(ranked)
                quality.hits += len(errors)
                quality.errors += errors
                quality.listed += len(listed)
                quality.listed_hits += len(matches([onset for onset, _ in listed], onsets))
            for number in range(calm):
                counts, _ = make_broadcast(rate, 6, 0, seed + 10_000 * (number + 1))
                quality.false_surges.append(len(detect(counts, THRESHOLD)))
        results.append(quality)
    return results


# ---------------------------------------------------------------------------------------------------- short ones


@dataclass
class ShortQuality:
    """Sums over the demo's broadcasts of one length, with what `find_peaks` would be given."""

    minutes: float
    bursts: int = 0  # 60 s from the start and 45 s from the one before, or more
    found: int = 0  # among the first N surges, N the number of all bursts
    listed: int = 0
    stray: int = 0  # surges with no burst within TOLERANCE
    loud: int = 0  # bursts in a volume peak: starts are VOLUME_GAP apart, so not all can be
    loud_listed: int = 0

    def __str__(self) -> str:
        return (
            f"{self.minutes:4.0f} min   surges: {self.found} of {self.bursts} bursts, {self.listed} listed, "
            f"{self.stray} stray   volume: {self.loud} of {self.bursts}, {self.loud_listed} listed"
        )


def short_quality(connection: Connection, minutes: float, seeds: Sequence[int]) -> ShortQuality:
    quality = ShortQuality(minutes)
    for seed in seeds:
        for channel in demo_channels(seed, minutes):
            broadcast = channel.broadcasts[0]
            numbers: dict[str, int] = {}
            events = [
                (int(item.offset_ms // 1000), numbers.setdefault(str(item.user_id), len(numbers)))
                for item in generate(broadcast, seed)
                if item.kind == "chat"
            ]
            chats, _, crowd = crowd_of(int(broadcast.duration_sec), events)
            onsets = [burst.onset_sec for burst in broadcast.bursts]
            wanted = [onset for before, onset in pairwise([-45.0, *onsets]) if onset >= 60 and onset - before >= 45]
            found = [peak.onset_sec for peak in surges(connection, chats, crowd=crowd)]
            loud = volume(connection, chats)
            quality.bursts += len(wanted)
            quality.found += len(matches(found[: len(onsets)], np.array(wanted)))
            quality.listed += len(found)
            quality.stray += sum(all(abs(onset - second) > TOLERANCE for onset in onsets) for second in found)
            quality.loud += sum(any(peak.start_sec - 5 <= onset < peak.end_sec for peak in loud) for onset in wanted)
            quality.loud_listed += len(loud)
    return quality


def calm_broadcast(rate: float, minutes: int, kind: str, seed: int) -> Counts:
    """No burst: `flat`, `gentle` (the demo's drift, by a third) or `drifting` (as the long ones, up to threefold)."""
    rng = np.random.default_rng(seed)
    seconds = 60 * minutes
    if kind == "drifting":
        return rng.poisson(drifting_base(rate, seconds, rng))
    gentle = np.interp(np.arange(seconds), [0, seconds / 2, seconds], [0.8, 1.1, 1.0])
    return rng.poisson(rate * (gentle if kind == "gentle" else np.ones(seconds)))


def calm_lists(connection: Connection, rate: float, minutes: int, kind: str, seeds: Sequence[int]) -> tuple[int, int]:
    """How many broadcasts without a burst have a surge, and how many a volume peak."""
    broadcasts = [calm_broadcast(rate, minutes, kind, seed) for seed in seeds]
    return (
        sum(bool(surges(connection, counts)) for counts in broadcasts),
        sum(bool(volume(connection, counts)) for counts in broadcasts),
    )


# ---------------------------------------------------------------------------------------------------- scenes


def judge_scenes(
    connection: Connection, rates: Sequence[float], seeds: int
) -> dict[str, list[tuple[bool, list[Peak]]]]:
    """By scene: whether what was found is what was wanted, and what was found; all rates and seeds together."""
    results: dict[str, list[tuple[bool, list[Peak]]]] = {}
    for rate in rates:
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            for scene in scenes(rate, seed):
                found = surges(connection, scene.counts, scene.in_gap, scene.crowd, min_gap_sec=scene.min_gap_sec)
                results.setdefault(scene.name, []).append((scene.judge(found), found))
    return results


def loudest_bursts(connection: Connection, rate: float, seed: int) -> tuple[int, int, int]:
    """Of 70 bursts in 12 h on a steady base: how many are clear, how many of those are volume peaks, peaks in all."""
    rng = np.random.default_rng(seed)
    onsets = 300 + 600 * np.arange(70) + rng.integers(0, 300, 70)
    gains, decays = rng.uniform(2, 9, 70), rng.uniform(6, 40, 70)
    shape = sum((g - 1) * burst(43_200, float(o), d) for o, g, d in zip(onsets, gains, decays, strict=True))
    peaks = volume(connection, rng.poisson(rate * (1 + shape)), topk=400)
    clear = [int(o) for o, g, d in zip(onsets, gains, decays, strict=True) if (g - 1) * d > 60]
    found = sum(any(peak.start_sec - 5 <= onset <= peak.end_sec for peak in peaks) for onset in clear)
    assert all(b.start_sec - a.start_sec >= VOLUME_GAP for a, b in pairwise(sorted(peaks, key=lambda p: p.start_sec)))
    return len(clear), found, len(peaks)


@contextmanager
def connect(dsn: str | None) -> Iterator[Connection]:
    """A database with the schema in it: the given one, or a new one that is gone afterwards."""
    if dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        open_database(None, Path(folder)) as database,
        database.connect(autocommit=True) as connection,
    ):
        yield connection


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsn", help="a database in which the schema is installed; without it, an embedded one")
    parser.add_argument("--seeds", type=int, default=6)
    options = parser.parse_args()
    with connect(options.dsn) as connection:
        head = "chats/s  first N: prec/rec   listed: prec/rec   onset error med/p95 s   false surges in 6 h"
        for title, subject, added in (
            ("surge_peaks, gain times the base (harder)", connection, False),
            ("surge_peaks, gain added to the base", connection, True),
            ("plain z, gain times the base", None, False),
            ("plain z, gain added to the base", None, True),
        ):
            print(f"\n{title}\n{head}")
            calm = 4 if subject and not added else 1
            for quality in evaluate(subject, seeds=options.seeds, added=added, calm=calm):
                print(quality)

        print("\nshort broadcasts: the demo's")
        seeds = range(FIRST_SEED, FIRST_SEED + 4 * options.seeds)
        for minutes in SHORT_MINUTES[:3]:
            print(short_quality(connection, minutes, seeds))
        seeds = range(FIRST_SEED, FIRST_SEED + 20 * options.seeds)
        print(f"\nshort broadcasts without a burst, of {len(seeds)}: with a surge / with a volume peak")
        print("min        " + "".join(f"{rate:6.0f}/s " for rate in SHORT_RATES))
        for kind in ("flat", "gentle", "drifting"):
            for minutes in SHORT_MINUTES:
                lists = [calm_lists(connection, rate, minutes, kind, seeds) for rate in SHORT_RATES]
                print(f"{minutes:2} {kind:8}" + "".join(f"{surge:4} /{loud:3}" for surge, loud in lists))

        print("\nscenes: as wanted, of all (0.5, 1, 3, 12 and 25 chats/s)")
        for name, outcomes in judge_scenes(connection, RATES, options.seeds).items():
            most = max(len(found) for _, found in outcomes)
            print(f"{name:40} {sum(good for good, _ in outcomes)} of {len(outcomes)}, at most {most} surges")

        print("\nvolume: bursts of 60 and more seconds' worth of extra chat, found among the peaks")
        for rate in RATES:
            clear, found, peaks = loudest_bursts(connection, rate, FIRST_SEED)
            print(f"{rate:5.1f}   {found} of {clear} ({peaks} peaks)")


if __name__ == "__main__":
    main()
