"""A stage: one channel as it plays, the state that polls see and the rooms that clients listen to."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from simulator.airing import Airing
from simulator.answer import Answer
from simulator.clock import Clock
from simulator.dialect import CANCEL, Blinding, Entry, Frame, OddItem, frames_of
from simulator.fault import Fault, Spell
from simulator.generator import Generator, viewers_at
from simulator.ledger import Onset, SentItem
from simulator.mischief import KINDS
from simulator.room import Room
from simulator.script import Channel

TICK_SEC = 0.03  # real seconds between two looks at the timeline: what came due meanwhile shares frames
BREATH_ENTRIES = 500  # after so many entries in one go the event loop gets a turn


class Stage:
    """Plays one channel's timeline against the clock."""

    def __init__(
        self, channel: Channel, number: int, clock: Clock, seed: int, new_room: Callable[[Room], None]
    ) -> None:
        """``number``: the channel's place among all; ``new_room`` is told of every room that opens.

        Raises FaultError for a fault that cannot be played.
        """
        for fault in channel.faults:
            KINDS.check(fault)
        self.channel = channel
        self.clock = clock
        self.sent: list[SentItem] = []
        self.airing: Airing | None = None  # the one on the air, or else the last one
        self.on_air = False
        self.room: Room | None = None
        self.answers: list[Answer] = []
        self.refusals: list[int] = []  # retCodes for the next clients that connect
        self.last_blinded: SentItem | None = None
        self.rejections: list[int] = []  # HTTP statuses for the next handshakes
        self.slams: list[Spell] = []  # clients that are cut off before a word was said
        self.evictions: list[Spell] = []  # clients that are cut off once they are welcomed
        self.stale_tokens = 0  # of the next access tokens, how many have expired already
        self.breaks: list[int] = []  # into how many parts each of the next messages is broken
        self.odd: list[OddItem] = []  # what was sent besides the ledger's items
        self.now_ms = 0  # server time of what is being played
        self.airings = [
            Airing(
                broadcast,
                index,
                opening,
                clock.date(opening),
                clock.date(opening + broadcast.duration_sec),
                live_id=10_000_000 + number * 1_000 + index,
                title=broadcast.title,
                category=broadcast.category,
            )
            for index, (broadcast, opening) in enumerate(zip(channel.broadcasts, channel.openings(), strict=True))
        ]
        self._seed = f"{seed}/{channel.channel_id}"
        self._names = random.Random(f"{self._seed}/chat channels")
        self._new_room = new_room
        self._pending: list[Entry] = []
        self._finished = 0  # broadcasts that have ended

    def truth(self) -> list[Onset]:
        """The onsets of all bursts of the schedule."""
        return [
            Onset(airing.index, airing.open_date, burst.onset_sec, burst.gain, burst.theme)
            for airing in self.airings
            for burst in airing.broadcast.bursts
        ]

    def finished_airings(self) -> list[Airing]:
        """The broadcasts that have ended: those with a replay."""
        return [part for part in self.airings if part.index < self._finished]

    def viewers(self) -> int:
        """Viewers now; after the end those of its last moment stay, as in Chzzk's CLOSE answers."""
        if self.airing is None:
            return 0
        second = min(self.clock.now_sec(), self.airing.closes_sec) - self.airing.opens_sec
        return viewers_at(self.airing.broadcast, second)

    def take_answer(self, endpoint: str) -> Answer | None:
        """The fault that this request meets, if any; it is used up by one."""
        for answer in self.answers:
            if answer.fits(endpoint):
                answer.left -= 1
                if answer.left <= 0:
                    self.answers.remove(answer)
                return answer
        return None

    def strikes(self, spells: list[Spell]) -> bool:
        """Whether one of the spells makes this go wrong, now."""
        return any(spell.strikes(self.clock.now_sec()) for spell in spells)

    async def play(self) -> None:
        """Run the channel's whole timeline; returns when the last entry has been played."""
        for number, (second, _, act) in enumerate(self._timeline()):
            while second > self.clock.now_sec():
                self.flush()
                # At least a tick, so that entries a few milliseconds apart share a frame.
                await asyncio.sleep(max(TICK_SEC, self.clock.real_until(second)))
            self.now_ms = round((self.clock.zero.timestamp() + second) * 1000)
            act()
            if number % BREATH_ENTRIES == 0:  # a script that runs late must not starve everybody else
                self.flush()
                await asyncio.sleep(0)
        self.flush()

    def _timeline(self) -> Iterator[tuple[float, int, Callable[[], None]]]:
        """Everything that happens, as (simulated second, order, what to do)."""
        parts = [self._airing_timeline(airing) for airing in self.airings]
        faults = sorted(self.channel.faults, key=lambda fault: fault.at_sec)
        order = len(parts)
        parts.append((fault.at_sec, order, self._fault_act(fault)) for fault in faults)
        return heapq.merge(*parts, key=lambda step: step[:2])

    def _airing_timeline(self, airing: Airing) -> Iterator[tuple[float, int, Callable[[], None]]]:
        order = airing.index
        yield airing.opens_sec, order, lambda: self._open(airing)
        source = Generator(airing.broadcast, self._seed, self.channel.channel_id, airing.index, airing.open_date)
        zero_ms = round(self.clock.zero.timestamp() * 1000)
        for entry in source.entries():
            yield (entry.time_ms - zero_ms) / 1000, order, self._entry_act(entry)
        yield airing.closes_sec, order, self._close

    def _fault_act(self, fault: Fault) -> Callable[[], None]:
        def act() -> None:
            self.flush()
            KINDS.play(self, fault)

        return act

    def _entry_act(self, entry: Entry) -> Callable[[], None]:
        def act() -> None:
            if isinstance(entry, SentItem):
                self.sent.append(entry)
                if self.room is not None:
                    self.room.remember(entry)
            elif isinstance(entry, Blinding) and entry.blind_type != CANCEL:
                self.last_blinded = entry.item
            self._pending.append(entry)

        return act

    def _open(self, airing: Airing) -> None:
        self.airing = airing
        self.on_air = True
        self.enter_new_room()

    def _close(self) -> None:
        self.flush()
        self._finished += 1
        self.on_air = False  # the room stays: Chzzk lets clients sit in the chat of an ended broadcast

    def enter_new_room(self) -> None:
        """Go on in a room with a new chatChannelId; clients of the old one hear nothing any more."""
        self.flush()
        letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        self.room = Room("N" + "".join(self._names.choices(letters, k=6)), self.channel.channel_id)
        if self.airing is not None:
            self.airing.chat_channel_id = self.room.chat_channel_id
        self._new_room(self.room)

    def flush(self) -> None:
        """Send what has come due."""
        pending, self._pending = self._pending, []
        if pending and self.room is not None:
            self.tell(pending)

    def tell(self, entries: list[Entry]) -> None:
        """Send entries to the current room, one frame for neighbours of one kind."""
        if self.room is not None:
            self.room.viewers = self.viewers()
            self.send(frames_of(entries, self.room.chat_channel_id, self.room.viewers))

    def utter(self, frame: Frame) -> None:
        """Send a frame whose items nobody has heard yet."""
        if self.room is not None:
            for item in frame.items:
                self.sent.append(item)
                self.room.remember(item)
            self.send([frame])

    def send(self, frames: Iterable[Frame]) -> None:
        """Hand frames to the current room, each in as many parts as it is to be broken into."""
        for frame in frames:
            if self.room is not None:
                self.room.tell([replace(frame, parts=self.breaks.pop(0)) if self.breaks else frame])

    def newest(self, count: int) -> list[SentItem]:
        """The last ``count`` items that were sent."""
        return list(itertools.islice(reversed(self.sent), count))[::-1]
