"""Answers about the broadcast that are late, wrong or missing: none of them can end it, or make up another."""

from __future__ import annotations

from itertools import pairwise

import pytest

from collector.channel import WatchSettings
from simulator import Channel, Fault
from simulator.script import Broadcast
from store.database import Database
from tests.collector.studio import assert_same, causes, fetch, sent_items, stored_items
from tests.faults.play import EAGER, assert_complete, assert_gaps_are_what_is_lost, attempts, collect, show

BROADCASTS = "SELECT close_cause, closed_at - opened_at = make_interval(secs => %s) FROM broadcast ORDER BY opened_at"


def test_answers_that_say_nothing_change_nothing(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the times of production: a minute between polls, ten seconds of patience with each."""
    nothing = [
        Fault(70, "gone"),
        Fault(130, "gone", code=200),
        Fault(190, "trickle", real_seconds=30.0),
        Fault(250, "hang", real_seconds=30.0),
        Fault(310, "html", code=502),
        Fault(370, "http_status", code=429, retry_after="Fri, 31 Dec 9999 23:59:59 GMT"),
        Fault(1100, "http_status", code=503, retry_after=0),
        Fault(1150, "patch", fields={"openDate": None, "chatChannelId": None, "liveTitle": None}),
        Fault(1210, "patch", omit=["status", "openDate"]),
        Fault(1270, "patch", fields={"status": ["CLOSE"], "openDate": "yesterday", "chatChannelId": 7}),
        Fault(1330, "false_close"),
        Fault(1390, "block"),
    ]
    channel = show(*nothing, duration_sec=1500, base_rate=0.03)
    chzzk = collect(monkeypatch, plain_database, [channel], WatchSettings())
    assert_complete(plain_database, chzzk, channel)
    assert fetch(plain_database, BROADCASTS, 1500) == [("closed", True)]
    assert causes(plain_database) == ["broadcast ended"]
    assert attempts(chzzk) == ["client 1000"]
    polls = [(round(poll.at_sec), poll.status) for poll in chzzk.requests if poll.endpoint == "live-status"]
    assert {status for _, status in polls} == {200, 404, 429, 502, 503}
    # The rhythm is kept; once it was left alone for ten minutes, which is the most, and the rest of a minute.
    # The one that hung is in the journal half a minute late.
    waits = sorted(later - earlier for (earlier, _), (later, _) in pairwise(polls))
    assert waits == pytest.approx([30, *[60] * (len(waits) - 3), 90, 660], abs=1)


def test_a_channel_that_is_gone_for_a_while_is_found_again(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a quarter of an hour there is no such channel, no token for its chat, and no connection either."""
    gone = [
        Fault(100, "gone", polls=30),
        Fault(100, "token_refusal", code=404, attempts=50),
        Fault(105, "drop"),
    ]
    channel = show(*gone, duration_sec=1800, base_rate=0.03, donations_per_min=0)
    chzzk = collect(monkeypatch, plain_database, [channel], WatchSettings())
    assert_complete(plain_database, chzzk, channel)
    assert fetch(plain_database, BROADCASTS, 1800) == [("closed", True)]
    assert causes(plain_database) == ["close 1006", "broadcast ended"]
    refused = [request.at_sec for request in chzzk.requests if request.status == 404 and request.endpoint == "token"]
    assert len(refused) == 50
    # Neither given up nor hammered: below half a minute with full jitter, so fifty take about eleven minutes.
    assert 330 < refused[-1] - refused[0] < 1200


def test_a_channel_that_never_was_disturbs_nobody(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ghost = Channel("유령", [Broadcast(60)], [Fault(0, "gone", polls=9_999)])
    channel = show()
    chzzk = collect(monkeypatch, plain_database, [channel, ghost], ends=1)
    assert_complete(plain_database, chzzk, channel)
    assert fetch(plain_database, "SELECT count(*) FROM broadcast") == [(1,)]


def test_an_open_date_that_changes_for_a_moment(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names another broadcast; when it is back, the first goes on, and has lost nothing."""
    earlier = "2026-01-06 20:00:00"
    channel = show(Fault(28, "patch", fields={"openDate": earlier}, polls=2), duration_sec=60)
    chzzk = collect(monkeypatch, plain_database, [channel])
    sent = sent_items(channel.channel_id, chzzk.sent(channel.channel_id))
    ((before, after),) = fetch(plain_database, "SELECT min(stream_id), max(stream_id) FROM broadcast")
    assert after == sent[0][0]
    assert_same([row for row in stored_items(plain_database) if row[0] == after], sent)
    ends = "SELECT stream_id, close_cause, closed_at IS NOT NULL FROM broadcast ORDER BY 1"
    assert fetch(plain_database, ends) == [(before, "replaced", True), (after, "closed", True)]
    assert causes(plain_database) == ["broadcast ended"] * 3
    # Nothing is missing of the real one; of the other all is, up to what was heard of it.
    missed = "SELECT stream_id, cause FROM gap JOIN broadcast USING (broadcast_id)"
    assert fetch(plain_database, missed) == [(before, "late start")]


def test_two_hundred_channels_keep_their_interval_through_an_outage_without_a_burst(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the times of production. One request is one too many, and all are to wait for it; then all fail twice."""
    refused = Fault(30, "http_status", code=429, retry_after=115)
    failing = [Fault(170, "http_status", code=503), Fault(230, "html")]
    faults = [[refused, *failing]] + [failing] * 199
    dark = [Broadcast(1, 0, offline_before_sec=300)]
    channels = [Channel(f"채널 {number}", dark, wrong) for number, wrong in enumerate(faults)]
    chzzk = collect(monkeypatch, plain_database, channels, WatchSettings(), ends=0)
    polls = [request for request in chzzk.requests if request.endpoint == "live-status" and request.at_sec < 300]
    by_channel: dict[str | None, list[float]] = {}
    for poll in polls:
        by_channel.setdefault(poll.channel_id, []).append(poll.at_sec)
    assert len(by_channel) == 200
    # On the minute again, when the time is over: nobody's beats are made up for.
    first = by_channel.pop(channels[0].channel_id)
    assert first == pytest.approx([0, 60, 180, 240], abs=2)
    for moments in by_channel.values():
        waits = [later - earlier for earlier, later in pairwise(moments)]
        assert waits == pytest.approx([180, 60], abs=2)
    assert not [poll for poll in polls if 61 < poll.at_sec < 60 + 115]
    statuses = [poll.status for poll in polls]
    assert (statuses.count(429), statuses.count(503)) == (1, 200)
    seconds = [int(poll.at_sec) for poll in polls]
    assert max(seconds.count(second) for second in set(seconds)) <= 8  # evenly spread: five


def test_a_chat_that_moves_just_before_the_end_is_asked_or_missed(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = show(Fault(56, "chat_channel_change"), duration_sec=60, base_rate=3)
    chzzk = collect(monkeypatch, plain_database, [channel], EAGER)
    assert_gaps_are_what_is_lost(plain_database, channel, chzzk.sent(channel.channel_id))
