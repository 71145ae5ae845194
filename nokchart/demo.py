"""The demo: three simulated channels, the real collector, the real files, and what was lost on the way (nothing)."""

import asyncio
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from psycopg.rows import dict_row
from rich.console import Console

from collector.watcher import Watcher
from nokchart.collecting import collect
from nokchart.config import Config
from nokchart.log import set_up_log
from nokchart.progress import Progress, Row
from simulator import SentItem, Simulator, demo_channels
from store.database import Database, scratch_database
from store.queries import query

# A poll a second at twenty times the speed is a poll every twenty seconds of the broadcast.
_POLL_SEC = 1.0

# A found surge belongs to a scripted burst when it begins at most so far from it, in seconds of the broadcast.
_ONSET_TOLERANCE_SEC = 10

# An item of the ledger, and a row of the database, as what both sides must agree on.
Fingerprint = tuple[str, str | None, str | None, str | None, int, int | None, bool]


@dataclass
class Outcome:
    """What became of one channel's broadcast."""

    name: str
    sent: int = 0
    stored: int = 0
    lost: int = 0
    """Items that were sent and are not in the database exactly as they were sent."""
    extra: int = 0
    """Rows that nobody sent, or more than one for an item."""
    bursts: int = 0
    found: int = 0
    """Scripted bursts that are among the first surges, as many as there are bursts."""
    folder: Path | None = None


@dataclass
class _Show:
    simulator: Simulator
    names: dict[str, str]
    ended: list[str] = field(default_factory=list)
    watcher: Watcher | None = None
    received: dict[str, int] = field(default_factory=dict)
    done: bool = False
    """The files are made."""

    def rows(self) -> list[Row]:
        """One row a channel, as it is now."""
        live = {one.channel_id: one.counts for one in self.watcher.broadcasts} if self.watcher else {}
        self.received |= {channel_id: counts.events for channel_id, counts in live.items()}
        rows = []
        for channel_id, name in self.names.items():
            progress = self.simulator.progress(channel_id)
            if any(stream_id.endswith(channel_id) for stream_id in self.ended):
                state = "done" if self.done else "making files"
            elif channel_id in live:
                state = "collecting" if live[channel_id].connected else "connecting"
            else:
                state = "waiting"
            rows.append(
                Row(
                    name,
                    state,
                    progress.simulated_sec / progress.duration_sec,
                    progress.simulated_sec,
                    progress.items_sent,
                    self.received.get(channel_id),
                )
            )
        return rows


def run_demo(config: Config, outdir: Path, minutes: float, speed: float, seed: int) -> bool:
    """Runs the demo and prints what came of it. Returns whether nothing was lost and every file is there."""
    set_up_log(quiet=True)
    console = Console()
    started = time.monotonic()
    console.print(
        f"NokChart demo: three simulated channels, {minutes:g} minutes of broadcast at {speed:g} times the speed",
        style="bold",
    )
    with scratch_database(config.data_folder, f"demo_{os.getpid()}") as database:
        outcomes = asyncio.run(_collect(config, outdir, minutes, speed, seed, database, console))
    console.print()
    _print_outcomes(console, outcomes)
    console.print(f"\nDone in {time.monotonic() - started:.0f} s. The folders:")
    for outcome in outcomes:
        console.print(f"  {outcome.folder}" if outcome.folder else f"  {outcome.name}: no files", soft_wrap=True)
    return all(one.folder is not None and one.lost == one.extra == 0 and one.sent > 0 for one in outcomes)


async def _collect(
    config: Config, outdir: Path, minutes: float, speed: float, seed: int, database: Database, console: Console
) -> list[Outcome]:
    channels = demo_channels(seed, minutes)
    async with Simulator(channels, speed=speed, seed=seed) as simulator:
        show = _Show(simulator, {channel.channel_id: channel.name for channel in channels})
        pointed = config.model_copy(
            update={
                "chzzk_api_url": simulator.api_url,
                "chzzk_game_api_url": simulator.game_api_url,
                "chzzk_chat_url": simulator.chat_url,
                "poll_interval_sec": _POLL_SEC,
            }
        )

        def ended(stream_id: str) -> None:
            show.ended.append(stream_id)
            if len(show.ended) == len(channels) and show.watcher is not None:
                show.watcher.stop.set()

        def watching(watcher: Watcher) -> None:
            show.watcher = watcher

        with Progress(console, show.rows) as progress:
            showing = asyncio.create_task(progress.run())
            try:
                with TemporaryDirectory() as home:  # apart from what a real collector keeps
                    await collect(
                        pointed,
                        list(show.names),
                        lambda: database,
                        place="demo",
                        home=Path(home),
                        outdir=outdir,
                        watching=watching,
                        ended=ended,
                    )
                show.done = True
            finally:
                showing.cancel()
        return [
            _outcome(database, simulator, channel_id, name, show.ended, outdir)
            for channel_id, name in show.names.items()
        ]


def _outcome(
    database: Database, simulator: Simulator, channel_id: str, name: str, ended: list[str], outdir: Path
) -> Outcome:
    sent = Counter(_of_item(item) for item in simulator.sent(channel_id))
    with database.connect(row_factory=dict_row) as connection:
        rows = connection.execute(query("events_of_channel"), {"channel_id": channel_id}).fetchall()
    stored = Counter(_of_row(dict(row)) for row in rows)
    outcome = Outcome(
        name,
        sent=sent.total(),
        stored=stored.total(),
        lost=(sent - stored).total(),
        extra=(stored - sent).total(),
    )
    stream = next((stream_id for stream_id in ended if stream_id.endswith(channel_id)), None)
    folder = next(outdir.glob(f"*/*_{stream}"), None) if stream else None
    if folder is not None and (folder / "report.json").is_file():
        outcome.folder = folder
        onsets = [onset.at_sec for onset in simulator.truth(channel_id)]
        surges = orjson.loads((folder / "peaks.json").read_bytes())["surges"][: len(onsets)]
        outcome.bursts = len(onsets)
        outcome.found = sum(
            any(abs(surge["onset_sec"] - onset) <= _ONSET_TOLERANCE_SEC for surge in surges) for onset in onsets
        )
    return outcome


def _of_item(item: SentItem) -> Fingerprint:
    # Chzzk's shop purchases have no kind of their own.
    kind = "other" if item.kind == "shop" else item.kind
    return (kind, item.user_id, item.nickname, item.text, item.time_ms, item.amount, item.hidden)


def _of_row(row: dict[str, Any]) -> Fingerprint:
    return (
        row["kind"],
        row["user_id"],
        row["nickname"],
        row["content"],
        row["ts_ms"],
        row["amount"],
        row["hidden"],
    )


def _print_outcomes(console: Console, outcomes: list[Outcome]) -> None:
    from rich.table import Table

    table = Table(title="Sent, stored, lost; bursts scripted and found", title_justify="left", title_style="bold")
    table.add_column("channel")
    for heading in ("sent", "stored", "lost", "bursts", "found"):
        table.add_column(heading, justify="right")
    for one in outcomes:
        table.add_row(one.name, *(f"{number:,}" for number in (one.sent, one.stored, one.lost, one.bursts, one.found)))
    total = [sum(getattr(one, name) for one in outcomes) for name in ("sent", "stored", "lost", "bursts", "found")]
    table.add_section()
    table.add_row("all", *(f"{number:,}" for number in total), style="bold")
    console.print(table)
