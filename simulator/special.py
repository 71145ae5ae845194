"""Special items: donations, subscriptions, gifts, parties, purchases and system lines (the frames of cmd 93102)."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from simulator.audience import Audience
from simulator.ledger import SentItem
from simulator.script import Broadcast
from simulator.vocabulary import DONATION_TEXTS, MISSIONS, PARTIES, PRODUCTS, TIERS, calm_line

ANONYMOUS = "anonymous"
ANONYMOUS_NAME = "익명의 후원자"
SYSTEM_AUTHOR = "SYSTEM_MESSAGE"
AMOUNTS_KRW = (1000, 1000, 1000, 1000, 2000, 3000, 5000, 10000, 30000, 50000)


class SpecialItems:
    """Makes the items of one broadcast that are not plain chat."""

    def __init__(
        self, broadcast: Broadcast, rng: random.Random, audience: Audience, index: int, open_date: datetime
    ) -> None:
        self._script = broadcast
        self._rng = rng
        self._audience = audience
        self._index = index
        self._open_date = open_date

    def make(self, kind: str, time_ms: int) -> list[SentItem]:
        """Make what happens when ``kind`` comes due: usually one item, sometimes a few in the same millisecond."""
        match kind:
            case "donation":
                return self._donations(time_ms)
            case "subscription":
                return [self._subscription(time_ms)]
            case "gift":
                return self._gift(time_ms)
            case "party":
                name = self._rng.choice(PARTIES)
                extras = {"partyNo": self._rng.randrange(1, 999), "partyName": name, "partyMemberCount": 4}
                return [self._named("party", time_ms, f"{name}에 참여했습니다", extras, {"party_name": name})]
            case "shop":
                product, price = self._rng.choice(PRODUCTS), self._rng.randrange(9, 60) * 1000
                extras = {"productName": product, "orderAmount": price, "orderCount": 1}
                details = {"product_name": product, "order_amount": price}
                return [self._named("shop", time_ms, f"{product} 구매!", extras, details)]
            case "system":
                return [self._system(time_ms)]
        raise ValueError(f"no special item is called {kind!r}")

    def _item(
        self,
        kind: str,
        time_ms: int,
        author: tuple[str, str | None, str | None],
        text: str | None,
        extras: Mapping[str, Any],
        **rest: Any,
    ) -> SentItem:
        """Put an item together; ``author``: user id, nickname, profile."""
        user_id, name, profile = author
        return SentItem(
            broadcast=self._index,
            open_date=self._open_date,
            kind=kind,
            user_id=user_id,
            nickname=name,
            text=text,
            time_ms=time_ms,
            profile=profile,
            extras=json.dumps(extras, ensure_ascii=False, separators=(",", ":")),
            **rest,
        )

    def _named(
        self, kind: str, time_ms: int, text: str | None, extras: Mapping[str, Any], details: Mapping[str, Any]
    ) -> SentItem:
        """An item whose author is one of the audience."""
        chatter = self._audience.draw(self._rng)
        author = (chatter.user_id, chatter.nickname, chatter.profile)
        return self._item(kind, time_ms, author, text, {**extras, "nickname": chatter.nickname}, details=details)

    def _token(self) -> str:
        return f"{self._rng.getrandbits(96):024x}"

    def _donations(self, time_ms: int) -> list[SentItem]:
        """One donation, or a few in the same millisecond: the anonymous ones then share author and time."""
        donations = [self._donation(time_ms)]
        while self._rng.random() < self._script.twin_share:
            donations.append(self._donation(time_ms, like=donations[0]))
        return donations

    def _donation(self, time_ms: int, like: SentItem | None = None) -> SentItem:
        rng = self._rng
        anonymous = rng.random() < self._script.anonymous_share
        kinds = ("CHAT", "VIDEO", "MISSION", "MISSION_PARTICIPATION", "PARTY")
        donation_type = rng.choices(kinds, weights=(90, 4, 2, 3, 1))[0]
        amount, donation_id = rng.choice(AMOUNTS_KRW), self._token()
        text: str | None = rng.choice(DONATION_TEXTS)
        if like is not None and rng.random() < 0.5:
            text = like.text  # the same words in the same millisecond: only donationId tells the two apart
        elif donation_type == "VIDEO" or rng.random() < 0.04:
            text = None
        if anonymous:
            author: tuple[str, str | None, str | None] = (ANONYMOUS, ANONYMOUS_NAME, None)
        else:
            chatter = self._audience.draw(rng)
            author = (chatter.user_id, chatter.nickname, chatter.profile)
        extras: dict[str, Any] = {
            "donationId": donation_id,
            "donationType": donation_type,
            "payType": "CURRENCY",
            "payAmount": amount,
            "isAnonymous": anonymous,
            "nickname": author[1],
            "continuousDonationDays": None,
            "weeklyRankList": self._ranks(),
            "donationUserWeeklyRank": None,
            "emojis": {},
        }
        details: dict[str, Any] = {"donation_type": donation_type, "anonymous": anonymous}
        if donation_type.startswith("MISSION"):
            mission = rng.choice(MISSIONS)
            extras |= {"missionText": mission, "missionDonationId": self._token(), "missionDonationType": "ALONE"}
            extras |= {"totalPayAmount": amount, "participationCount": 1, "durationTime": 600}
            extras |= {"status": "PENDING", "success": False, "missionCreatedTime": "2026-01-01 00:00:00"}
            details["mission"] = mission
            if donation_type == "MISSION_PARTICIPATION":
                extras["relatedMissionDonationId"] = self._token()
        elif donation_type == "PARTY":
            extras["partyName"] = rng.choice(PARTIES)
        return self._item(
            "donation", time_ms, author, text, extras, amount=amount, donation_id=donation_id, details=details
        )

    def _ranks(self) -> list[dict[str, Any]]:
        """The week's three largest donors, as every donation carries them."""
        ranks = []
        for place in range(1, 4):
            chatter = self._audience.draw(self._rng)
            rank = {"userIdHash": chatter.user_id, "nickName": chatter.nickname, "verifiedMark": False}
            ranks.append({**rank, "donationAmount": 100_000 // place, "ranking": place})
        return ranks

    def _subscription(self, time_ms: int) -> SentItem:
        rng = self._rng
        month, tier = rng.randrange(1, 36), rng.choice((1, 1, 1, 2))
        text = calm_line(rng) if rng.random() < 0.8 else None
        extras = {"month": month, "tierNo": tier, "tierName": TIERS[tier - 1]}
        details = {"month": month, "tier_no": tier, "tier_name": TIERS[tier - 1]}
        return self._named("subscription", time_ms, text, extras, details)

    def _gift(self, time_ms: int) -> list[SentItem]:
        """A gift to one named person, or a random one: the giver's item, then one for each of its receivers."""
        rng = self._rng
        chosen = rng.random() < 0.5
        quantity = 1 if chosen else rng.choice((1, 3, 5))
        selection = "MANUAL" if chosen else "RANDOM"
        gift_id, tier = self._token(), rng.choice((1, 1, 2))
        common = {"giftId": gift_id, "giftTierNo": tier, "giftTierName": TIERS[tier - 1], "selectionType": selection}
        details = {"gift_id": gift_id, "tier_no": tier, "tier_name": TIERS[tier - 1], "selection_type": selection}
        giving = {**common, "giftType": "SUBSCRIPTION_GIFT", "quantity": quantity, "receiverNickname": None}
        items = [self._named("gift", time_ms, None, giving, {**details, "quantity": quantity})]
        for number in range(quantity):
            receiver = self._audience.draw(rng)
            receiving = {**common, "giftType": "SUBSCRIPTION_GIFT_RECEIVER", "quantity": 1}
            receiving |= {"receiverUserIdHash": receiver.user_id, "receiverNickname": receiver.nickname}
            # One giver's items must not share a millisecond: author and time name a message.
            when = min(time_ms + number + 1, self._last_ms())
            told = self._item(
                "gift",
                when,
                (items[0].user_id, items[0].nickname, items[0].profile),
                None,
                {**receiving, "nickname": items[0].nickname},
                details={**details, "quantity": 1, "receiver_nickname": receiver.nickname},
            )
            if when > items[-1].time_ms:
                items.append(told)
        return items

    def _last_ms(self) -> int:
        """The broadcast's last millisecond."""
        return round(self._open_date.timestamp() * 1000) + round(self._script.duration_sec * 1000) - 1

    def _system(self, time_ms: int) -> SentItem:
        moderator, target = (self._audience.draw(self._rng).nickname for _ in range(2))
        text = f"{moderator} 님이 {target} 님을 임시 제한 처리했습니다."
        extras = {
            "description": text,
            "styleType": 3,
            "visibleRoles": ["streamer", "streaming_channel_manager", "streaming_chat_manager"],
            "params": {"registerNickname": moderator, "targetNickname": target},
        }
        return self._item("system", time_ms, (SYSTEM_AUTHOR, None, "{}"), text, extras, details={"style_type": 3})
