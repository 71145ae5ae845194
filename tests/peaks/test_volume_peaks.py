"""volume_peaks against a brute-force reference, and its noise floor."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Connection = psycopg.Connection[Any]


def volume(connection: Connection, counts: Any, in_gap: Any = None, *rest: Any) -> list[Any]:
    window, apart, topk, false_alarms = rest or (60, 120, 50, 0.5)
    return connection.execute(
        "SELECT rank, start_sec, end_sec, value, onset_sec, score, in_gap, reasons"
        " FROM volume_peaks(%s::int[], %s::boolean[], %s, %s, %s, %s)",
        (counts, in_gap, window, apart, topk, false_alarms),
    ).fetchall()


def brute_force(counts: list[int], window: int, apart: int, topk: int) -> list[tuple[int, int]]:
    """(start, sum), by trying every forward window over and over."""
    starts = range(len(counts) - window + 1) if len(counts) >= window else range(min(len(counts), 1))
    left = [(sum(counts[start : start + window]), start) for start in starts]
    taken: list[tuple[int, int]] = []
    while len(taken) < topk:
        left = [
            (total, start)
            for total, start in left
            if total > 0 and all(abs(start - other) >= max(window, apart) for other, _ in taken)
        ]
        if not left:
            break
        total, start = max(left, key=lambda window_: (window_[0], -window_[1]))
        taken.append((start, total))
    return taken


series = st.one_of(
    st.lists(st.integers(0, 3), max_size=150),  # many ties
    st.lists(st.integers(0, 200), max_size=150),
    st.lists(st.sampled_from([0, 0, 0, 0, 7]), max_size=150),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=series, window=st.integers(1, 40), apart=st.integers(0, 60), topk=st.integers(0, 12), data=st.data())
def test_equals_brute_force(
    plain_connection: Connection, counts: list[int], window: int, apart: int, topk: int, data: st.DataObject
) -> None:
    in_gap = data.draw(st.one_of(st.none(), st.lists(st.booleans(), max_size=len(counts) + 3)))
    rows = volume(plain_connection, counts, in_gap, window, apart, topk, None)
    assert [(row[1], row[3]) for row in rows] == brute_force(counts, window, apart, topk)
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    for _, start, end, _, onset, _, touches_gap, reasons in rows:
        assert end == min(start + window, len(counts))
        assert max(start - 30, 0) <= onset < end
        assert touches_gap == any((in_gap or [])[start:end]) == ("touches gap" in reasons)


@pytest.mark.parametrize("rate", [0.0, 0.2, 2.0, 20.0])
def test_floor_is_a_prefix_cut(plain_connection: Connection, rate: float) -> None:
    rng = np.random.default_rng(int(10 * rate) + 1)
    counts = rng.poisson(rate, 7200)
    counts[1000:1030] += rng.poisson(5 + 4 * rate, 30)
    full = volume(plain_connection, counts.tolist(), None, 60, 120, 50, None)
    cut = volume(plain_connection, counts.tolist())
    assert cut == full[: len(cut)]
    assert [(row[0], row[1] <= 1000, row[2] >= 1030) for row in cut] == [(1, True, True)]
    assert abs(cut[0][4] - 1000) <= 5


def test_ties_go_to_the_earlier(plain_connection: Connection) -> None:
    counts = [0] * 1000
    counts[100] = counts[700] = counts[400] = 30
    assert [row[1] for row in volume(plain_connection, counts)] == [41, 341, 641]


def test_noise_gives_no_peaks(plain_connection: Connection) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        assert volume(plain_connection, rng.poisson(0.05 * 4**seed, 6 * 3600).tolist()) == []
        clustered = np.zeros(6 * 3600 + 200, dtype=int)  # conversations of about four chats in half a minute
        for start in rng.uniform(0, 6 * 3600, rng.poisson(6 * 3600 * 0.04)):
            np.add.at(clustered, (start + rng.exponential(15, rng.poisson(4)).clip(max=150)).astype(int), 1)
        assert volume(plain_connection, clustered[: 6 * 3600].tolist()) == []


def test_what_is_hardly_louder_than_usual_is_no_peak(plain_connection: Connection) -> None:
    """In a loud channel chance is soon ruled out, yet a minute a quarter louder than the others is not worth a look."""
    counts = np.full(7200, 100)
    counts[3000:3060] = 125
    assert volume(plain_connection, counts.tolist()) == []
    counts[3000:3060] = 150
    ((_, start, end, value, *_),) = volume(plain_connection, counts.tolist())
    assert (start, end, value) == (3000, 3060, 9000)


def test_a_gap_is_unknown_not_silent(plain_connection: Connection) -> None:
    rng = np.random.default_rng(7)
    counts = rng.poisson(5, 7200)
    in_gap = np.zeros(7200, dtype=bool)
    in_gap[2000:6500] = True  # most of the broadcast: as zeros they would be what is usual
    counts[in_gap] = 0
    assert volume(plain_connection, counts.tolist(), in_gap.tolist()) == []
    assert volume(plain_connection, counts.tolist())


def test_many_clear_bursts_are_all_listed(plain_connection: Connection) -> None:
    rng = np.random.default_rng(3)
    pace = np.full(43_200, 10.0)
    onsets = 300 + 600 * np.arange(70)
    for onset in onsets:
        pace[onset : onset + 120] += 40 * np.exp(-np.arange(120) / 20)
    rows = volume(plain_connection, rng.poisson(pace).tolist(), None, 60, 120, 200, 0.5)
    assert sum(any(abs(row[4] - onset) <= 10 for row in rows) for onset in onsets) == 70


@pytest.mark.parametrize(
    ("counts", "in_gap", "expected"),
    [
        ([], None, []),
        ([], [True], []),
        ([0] * 500, [], []),
        ([9], [], [(0, 1, 9)]),
        ([2_147_483_647] * 3, None, [(0, 3, 2_147_483_647)]),
        ([None, 20, None], [None], [(0, 3, 20)]),
        ([20] * 3, [True] * 9, [(0, 3, 60)]),
    ],
)
def test_degenerate(plain_connection: Connection, counts: Any, in_gap: Any, expected: Any) -> None:
    rows = volume(plain_connection, counts, in_gap, 60, 120, 50, None)
    assert [(row[1], row[2], row[3]) for row in rows] == expected
    assert len(volume(plain_connection, counts, in_gap)) <= len(rows)


def test_null_counts_are_an_empty_broadcast(plain_connection: Connection) -> None:
    assert volume(plain_connection, None) == []
