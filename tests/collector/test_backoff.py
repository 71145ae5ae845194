"""The delays between attempts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import backoff
from collector.backoff import CAP_SEC, FIRST_SEC, USEFUL_SEC, Backoff
from collector.channel import next_beat


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws the longest delay each time."""
    monkeypatch.setattr(backoff.random, "uniform", lambda low, high: high)


@pytest.mark.usefixtures("longest")
def test_delays_double_up_to_the_cap() -> None:
    delays = Backoff()
    assert [delays.seconds() for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_each_delay_is_drawn_from_nothing_to_the_limit() -> None:
    drawn = [Backoff(first=8).seconds() for _ in range(500)]
    assert 0 <= min(drawn) < 2
    assert 6 < max(drawn) <= 8


@pytest.mark.usefixtures("longest")
def test_only_useful_time_begins_anew() -> None:
    delays = Backoff()
    for _ in range(5):
        delays.seconds()
    delays.worked_for(USEFUL_SEC - 0.001)
    assert delays.seconds() == CAP_SEC
    delays.worked_for(USEFUL_SEC)
    assert delays.seconds() == FIRST_SEC


def test_a_server_that_accepts_and_drops_for_an_hour_is_asked_some_two_hundred_times() -> None:
    delays, elapsed, attempts = Backoff(), 0.0, 0
    while elapsed < 3600:
        delays.worked_for(0.1)
        elapsed += 0.1 + delays.seconds()
        attempts += 1
    assert 150 < attempts < 400


@given(
    last=st.floats(0, 1e6),
    interval=st.floats(0.01, 3600),
    late=st.lists(st.floats(0, 20_000), min_size=1, max_size=30),
)
def test_polls_keep_their_rhythm_and_never_catch_up(last: float, interval: float, late: list[float]) -> None:
    beats = [last]
    for seconds in late:
        earliest = beats[-1] + seconds
        beat = next_beat(beats[-1], interval, earliest)
        assert beat >= earliest or beat == pytest.approx(earliest)
        assert beat - earliest < interval * 1.000001 + 1e-6  # and no later than needed
        beats.append(beat)
    assert all(later - earlier >= interval * 0.999999 - 1e-6 for earlier, later in pairwise(beats))
