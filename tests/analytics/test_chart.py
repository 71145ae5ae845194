"""The chart: files, parts, positions on the clock, gaps, hostile names; not its looks."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

import analytics.chart
from analytics.chart import SEOUL, chart_pages, draw_chart
from analytics.chart_figure import chart_figure
from analytics.chart_marks import marks, placed
from analytics.chart_plot import LABELLED, ChartPage
from analytics.chart_series import chart_series
from analytics.chart_text import drawable, fitted, font, width
from analytics.language import Language

OPENED = datetime(2026, 1, 8, 13, 30, tzinfo=UTC)  # 22:30 in Seoul


def broadcast(seconds: int, *, per_sec: float = 2.0, gap: tuple[int, int] | None = None) -> pd.DataFrame:
    random = np.random.default_rng(7)
    series = pd.DataFrame({"sec": np.arange(seconds), "chat_count": random.poisson(per_sec, seconds)})
    series["donation_count"] = (series["sec"] % 300 == 10).astype(int)
    series["in_gap"] = False
    if gap:
        series.loc[gap[0] : gap[1] - 1, "in_gap"] = True
        series.loc[gap[0] : gap[1] - 1, "chat_count"] = 0
    return series


def peak(start: int, rank: int, **more: Any) -> dict[str, Any]:
    return {"start_sec": start, "end_sec": start + 60, "value": 500 - rank, "rank": rank, **more}


def draw(series: pd.DataFrame, out: Path, **more: Any) -> list[Path]:
    arguments: dict[str, Any] = {
        "peaks": [peak(60, 1)],
        "surges": [],
        "opened_at": OPENED,
        "streamer": "녹냥이",
        "title": "방송",
        "language": "ko",
    } | more
    return draw_chart(series, arguments.pop("peaks"), arguments.pop("surges"), out=out, **arguments)


def figure_of(
    series: pd.DataFrame,
    peaks: list[dict[str, Any]] | None = None,
    surges: list[dict[str, Any]] | None = None,
    page: ChartPage | None = None,
    **more: Any,
) -> Figure:
    data = chart_series(series, span=6 * 3600, rolling_sec=600)
    arguments: dict[str, Any] = {"streamer": "녹냥이", "title": "방송", "language": "ko"} | more
    return chart_figure(
        data,
        marks(peaks or [], kind="peak"),
        marks(surges or [], kind="surge"),
        page or chart_pages(data.duration, 6)[0],
        opened_at=OPENED.astimezone(SEOUL),
        **arguments,
    )


def found(figure: Figure, gid: str, kind: type[Any]) -> list[Any]:
    matches: Callable[[Artist], bool] = lambda artist: isinstance(artist, kind) and artist.get_gid() == gid  # noqa: E731
    return list(figure.findobj(matches))


def texts(figure: Figure, gid: str | None = None) -> list[str]:
    shown: list[Text] = figure.findobj(Text)  # type: ignore[assignment]
    return [text.get_text() for text in shown if gid is None or text.get_gid() == gid]


def test_one_file_of_the_size_promised(tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "chart_chat_rate.png"
    assert draw(broadcast(1200), out) == [out]
    with Image.open(out) as image:
        assert image.size == (3200, 1400)
        assert len(image.convert("RGB").getcolors(1 << 22) or []) > 50
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize(
    ("hours", "lengths"), [(0.05, [0.05]), (6, [6]), (6.001, [3.0005] * 2), (13, [13 / 3] * 3), (24, [6] * 4)]
)
def test_pages_are_of_one_length_and_cover_the_broadcast(hours: float, lengths: list[float]) -> None:
    pages = chart_pages(hours * 3600, 6)
    assert [page.end - page.start for page in pages] == pytest.approx([length * 3600 for length in lengths])
    assert [(page.number, page.count) for page in pages] == [(i + 1, len(lengths)) for i in range(len(lengths))]
    assert all(one.end == pytest.approx(two.start) for one, two in itertools.pairwise(pages))


def test_what_an_earlier_run_left_goes_and_nothing_else(tmp_path: Path) -> None:
    out, series = tmp_path / "chart_chat_rate.png", broadcast(1200)
    kept = {"chart_chat_rate_part1.png.txt", "chart_chat_rate_party.png", "my_chart_chat_rate.png", "peaks.json"}
    for name in kept:
        (tmp_path / name).write_text("mine")
    four = draw(series, out, part_hours=0.1)
    assert [path.name for path in four] == [f"chart_chat_rate_part{number}.png" for number in range(1, 5)]
    two = draw(series, out, part_hours=0.2)
    assert {path.name for path in tmp_path.iterdir()} == kept | {path.name for path in two}
    draw(series, out)
    assert {path.name for path in tmp_path.iterdir()} == kept | {out.name}
    draw(series, out, part_hours=0.2)
    assert {path.name for path in tmp_path.iterdir()} == kept | {path.name for path in two}


def test_a_failure_half_way_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, series = tmp_path / "chart_chat_rate.png", broadcast(1200)
    before = {path.name: path.read_bytes() for path in draw(series, out, part_hours=0.2)}
    whole = FigureCanvasAgg.print_png
    calls: list[Any] = []

    def full_disk(canvas: Any, path: Path, **more: Any) -> None:
        calls.append(path)
        if len(calls) == 2:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        whole(canvas, path, **more)

    monkeypatch.setattr(FigureCanvasAgg, "print_png", full_disk)
    with pytest.raises(OSError, match="No space left"):
        draw(series, out, part_hours=0.2, title="other")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    series = broadcast(3000, gap=(900, 1200))
    one, two, other = (tmp_path / name for name in ("one.png", "two.png", "other.png"))
    settings = dict(mpl.rcParams)
    draw(series, one)
    draw(series.sample(frac=1, random_state=1), two, opened_at=OPENED.astimezone(SEOUL))
    draw(series, other, title="other")
    assert one.read_bytes() == two.read_bytes() != other.read_bytes()
    assert dict(mpl.rcParams) == settings


def test_peaks_stand_at_their_seconds_with_their_ranks() -> None:
    series = broadcast(7200)
    series.loc[2000:2010, "chat_count"] += 30
    figure = figure_of(series, [peak(1980, 1), peak(5000, 2)])
    for rank, start in ((1, 1980), (2, 5000)):
        (number,) = found(figure, f"peak-number-{rank}", Text)
        (span,) = found(figure, f"peak-span-{rank}", Rectangle)
        (stem,) = found(figure, f"peak-stem-{rank}", Line2D)
        assert number.get_text() == str(rank)
        assert start <= stem.get_xdata()[0] <= start + 60
        assert (span.get_x(), span.get_width()) == (start, 60)
    (stem,) = found(figure, "peak-stem-1", Line2D)
    assert 2000 <= stem.get_xdata()[0] <= 2015, "the number stands over the burst, not over the middle of the span"
    assert texts(figure, "listed") == ["23:03:00", "23:53:20"]
    assert "0:33:00" in texts(figure)


def test_the_clock_is_that_of_seoul_and_midnight_brings_a_new_date() -> None:
    figure = figure_of(broadcast(7200))
    page = chart_pages(7200, 6)[0]
    clock = {text.get_text(): text.get_position()[0] * 1600 for text in found(figure, "clock", Text)}
    assert clock["22:30"] == pytest.approx(page.x(0))
    assert clock["23:00"] == pytest.approx(page.x(1800))
    assert clock["00:00"] == pytest.approx(page.x(5400))
    dates = {text.get_text(): text.get_position()[0] * 1600 for text in found(figure, "date", Text)}
    assert dates == pytest.approx({"1월 8일 (목)": page.x(0), "1월 9일 (금)": page.x(5400)})
    assert "2026년 1월 8일 (목)  22:30:00 – 00:30:00 KST" in texts(figure)


def test_parts_share_their_scale_and_divide_their_peaks() -> None:
    series = broadcast(8000)
    series.loc[6000:6060, "chat_count"] += 20
    figures = [
        figure_of(series, [peak(6000, 1), peak(1000, 2)], [peak(900, 1, onset_sec=905)], page)
        for page in chart_pages(8000, 8000 / 7200)
    ]
    assert len(figures) == 2
    assert figures[0].axes[0].get_ylim() == figures[1].axes[0].get_ylim()
    assert figures[0].axes[0].get_position().bounds == figures[1].axes[0].get_position().bounds
    assert [bool(found(figure, "peak-1", Line2D)) for figure in figures] == [False, True]
    assert [bool(found(figure, "peak-2", Line2D)) for figure in figures] == [True, False]
    assert [list(found(figure, "surges", Line2D)[0].get_xdata()) for figure in figures] == [[905], []]
    assert [texts(figure, "part") for figure in figures] == [["1 / 2"], ["2 / 2"]]


def test_gaps_are_hatched_and_are_not_quiet_seconds() -> None:
    figure = figure_of(broadcast(3600, gap=(1000, 1600)))
    (gap,) = found(figure, "gap", Rectangle)
    assert gap.get_hatch()
    assert (gap.get_x(), gap.get_width()) == (1000, 600)
    (rolling,) = found(figure, "rolling", Line2D)
    x, y = np.asarray(rolling.get_xdata()), np.asarray(rolling.get_ydata())
    assert np.isnan(y[(x > 1000) & (x < 1600)]).all()
    assert np.nanmin(y) > 80, "120 chats a minute; the gap must not pull the mean down"
    assert "83.3%" in texts(figure, "summary")
    assert not found(figure_of(broadcast(3600)), "gap", Rectangle)


def test_a_gap_of_one_second_is_still_seen() -> None:
    (gap,) = found(figure_of(broadcast(20_000, gap=(500, 501))), "gap", Rectangle)
    assert gap.get_width() * (1560 - 104) / 20_000 == pytest.approx(2)


@pytest.mark.parametrize("rows", [0, 1, 600])
def test_no_chat_is_said(rows: int, tmp_path: Path) -> None:
    series = broadcast(600, per_sec=0).head(rows)
    assert texts(figure_of(series), "empty") == ["수집된 채팅이 없습니다"]
    assert draw(series, tmp_path / "chart.png", language="en", peaks=[], streamer="", title=None)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("🔴 LIVE 노래방송 🎤👨‍👩‍👧❤️", "LIVE 노래방송 ❤"),
        ("$x_1$ \\frac{a} 100%", "$x_1$ \\frac{a} 100%"),
        ("a\nb\tc\r\n\u2028d\u3000e", "a b c d e"),
        ("\u202eevil\u202c \u200b\x00\x1b[31mred", "evil [31mred"),
        (__import__("unicodedata").normalize("NFD", "바레사"), "바레사"),
        ("𝓝𝓸𝓴 ｋ ♬◎", "Nok ｋ ♬◎"),
        ("z̸̢̛a̶͝l̵̕g̷o", "zalgo"),
        ("鄭國 深夜のうた", "鄭國 深夜のうた"),
        ("\ue000\ud800\U000e0041ㅤ🇰🇷", ""),
    ],
)
def test_of_a_hostile_name_what_can_be_drawn_is_drawn(raw: str, shown: str, tmp_path: Path) -> None:
    assert drawable(raw) == shown
    # Missing glyphs would warn, and warnings are errors here.
    assert draw(broadcast(60), tmp_path / "chart.png", streamer=raw, title=raw)


def test_dollars_are_no_mathematics() -> None:
    figure = figure_of(broadcast(60), streamer="$x_1$", title="\\o/ $5_$")
    for gid, shown in (("streamer", "$x_1$"), ("title", "\\o/ $5_$")):
        (line,) = found(figure, gid, Text)
        assert (line.get_text(), line.get_parse_math()) == (shown, False)


def test_long_names_end_within_the_chart() -> None:
    figure = figure_of(broadcast(60), streamer="아주긴이름" * 200, title="W" * 10_000)
    canvas: Any = figure.canvas
    streamer, title = (found(figure, gid, Text)[0] for gid in ("streamer", "title"))
    assert streamer.get_text().endswith("…")
    assert title.get_text().endswith("…")
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in (streamer, title)]
    assert boxes[0].x1 < boxes[1].x0
    assert boxes[1].x1 <= 3200 - 70
    assert fitted("WWWW", 1, font(20), canvas.get_renderer()) == "…"
    assert width("", font(20), canvas.get_renderer()) == 0


@pytest.mark.parametrize("language", ["ko", "en"])
def test_nothing_written_leaves_the_chart_or_covers_its_neighbour(language: Language) -> None:
    series = broadcast(20_000, per_sec=900.0, gap=(5000, 5900)).assign(viewers=123_456)
    figure = figure_of(series, [peak(130 * rank, rank) for rank in range(1, 51)], [peak(60, 1)], language=language)
    canvas: Any = figure.canvas
    for gid in ("summary", "listed", "clock", "date"):
        boxes = [text.get_window_extent(canvas.get_renderer()) for text in found(figure, gid, Text)]
        assert boxes
        assert all(box.x0 >= 0 and box.x1 <= 3200 and box.y0 >= 0 for box in boxes)
        assert not any(one.overlaps(two) for i, one in enumerate(boxes) for two in boxes[:i])


def test_numbers_of_crowded_peaks_do_not_cover_each_other() -> None:
    curve_x = np.arange(0.0, 1456.0, 2.0)
    curve_y = np.full(len(curve_x), 200.0)
    for left in (0.0, 700.0, 1380.0):
        spots = placed([(left + 8.0 * i, 200.0) for i in range(LABELLED)], curve_x, curve_y, (1456, 380))
        distances = [np.hypot(a.x - b.x, a.y - b.y) for i, a in enumerate(spots) for b in spots[:i]]
        assert min(distances) >= 24
        assert all(0 < spot.x < 1456 and 200 < spot.y < 380 for spot in spots)


def test_ten_peaks_have_numbers_the_others_dots() -> None:
    figure = figure_of(broadcast(9000), [peak(150 * rank, rank) for rank in range(1, 31)])
    assert sum(bool(found(figure, f"peak-number-{rank}", Text)) for rank in range(1, 31)) == LABELLED
    assert all(found(figure, f"peak-{rank}", Line2D) for rank in range(1, 31))


def test_old_entries_are_read_and_broken_ones_named() -> None:
    (old,) = marks([{"start_sec": 742, "end_sec": 802}], kind="peak")
    assert (old.start, old.end, old.onset, old.rank, old.value) == (742, 802, 742, 1, None)
    (pandas,) = marks([{"start_sec": np.int64(7), "end_sec": Decimal(9), "rank": np.int32(3)}], kind="peak")
    assert (pandas.start, pandas.end, pandas.rank) == (7, 9, 3)
    assert figure_of(broadcast(900), [{"start_sec": 742, "end_sec": 802}])
    with pytest.raises(ValueError, match="surge 2 has no end_sec"):
        marks([peak(1, 1), {"start_sec": 3}], kind="surge")
    with pytest.raises(ValueError, match="peak 1 has no start_sec"):
        marks([{"start_sec": float("nan"), "end_sec": 1}], kind="peak")


def test_coarse_series_have_the_same_rates_and_gaps_in_seconds() -> None:
    fine = broadcast(7200, gap=(1800, 2400))
    coarse = fine.assign(sec=fine["sec"] // 60 * 60).groupby("sec", as_index=False).sum()
    one, two = (chart_series(series, span=21_600, rolling_sec=600) for series in (fine, coarse))
    assert (
        (one.duration, one.chats, one.gaps) == (two.duration, two.chats, two.gaps) == (7200, one.chats, [(1800, 2400)])
    )
    assert one.coverage == two.coverage == pytest.approx(11 / 12)
    assert two.bin_sec == 60
    assert two.rate[1] == fine["chat_count"].head(60).sum()
    assert two.rolling[-1] == pytest.approx(fine["chat_count"].tail(600).sum() / 10)
    assert chart_series(coarse.head(1), span=21_600, rolling_sec=600, step=60).duration == 60


def test_the_numbers_of_a_series() -> None:
    series = pd.DataFrame({"sec": [5, 0, 119], "chat_count": [3, 1, 8], "in_gap": ["f", "t", "False"]})
    data = chart_series(series, span=21_600, rolling_sec=600, step=1)
    assert (data.duration, data.chats, data.average) == (120, 12, 6.0)
    assert data.busiest == (60, 8.0)
    assert data.gaps == [(0, 1)]
    assert data.coverage == pytest.approx(119 / 120)
    assert chart_series(series[["sec", "chat_count"]], span=21_600, rolling_sec=600).coverage is None


def test_rolling_mean_is_shorter_at_the_start() -> None:
    series = pd.DataFrame({"sec": [0, 60, 120], "chat_count": [150, 180, 200]})
    data = chart_series(series, span=21_600, rolling_sec=600)
    assert data.rolling[1:-1] == pytest.approx([150.0, 165.0, 530 / 3])


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    out = tmp_path / "chart.png"
    with pytest.raises(ValueError, match="no time zone"):
        draw(broadcast(60), out, opened_at=datetime(2026, 1, 8))  # noqa: DTZ001
    with pytest.raises(ValueError, match="chat_count"):
        draw(pd.DataFrame({"sec": [0]}), out)
    with pytest.raises(ValueError, match="31 days"):
        draw(pd.DataFrame({"sec": [0, 10**12], "chat_count": [1, 1]}), out)
    with pytest.raises(ValueError, match="part_hours"):
        draw(broadcast(60), out, part_hours=0)
    assert not list(tmp_path.iterdir())


def test_the_font_has_all_of_korean_and_its_licence() -> None:
    fonts = Path(analytics.chart.__file__).parent / "fonts"
    assert "SIL OPEN FONT LICENSE" in (fonts / "OFL.txt").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in fonts.iterdir()) < 8_000_000
    hangul = "".join(map(chr, range(0xAC00, 0xD7A4)))
    assert all(drawable(hangul[at : at + 500]) == hangul[at : at + 500] for at in range(0, len(hangul), 500))


def test_a_chart_needs_no_pyplot_and_no_display() -> None:
    code = "import analytics.chart, sys; sys.exit('matplotlib.pyplot' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_twelve_hours_take_little_memory_and_time(tmp_path: Path) -> None:
    series = broadcast(43_200)
    draw(series, tmp_path / "chart.png")
    started = datetime.now(UTC)
    assert len(draw(series, tmp_path / "chart.png")) == 2
    # A second on a quiet machine; the rest is room for a busy one.
    assert datetime.now(UTC) - started < timedelta(seconds=6)
