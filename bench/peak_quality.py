"""How well the peak functions find bursts that are known, and what they make of scenes built to mislead them.

    python -m bench.peak_quality [--dsn postgresql://...] [--seeds 6]

Without --dsn an embedded server is started in a temporary folder. The long broadcasts are those of bench.peak_scenes:
Poisson chat whose base drifts by a factor of three both ways, with bursts of gain 2-9 that rise in 3 s and decay in
6-40 s. A gain is read the harder way unless said otherwise: a burst of gain 2 doubles the pace at its top (`times`);
the other reading adds twice the base to it (`added`). The short ones are those of bench.short_broadcasts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from bench.peak_detectors import THRESHOLD, VOLUME_GAP, Connection, Counts, Peak, connect, plain_z, surges, volume
from bench.peak_scenes import burst, make_broadcast, matches, scenes
from bench.short_broadcasts import SHORT_MINUTES, SHORT_RATES, calm_lists, short_quality

RATES = (0.5, 1.0, 3.0, 12.0, 25.0)  # chats per second
SHAPES = ((6, 40), (12, 70))  # hours, bursts
FIRST_SEED = 2_610_000  # not looked at while the constants were chosen


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


def evaluate(
    connection: Connection | None,
    rates: Sequence[float] = RATES,
    seeds: int = 5,
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
            for hours, bursts in SHAPES:
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
