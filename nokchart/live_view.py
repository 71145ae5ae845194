"""The picture that `nokchart live` shows: a header, the channels by excitement, a footer, in whatever room there is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from analytics.harmless import one_line
from analytics.language import Language, decimal, duration, elapsed, text
from analytics.live_view import LiveChannel, LiveCollector, LiveView
from store.event import KST

_BARS: Final = "▁▂▃▄▅▆▇█"
_HOLE: Final = "░"
_INDENT: Final = 2
_RATE: Final = 10  # cells
_MANY: Final = "99,999"  # viewers that there is room for
_NARROWEST_GRAPH: Final = 10
_STEP_SEC: Final = 10  # of chats_15min

# Blue and orange: people who tell no red from green tell these. What matters is a sign or a word as well.
_CALM, _LIVELY, _HOT = "steel_blue1", "orange1", "bold dark_orange"
_DIM, _BAD, _MISSING = "grey58", "bold red1", "indian_red1"

_WORTH_SAYING_SEC: Final = 5  # of a gap

_LIVELY_SIGMA: Final = 2.0
_HOT_SIGMA: Final = 4.0


class Picture:
    """Draws one look after another, in one language."""

    def __init__(self, language: Language, interval_sec: float) -> None:
        self._language: Language = language
        self._interval_sec = interval_sec

    def draw(self, view: LiveView, width: int, height: int | None, away: tuple[str, float] | None = None) -> list[Text]:
        """The lines, none wider than `width` cells, at most `height` (None: as many as it takes, and no footer).

        `away`: why the database gives no newer look, and for how many seconds.
        """
        head = [self._header(view, width, away), Text("─" * width, style="grey35")]
        if height is None:
            return head + _joined([self._block(one, width) for one in view.channels] or [self._nobody(width)], True)
        room = max(1, height - len(head) - 1)
        body, left_out = self._fit(view.channels, width, room)
        blank = [Text()] * (room - len(body))
        return [*head, *body, *blank, self._footer(width, left_out)][:height]

    def _fit(self, channels: Sequence[LiveChannel], width: int, room: int) -> tuple[list[Text], int]:
        """The channels as large as there is room for, and how many there is none for."""
        if not channels:
            return [Text()] * (room // 3) + self._nobody(width), 0
        blocks = [self._block(one, width) for one in channels]
        for apart in (True, False):
            lines = _joined(blocks, apart)
            if len(lines) <= room:
                return lines, 0
        rows = [self._row(one, width) for one in channels[:room]]
        return rows, len(channels) - len(rows)

    def _header(self, view: LiveView, width: int, away: tuple[str, float] | None) -> Text:
        on_air = self._say("live.on_air", count=len(view.channels))
        line = Text.assemble((" NokChart", "bold"), "  ", on_air, "  ")
        if away is not None:
            problem, seconds = away
            line.append(self._say("live.away", ago=duration(seconds, self._language), problem=one_line(problem)), _BAD)
            return _cut(line, width)
        stalled = [one for one in view.collectors if one.stalled]
        if stalled:
            line.append(self._stalled(stalled[0]), _BAD)
        elif view.collecting:
            line.append("● ", _CALM).append(self._say("live.collecting"), _DIM)
        else:
            line.append(self._say("live.no_collector"), _LIVELY)
        return _ends(line, Text(f"{view.at.astimezone(KST):%H:%M:%S} ", style=_DIM), width)

    def _stalled(self, one: LiveCollector) -> str:
        return self._say("live.stalled", name=one.collector_id, ago=duration(one.silent_sec, self._language))

    def _footer(self, width: int, left_out: int) -> Text:
        keys = Text(" " + self._say("live.keys", interval=f"{self._interval_sec:g}"), style=_DIM)
        more = Text(self._say("live.more", count=left_out) + " " if left_out else "", style=_LIVELY)
        return _ends(keys, more, width)

    def _nobody(self, width: int) -> list[Text]:
        said = self._say("live.nobody")
        return [_cut(Text(" " * max(0, (width - cell_len(said)) // 2) + said, style=_DIM), width)]

    def _block(self, one: LiveChannel, width: int) -> list[Text]:
        """Two or three lines of a channel."""
        style = _style(one)
        name = Text.assemble(("▌", style), " ", (one.streamer or one.channel_id, "bold"), "  ", (one.title, _DIM))
        first = _ends(name, Text(f"{elapsed(one.elapsed_sec)} ", style=_DIM), width)
        viewers = cell_len(self._say("live.viewers", count=_MANY))
        figures = Text.assemble(("▌", style), " ", self._rate(one, _RATE), "  ", self._viewers(one, viewers), "  ")
        graph = self._graph(one, max(width - cell_len(figures.plain) - 1, _NARROWEST_GRAPH))
        second = _cut(Text.assemble(figures, graph), width)
        news, donations = self._news(one), self._donations(one)
        if not news and not donations:
            return [first, second]
        third = Text.assemble(("▌", style), " ", news)
        if news and cell_len(third.plain) + cell_len(donations.plain) + 3 > width:
            donations = Text()  # the news is what the line is for
        return [first, second, _ends(third, Text.assemble(donations, " "), width)]

    def _row(self, one: LiveChannel, width: int) -> Text:
        """One line of a channel, where there are many."""
        name_cells = max(8, width // 5)
        name = _sized(Text(one.streamer or one.channel_id, style="bold"), name_cells)
        words = Text(" ".join(one.peak.words) or f"{one.peak.times_usual:g}x", style=_HOT) if one.peak else Text()
        peak = Text.assemble((" ▲ ", _HOT), words) if one.peak else Text(" ✕" if one.gap_open else "", style=_BAD)
        graph = max(width - name_cells - _RATE - 19, _NARROWEST_GRAPH)
        line = Text.assemble(("▌", _style(one)), " ", name, self._rate(one, _RATE), " ", self._graph(one, graph), peak)
        return _cut(line, width)

    def _rate(self, one: LiveChannel, cells: int) -> Text:
        rate = "–" if one.chats_per_sec is None else decimal(one.chats_per_sec)
        said = self._say("live.rate", rate=rate)
        return Text(" " * max(0, cells - cell_len(said)) + said, style=_style(one))

    def _viewers(self, one: LiveChannel, cells: int) -> Text:
        said = "" if one.viewers is None else self._say("live.viewers", count=f"{one.viewers:,}")
        return Text(" " * max(0, cells - cell_len(said)) + said, style=_DIM)

    def _graph(self, one: LiveChannel, cells: int) -> Text:
        """The last 15 minutes. What was not collected is a hole; what lay before the broadcast is blank."""
        steps = one.chats_15min
        cells = min(cells, len(steps))
        bounds = [round(index * len(steps) / cells) for index in range(cells + 1)]
        columns = [steps[begin:end] for begin, end in pairwise(bounds)]
        means = [_mean(column) for column in columns]
        top = max((mean for mean in means if mean is not None), default=0.0)
        before = len(steps) - one.elapsed_sec // _STEP_SEC  # steps that lie before the opening, wholly or in part
        graph = Text()
        for index, mean in enumerate(means):
            if mean is None:
                graph.append(" " if bounds[index + 1] <= before + 1 else _HOLE, _MISSING)
            else:
                level = min(len(_BARS) - 1, int(mean / top * len(_BARS))) if top else 0
                graph.append(_BARS[level], _HOT if self._in_peak(one, bounds[index], bounds[index + 1]) else _CALM)
        return graph

    @staticmethod
    def _in_peak(one: LiveChannel, begin: int, end: int) -> bool:
        steps = len(one.chats_15min)
        first, last = (one.elapsed_sec - (steps - index) * _STEP_SEC for index in (begin, end))
        return any(peak.onset_sec < last and peak.end_sec > first for peak in one.peaks)

    def _news(self, one: LiveChannel) -> Text:
        """What is to be said of a channel at this moment: its peak, or what is missing."""
        if one.peak is not None:
            ago = duration(max(0, one.elapsed_sec - one.peak.onset_sec), self._language)
            at, times = elapsed(one.peak.onset_sec), f"{one.peak.times_usual:g}"
            return Text.assemble(
                ("▲ " + self._say("live.peak", at=at, ago=ago, times=times), _HOT),
                ("  " + " · ".join(one.peak.words) if one.peak.words else "", "bold"),
            )
        if one.gap_open:
            return Text("✕ " + self._say("live.not_collected"), style=_BAD)
        if one.missing_15min >= _WORTH_SAYING_SEC:
            missing = duration(one.missing_15min, self._language)
            return Text(f"{_HOLE} " + self._say("live.missing", missing=missing), style=_MISSING)
        return Text()

    def _donations(self, one: LiveChannel) -> Text:
        if not one.donations_15min:
            return Text()
        said = self._say("live.donations", count=f"{one.donations_15min:,}", amount=f"{one.donated_15min:,}")
        return Text(said, style=_DIM)

    def _say(self, key: str, **values: object) -> str:
        return text(key, self._language, **values)


def _style(one: LiveChannel) -> str:
    if one.excitement >= _HOT_SIGMA or one.peak is not None:
        return _HOT
    return _LIVELY if one.excitement >= _LIVELY_SIGMA else _CALM


def _mean(steps: Sequence[float | None]) -> float | None:
    known = [step for step in steps if step is not None]
    return sum(known) / len(known) if known else None


def _joined(blocks: Sequence[list[Text]], apart: bool) -> list[Text]:
    lines: list[Text] = []
    for block in blocks:
        lines += [Text(), *block] if apart and lines else block
    return lines


def _sized(line: Text, cells: int) -> Text:
    """`line` in exactly so many cells."""
    line = _cut(line, cells)
    return Text.assemble(line, " " * (cells - cell_len(line.plain)))


def _ends(left: Text, right: Text, width: int) -> Text:
    """`left` and `right` at the two ends of a line; where there is no room for both, `left` is cut."""
    taken = cell_len(right.plain)
    if taken >= width:
        return _cut(right, width)
    return Text.assemble(_sized(left, width - taken), right)


def _cut(line: Text, width: int) -> Text:
    """`line` in at most `width` cells, with … where something was left out; half a Korean letter never is."""
    if cell_len(line.plain) <= width:
        return line
    kept = set_cell_size(line.plain, max(0, width - 1)).rstrip(" ")
    cut = line.copy()
    cut.right_crop(len(line.plain) - len(kept))
    return Text.assemble(cut, ("…", _DIM))
