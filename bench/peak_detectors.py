"""What finds peaks, and may be asked about counts alone: `volume_peaks`, `surge_peaks`, and a plain z to beat."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg

from analytics.peaks import PeakSettings
from store.database import open_database

Connection = psycopg.Connection[Any]
Counts = npt.NDArray[np.int64]  # one number a second

DEFAULTS = PeakSettings()
SURGE_GAP, VOLUME_GAP = DEFAULTS.surge_min_gap_sec, DEFAULTS.min_gap_sec  # seconds between the starts of two
THRESHOLD = DEFAULTS.surge_threshold  # sigmas that a surge needs which stands alone


@dataclass(frozen=True)
class Peak:
    """One row of `volume_peaks` or `surge_peaks`."""

    rank: int
    start_sec: int
    end_sec: int
    value: int
    onset_sec: int
    score: float
    in_gap: bool
    reasons: list[str]


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


def volume(
    connection: Connection,
    counts: Sequence[int] | Counts,
    in_gap: Sequence[bool] | None = None,
    *,
    topk: int = DEFAULTS.topk,
) -> list[Peak]:
    rows = connection.execute(
        "SELECT * FROM volume_peaks(%s::int[], %s::boolean[], %s, %s, %s, %s)",
        (_ints(counts), _bools(in_gap), DEFAULTS.window_sec, VOLUME_GAP, topk, DEFAULTS.false_alarms),
    ).fetchall()
    return [Peak(*row[:8]) for row in rows]


def surges(
    connection: Connection,
    counts: Sequence[int] | Counts,
    in_gap: Sequence[bool] | None = None,
    crowd: Sequence[int] | Counts | None = None,
    *,
    min_gap_sec: int = SURGE_GAP,
    topk: int = DEFAULTS.surge_topk,
    threshold: float = THRESHOLD,
) -> list[Peak]:
    rows = connection.execute(
        "SELECT * FROM surge_peaks(%s::int[], %s::boolean[], %s::int[], %s, %s, %s)",
        (_ints(counts), _bools(in_gap), None if crowd is None else _ints(crowd), min_gap_sec, topk, threshold),
    ).fetchall()
    return [Peak(*row[:8]) for row in rows]


def plain_z(counts: Counts, threshold: float) -> list[tuple[int, float]]:
    """The baseline to beat: the next 10 s against the last 60 s, greedy with the same gap."""
    total = np.concatenate([[0], np.cumsum(counts)])
    starts = np.arange(60, len(counts) - 10)
    usual = (total[starts] - total[starts - 60]) / 60
    z = ((total[starts + 10] - total[starts]) - 10 * usual) / np.sqrt(np.maximum(10 * usual, 1))
    taken: list[tuple[int, float]] = []
    for index in np.argsort(-z, kind="stable"):
        if z[index] <= threshold or len(taken) == DEFAULTS.surge_topk:
            break
        if all(abs(int(starts[index]) - start) >= SURGE_GAP for start, _ in taken):
            taken.append((int(starts[index]), float(z[index])))
    return taken


def _ints(values: Sequence[int] | Counts) -> list[int]:
    return [int(value) for value in values]


def _bools(values: Sequence[bool] | None) -> list[bool] | None:
    return None if values is None else [bool(value) for value in values]
