"""Broadcasts without a network: what is said, when, by whom, and that it is the same each time."""

from __future__ import annotations

import collections
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator import Broadcast, Burst, ScriptError, SentItem, demo_channels, frames, generate, random_bursts
from simulator.dialect import recent_item, replay_item
from simulator.intensity import drift_factor
from simulator.vocabulary import THEMES

BUSY = Broadcast(600, 12.0, bursts=(Burst(200, 6, theme="song"), Burst(400, 4, theme="goal")), donations_per_min=20)


def chats(items: list[SentItem]) -> list[SentItem]:
    return [item for item in items if item.kind == "chat"]


def between(items: list[SentItem], start_sec: float, end_sec: float) -> list[SentItem]:
    return [item for item in items if start_sec * 1000 <= item.offset_ms < end_sec * 1000]


@pytest.fixture(scope="module")
def busy() -> list[SentItem]:
    return list(generate(BUSY, 7))


def test_same_seed_makes_the_same_items_and_another_seed_others(busy: list[SentItem]) -> None:
    assert list(generate(BUSY, 7)) == busy
    assert list(generate(BUSY, 8)) != busy


def test_another_open_date_moves_the_times_and_nothing_else(busy: list[SentItem]) -> None:
    later = datetime(2027, 3, 1, tzinfo=UTC)
    moved = list(generate(BUSY, 7, open_date=later))
    assert [(item.offset_ms, item.user_id, item.text) for item in moved] == [
        (item.offset_ms, item.user_id, item.text) for item in busy
    ]
    assert {item.open_date for item in moved} == {later}


def test_more_donations_leave_the_chat_as_it_was(busy: list[SentItem]) -> None:
    generous = Broadcast(600, 12.0, bursts=BUSY.bursts, donations_per_min=60)
    assert [(item.time_ms, item.text) for item in chats(list(generate(generous, 7)))] == [
        (item.time_ms, item.text) for item in chats(busy)
    ]


def test_items_come_in_order_and_within_the_broadcast(busy: list[SentItem]) -> None:
    assert all(left.time_ms <= right.time_ms for left, right in itertools.pairwise(busy))
    assert busy[0].offset_ms >= 0
    assert busy[-1].offset_ms < 600_000


def test_the_rate_is_the_base_outside_bursts_and_rises_at_the_onset(busy: list[SentItem]) -> None:
    talk = chats(busy)
    calm = len(between(talk, 0, 200)) / 200
    assert calm == pytest.approx(12.0, rel=0.1)
    # With rise 3 s and decay 12 s the ten seconds after the onset hold about 5 times the calm rate.
    assert len(between(talk, 200, 210)) / 10 > 4 * calm
    assert len(between(talk, 190, 200)) / 10 < 1.5 * calm
    assert len(between(talk, 300, 400)) / 100 == pytest.approx(12.0, rel=0.12)


def test_a_quiet_start_stays_below_one_and_a_half_a_second() -> None:
    quiet = Broadcast(120, 30.0, quiet_start_sec=20)
    items = list(generate(quiet, 3))
    talk = chats(items)
    assert len(between(items, 0, 20)) < 32  # donations and the like hold back as well
    assert 5 <= len(between(talk, 0, 20)) < 30
    assert len(between(talk, 20, 120)) / 100 == pytest.approx(30, rel=0.1)


def test_drift_is_linear_between_points_and_flat_beyond() -> None:
    drift = ((100.0, 1.0), (200.0, 3.0))
    assert [drift_factor(drift, second) for second in (0, 100, 150, 200, 999)] == [1.0, 1.0, 2.0, 3.0, 3.0]
    assert drift_factor((), 5) == 1.0


def test_author_and_time_name_a_chat_even_when_few_people_write_much() -> None:
    talk = chats(list(generate(Broadcast(30, 400.0, chatters=25), 1)))
    assert len(talk) > 10_000
    assert len({(item.user_id, item.time_ms) for item in talk}) == len(talk)


def test_few_chatters_write_much_and_each_keeps_name_and_id(busy: list[SentItem]) -> None:
    counts = collections.Counter(item.user_id for item in chats(busy))
    top = sum(count for _, count in counts.most_common(len(counts) // 10))
    assert 0.3 < top / counts.total() < 0.9
    names = collections.defaultdict(set)
    for item in chats(busy):
        assert len(bytes.fromhex(item.user_id)) == 16
        if item.nickname:
            names[item.user_id].add(item.nickname)
    assert all(len(known) == 1 for known in names.values())


def test_a_burst_brings_its_own_words(busy: list[SentItem]) -> None:
    def share(words: Any, items: list[SentItem]) -> float:
        return sum(any(word in (item.text or "") for word in words) for item in items) / len(items)

    talk = chats(busy)
    assert share(THEMES["song"], between(talk, 200, 215)) > 0.2
    assert share(THEMES["song"], between(talk, 400, 415)) == 0
    assert share(THEMES["goal"], between(talk, 400, 415)) > 0.2


def test_donations_are_mostly_anonymous_and_twins_differ_by_donation_id_only() -> None:
    items = list(generate(Broadcast(3600, 0.5, donations_per_min=40), 2))
    donations = [item for item in items if item.kind == "donation"]
    anonymous = [item for item in donations if item.user_id == "anonymous"]
    assert len(anonymous) / len(donations) == pytest.approx(0.85, abs=0.03)
    assert all(item.profile is None for item in anonymous)
    assert len({item.donation_id for item in donations}) == len(donations)
    for item in donations:
        extras = json.loads(item.extras or "")
        assert (extras["payAmount"], extras["donationId"]) == (item.amount, item.donation_id)
        assert extras["donationType"] == item.details["donation_type"]
    told_apart_by_id_alone = collections.Counter((item.time_ms, item.user_id, item.text) for item in donations)
    assert max(told_apart_by_id_alone.values()) > 1


def test_every_kind_comes_up_with_its_extras() -> None:
    lively = Broadcast(
        1200, 1.0, subscriptions_per_min=5, gifts_per_min=5, parties_per_min=2, shops_per_min=2, systems_per_min=2
    )
    items = list(generate(lively, 4))
    fields = {
        "subscription": {"month", "tierNo", "tierName", "nickname"},
        "gift": {"giftId", "giftTierName", "quantity", "receiverNickname", "selectionType"},
        "party": {"partyName"},
        "shop": {"productName", "orderAmount"},
        "system": {"styleType", "visibleRoles", "description"},
        "donation": {"donationId", "donationType", "payType", "payAmount", "isAnonymous", "nickname", "weeklyRankList"},
    }
    for kind, names in fields.items():
        found = [item for item in items if item.kind == kind]
        assert found, kind
        assert all(names <= set(json.loads(item.extras or "")) for item in found), kind
    assert all(item.user_id == "SYSTEM_MESSAGE" and item.profile == "{}" for item in items if item.kind == "system")
    # One giver's items keep apart: author and time name a message.
    gifts = [item for item in items if item.kind == "gift"]
    assert len({(item.user_id, item.time_ms) for item in gifts}) == len(gifts)


def test_odd_values_come_up() -> None:
    odd = chats(list(generate(Broadcast(300, 20.0, odd_share=0.2), 5)))
    assert {None, "{}", "null"} <= {item.profile for item in odd}
    assert any(item.text is None for item in odd)
    assert any(item.extras is None for item in odd)
    systems = {json.loads(item.extras)["osType"] for item in odd if item.extras}
    assert {"PC", "AOS", "IOS"} < systems
    with_emoji = [item for item in odd if item.text and "{:" in item.text and item.extras]
    assert with_emoji
    for item in with_emoji:
        name = (item.text or "").split("{:")[1].split(":}")[0]
        assert json.loads(item.extras or "")["emojis"][name].startswith("https://")


def test_blinds_and_restores_settle_when_the_broadcast_is_over() -> None:
    script = Broadcast(600, 20.0, clean_bot_share=0, blind_share=0.1, restore_share=0.5)
    items = list(generate(script, 6))
    raw = [json.loads(text) for text in frames(script, 6)]
    blinds = [frame["bdy"] for frame in raw if frame["cmd"] == 94008]
    last = {(body["userId"], body["messageTime"]): body["blindType"] for body in blinds}
    assert {"CANCEL", "HIDDEN", "CBOTBLIND"} <= set(last.values())
    hidden = {(item.user_id, item.time_ms) for item in items if item.hidden}
    assert hidden == {name for name, blind_type in last.items() if blind_type != "CANCEL"}
    restored = next(body for body in blinds if body["blindType"] == "CANCEL")
    assert set(restored["message"]) == {"content", "extras"}


def test_frames_carry_exactly_the_generated_items(busy: list[SentItem]) -> None:
    raw = [json.loads(text) for text in frames(BUSY, 7)]
    carried = [item for frame in raw if frame["cmd"] in (93101, 93102) for item in frame["bdy"]]
    assert [(item["uid"], item["msgTime"], item["msg"], item["extras"], item["msgTypeCode"]) for item in carried] == [
        (item.user_id, item.time_ms, item.text, item.extras, item.type_code) for item in busy
    ]
    assert {item["msgTypeCode"] for frame in raw if frame["cmd"] == 93101 for item in frame["bdy"]} == {1}
    assert 1 not in {item["msgTypeCode"] for frame in raw if frame["cmd"] == 93102 for item in frame["bdy"]}
    sizes = [len(frame["bdy"]) for frame in raw if frame["cmd"] == 93101]
    assert 1 < max(sizes) <= 50


def test_three_dialects_say_the_same(busy: list[SentItem]) -> None:
    live = {
        (item["uid"], item["msgTime"]): item
        for text in frames(BUSY, 7)
        for frame in [json.loads(text)]
        if frame["cmd"] == 93101
        for item in frame["bdy"]
    }
    for item in chats(busy)[:500]:
        said = live[item.user_id, item.time_ms]
        recent = recent_item(item, "N1bench", 10)
        replay = replay_item(item, "N1bench", item.user_id, 5)
        assert said["msg"] == recent["content"] == replay["content"]
        assert said["msgTypeCode"] == recent["messageTypeCode"] == replay["messageTypeCode"]
        assert said["profile"] == recent["profile"] == replay["profile"] == item.profile
        assert recent["userId"] == replay["userIdHash"] == said["uid"]
        assert recent["messageTime"] == replay["messageTime"] == said["msgTime"]
        assert replay["playerMessageTime"] == 5
        assert not {"uid", "msg", "msgTime"} & (recent.keys() | replay.keys())


def test_random_bursts_keep_their_distance() -> None:
    bursts = random_bursts(3, 600, 6, min_gap_sec=80)
    onsets = [burst.onset_sec for burst in bursts]
    assert bursts == random_bursts(3, 600, 6, min_gap_sec=80)
    assert bursts != random_bursts(4, 600, 6, min_gap_sec=80)
    assert all(right - left >= 79.9 for left, right in itertools.pairwise(onsets))
    assert onsets[0] >= 30
    assert onsets[-1] <= 560.1
    assert len({burst.theme for burst in bursts}) == 6
    with pytest.raises(ScriptError, match="do not fit"):
        random_bursts(3, 300, 6, min_gap_sec=80)


def test_the_demo_has_three_channels_with_bursts_after_a_quiet_start() -> None:
    channels = demo_channels(1, minutes=12)
    assert channels == demo_channels(1, minutes=12)
    assert len({channel.channel_id for channel in channels}) == 3
    for channel in channels:
        (broadcast,) = channel.broadcasts
        assert broadcast.duration_sec == 720
        assert 3 <= len(broadcast.bursts) <= 5
        items = list(generate(broadcast, 1))
        assert len([item for item in items if item.offset_ms < 40_000]) < 75  # fewer than a client asks back
    with pytest.raises(ScriptError):
        demo_channels(1, count=4)


def test_the_default_date_is_eight_in_the_evening_in_korea() -> None:
    first = next(generate(Broadcast(60, 50.0), 1))
    assert (first.open_date + timedelta(hours=9)).strftime("%H:%M:%S") == "20:00:00"
