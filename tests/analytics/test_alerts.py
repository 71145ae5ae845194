"""What is told, once: begins, ends, peaks, stalls; and nothing again after a restart, a false end, or a pause."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec

from analytics.alerts import Alert, Lookout
from analytics.live_view import LiveChannel, LiveCollector, LivePeak, LiveView

NOW = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)


def channel(stream: str = "s1", elapsed: int = 5, closed_at: datetime | None = None, *peaks: LivePeak) -> LiveChannel:
    return LiveChannel(
        channel_id="c" + stream,
        stream_id=stream,
        streamer="달빛너굴",
        title="제목",
        category="talk",
        opened_at=NOW - timedelta(seconds=elapsed),
        closed_at=closed_at,
        elapsed_sec=elapsed,
        viewers=10,
        viewers_at=NOW,
        chats_per_sec=1.0,
        excitement=0.0,
        chats_15min=[1.0] * 90,
        donations_15min=0,
        donated_15min=0,
        missing_15min=0,
        gap_open=False,
        peaks=list(peaks),
    )


def peak(start: int, score: float = 9.0, current: bool = True) -> LivePeak:
    return LivePeak(start, start + 15, start, 100, score, 3.0, ["surge"], ["와"], current)


def collector(name: str = "k", silent: float = 1.0, stopped: bool = False, stalled: bool = False) -> LiveCollector:
    return LiveCollector(name, NOW, silent, stopped, stalled, 1, 1, 0, 0, None)


def view(*channels: LiveChannel, collectors: tuple[LiveCollector, ...] = (), at: datetime = NOW) -> LiveView:
    return LiveView(at, list(channels), list(collectors))


def kinds(alerts: list[Alert]) -> list[str]:
    return [alert.kind for alert in alerts]


def restarted(lookout: Lookout) -> Lookout:
    return msgspec.json.decode(msgspec.json.encode(lookout), type=Lookout)


def test_a_broadcast_begins_and_ends_once() -> None:
    lookout = Lookout()
    assert kinds(lookout.see(view(), 6)) == []
    assert kinds(lookout.see(view(channel()), 6)) == ["started"]
    lookout = restarted(lookout)
    assert kinds(lookout.see(view(channel(elapsed=9)), 6)) == []
    ended = channel(elapsed=60, closed_at=NOW)
    (alert,) = lookout.see(view(ended), 6)
    assert (alert.kind, alert.elapsed_sec) == ("ended", 60)
    assert lookout.see(view(ended), 6) == []
    assert restarted(lookout).see(view(ended), 6) == []


def test_a_false_end_is_not_another_beginning() -> None:
    lookout = Lookout()
    lookout.see(view(), 6)
    lookout.see(view(channel()), 6)
    assert kinds(lookout.see(view(channel(closed_at=NOW)), 6)) == ["ended"]
    assert kinds(lookout.see(view(channel(elapsed=90)), 6)) == []
    assert kinds(lookout.see(view(channel(elapsed=99, closed_at=NOW)), 6)) == ["ended"]


def test_the_first_look_tells_only_what_is_new() -> None:
    lookout = Lookout()
    old = channel("old", 9000, None, peak(100, current=False), peak(8000, current=False))
    new = channel("new", 100, None, peak(80))
    over = channel("over", 9000, NOW - timedelta(minutes=1))
    assert [(one.kind, one.channel_id) for one in lookout.see(view(old, new, over), 6)] == [
        ("started", "cnew"),
        ("peak", "cnew"),
    ]


def test_a_peak_is_told_once_though_it_moves() -> None:
    lookout = Lookout()
    lookout.see(view(channel("s", 1000)), 6)
    assert kinds(lookout.see(view(channel("s", 1030, None, peak(1010))), 6)) == ["peak"]
    lookout = restarted(lookout)
    assert kinds(lookout.see(view(channel("s", 1040, None, peak(1013, 11))), 6)) == []
    assert kinds(lookout.see(view(channel("s", 1100, None, peak(1013), peak(1080))), 6)) == ["peak"]


def test_a_peak_counts_from_its_score_on() -> None:
    lookout = Lookout()
    lookout.see(view(channel("s", 1000)), 6)
    assert lookout.see(view(channel("s", 1030, None, peak(1010, 5.9))), 6) == []
    assert kinds(lookout.see(view(channel("s", 1035, None, peak(1010, 6.1))), 6)) == ["peak"]


def test_after_a_pause_old_news_is_none() -> None:
    lookout = Lookout()
    lookout.see(view(channel("s", 1000), channel("t", 1000)), 6)
    later = NOW + timedelta(hours=9)
    gone = channel("t", 2000, NOW + timedelta(minutes=10))
    peaks = (peak(33_000, current=False), peak(33_300, current=False))
    alerts = lookout.see(view(channel("s", 33_650, None, *peaks), gone, at=later), 6)
    assert [(alert.kind, alert.elapsed_sec) for alert in alerts] == [("peak", 33_300)]


def test_stalled_and_recovered() -> None:
    lookout = Lookout()
    assert lookout.see(view(collectors=(collector(),)), 6) == []
    (alert,) = lookout.see(view(collectors=(collector(silent=70, stalled=True),)), 6)
    assert (alert.kind, alert.name, alert.at) == ("stalled", "k", NOW - timedelta(seconds=70))
    lookout = restarted(lookout)
    assert lookout.see(view(collectors=(collector(silent=99, stalled=True),)), 6) == []
    (alert,) = lookout.see(view(collectors=(collector(),), at=NOW + timedelta(seconds=50)), 6)
    assert (alert.kind, alert.elapsed_sec) == ("recovered", 120)


def test_a_stall_is_not_judged_right_after_the_database_was_away() -> None:
    lookout = Lookout()
    late = view(collectors=(collector(silent=300, stalled=True),))
    assert lookout.see(late, 6, settled=False) == []
    assert kinds(lookout.see(late, 6)) == ["stalled"]


def test_who_is_stopped_by_hand_or_forgotten_is_no_recovery() -> None:
    lookout = Lookout()
    stalled = collector(silent=70, stalled=True)
    lookout.see(view(collectors=(stalled, replace(stalled, collector_id="other"))), 6)
    assert lookout.see(view(collectors=(collector(stopped=True),)), 6) == []
    assert lookout.stalled == {}


def test_the_database_is_away_and_back() -> None:
    lookout = Lookout()
    assert kinds(lookout.database_away(NOW)) == ["stalled"]
    assert lookout.database_away(NOW) == []
    (alert,) = lookout.database_back(NOW + timedelta(minutes=5))
    assert (alert.kind, alert.elapsed_sec) == ("recovered", 300)
    assert lookout.database_back(NOW) == []
