"""Makes the pictures of the dashboards: three simulated weeks of four channels, asked as Grafana would ask.

From the root of the checkout: `.venv/bin/python docs/images/make_dashboards.py`. It has a database of its own.
"""

import hashlib
import json
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from panels.picture import Picture

from grafana.macros import View
from simulator import Broadcast, generate, random_bursts
from store.database import open_database

HERE = Path(__file__).parent
# The statements ask for what is now: so the data reach to when they will be there.
NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=150)
CHANNELS = {"달빛너굴": (5.0, 1_400), "초코민트": (2.6, 800), "한밤의고양이": (1.4, 420), "느린거북": (0.7, 180)}
TITLES = ["소울라이크 노데스 도전", "저스트 채팅, 사연 읽기", "공포 게임 밤샘", "신작 첫 플레이", "노래 방송"]
DAYS = 21

_PEAKS = """
INSERT INTO peak (broadcast_id, method, rank, start_sec, end_sec, onset_sec, value, score, in_gap, reasons)
SELECT s.broadcast_id, 'surge', p.rank, p.start_sec, p.end_sec, p.onset_sec, p.value, p.score, p.in_gap, p.reasons
FROM (
    SELECT b.broadcast_id, array_agg(coalesce(r.n, 0) ORDER BY g.sec) AS counts, array_agg(FALSE) AS in_gap
    FROM broadcast AS b
    CROSS JOIN LATERAL generate_series(0, extract(EPOCH FROM b.closed_at - b.opened_at)::integer - 1) AS g (sec)
    LEFT JOIN (
        SELECT e.broadcast_id, floor(extract(EPOCH FROM e.ts - o.opened_at))::integer AS sec, count(*)::integer AS n
        FROM event AS e INNER JOIN broadcast AS o USING (broadcast_id) WHERE e.kind = 'chat' GROUP BY 1, 2
    ) AS r ON b.broadcast_id = r.broadcast_id AND g.sec = r.sec
    GROUP BY b.broadcast_id
) AS s
CROSS JOIN LATERAL surge_peaks(s.counts, s.in_gap, s.counts, 60, 20, 4.5) AS p
"""

_TOTALS = """
INSERT INTO broadcast_total
SELECT b.broadcast_id, count(*) FILTER (WHERE e.kind = 'chat'), count(*) FILTER (WHERE e.kind = 'donation'),
    coalesce(sum(e.amount), 0), count(DISTINCT e.user_id), max(e.ts), now()
FROM broadcast AS b INNER JOIN event AS e USING (broadcast_id) WHERE b.closed_at IS NOT NULL GROUP BY 1
"""

_VIDEOS = """
INSERT INTO video_part
SELECT broadcast_id, 15000000 + broadcast_id, 0, opened_at + INTERVAL '2.34 seconds', closed_at
FROM broadcast WHERE closed_at IS NOT NULL
"""


def airings() -> Iterator[tuple[str, datetime, datetime | None, float, str]]:
    """Who was on air from when to when, with how many chats a second, under which title."""
    luck = random.Random("dashboards")
    for name, (rate, _) in CHANNELS.items():
        for day in range(DAYS, 0, -1):
            if luck.random() < 0.75:
                begin = NOW - timedelta(days=day, minutes=luck.randrange(60, 300))
                length = timedelta(minutes=luck.randrange(100, 260))
                pace = rate if day == 1 and name == "달빛너굴" else rate * 0.12
                yield name, begin, begin + length, pace, luck.choice(TITLES)
        if name != "느린거북":
            yield name, NOW - timedelta(minutes=luck.randrange(95, 170)), None, rate, luck.choice(TITLES)


def stage(connection: psycopg.Connection[Any]) -> None:
    luck = random.Random("rows")
    ids = {name: hashlib.md5(name.encode()).hexdigest() for name in CHANNELS}
    for name, channel_id in ids.items():
        connection.execute("INSERT INTO channel (channel_id, name) VALUES (%s, %s)", (channel_id, name))
    for name, begin, end, rate, title in airings():
        stream_id = f"{begin:%Y%m%d-%H%M%S}_{ids[name]}"
        found = connection.execute(
            "INSERT INTO broadcast (stream_id, channel_id, opened_at, closed_at, title, category)"
            " VALUES (%s, %s, %s, %s, %s, '종합 게임') RETURNING broadcast_id",
            (stream_id, ids[name], begin, end, title),
        ).fetchone()
        assert found
        length = ((end or NOW) - begin).total_seconds()
        write_broadcast(connection, found[0], name, begin, length, rate, luck)
    connection.execute(_PEAKS)
    connection.execute(_TOTALS)
    connection.execute(_VIDEOS)
    for number, late in enumerate((1.0, 4.0)):
        connection.execute(
            "INSERT INTO collector_status"
            " (collector_id, started_at, heartbeat_at, channels, live, events, rejected, queued, delay_sec)"
            " VALUES (%s, %s, %s, 2, 2, %s, %s, %s, 0.31)",
            (f"vm-{number + 1}/slot-0", NOW - timedelta(days=6), NOW - timedelta(seconds=late), 1_284_113, number, 3),
        )
    connection.commit()


def write_broadcast(
    connection: psycopg.Connection[Any],
    number: int,
    name: str,
    begin: datetime,
    length: float,
    rate: float,
    luck: random.Random,
) -> None:
    seconds = int(length)
    bursts = random_bursts(
        f"{name}{begin}",
        seconds - 300,
        max(seconds // 700, 2),
        first_after_sec=240,
        min_gap_sec=180,
        gains=(3, 8),
        decays_sec=(15, 50),
    )
    drift = ((0, 0.5), (seconds // 5, 1.0), (seconds // 2, 1.3), (seconds, 0.9))
    script = Broadcast(seconds, base_rate=rate, bursts=bursts, drift=drift, donations_per_min=0.2 + rate / 4)
    lost = (seconds // 3, seconds // 3 + luck.randrange(40, 180)) if luck.random() < 0.4 else (0, 0)
    with connection.cursor().copy(
        "COPY event (ts, broadcast_id, kind, event_key, user_id, nickname, content, amount, source, received_at)"
        " FROM STDIN"
    ) as copy:
        for key, item in enumerate(generate(script, f"{name}{begin}", audience=name, open_date=begin)):
            if not lost[0] <= item.offset_ms / 1000 < lost[1]:
                sent = begin + timedelta(milliseconds=item.offset_ms)
                received = sent + timedelta(milliseconds=luck.gammavariate(4, 30))
                row = (
                    sent,
                    number,
                    "other" if item.kind == "shop" else item.kind,
                    key,
                    item.user_id,
                    item.nickname,
                    item.text,
                    item.amount,
                    "live",
                    received,
                )
                copy.write_row(row)
    if lost[1]:
        span = (begin + timedelta(seconds=lost[0]), begin + timedelta(seconds=lost[1]))
        cause = luck.choice(["close 1006", "silent", "collector away"])
        connection.execute(
            "INSERT INTO gap (gap_id, broadcast_id, from_ts, to_ts, cause) VALUES (gen_random_uuid(), %s, %s, %s, %s)",
            (number, *span, cause),
        )
        connection.execute(
            "INSERT INTO connection (connection_id, broadcast_id, connected_at, disconnected_at, cause)"
            " VALUES (gen_random_uuid(), %s, %s, %s, %s)",
            (number, begin, span[0], cause),
        )
    watching = CHANNELS[name][1]
    with connection.cursor().copy("COPY viewer_sample (ts, broadcast_id, viewers) FROM STDIN") as copy:
        for minute in range(0, seconds, 60):
            share = min(minute / 1800, 1) * (1 + 0.2 * minute / seconds)
            copy.write_row(
                (begin + timedelta(seconds=minute), number, int(watching * share * luck.uniform(0.97, 1.03)) + 20)
            )
    connection.execute(
        "INSERT INTO broadcast_change (ts, broadcast_id, title, category) SELECT %s, %s, %s, '토크'",
        (begin + timedelta(seconds=seconds * 0.6), number, "잠깐 쉬어요, 이야기해요"),
    )


def main(languages: list[str]) -> None:
    with TemporaryDirectory() as home, open_database(None, Path(home)) as database, database.connect() as connection:
        stage(connection)
        time.sleep(max(0, (NOW - datetime.now(UTC)).total_seconds()))
        connection.autocommit = True
        everyone = [row[0] for row in connection.execute("SELECT channel_id FROM channel ORDER BY name")]
        chosen = connection.execute(
            "SELECT stream_id, channel_id, opened_at, closed_at FROM broadcast"
            " WHERE closed_at IS NOT NULL AND channel_id = %s ORDER BY opened_at DESC LIMIT 1",
            (hashlib.md5("달빛너굴".encode()).hexdigest(),),
        ).fetchone()
        assert chosen
        several = {"channel": everyone}
        views = {
            "live": View(NOW - timedelta(minutes=90), NOW, variables=several),
            "broadcast": View(
                chosen[2], chosen[3], variables={"channel": chosen[1], "broadcast": chosen[0], "moment": ""}
            ),
            "channels": View(NOW - timedelta(days=DAYS + 1), NOW, variables=several),
            "health": View(NOW - timedelta(days=7), NOW, variables=several),
        }
        for name, view in views.items():
            for language in languages:
                model = json.loads((HERE.parents[1] / "grafana" / "dashboards" / language / f"{name}.json").read_text())
                suffix = "" if language == "en" else f".{language}"
                (HERE / "grafana").mkdir(exist_ok=True)
                Picture(connection, model, view).save(HERE / "grafana" / f"{name}{suffix}.png")


if __name__ == "__main__":
    main(sys.argv[1:] or ["en", "ko"])
