"""Items that are odd in every field, live and in the recent chat: each is the right row, or is kept as it came."""

from __future__ import annotations

import json
from typing import Any

import pytest

import sql
from collector.chzzk.decode import REPLAY, decode_item
from collector.records import event_columns
from simulator import Fault
from simulator.dialect import replay_item
from store.database import Database
from store.event import Event
from tests.collector.reading import Reading, lenient, read_item
from tests.collector.studio import assert_same, causes, fetch, gaps, sent_items
from tests.faults.play import assert_complete, assert_gaps_are_what_is_lost, collect, refusals, show

LIVE, RECENT = 93101, 15101
SILENT: dict[str, Any] = {
    **dict.fromkeys(("base_rate", "donations_per_min", "subscriptions_per_min", "gifts_per_min"), 0),
    **dict.fromkeys(("parties_per_min", "shops_per_min", "systems_per_min"), 0),
}

FIELDS = ["uid", "msg", "msgTime", "msgTypeCode", "msgStatusType", "profile", "extras"]
# Null, of another type, empty, huge, and with every kind of character that something on the way could stumble over.
VALUES: list[Any] = [
    *(None, True, 7, -1, 1.5, 10**30, [], {}, {"nickname": 7, "donationId": []}, ["\x00"]),
    *("", "x", "null", "{", '{"nickname":"\\u0000\\ud800","osType":7}', "가" * 200_000),
    *(
        "\x00",
        "a\x00b",
        "\ud800",
        "\udc00\ud800",
        "😀",
        "\u202e거꾸로\u202c",
        "\x01\x1b[31m\x7f\x85\u2028",
        "\ufeff",
        "\\u0000",
    ),
]
STATES = ["BLIND", "HIDDEN", "CBOTBLIND", "DELETED", "NORMAL"]
TYPES = [0, -7, 2, 10, 11, 12, 13, 14, 15, 30, 77, 2**31, 2**63]
# Of no broadcast: zero, negative, seconds, the year 9999; and of one: minutes in the future.
TIMES: list[Any] = [0, -1, 1_790_000_000, 253_402_300_799_000, 2**63, "2026-01-01 00:00:00"]
DONATIONS = [
    {
        "uid": "anonymous",
        "msgTypeCode": 10,
        "msg": "같은 말",
        "extras": json.dumps({"donationId": name, "payAmount": 1000}),
    }
    for name in ("a", "b", "c")
]

ODD: list[dict[str, Any]] = [
    *({"fields": {name: value}} for name in FIELDS for value in VALUES),
    *({"omit": [name]} for name in FIELDS),
    *({"fields": {"msgStatusType": state}} for state in STATES),
    *({"fields": {"msgTypeCode": code, "extras": '{"type":1,"payAmount":"1000","id":2}'}} for code in TYPES),
    *({"fields": {"msgTime": time}} for time in TIMES),
    *({"shift_ms": shift_ms} for shift_ms in (300_000, 3_600_000, -3_600_000)),
    *({"fields": donation} for donation in DONATIONS),
    *({"raw": raw} for raw in (None, 7, "x", [], [{}], {})),
]
# A recent chat is a hundred items at most.
BATCHES = [ODD[start : start + 90] for start in range(0, len(ODD), 90)]

STORED = """
    SELECT (extract(epoch FROM ts) * 1000)::bigint, kind, user_id, nickname, content, amount, hidden,
        coalesce(extra::text, '{}'), source
    FROM event
"""


def test_every_field_of_an_item_null_missing_huge_or_hostile(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch comes live and, after a cut, again through the recent chat; then once more through that alone."""
    faults = []
    for number, batch in enumerate(BATCHES):
        for live in (True, False):
            at_sec = 5 + 5 * (2 * number + (not live))
            faults += [Fault(at_sec, "odd_items", items=batch, live=live), Fault(at_sec + 2, "drop")]
    end_sec = faults[-1].at_sec + 5
    channel = show(*faults, Fault(end_sec - 1, "say"), duration_sec=end_sec, **SILENT)
    chzzk = collect(monkeypatch, plain_database, [channel])
    assert causes(plain_database) == ["close 1006"] * 2 * len(BATCHES) + ["broadcast ended"]

    sent = chzzk.odd(channel.channel_id)
    assert len(sent) == 2 * len(ODD) > 400
    now_ms = chzzk.sent(channel.channel_id)[-1].time_ms
    (last,) = sent_items(channel.channel_id, chzzk.sent(channel.channel_id))
    expected: dict[Any, tuple[Any, ...]] = {(): (*last[1:8], '{"osType": "PC"}', "live")}
    refused: set[tuple[str, str]] = set()
    done = 0
    for batch in BATCHES:
        for source in ("live", "recent"):
            for item in sent[done : done + len(batch)]:
                readings = [("live", item.live, LIVE)] if source == "live" else []
                for name, written, command in [*readings, ("recent", item.recent, RECENT)]:
                    # As it is after a frame was written and read: halves of a surrogate pair are one character.
                    said = lenient(json.dumps(written))
                    reading = read_item(said, command, now_ms)
                    if reading is None:
                        refused.add((name, json.dumps(said)))
                    else:
                        expected.setdefault(reading.identity, _row(reading, name))
            done += len(batch)
    stored = [(*row[:7], _normal(lenient(row[7])), row[8]) for row in fetch(plain_database, STORED)]
    assert_same(stored, list(expected.values()))
    assert len(stored) > 250
    assert set(fetch(plain_database, "SELECT source, raw FROM rejected_item")) == refused
    assert len(refused) > 150
    anonymous = "SELECT count(*) FROM event WHERE user_id = 'anonymous' AND amount = 1000"
    assert fetch(plain_database, anonymous) == [(2 * len(DONATIONS),)]


def _row(reading: Reading, source: str) -> tuple[Any, ...]:
    return (*reading[:7], _normal(reading.extra), source)


def _normal(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def test_times_before_the_opening_after_the_end_and_in_the_future(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it was said to this broadcast, so all of it is a row of it; its own times stay what they are."""
    faults = [
        Fault(5, "say", items=2, shift_ms=-600_000),
        Fault(6, "say", items=2, shift_ms=240_000),
        Fault(7, "say"),
        Fault(31, "say", items=3),  # between the end and the second CLOSE
    ]
    channel = show(*faults, duration_sec=30, **SILENT)
    chzzk = collect(monkeypatch, plain_database, [channel])
    assert_complete(plain_database, chzzk, channel)
    offsets = [item.offset_ms for item in chzzk.sent(channel.channel_id)]
    assert offsets == [-595_000] * 2 + [246_000] * 2 + [7_000] + [31_000] * 3
    rows = "SELECT closed_at - opened_at = interval '30 s', close_cause FROM broadcast"
    assert fetch(plain_database, rows) == [(True, "closed")]
    assert refusals(plain_database) == []


def test_the_same_items_again_and_again_are_one_row_each(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live, live again, three times through the recent chat, and from the replay."""
    faults = [Fault(20, "duplicate", last=40), Fault(22, "drop"), Fault(24, "close"), Fault(26, "chat_channel_change")]
    lively = {"donations_per_min": 60, "twin_share": 0.5, "subscriptions_per_min": 20, "gifts_per_min": 20}
    channel = show(*faults, duration_sec=45, base_rate=2, **lively)
    chzzk = collect(monkeypatch, plain_database, [channel])
    assert_complete(plain_database, chzzk, channel)
    items = chzzk.sent(channel.channel_id)
    assert max(item.delivered + item.recalled for item in items) >= 4
    twins = [(item.user_id, item.time_ms) for item in items if item.user_id == "anonymous"]
    assert len(twins) > len(set(twins)), "no two donations in one millisecond"
    again = [decode_item(replay_item(item, "N1", item.user_id, 7), REPLAY, items[-1].time_ms) for item in items]
    events = [event for event in again if isinstance(event, Event)]
    assert len(events) == len(items)
    insert = sql.query("insert_events")
    for number in range(12, 0, -1):
        insert = insert.replace(f"${number}", "%s")
    with plain_database.connect() as connection:
        ((stream,),) = connection.execute("SELECT stream_id FROM broadcast").fetchall()
        assert connection.execute(insert, event_columns([(stream, event) for event in events])).fetchone() == (0,)


AWAY = [Fault(8, "half_open"), Fault(9, "say", items=2), Fault(10, "blind", back=3), Fault(11, "blind", back=1)]


def test_what_is_blinded_while_nobody_hears_it_is_hidden(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is stored already, and one that is not; and one that is blinded and restored before the eyes of all."""
    before = [Fault(5, "say", items=4), Fault(6, "blind", back=4), Fault(7, "restore")]
    channel = show(*before, *AWAY, duration_sec=80, **SILENT)
    chzzk = collect(monkeypatch, plain_database, [channel])
    assert [item.hidden for item in chzzk.sent(channel.channel_id)] == [False, False, False, True, False, True]
    assert_complete(plain_database, chzzk, channel)
    assert causes(plain_database) == ["silent for 55 s", "broadcast ended"]


def test_what_is_restored_while_nobody_hears_it_is_shown(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [Fault(5, "say", items=4), Fault(6, "blind", back=2)]
    channel = show(*before, Fault(8, "half_open"), Fault(9, "restore"), duration_sec=80, **SILENT)
    chzzk = collect(monkeypatch, plain_database, [channel])
    assert gaps(plain_database) == []
    assert_complete(plain_database, chzzk, channel)


@pytest.mark.parametrize("shift_ms", [240_000, -600_000])
def test_a_time_that_is_not_now_hides_no_gap(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch, shift_ms: int
) -> None:
    """What is said of another time is no witness of what was said meanwhile."""
    away = [Fault(12, "token_refusal", attempts=200), Fault(12, "drop")]
    channel = show(Fault(8, "say", shift_ms=shift_ms), *away, duration_sec=60, base_rate=20)
    chzzk = collect(monkeypatch, plain_database, [channel])
    lost = assert_gaps_are_what_is_lost(plain_database, channel, chzzk.sent(channel.channel_id))
    assert len(lost) > 50


def test_an_item_that_cannot_be_read_is_kept_once(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Fault(5, "odd_items", items=[{"fields": {"msgTime": "soon"}}], live=False)
    cuts = [Fault(second, "drop") for second in (6, 8, 10)]
    channel = show(odd, *cuts, duration_sec=15, **SILENT)
    collect(monkeypatch, plain_database, [channel])
    assert refusals(plain_database) == [("recent", "messageTime is not a number")]
