"""The demo, really run: a simulated Chzzk, the real collector and the real files, with nothing lost."""

import asyncio
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from nokchart.config import Config
from nokchart.demo import run_demo
from nokchart.progress import Progress, Row
from store.embedded import EmbeddedServer


def test_the_whole_way(
    server: EmbeddedServer,
    home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert run_demo(Config(home=home), tmp_path, minutes=3, speed=30, seed=1)
    told = capsys.readouterr().out
    reports = sorted(tmp_path.glob("*/*/report.json"))
    assert len(reports) == 3
    for path in reports:
        folder = path.parent
        assert {one.name for one in folder.iterdir()} == {
            *("events.jsonl", "chat_ts_1s.csv", "chat_ts_60s.csv", "chat_ts_300s.csv", "peaks.json", "topics.json"),
            *("chart_chat_rate.png", "collection_report.json", "report.json"),
        }
        assert str(folder) in told
        collected = json.loads((folder / "collection_report.json").read_bytes())
        assert collected["rejected"] == 0
        assert collected["chat_count"] > 100
    total = next(one for one in told.splitlines() if one.strip(" │┃|").startswith("all"))
    sent, stored, lost = (int(one.replace(",", "")) for one in total.replace("│", " ").split()[1:4])
    assert (sent, lost) == (stored, 0)
    assert re.search(r"  collecting  0\d:\d\d  sent ", told)  # plain lines where there is no terminal
    assert "\x1b[" not in told


async def test_progress_in_plain_lines() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=40)
    rows = [Row("미라이", "collecting", 0.5, 61.9, 1234, 1233), Row("바레사", "waiting", 0, 0, 0, None)]
    with Progress(console, lambda: rows) as progress:
        task = asyncio.create_task(progress.run())
        await asyncio.sleep(0.05)
        task.cancel()
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "미라이  collecting  01:01  sent 1,234  received 1,233",
        "바레사  waiting  00:00  sent 0  received -",
    ]


async def test_progress_in_a_terminal_redraws_itself() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Progress(console, lambda: [Row("미라이", "collecting", 0.5, 61.9, 1234, 1233)]):
        pass
    assert isinstance(console.file, io.StringIO)
    assert "1,234" in console.file.getvalue()
