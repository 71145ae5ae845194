"""Series: every number of the three files against a reference that counts in Python."""

import csv
import random
from collections import Counter
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from analytics.series import Span, fill_series, write_series
from analytics.session import analysis_session
from store.database import Database
from tests.analytics.sample import OPENED, add_broadcast, add_event


class Said(NamedTuple):
    at: float
    kind: str
    user: str | None


class Evening(NamedTuple):
    """A broadcast as the reference knows it; times are seconds since it opened."""

    length: int
    said: list[Said]
    viewers: list[tuple[float, int]]
    gaps: list[tuple[float, float, bool]]


def _random_evening(seed: int) -> Evening:
    luck = random.Random(seed)
    length = 1_500
    said = []
    for _ in range(3_000):
        at = round(luck.uniform(-90, length + 40 if luck.random() < 0.05 else length * luck.random()), 3)
        kind = luck.choices(["chat", "donation", "subscription", "system"], [90, 6, 2, 2])[0]
        user = None if luck.random() < 0.03 else f"u{int(luck.expovariate(0.2))}"
        said.append(Said(at, kind, user))
    silent = [one for one in said if not 400 <= one.at < 480 and not (700 <= one.at < 760 and luck.random() < 0.9)]
    # on the border of a second, a minute and five minutes
    silent += [Said(float(at), "chat", "border") for at in (0, 59.999, 60, 299.999, 300, length - 0.001)]
    viewers = [(at + luck.random(), luck.randrange(1, 500)) for at in range(-60, length, 27)]
    gaps = [(400.2, 480.9, False), (470, 500, False), (700, 760, True), (1_200, 1_201, False)]
    return Evening(length, silent, viewers, gaps)


def _half_up(value: Fraction, digits: str) -> str:
    return str((Decimal(value.numerator) / Decimal(value.denominator)).quantize(Decimal(digits), ROUND_HALF_UP))


def _crowd_is_right(evening: Evening, counts: list[str], crowds: list[str]) -> bool:
    """Whether `crowds` is `counts`, by the second, without what the loudest of each half minute wrote again."""
    for slot in range(0, evening.length, 30):
        chats = sorted((one.user, int(one.at)) for one in evening.said if one.kind == "chat" and one.user is not None)
        users = Counter(user for user, sec in chats if slot <= sec < slot + 30)
        most = max(users.values(), default=0)
        repeats: Counter[int] = Counter()
        for loudest in [user for user in users if users[user] == most]:  # of several, each
            repeats.update([sec for user, sec in chats if user == loudest and slot <= sec < slot + 30][1:])
        seconds = range(slot, min(slot + 30, evening.length))
        if crowds[slot : slot + 30] != [str(int(counts[sec]) - repeats[sec]) if counts[sec] else "" for sec in seconds]:
            return False
    return True


def _reference(evening: Evening, width: int, rolling_sec: int, opened_at: datetime) -> list[list[str]]:
    """The rows of a chat_ts file but for the crowd, one bucket after the other, as slowly as one likes."""
    inside = [one for one in evening.said if 0 <= one.at < evening.length]

    def gap(begin: float, end: float) -> bool:
        return any(a < end and b > begin for a, b, repaired in evening.gaps if not repaired)

    def count(begin: float, end: float) -> int | None:
        chats = sum(one.kind == "chat" and begin <= one.at < end for one in inside)
        return None if gap(begin, end) and not chats else chats

    counts: list[int | None] = []
    rows = []
    for sec in range(0, evening.length, width):
        end = sec + width
        counts.append(count(sec, end))
        frame = [chats for chats in counts[-max(1, rolling_sec // width) :] if chats is not None]
        seen = [viewers for at, viewers in evening.viewers if sec <= at < end]
        values: list[Any] = [
            sec,
            counts[-1],
            (opened_at + timedelta(seconds=sec)).isoformat(
                timespec="milliseconds" if opened_at.microsecond else "auto"
            ),
            _half_up(Fraction(sum(frame), len(frame)), "0.1") if frame else None,
            sum(one.kind == "donation" and sec <= one.at < end for one in inside),
            len({one.user for one in inside if one.kind == "chat" and sec <= one.at < end and one.user is not None}),
            _half_up(Fraction(sum(seen), len(seen)), "1") if seen else None,
            "true" if gap(sec, end) else "false",
        ]
        rows.append(["" if value is None else str(value) for value in values])
    return rows


@pytest.mark.parametrize(
    ("seed", "rolling_sec", "fraction_ms"), [(1, 600, 0), (2, 90, 250)], ids=["whole second", "fractional start"]
)
def test_every_number_is_that_of_the_reference(
    plain_database: Database, tmp_path: Path, seed: int, rolling_sec: int, fraction_ms: int
) -> None:
    evening = _random_evening(seed)
    opened_at = OPENED + timedelta(milliseconds=fraction_ms)
    with plain_database.connect() as connection:
        # A neighbour whose rows must not be counted.
        other = add_broadcast(connection, channel_id="f" * 32)
        add_event(connection, other, opened_at + timedelta(seconds=5))
        broadcast_id = add_broadcast(connection, opened_at=opened_at)
        for number, one in enumerate(evening.said):
            at = opened_at + timedelta(milliseconds=round(one.at * 1000))
            add_event(connection, broadcast_id, at, str(number), kind=one.kind, user_id=one.user)
        for at_sec, viewers in evening.viewers:
            connection.execute(
                "INSERT INTO viewer_sample VALUES (%s, %s, %s)",
                (opened_at + timedelta(seconds=at_sec), broadcast_id, viewers),
            )
        for begin, end, repaired in evening.gaps:
            connection.execute(
                "INSERT INTO gap VALUES (gen_random_uuid(), %s, %s, %s, 'test', %s)",
                (
                    broadcast_id,
                    opened_at + timedelta(seconds=begin),
                    opened_at + timedelta(seconds=end),
                    opened_at if repaired else None,
                ),
            )
    span = Span(opened_at, evening.length)
    with analysis_session(plain_database) as session:
        fill_series(session, broadcast_id, span, rolling_sec)
        files = write_series(session, tmp_path, span, rolling_sec)
    assert [path.name for path in files] == ["chat_ts_1s.csv", "chat_ts_60s.csv", "chat_ts_300s.csv"]
    by_second: list[str] = []
    for path, width in zip(files, (1, 60, 300), strict=True):
        header, *rows = csv.reader(path.read_text().splitlines())
        assert header == [
            *("sec", "chat_count", "timestamp", f"chat_count_rolling_{rolling_sec}s"),
            *("donation_count", "chatters", "viewers", "in_gap", "crowd"),
        ]
        assert [row[:-1] for row in rows] == _reference(evening, width, rolling_sec, opened_at)
        crowds = [row[-1] for row in rows]
        if width == 1:
            by_second = crowds
            assert _crowd_is_right(evening, [row[1] for row in rows], crowds)
        else:
            parts = [[int(one) for one in by_second[at : at + width] if one] for at in range(0, evening.length, width)]
            assert crowds == [str(sum(part)) if part else "" for part in parts]
        assert any(row[1] == "0" for row in rows) or width > 1  # a silent second is a row
    first = files[0].read_text().splitlines()
    assert first[1 + 450].split(",")[1] == ""  # a gap is unknown, not silent
    assert first[1 + 730].split(",")[7] == "false"  # a repaired gap is none
