"""The files of a broadcast that ended: made at once by a process of its own, which cannot hold up the others."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from collector.watcher import Watcher
from nokchart import collecting
from nokchart.config import Config
from simulator import Broadcast, Channel, Simulator
from store.database import Database
from tests.collector.studio import fetch, until

NAMES = {"events.jsonl", "collection_report.json"}


@pytest.mark.parametrize("export_at_end", [True, False])
async def test_the_files_are_made_at_the_end_and_with_the_video_unless_the_nightly_job_does(
    plain_database: Database, tmp_path: Path, export_at_end: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.videos._EVERY_SEC", 0.1)
    monkeypatch.setattr("collector.videos._APART_SEC", 0.0)
    channel = Channel("시험", [Broadcast(60, 3)])
    watchers: list[Watcher] = []
    ended: list[str] = []
    async with Simulator([channel], speed=20) as chzzk:
        config = Config(
            chzzk_api_url=chzzk.api_url,
            chzzk_game_api_url=chzzk.game_api_url,
            chzzk_chat_url=chzzk.chat_url,
            poll_interval_sec=0.3,
            export_at_end=export_at_end,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(
                collecting.collect(
                    config,
                    [channel.channel_id],
                    lambda: plain_database,
                    place="here",
                    home=tmp_path / "home",
                    outdir=tmp_path / "out",
                    watching=watchers.append,
                    ended=ended.append,
                )
            )
            await until(lambda: bool(ended), "the end")
            await until(lambda: fetch(plain_database, "SELECT FROM video_part"), "the video")
            if export_at_end:
                newer = "SELECT FROM broadcast JOIN video_part USING (broadcast_id) WHERE exported_at >= updated_at"
                await until(lambda: fetch(plain_database, newer), "files that are as new")
            watchers[0].stop.set()
    made = _names_in(tmp_path / "out")
    assert len(ended) == 1
    assert made >= NAMES if export_at_end else not made


def _names_in(outdir: Path) -> set[str]:
    return {path.name for path in outdir.glob("*/*/*")}


async def test_files_that_are_never_ready_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid_file = tmp_path / "pid"
    stuck = tmp_path / "stuck"
    stuck.write_text(f"#!/bin/sh\ntrap '' TERM\necho $$ > '{pid_file}'\nexec sleep 60\n")
    stuck.chmod(0o755)
    monkeypatch.setattr(collecting.sys, "executable", str(stuck))
    monkeypatch.setattr(collecting, "_EXPORT_LIMIT_SEC", 1.0)
    monkeypatch.setattr(collecting, "_PATIENCE_SEC", 0.5)
    database: Any = SimpleNamespace(url="postgresql://nobody@127.0.0.1:1/nothing")
    with capture_logs() as logs:
        async with asyncio.timeout(10):
            await collecting._export_in_child(Config(), database, "20260106-120000_x", tmp_path)
    assert [(entry["event"], entry["error"]) for entry in logs] == [("files not made", "not ready after 1 s")]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
