"""The steps one by one: they make what `process` makes, and refuse in one sentence what they cannot use."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from analytics.folder import OutputError
from analytics.job import JobSettings, process_folder
from analytics.peaks import PeakSettings
from analytics.series_frame import SeriesError, read_series_file
from analytics.steps import PeaksFileError, build_series, find_series_peaks, plot_series
from store.database import Database
from store.errors import NokchartError
from tests.analytics.sample import OPENED, files_of, line, minutes_of, write_events

SERIES = ("chat_ts_1s.csv", "chat_ts_60s.csv", "chat_ts_300s.csv")


def test_step_by_step_is_the_same_as_at_once(plain_database: Database, tmp_path: Path) -> None:
    burst = [line(400_000 + 200 * number, text=f"와 {number}", user=f"b{number}") for number in range(120)]
    folder = write_events(tmp_path / "S123", [*minutes_of(20, 25, 20, 22, 18, 20, 21, 20, 24, 19), *burst])
    # What only the report knows: a gap, and an end after the last message.
    report = {"opened_at": "2026-01-06T12:00:00Z", "closed_at": "2026-01-06T12:15:00Z", "streamer": "미라이"}
    report["gaps"] = [{"from": "2026-01-06T12:11:00Z", "to": "2026-01-06T12:12:00Z", "repaired": False}]  # type: ignore[assignment]
    (folder / "collection_report.json").write_text(json.dumps(report))
    process_folder(plain_database, folder, "S123", JobSettings())

    out = tmp_path / "steps"
    written, notes = build_series(plain_database, folder / "events.jsonl", out, 600)
    assert [path.name for path in written] == list(SERIES)
    assert notes.used == len(burst) + 209
    find_series_peaks(plain_database, out / "chat_ts_1s.csv", "S123", out / "peaks.json", PeakSettings())
    (out / "collection_report.json").write_text(json.dumps(report))
    plot_series(out / "chat_ts_1s.csv", out / "peaks.json", out / "chart_chat_rate.png", 600, "ko")
    made, stepped = files_of(folder), files_of(out)
    for name in (*SERIES, "peaks.json", "chart_chat_rate.png"):
        assert stepped[name] == made[name], name
    assert len(made["chat_ts_1s.csv"].splitlines()) == 901
    assert json.loads(made["peaks.json"])["peaks"]


def test_series_of_the_old_tool(plain_database: Database, tmp_path: Path) -> None:
    path = tmp_path / "chat_ts_1s.csv"
    calm = "".join(f"{sec},{1 + sec % 2},2026-01-06T12:00:00+00:00,1.5\r\n" for sec in range(600))
    burst = "".join(f"{sec},20,2026-01-06T12:00:00+00:00,9.0\r\n" for sec in range(600, 640))
    path.write_text("\ufeffsec,chat_count,timestamp,chat_count_rolling_600s\r\n" + calm + burst)
    out = tmp_path / "peaks.json"
    find_series_peaks(plain_database, path, "S123", out, PeakSettings())
    found = json.loads(out.read_bytes())
    assert found["surges"][0]["onset_sec"] in range(595, 606)
    assert found["settings"] == asdict(PeakSettings())
    charts = plot_series(path, out, tmp_path / "new" / "chart.png", 600, "en")
    assert [chart.read_bytes()[:4] for chart in charts] == [b"\x89PNG"]


HEADER = "sec,chat_count,timestamp\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a chat_ts file"),
        ("\n", "is not a chat_ts file"),
        (HEADER, "has no rows."),
        ("sec,timestamp\n0,x\n", "has no column chat_count: it is not a chat_ts file."),
        ("a;b\n0;1\n", "has no column sec and chat_count: it is not a chat_ts file."),
        (HEADER + "0,1,x\n1,many,x\n", "line 3: chat_count is not a number."),
        (HEADER + "0,1,x\n1,inf,x\n", "line 3: chat_count is not a number."),
        (HEADER + "0,1,x\n1,1e300,x\n", "line 3: chat_count is not a number."),
        (HEADER + "0,1,x\n1,-3,x\n", "line 3: chat_count is not a number."),
        (HEADER + "0,1,x\ninf,1,x\n", "line 3: sec is not a number."),
        (HEADER + "0,1,x\n1e300,1,x\n", "line 3: sec is not a number."),
        (HEADER + "0,1,x\n99999999999,1,x\n", "line 3: sec is not a number."),
        (HEADER + "0,1,x\n,1,x\n", "sec must be there in each line, and rise."),
        (HEADER + "0,1,x\n0.5,1,x\n", "sec must be there in each line, and rise."),
        (HEADER + "1,1,x\n0,1,x\n", "sec must be there in each line, and rise."),
        (HEADER + "0,1,x\n60,1,x\n120,1,x\n", "has no row for each second: peaks are found in chat_ts_1s.csv."),
        (HEADER + '0,"1,x\n', "is not a chat_ts file"),
        (HEADER + "0,1,x\n1,1,x,y,z\n", "is not a chat_ts file"),
        ("\udcff", "is not a chat_ts file"),
    ],
)
def test_series_that_cannot_be_used(plain_database: Database, tmp_path: Path, text: str, message: str) -> None:
    path, out = tmp_path / "chat_ts_1s.csv", tmp_path / "peaks.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    out.write_text("old")
    with pytest.raises(SeriesError) as caught:
        find_series_peaks(plain_database, path, "S123", out, PeakSettings())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert out.read_text() == "old"


def test_seconds_that_are_left_out_had_no_chat(plain_database: Database, tmp_path: Path) -> None:
    path = tmp_path / "chat_ts_1s.csv"
    path.write_text("sec,chat_count,timestamp,in_gap\n3,1,2026-01-06T12:00:03Z,false\n4,,x,true\n9,2,x,\n")
    frame, opened_at = read_series_file(path)
    assert opened_at == OPENED
    assert frame["in_gap"].tolist() == [False, True, False]
    find_series_peaks(plain_database, path, "S123", tmp_path / "peaks.json", PeakSettings())


@pytest.mark.parametrize(
    ("peaks", "message"),
    [
        (None, "does not exist: `nokchart peaks` makes it."),
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[]", 'has no list "peaks"'),
        (b'{"peaks": 5}', 'has no list "peaks"'),
        (b'{"peaks": [5]}', 'has no list "peaks"'),
        (b'{"peaks": [{"rank": 1}]}', "cannot be drawn"),
        (b'{"peaks": [{"start_sec": "x", "end_sec": 5}]}', "cannot be drawn"),
    ],
)
def test_peaks_that_cannot_be_drawn(tmp_path: Path, peaks: bytes | None, message: str) -> None:
    series, path, out = tmp_path / "chat_ts_60s.csv", tmp_path / "peaks.json", tmp_path / "chart.png"
    series.write_text(HEADER + "0,1,x\n60,1,x\n")
    out.write_text("old")
    if peaks is not None:
        path.write_bytes(peaks)
    with pytest.raises(PeaksFileError) as caught:
        plot_series(series, path, out, 600, "ko")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert out.read_text() == "old"


def test_places_that_cannot_be_read_or_written(plain_database: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    series = tmp_path / "chat_ts_1s.csv"
    series.write_text(HEADER + "0,1,2026-01-06T12:00:00Z\n1,1,x\n")
    peaks = tmp_path / "peaks.json"
    peaks.write_text('{"peaks": []}')
    failing: list[tuple[type[NokchartError], Any]] = [
        (SeriesError, lambda: plot_series(tmp_path / "no.csv", peaks, tmp_path / "x.png", 600, "ko")),
        (SeriesError, lambda: plot_series(tmp_path, peaks, tmp_path / "x.png", 600, "ko")),
        (PeaksFileError, lambda: plot_series(series, tmp_path, tmp_path / "x.png", 600, "ko")),
        (OutputError, lambda: plot_series(series, peaks, tmp_path / "file" / "x.png", 600, "ko")),
        (
            OutputError,
            lambda: find_series_peaks(plain_database, series, "S", tmp_path / "file" / "p.json", PeakSettings()),
        ),
    ]
    for kind, run in failing:
        with pytest.raises(kind) as caught:
            run()
        assert "\n" not in str(caught.value)
