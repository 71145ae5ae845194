"""What a follower sees: the numbers of the batch, whenever it looks; gaps as holes; peaks and their words; stalls."""

import random
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from analytics.live import LiveReader
from analytics.live_series import HOUR_SEC, LiveSeries
from analytics.live_view import LiveView
from analytics.peaks import PeakSettings
from analytics.series import Span, fill_series
from analytics.session import analysis_session
from store.database import Database
from tests.analytics.airing import clock_of, erupt, go_on_air, say

_open: list[LiveReader] = []


def reader() -> LiveReader:
    _open.append(LiveReader(PeakSettings()))
    return _open[-1]


@pytest.fixture(autouse=True)
def closed_readers() -> Iterator[None]:
    """None outlives its test."""
    yield
    while _open:
        _open.pop().close()


def held(follower: LiveReader, number: int) -> LiveSeries:
    return follower._followed[number].series


def as_filed(database: Database, number: int, series: LiveSeries) -> tuple[list[int], list[bool], list[int]]:
    """The same seconds as the files of the broadcast have them."""
    with analysis_session(database) as connection:
        fill_series(connection, number, Span(series.opened_at, series.edge_sec), 600)
        rows = connection.execute(
            "SELECT chat_count, in_gap, crowd FROM series WHERE bucket_sec = 1 AND sec >= %s ORDER BY sec",
            (series.first_sec,),
        ).fetchall()
    return (
        [row["chat_count"] or 0 for row in rows],
        [row["in_gap"] for row in rows],
        [row["crowd"] or 0 for row in rows],
    )


@pytest.fixture(params=["plain_database", "timescale_database"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each edition."""
    found: Database = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("ago_sec", [200, 1200, 5000])
def test_each_second_is_that_of_the_files(database: Database, ago_sec: int) -> None:
    with database.connect() as connection:
        number = go_on_air(connection, ago_sec=ago_sec)
        now = clock_of(connection)
        connection.execute(
            "INSERT INTO gap VALUES (gen_random_uuid(), %s, %s, %s, 'silent'), (gen_random_uuid(), %s, %s, NULL, 'x')",
            (
                *(number, now - timedelta(seconds=120.4), now - timedelta(seconds=90.2)),
                *(number, now - timedelta(seconds=7.7)),
            ),
        )
    follower = reader()
    (channel,) = follower.look(database).channels
    series = held(follower, number)
    assert series.arrays() == as_filed(database, number, series)
    assert len(series.arrays()[0]) >= min(ago_sec - 5, HOUR_SEC)
    assert channel.gap_open
    assert 30 <= channel.missing_15min <= 40
    assert None in channel.chats_15min


def test_a_follower_holds_what_a_new_one_would_read(plain_database: Database) -> None:
    with plain_database.connect(autocommit=True) as connection:
        number = go_on_air(connection)
        follower = reader()
        follower.look(plain_database)
        luck = random.Random(7)
        now = clock_of(connection)
        say(
            connection,
            number,
            [(now - timedelta(seconds=luck.uniform(0, 55)), f"u{luck.randrange(9)}", "늦은 말") for _ in range(200)],
        )
        follower.look(plain_database)
        series = held(follower, number)
        assert series.arrays() == as_filed(plain_database, number, series)
        # Chat that is told much later comes with a gap that has become another one, or is read within five minutes.
        say(connection, number, [(now - timedelta(seconds=600), "u1", "아주 늦은 말")])
        connection.execute(
            "INSERT INTO gap VALUES (gen_random_uuid(), %s, %s, %s, 'x')",
            (number, now - timedelta(seconds=700), now - timedelta(seconds=650)),
        )
        follower.look(plain_database)
        series = held(follower, number)
        assert series.arrays() == as_filed(plain_database, number, series)


def test_a_peak_with_the_words_that_make_it(database: Database) -> None:
    with database.connect() as connection:
        number = go_on_air(connection)
        erupt(connection, number, ago_sec=40)
    (channel,) = reader().look(database).channels
    peak = channel.peak
    assert peak is not None
    assert peak.score > 6
    assert peak.times_usual > 3
    assert abs(peak.onset_sec - (channel.elapsed_sec - 40)) <= 3
    assert peak.words[0] == "고점"
    assert "안녕" not in peak.words
    assert channel.donations_15min == 5
    assert channel.donated_15min == 5000
    document: Any = LiveView(channel.opened_at, [channel], []).as_document()
    assert document["channels"][0]["peak"]["words"] == peak.words


def test_the_most_exciting_comes_first(plain_database: Database) -> None:
    with plain_database.connect() as connection:
        quiet = go_on_air(connection, channel_id="quiet")
        loud = go_on_air(connection, channel_id="loud", name=None)
        erupt(connection, loud, ago_sec=25)
    view = reader().look(plain_database)
    assert [channel.channel_id for channel in view.channels] == ["loud", "quiet"]
    assert view.channels[0].excitement > 4 > view.channels[1].excitement
    assert view.channels[0].streamer == ""
    assert quiet != loud


@pytest.mark.parametrize("rate", [0.2, 2.0, 15.0])
def test_where_a_surge_begins_the_database_is_asked(plain_database: Database, rate: float) -> None:
    luck = random.Random(round(rate * 10))
    settings = PeakSettings()
    with plain_database.connect() as connection:
        opened = clock_of(connection)
        listed = 0
        for _ in range(40):
            series = LiveSeries(opened)
            series.move_to(opened + timedelta(seconds=1500))
            begin, gain = luck.randrange(series.edge_sec - 60, series.edge_sec - 15), luck.choice([2, 3, 4, 6])
            rows = []
            for sec in range(series.edge_sec):
                pace = rate * (gain if begin <= sec < begin + 12 else 1)
                chats = sum(luck.random() < pace / 40 for _ in range(40))
                rows.append({"sec": sec, "chats": chats, "crowd": chats, "donations": 0, "amount": 0})
            series.replace_from(0, rows)
            counts, in_gap, crowd = series.arrays()
            found = connection.execute(
                "SELECT start_sec FROM surge_peaks(%s::int[], %s::boolean[], %s::int[], 60, 100, 4.5)",
                (counts, in_gap, crowd),
            ).fetchall()
            if any(start >= series.edge_sec - 60 for (start,) in found):
                listed += 1
                assert series.may_surge(settings.surge_threshold, settings.surge_min_gap_sec)
    assert listed >= (2 if rate < 1 else 10)


def test_a_reader_needs_no_right_to_write(plain_database: Database) -> None:
    with plain_database.connect() as connection:
        go_on_air(connection)
        connection.execute("DROP ROLE IF EXISTS only_reads")
        connection.execute("CREATE ROLE only_reads LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_reads")
    try:
        (channel,) = (
            reader()
            .look(Database({**plain_database.parameters, "user": "only_reads"}, plain_database.edition))
            .channels
        )
        assert channel.chats_per_sec is not None
    finally:
        with plain_database.connect() as connection:
            connection.execute("DROP OWNED BY only_reads")
            connection.execute("DROP ROLE only_reads")


def beat(connection: Any, name: str, age: timedelta, stopped: bool = False) -> None:
    connection.execute("DELETE FROM collector_status WHERE collector_id = %s", (name,))
    connection.execute(
        "INSERT INTO collector_status (collector_id, started_at, heartbeat_at, stopped_at, channels, live, events, "
        "rejected, queued) VALUES (%s, now(), now() - %s, CASE WHEN %s THEN now() END, 3, 1, 0, 0, 0)",
        (name, age, stopped),
    )


def test_collectors_that_report_stop_and_stall(plain_database: Database) -> None:
    with plain_database.connect() as connection:
        beat(connection, "at work", timedelta(seconds=5))
        beat(connection, "gone", timedelta(minutes=3))
        beat(connection, "stopped", timedelta(hours=1), stopped=True)
        beat(connection, "last week's", timedelta(days=7))
    view = reader().look(plain_database)
    assert [(one.collector_id, one.stalled, one.stopped) for one in view.collectors] == [
        ("at work", False, False),
        ("gone", True, False),
        ("stopped", False, True),
    ]
    assert view.collecting


def test_a_collector_with_a_wrong_clock_is_not_stalled_while_it_reports(plain_database: Database) -> None:
    follower = reader()
    with plain_database.connect(autocommit=True) as connection:
        beat(connection, "slow clock", timedelta(hours=2))
        assert follower.look(plain_database).collectors[0].stalled  # who looks once cannot know
        beat(connection, "slow clock", timedelta(hours=2, seconds=-5))
        assert not follower.look(plain_database).collectors[0].stalled
        beat(connection, "fast clock", timedelta(hours=-2))
        assert [one.silent_sec for one in follower.look(plain_database).collectors if "fast" in one.collector_id] == [0]


def test_nothing_in_the_database(plain_database: Database) -> None:
    view = reader().look(plain_database)
    assert (view.channels, view.collectors, view.collecting) == ([], [], False)


def test_a_broadcast_that_begins_this_second_or_the_next(plain_database: Database) -> None:
    begun = time.monotonic()
    with plain_database.connect() as connection:
        go_on_air(connection, ago_sec=1, channel_id="a")
        go_on_air(connection, ago_sec=4, channel_id="b")
        connection.execute("UPDATE broadcast SET opened_at = now() + INTERVAL '1 minute' WHERE channel_id = 'a'")
    channels = reader().look(plain_database).channels
    passed_sec = time.monotonic() - begun
    for channel in channels:
        assert channel.elapsed_sec <= 4 + passed_sec
        assert channel.peaks == []
        assert len(channel.chats_15min) == 90


def test_ended_broadcasts_are_shown_to_who_asks(plain_database: Database) -> None:
    with plain_database.connect() as connection:
        go_on_air(connection)
        connection.execute("UPDATE broadcast SET closed_at = now() - INTERVAL '1 minute'")
        now = clock_of(connection)
        row = connection.execute("SELECT stream_id FROM broadcast").fetchone()
        assert row is not None
    follower = reader()
    assert follower.look(plain_database).channels == []
    assert follower.look(plain_database, now).channels == []
    assert len(follower.look(plain_database, now - timedelta(minutes=2)).channels) == 1
    assert follower.look(plain_database, now, {row[0]}).channels[0].closed_at is not None
