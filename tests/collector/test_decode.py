"""The decoder: three dialects, one event; nothing raises, nothing is invented, nothing is dropped."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sql
from collector.chzzk.decode import LIVE, RECENT, REPLAY, Blind, Frame, decode_frame, decode_item
from collector.records import Events, event_columns, reject
from collector.spool import Spool
from collector.writer import Writer
from simulator import Broadcast, SentItem, generate
from simulator.dialect import live_item, recent_item, replay_item
from store.database import Database
from store.event import Event, stream_id
from tests.collector.reading import lenient, read_item
from tests.collector.test_writer import of_pool

NOW_MS = 1_790_000_000_000
DIALECTS = {"live": LIVE, "recent": RECENT, "replay": REPLAY}
RICH = Broadcast(
    120,
    6,
    donations_per_min=40,
    twin_share=0.3,
    subscriptions_per_min=15,
    gifts_per_min=15,
    parties_per_min=10,
    shops_per_min=10,
    systems_per_min=10,
    odd_share=0.2,
    clean_bot_share=0.1,
)


def chat(**changes: Any) -> dict[str, Any]:
    """A plain live chat item."""
    item: dict[str, Any] = {
        "uid": "a" * 32,
        "msgTime": NOW_MS - 1000,
        "msg": "안녕",
        "msgTypeCode": 1,
        "msgStatusType": "NORMAL",
        "profile": json.dumps({"nickname": "녹두"}),
        "extras": json.dumps({"osType": "PC", "emojis": {}}),
    }
    return {**item, **changes}


def decoded(*items: Any, command: int = 93101) -> Frame:
    return decode_frame(json.dumps({"cmd": command, "bdy": list(items)}), NOW_MS)


def only(item: Any, command: int = 93101) -> Event:
    frame = decoded(item, command=command)
    assert frame.rejected == []
    (event,) = frame.events
    return event


@pytest.fixture(scope="module")
def items() -> list[SentItem]:
    found = list(generate(RICH, seed=2, open_date=datetime.fromtimestamp(NOW_MS // 1000 - 600, UTC)))
    assert {item.kind for item in found} == {"chat", "donation", "subscription", "gift", "party", "shop", "system"}
    return found


def test_one_message_is_one_event_in_all_dialects(items: list[SentItem]) -> None:
    keys = set()
    for item in items:
        written = {
            "live": json.loads(live_item(item, "N1", 5)),
            "recent": recent_item(item, "N1", 5),
            "replay": replay_item(item, "N1", item.user_id, 1234),
        }
        events = [decode_item(text, DIALECTS[name], NOW_MS) for name, text in written.items()]
        live, recent, replay = events
        assert isinstance(live, Event)
        assert live._replace(source="recent") == recent
        assert isinstance(replay, Event)
        assert replay._replace(source="live", extra=None) == live._replace(extra=None)
        assert json.loads(replay.extra or "")["playerMessageTime"] == 1234
        keys.add(live.event_key)
        kind = "other" if item.kind == "shop" else item.kind
        sent = (item.time_ms, kind, item.user_id, item.nickname, item.text, item.amount, item.hidden)
        stored = (live.ts_ms, live.kind, live.user_id, live.nickname, live.content, live.amount, live.hidden)
        assert stored == sent
    assert len(keys) == len(items)


def test_what_has_no_column_is_kept(items: list[SentItem]) -> None:
    for item in items:
        event = decode_item(json.loads(live_item(item, "N1", 5)), LIVE, NOW_MS)
        assert isinstance(event, Event)
        if item.kind != "chat":
            kept, extras = json.loads(event.extra or "{}"), json.loads(item.extras or "{}")
            assert kept.get("id") == extras.pop("donationId", extras.get("giftId"))
            assert all(kept[name] == value for name, value in extras.items() if name not in ("type", "state"))
            if item.kind == "shop":
                assert kept["type"] == 15


@pytest.mark.parametrize(
    ("changes", "nickname", "content", "extra"),
    [
        ({"profile": None}, None, "안녕", {"osType": "PC"}),
        ({"profile": "{}"}, None, "안녕", {"osType": "PC"}),
        ({"profile": "null"}, None, "안녕", {"osType": "PC"}),
        ({"profile": "not json"}, None, "안녕", {"osType": "PC"}),
        ({"profile": {"nickname": "그대로"}}, "그대로", "안녕", {"osType": "PC"}),
        ({"extras": None}, "녹두", "안녕", None),
        ({"extras": ""}, "녹두", "안녕", None),
        ({"extras": "[1]"}, "녹두", "안녕", None),
        ({"extras": '{"osType":"SMART_TV","emojis":""}'}, "녹두", "안녕", {"osType": "SMART_TV"}),
        ({"extras": '{"emojis":{"a":"u"}}'}, "녹두", "안녕", {"emojis": {"a": "u"}}),
        ({"msg": None}, "녹두", None, {"osType": "PC"}),
        ({"msg": "\x00\ud800\u202e"}, "녹두", "\ufffd\ufffd\u202e", {"osType": "PC"}),
    ],
)
def test_odd_but_readable(
    changes: dict[str, Any], nickname: str | None, content: str | None, extra: dict[str, Any] | None
) -> None:
    event = only(chat(**changes))
    assert (event.kind, event.nickname, event.content) == ("chat", nickname, content)
    assert (None if event.extra is None else json.loads(event.extra)) == extra


@pytest.mark.parametrize("state", ["BLIND", "HIDDEN", "CBOTBLIND"])
def test_hidden_states_keep_the_text(state: str) -> None:
    event = only(chat(msgStatusType=state))
    assert event.hidden
    assert event.content == "안녕"
    assert json.loads(event.extra or "")["state"] == state


def test_recent_chat_says_what_was_blinded_meanwhile() -> None:
    item = {"userId": "u", "messageTime": NOW_MS, "content": "x", "messageTypeCode": 1, "messageStatusType": "BLIND"}
    frame = decode_frame(json.dumps({"cmd": 15101, "bdy": {"messageList": [item]}}), NOW_MS)
    assert frame.is_recent_chat
    assert frame.items == 1
    assert [(event.hidden, event.content) for event in frame.events] == [(True, "x")]


@pytest.mark.parametrize("body", [None, {}, {"messageList": None}, {"messageList": {}}, "x"])
def test_recent_chat_without_a_list_does_not_claim_to_be_a_short_history(body: Any) -> None:
    frame = decode_frame(json.dumps({"cmd": 15101, "bdy": body}), NOW_MS)
    assert frame.items is None
    assert len(frame.rejected) == 1
    assert decode_frame('{"cmd":15101,"bdy":{"messageList":[]}}', NOW_MS).items == 0


@pytest.mark.parametrize(("blind_type", "hidden"), [("HIDDEN", True), ("CBOTBLIND", True), ("CANCEL", False)])
def test_blinds(blind_type: str, hidden: bool) -> None:
    body = {"userId": "u", "messageTime": NOW_MS, "blindType": blind_type}
    assert decode_frame(json.dumps({"cmd": 94008, "bdy": body}), NOW_MS).blinds == [Blind("u", NOW_MS, hidden)]


@pytest.mark.parametrize("body", [None, [], {"userId": "u"}, {"userId": 1, "messageTime": 5}, {"messageTime": "x"}])
def test_a_blind_that_names_nothing_is_kept(body: Any) -> None:
    frame = decode_frame(json.dumps({"cmd": 94008, "bdy": body}), NOW_MS)
    assert (len(frame.blinds), len(frame.rejected)) == (0, 1)


@pytest.mark.parametrize("body", [{"type": "LIVE_MID_ROLL_AD", "n": 1}, "text", None, [1]])
def test_channel_events_are_events(body: Any) -> None:
    (event,) = decode_frame(json.dumps({"cmd": 93006, "bdy": body}), NOW_MS).events
    assert (event.kind, event.user_id, event.ts_ms) == ("other", None, NOW_MS)
    assert json.loads(event.extra or "") == {"type": 93006, "id": json.loads(event.extra or "")["id"], "body": body}


def test_what_has_no_time_has_that_of_the_server() -> None:
    frame = decode_frame(json.dumps({"cmd": 93006, "bdy": {}}), NOW_MS, NOW_MS + 5)
    assert [(event.ts_ms, event.received_ms) for event in frame.events] == [(NOW_MS + 5, NOW_MS)]


def test_unknown_types_are_kept_under_their_number_whatever_the_extras_say() -> None:
    event = only(chat(msgTypeCode=77, extras='{"kind":"mine","donationId":7,"a":1}'), 93102)
    assert event.kind == "other"
    assert json.loads(event.extra or "") == {"type": 77, "id": "7", "kind": "mine", "a": 1}


@pytest.mark.parametrize(
    ("changes", "extra"),
    [
        # A name that is also ours: all of them together, one level deeper.
        (
            {"msgTypeCode": 77, "extras": '{"type":"mine","donationId":7}'},
            {"type": 77, "id": "7", "extras": {"type": "mine", "donationId": 7}},
        ),
        ({"msgStatusType": "HIDDEN", "extras": '{"state":1}'}, {"state": "HIDDEN", "extras": {"state": 1}}),
        (
            {"extras": '{"donationId":"d","id":"i","giftId":"g"}'},
            {"id": "d", "extras": {"donationId": "d", "id": "i", "giftId": "g"}},
        ),
        ({"extras": '{"donationId":0,"giftId":"g"}'}, {"id": "g", "giftId": "g", "donationId": 0}),
        ({"extras": '{"id":5}'}, {"id": "5"}),
        # What cannot be read is kept as it is.
        ({"extras": '{"payAmount":1000'}, {"extras": '{"payAmount":1000'}),
        ({"extras": "[1]"}, {"extras": "[1]"}),
        ({"extras": 7}, {"extras": 7}),
        ({"extras": "{}"}, None),
        ({"extras": ""}, None),
        ({"extras": None, "msgStatusType": 3}, {"state": 3}),
    ],
)
def test_nothing_of_the_extras_of_a_special_item_is_lost(changes: dict[str, Any], extra: dict[str, Any] | None) -> None:
    event = only(chat(**{"msgTypeCode": 10, **changes}), 93102)
    assert (None if event.extra is None else json.loads(event.extra)) == extra


def test_a_control_character_that_json_forbids_is_read_all_the_same() -> None:
    frame = decode_frame(json.dumps({"cmd": 93101, "bdy": [chat(msg="탭@줄")]}).replace("@", "\t"), NOW_MS)
    assert [event.content for event in frame.events] == ["탭\t줄"]


def test_a_number_means_the_same_whatever_stands_beside_it() -> None:
    donation = chat(msgTypeCode=10, extras=None, uid="anonymous")
    text = json.dumps(donation)[:-1] + ',"extras":"{\\"donationId\\":%s%s}"}'
    for number in (2**63, 2**64, 10**30, -(2**63) - 1, 10**400):
        alone = decoded(json.loads(text % (number, "")), command=93102)
        beside = decoded(json.loads(text % (number, ',\\"x\\":NaN')), command=93102)
        assert alone.events[0].event_key == beside.events[0].event_key


def test_unknown_commands_are_kept_as_they_came() -> None:
    message = {"cmd": 12345, "bdy": {"a": "\ud800"}}
    (rejected,) = decode_frame(json.dumps(message), NOW_MS).rejected
    assert rejected.reason == "unknown command 12345"
    assert json.loads(rejected.raw) == message


@pytest.mark.parametrize("data", ["", "7", "null", "[]", "<html>", '{"cmd":"0"}', '{"cmd":true}', b"\xff\x00", "NaN"])
def test_no_message_at_all(data: str | bytes) -> None:
    frame = decode_frame(data, NOW_MS)
    assert (frame.events, len(frame.rejected)) == ([], 1)


@pytest.mark.parametrize(
    "time", [0, -1, NOW_MS // 1000, 253_402_300_799_000, 10**30, 1.5, "1790000000000", None, True, [], {}]
)
def test_impossible_times_are_refused(time: Any) -> None:
    frame = decoded(chat(msgTime=time))
    assert (frame.events, len(frame.rejected), frame.items) == ([], 1, 1)


def test_one_odd_item_does_not_take_its_neighbours_along() -> None:
    frame = decoded(chat(msg="하나"), None, chat(uid=7), [], chat(msgTypeCode="x"), chat(msg={}), chat(msg="둘"))
    assert [event.content for event in frame.events] == ["하나", "둘"]
    assert len(frame.rejected) == 5
    assert json.loads(frame.rejected[1].raw)["uid"] == 7


def test_donations_from_anonymous_in_one_millisecond_are_told_apart() -> None:
    donations = [
        chat(uid="anonymous", msgTypeCode=10, extras=json.dumps({"donationId": number, "payAmount": 1000}))
        for number in ("a", "b", 3)
    ]
    frame = decoded(*donations, command=93102)
    assert len({event.event_key for event in frame.events}) == 3
    assert [event.amount for event in frame.events] == [1000] * 3


@pytest.mark.parametrize(("paid", "amount"), [(0, 0), (2**31 - 1, 2**31 - 1), (2**31, None), (-1, None), ("5", None)])
def test_amounts_that_do_not_fit_are_kept_beside(paid: Any, amount: int | None) -> None:
    event = only(chat(msgTypeCode=10, extras=json.dumps({"payAmount": paid})), 93102)
    assert event.amount == amount
    assert json.loads(event.extra or "")["payAmount"] == paid


@pytest.mark.parametrize("depth", [100, 300, 600, 1_000, 5_000, 200_000])
@pytest.mark.parametrize(
    "frame",
    ['{"cmd":93101,"bdy":[%s]}', '{"cmd":93006,"bdy":%s}', '{"cmd":777,"bdy":%s}', "%s", '{"cmd":94008,"bdy":%s}'],
)
def test_deep_nesting_is_survived_and_kept(frame: str, depth: int) -> None:
    data = frame % ("[" * depth + "]" * depth)
    found = decode_frame(data, NOW_MS)
    assert len(found.events) + len(found.rejected) == 1
    for rejected in found.rejected:
        assert rejected.raw.count("[") >= depth  # the item, or the whole frame as a text
        assert rejected.raw.isascii()


def test_deep_extras_are_one_event_or_one_refusal() -> None:
    for depth in (200, 500, 1_010, 100_000):
        frame = decoded(chat(msgTypeCode=13, extras='{"a":' * depth + "1" + "}" * depth), command=93102)
        assert len(frame.events) + len(frame.rejected) == 1


def test_a_hundred_thousand_items_in_a_frame() -> None:
    data = '{"cmd":93101,"bdy":[' + ",".join([json.dumps(chat())] * 100_000) + "]}"
    assert len(decode_frame(data, NOW_MS).events) == 100_000


HOSTILE_TEXT = st.text(st.characters() | st.sampled_from(["\x00", "\ud800", "\udfff", "\u202e", "\ufeff"]), max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63), 10**400, NOW_MS, 1, 10, 15, 30])
    | st.floats()
    | HOSTILE_TEXT
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(HOSTILE_TEXT, inner, max_size=4), max_leaves=12
)
EXTRA_NAMES = ["nickname", "donationId", "giftId", "id", "payAmount", "osType", "emojis", "type", "state"]
OBJECT_TEXT = st.dictionaries(
    st.sampled_from(EXTRA_NAMES) | HOSTILE_TEXT,
    ANYTHING,
    max_size=5,
).map(json.dumps)
USUAL = {
    name: st.sampled_from(good)
    for names, good in (
        (("uid", "userId"), ["u", "anonymous"]),
        (("msgTime", "messageTime"), [NOW_MS, NOW_MS - 5]),
        (("msg", "content"), ["hello", None]),
        (("msgTypeCode", "messageTypeCode"), [1, 10, 11, 12, 13, 15, 30]),
        (("msgStatusType", "messageStatusType"), ["NORMAL", "BLIND"]),
    )
    for name in names
}
FIELDS = {name: values | ANYTHING for name, values in USUAL.items()}
ITEM = st.fixed_dictionaries(
    {}, optional={**FIELDS, "profile": OBJECT_TEXT | ANYTHING, "extras": OBJECT_TEXT | ANYTHING}
)
# With an author, a time and a type: what is left is what the other fields do.
WHOLE_ITEM = st.fixed_dictionaries(
    {
        **USUAL,
        **dict.fromkeys(["msg", "content"], st.none() | HOSTILE_TEXT),
        **dict.fromkeys(["msgStatusType", "messageStatusType"], st.sampled_from(["NORMAL", "BLIND", "GONE", None, 3])),
        "profile": st.sampled_from([None, '{"nickname":"녹두"}', {"nickname": "직접"}]) | OBJECT_TEXT,
        "extras": OBJECT_TEXT,
    }
)
COMMAND = st.sampled_from([0, 10000, 10100, 15101, 93101, 93102, 93006, 94008, 94005, 5101])


@given(data=st.binary(max_size=200) | HOSTILE_TEXT | ANYTHING.map(json.dumps))
def test_no_input_raises(data: str | bytes) -> None:
    assert isinstance(decode_frame(data, NOW_MS), Frame)


@given(command=COMMAND, body=ANYTHING | ITEM)
def test_no_body_raises_and_what_is_refused_is_ascii(command: int, body: Any) -> None:
    frame = decode_frame(json.dumps({"cmd": command, "bdy": body}), NOW_MS)
    assert all(rejected.raw.isascii() for rejected in frame.rejected)


@settings(max_examples=400)
@given(items=st.lists(ITEM | WHOLE_ITEM | ANYTHING, max_size=8), command=st.sampled_from([93101, 93102, 15101]))
def test_each_item_becomes_what_it_says_or_one_refusal(items: list[Any], command: int) -> None:
    text = json.dumps({"cmd": command, "bdy": {"messageList": items} if command == 15101 else items})
    frame = decode_frame(text, NOW_MS)
    body = lenient(text)["bdy"]
    said = body["messageList"] if command == 15101 else body
    readings = [read_item(item, command, NOW_MS) for item in said]
    assert len(frame.events) + len(frame.rejected) == len(items) == frame.items
    # Refused is exactly what says nothing, and it is kept to the letter.
    refused = [item for item, reading in zip(said, readings, strict=True) if reading is None]
    assert [rejected.raw for rejected in frame.rejected] == [json.dumps(item) for item in refused]
    # The others are what they say, no more and no less.
    understood = [reading for reading in readings if reading is not None]
    assert len(frame.events) == len(understood)
    for event, reading in zip(frame.events, understood, strict=True):
        columns = (event.ts_ms, event.kind, event.user_id, event.nickname, event.content, event.amount, event.hidden)
        assert columns == reading[:7]
        assert lenient(event.extra or "{}") == reading.extra
        assert (event.source, event.received_ms) == ("recent" if command == 15101 else "live", NOW_MS)
    # One message, one key.
    pairs = {(event.event_key, reading.identity) for event, reading in zip(frame.events, understood, strict=True)}
    assert len(pairs) == len({key for key, _ in pairs}) == len({identity for _, identity in pairs})


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(ITEM, min_size=1, max_size=10), notice=ANYTHING)
def test_whatever_is_decoded_can_be_stored(
    broadcast: psycopg.Connection[tuple[Any, ...]], items: list[Any], notice: Any
) -> None:
    frame = decoded(*items)
    frame.events += decode_frame(json.dumps({"cmd": 93006, "bdy": notice}), NOW_MS).events
    broadcast.execute("TRUNCATE event, rejected_item")
    rows = [("s", event) for event in frame.events]
    if rows:
        broadcast.execute(numbered("insert_events", 12), event_columns(rows))
    for rejected in frame.rejected:
        statement = reject("s", rejected)
        broadcast.execute(numbered(statement.query, 6), statement.arguments)
    stored = broadcast.execute("SELECT count(*) FROM event").fetchone()
    refused = broadcast.execute("SELECT count(*) FROM rejected_item").fetchone()
    assert stored == (len({(event.ts_ms, event.event_key) for event in frame.events}),)
    assert refused == (len(frame.rejected),)


@pytest.fixture
def broadcast(plain_connection: psycopg.Connection[tuple[Any, ...]]) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection to a database with a broadcast `s` in it."""
    plain_connection.execute("INSERT INTO channel (channel_id) VALUES ('c')")
    plain_connection.execute("INSERT INTO broadcast (stream_id, channel_id, opened_at) VALUES ('s', 'c', now())")
    return plain_connection


def numbered(name: str, count: int) -> str:
    """A query of the collector, with psycopg's placeholders."""
    text = sql.query(name)
    for number in range(count, 0, -1):
        text = text.replace(f"${number}", "%s")
    return text


async def test_hostile_items_through_the_writer(plain_database: Database, tmp_path: Path) -> None:
    stream = stream_id("c", datetime.fromtimestamp(NOW_MS // 1000, UTC))
    texts = ["\x00", "\ud800", "\u202eabc", "가" * 100_000, "\ud83d\ude00", "\\u0000", '"', None]
    frame = decoded(
        *(chat(msg=text, uid=f"u{number}") for number, text in enumerate(texts)),
        chat(uid="n", msgTypeCode=99, extras='{"a":1e999,"b":NaN,"c":"\\u0000","d":' + "9" * 400 + "}"),
    )
    assert frame.rejected == []
    async with plain_database.pool() as pool:
        writer = Writer(of_pool(pool), Spool(tmp_path))
        with plain_database.connect() as connection:
            connection.execute("INSERT INTO channel (channel_id) VALUES ('c')")
            connection.execute(
                "INSERT INTO broadcast (stream_id, channel_id, opened_at) VALUES (%s, 'c', now())", [stream]
            )
        await writer.put(Events(stream, frame.events))
        await writer.stop()
        await writer.run()
        assert writer.counts.events == len(frame.events)
        stored = await pool.fetch("SELECT content FROM event WHERE user_id LIKE 'u%' ORDER BY user_id")
    clean = ["\ufffd", "\ufffd", "\u202eabc", "가" * 100_000, "😀", "\\u0000", '"', None]
    assert [row["content"] for row in stored] == clean
