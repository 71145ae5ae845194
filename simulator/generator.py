"""The generator: a broadcast's items, without a network and without a clock, the same for the same seed."""

from __future__ import annotations

import heapq
import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from simulator.audience import UNKNOWN_OS, Audience
from simulator.dialect import CANCEL, Blinding, ChannelEvent, Entry, frames_of
from simulator.intensity import arrivals, intensity_steps
from simulator.ledger import SentItem
from simulator.script import Broadcast
from simulator.special import SpecialItems
from simulator.vocabulary import EMOJI, EMOJI_URL, burst_line, calm_line

DEFAULT_OPEN_DATE = datetime(2026, 1, 6, 11, 0, 0, tzinfo=UTC)  # 20:00 in Korea: prime time
THEMED_SHARE = 0.8  # of the chats that a burst adds; the rest of the room goes on talking
EMOJI_SHARE = 0.12
EMPTY_EMOJIS_AS_TEXT_SHARE = 0.08  # "emojis":"" instead of {}: both are seen
# How often each was counted in the measurement of 2026-10-10 (405 blinds, 83 channel events).
BLIND_TYPES = {"CBOTBLIND": 245, "HIDDEN": 149, "BLIND": 11}
CHANNEL_EVENTS = {
    "LOG_POWER_PREDICTION_TOTAL_POWER_CHANGE": 45,
    "DONATION_MISSION_PARTICIPATION": 20,
    "TEMPORARY_RESTRICT": 10,
    "LIVE_MID_ROLL_AD": 4,
    "DONATION_MISSION_IN_PROGRESS": 3,
    "LOG_POWER_PREDICTION_EXPIRED": 1,
}


class Generator:
    """Plays one broadcast: what is said, by whom and when, and what is hidden afterwards."""

    def __init__(
        self, broadcast: Broadcast, seed: int | str, audience: str, index: int = 0, open_date: datetime | None = None
    ) -> None:
        """``audience`` names the population: the same name, the same people. ``open_date``: aware, whole seconds."""
        self.broadcast = broadcast
        self.open_date = open_date or DEFAULT_OPEN_DATE
        self._index = index
        self._channel_id = audience
        self._open_ms = round(self.open_date.timestamp() * 1000)
        self._last_ms = self._open_ms + math.ceil(broadcast.duration_sec * 1000) - 1
        # One source of chance for each concern, so that a changed donation rate leaves the chat as it was.
        self._chance = {part: random.Random(f"{seed}/{index}/{part}") for part in ("chat", "special", "fate")}
        self._audience = Audience(audience, broadcast.chatters)
        self._extras: dict[tuple[str, tuple[str, ...], bool], str] = {}
        self._order = itertools.count()  # keeps the heap from comparing entries

    def entries(self) -> Iterator[Entry]:
        """Yield everything in the order of its time; whoever uses a Blinding applies it then."""
        due: list[tuple[int, bool, int, Entry]] = []  # a heap: what was said, and then what was blinded, at a time

        def put(entry: Entry) -> None:
            heapq.heappush(due, (entry.time_ms, isinstance(entry, Blinding), next(self._order), entry))

        specials = self._specials()
        coming = next(specials, None)
        for item in self._chats():
            while coming is not None and coming[0] <= item.time_ms:
                for entry in coming[1]:
                    put(entry)
                coming = next(specials, None)
            while due and due[0][0] <= item.time_ms:
                yield heapq.heappop(due)[-1]
            for blinding in self._fate(item):
                put(blinding)
            yield item
        while coming is not None:
            for entry in coming[1]:
                put(entry)
            coming = next(specials, None)
        while due:
            yield heapq.heappop(due)[-1]

    def _chats(self) -> Iterator[SentItem]:
        script, rng = self.broadcast, self._chance["chat"]
        steps, chance, draw = intensity_steps(script), rng.random, self._audience.draw
        speakers: set[str] = set()  # of the current millisecond: author and time name a message
        current_ms = -1
        for second, step in arrivals(rng, steps, lambda step: step.chat_rate, script.duration_sec):
            time_ms = self._open_ms + int(second * 1000)
            if time_ms != current_ms:
                current_ms = time_ms
                speakers.clear()
            chatter = draw(rng)
            while chatter.user_id in speakers and len(speakers) < script.chatters:
                chatter = draw(rng)
            speakers.add(chatter.user_id)
            themed = step.theme is not None and chance() < step.burst_share * THEMED_SHARE
            text: str | None = burst_line(rng, step.theme) if themed and step.theme else calm_line(rng)
            emojis: tuple[str, ...] = ()
            if chance() < EMOJI_SHARE:
                emojis = (EMOJI[int(chance() * len(EMOJI))],)
                text = f"{text} " + f"{{:{emojis[0]}:}}" * (1 + int(chance() * 3))
            profile: str | None = chatter.profile
            extras: str | None = self._chat_extras(chatter.os_type, emojis, chance() < EMPTY_EMOJIS_AS_TEXT_SHARE)
            name: str | None = chatter.nickname
            if chance() < script.odd_share:
                match int(chance() * 6):
                    case 0 | 1 | 2 as odd:
                        profile, name = (None, "{}", "null")[odd], None
                    case 3:
                        extras = None
                    case 4:
                        text = None
                    case _:
                        extras = self._chat_extras(UNKNOWN_OS, emojis, False)
            hidden = chance() < script.clean_bot_share
            yield SentItem(
                self._index,
                self.open_date,
                "chat",
                chatter.user_id,
                name,
                text,
                time_ms,
                profile,
                extras,
                "CBOTBLIND" if hidden else "NORMAL",
                hidden,
            )

    def _chat_extras(self, os_type: str, emojis: tuple[str, ...], as_text: bool) -> str:
        key = (os_type, emojis, as_text)
        known = self._extras.get(key)
        if known is None:
            pictures: dict[str, str] | str = {name: EMOJI_URL.format(name=name) for name in emojis}
            if as_text and not emojis:
                pictures = ""
            extras = {"chatType": "STREAMING", "osType": os_type, "extraToken": "", "emojis": pictures}
            extras["streamingChannelId"] = self._channel_id
            known = self._extras[key] = json.dumps(extras, ensure_ascii=False, separators=(",", ":"))
        return known

    def _fate(self, item: SentItem) -> list[Blinding]:
        """What will happen to a message after it was sent: nothing, a blind, or a blind that is taken back."""
        script, rng = self.broadcast, self._chance["fate"]
        if item.hidden or rng.random() >= script.blind_share:
            return []
        hidden_ms = item.time_ms + rng.randrange(500, 20_000)
        fate = [Blinding(hidden_ms, item, _pick(rng, BLIND_TYPES))]
        if rng.random() < script.restore_share:
            fate.append(Blinding(hidden_ms + rng.randrange(2_000, 15_000), item, CANCEL))
        return [blinding for blinding in fate if blinding.time_ms <= self._last_ms]

    def _specials(self) -> Iterator[tuple[int, Sequence[Entry]]]:
        """Everything that is not chat: a time, and what happens then or a few milliseconds later."""
        script, rng = self.broadcast, self._chance["special"]
        per_minute = {
            "donation": script.donations_per_min,
            "subscription": script.subscriptions_per_min,
            "gift": script.gifts_per_min,
            "party": script.parties_per_min,
            "shop": script.shops_per_min,
            "system": script.systems_per_min,
            "channel event": script.channel_events_per_min,
        }
        per_second = sum(per_minute.values()) / 60.0
        if per_second == 0:
            return
        specials = SpecialItems(script, rng, self._audience, self._index, self.open_date)
        steps = intensity_steps(script)
        for second, _ in arrivals(rng, steps, lambda step: per_second * step.level, script.duration_sec):
            time_ms = self._open_ms + int(second * 1000)
            kind = _pick(rng, per_minute)
            if kind == "channel event":
                body = {"type": _pick(rng, CHANNEL_EVENTS), "channelId": self._channel_id}
                yield time_ms, [ChannelEvent(time_ms, body)]
            else:
                yield time_ms, specials.make(kind, time_ms)


def _pick(rng: random.Random, weights: Mapping[str, float]) -> str:
    """One of the names, with a chance that follows its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def viewers_at(broadcast: Broadcast, second: float) -> int:
    """Viewers at a second of the broadcast: they gather during the first ten minutes, then breathe a little."""
    gathered = 0.6 + 0.4 * min(1.0, max(0.0, second) / 600.0)
    return round(broadcast.viewers * gathered * (1.0 + 0.05 * math.sin(second / 97.0)))


def generate(
    broadcast: Broadcast, seed: int | str = 0, *, audience: str = "audience", open_date: datetime | None = None
) -> Iterator[SentItem]:
    """Yield a broadcast's items in the order of their times, without network or clock.

    ``open_date``: aware, whole seconds (default: 2026-01-06 20:00 KST). An item that is blinded later changes its
    ``hidden`` while the iterator goes on: states are final when it is exhausted.
    """
    for entry in Generator(broadcast, seed, audience, open_date=open_date).entries():
        if isinstance(entry, SentItem):
            yield entry
        elif isinstance(entry, Blinding):
            entry.apply()


def frames(
    broadcast: Broadcast,
    seed: int | str = 0,
    *,
    audience: str = "audience",
    open_date: datetime | None = None,
    chat_channel_id: str = "N1bench",
    tick_ms: int = 100,
) -> Iterator[str]:
    """Yield a broadcast's live frames as a socket would carry them; what falls into one tick shares a frame."""
    source = Generator(broadcast, seed, audience, open_date=open_date)
    for tick, entries in itertools.groupby(source.entries(), key=lambda entry: entry.time_ms // tick_ms):
        second = tick * tick_ms / 1000 - source.open_date.timestamp()
        for sent in frames_of(entries, chat_channel_id, viewers_at(broadcast, second)):
            yield sent.text
