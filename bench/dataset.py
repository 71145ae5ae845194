"""A long, busy broadcast as files and frames, from the simulator: the same for the same arguments."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from simulator import Broadcast, frames, generate, random_bursts

OPENED_AT = datetime(2026, 1, 6, 12, tzinfo=UTC)
STREAM_ID = "20260106-210000_bench"

# With seventy bursts, 27 chats a second come to 1.3 million events in twelve hours.
_RATE = 27.0
_BURSTS_PER_HOUR = 70 / 12


def broadcast(hours: float) -> Broadcast:
    """A broadcast of a very popular channel."""
    seconds = round(hours * 3600)
    return Broadcast(
        seconds,
        _RATE,
        random_bursts("bench", seconds, max(1, round(hours * _BURSTS_PER_HOUR)), min_gap_sec=120),
        chatters=20_000,
        donations_per_min=2.0,
    )


def write_folder(folder: Path, hours: float) -> int:
    """Writes an events.jsonl like those of `nokchart export` into `folder`, and returns how many events it has."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with (folder / "events.jsonl").open("wb") as file:
        for item in generate(broadcast(hours), 1, open_date=OPENED_AT):
            line = {
                "stream_id": STREAM_ID,
                "type": "other" if item.kind == "shop" else item.kind,
                "t_ms": item.offset_ms,
                "user": item.nickname,
                "text": item.text,
                "received_at": _iso(item.time_ms + 80),
                "user_id": item.user_id,
                "sent_at": _iso(item.time_ms),
                "hidden": item.hidden,
                "source": "live",
            }
            if item.amount is not None:
                line["amount"] = item.amount
            if item.donation_id is not None:
                line["extra"] = {"id": item.donation_id}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count


def live_frames(hours: float) -> Iterator[str]:
    """The same broadcast as the frames of its chat socket."""
    return frames(broadcast(hours), 1, open_date=OPENED_AT)


def _iso(ms: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
