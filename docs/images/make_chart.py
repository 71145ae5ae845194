"""Makes the README's charts: a simulated broadcast of three hours, analysed by `nokchart process` like any other.

From the root of the checkout: `.venv/bin/python docs/images/make_chart.py`. The same code makes the same picture.
"""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from simulator import Broadcast, SentItem, generate, random_bursts

STREAMER = "달빛너굴"
TITLE = "소울라이크 노데스 도전, 오늘은 정말 마지막 보스"
OPENED_AT = datetime(2026, 11, 13, 11, 0, tzinfo=UTC)  # 20:00 in Korea
STREAM_ID = "20261113-200000_5f0c9a1be27d4c3f8a6e90d1b7c24e38"
LENGTH_SEC = 3 * 3600 + 12 * 60
GAP_SEC = (8_130, 8_250)  # what was said meanwhile is left out
BROADCAST = Broadcast(
    LENGTH_SEC,
    base_rate=6.0,
    bursts=random_bursts(
        "readme", LENGTH_SEC - 600, 12, first_after_sec=500, min_gap_sec=420, gains=(4, 9), decays_sec=(15, 45)
    ),
    drift=((0, 0.5), (1_500, 0.9), (6_000, 1.2), (9_500, 1.5), (LENGTH_SEC - 300, 1.2), (LENGTH_SEC, 0.4)),
    donations_per_min=1.5,
)


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def line(item: SentItem) -> str:
    sent_at = OPENED_AT + timedelta(milliseconds=item.offset_ms)
    event = {"stream_id": STREAM_ID, "type": item.kind, "t_ms": item.offset_ms, "user": item.nickname}
    event |= {"text": item.text, "received_at": iso(sent_at + timedelta(milliseconds=40))}
    if item.amount is not None:
        event["amount"] = item.amount
    event |= {"user_id": item.user_id, "sent_at": iso(sent_at), "hidden": item.hidden, "source": "live"}
    event["extra"] = {"donationId": item.donation_id} if item.donation_id else {}
    return json.dumps(event, ensure_ascii=False) + "\n"


def write_folder(folder: Path) -> None:
    begin, end = (OPENED_AT + timedelta(seconds=second) for second in GAP_SEC)
    gap = {"from": iso(begin), "to": iso(end), "seconds": (end - begin).total_seconds(), "cause": "close 1006"}
    report = {
        "stream_id": STREAM_ID,
        "made_from": "database",
        "streamer": STREAMER,
        "title": TITLE,
        "opened_at": iso(OPENED_AT),
        "closed_at": iso(OPENED_AT + timedelta(seconds=LENGTH_SEC)),
        "gaps": [{**gap, "repaired": False}],
    }
    folder.mkdir()
    (folder / "collection_report.json").write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")
    with (folder / "events.jsonl").open("w", encoding="utf-8") as file:
        for item in generate(BROADCAST, "readme", audience=STREAMER, open_date=OPENED_AT):
            if not GAP_SEC[0] <= item.offset_ms / 1000 < GAP_SEC[1]:
                file.write(line(item))


def main() -> None:
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / f"{STREAMER}_{STREAM_ID}"
        write_folder(folder)
        for language, name in (("en", "chart.png"), ("ko", "chart.ko.png")):
            command = [sys.executable, "-m", "nokchart", "process", "--stream-dir", str(folder)]
            subprocess.run([*command, "--stream-id", STREAM_ID, "--language", language], check=True)
            shutil.copyfile(folder / "chart_chat_rate.png", Path(__file__).with_name(name))


if __name__ == "__main__":
    main()
