"""Text on a chart: the fonts that come with NokChart, and what of a stranger's title can be drawn with them."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from typing import Any, Final

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

_FONTS: Final = Path(__file__).parent / "fonts"
_FACES: Final = {"regular": "PretendardJP-Regular.otf", "semibold": "PretendardJP-SemiBold.otf"}

# Comes with matplotlib; has the symbols that Pretendard lacks: ♬ ◎ ♨ ♣.
_FALLBACK: Final = "DejaVu Sans"

# Letters and symbols that show nothing: Hangul fillers, the empty Braille cell.
_BLANKS: Final = "\u115f\u1160\u3164\uffa0\u2800"

# Longer input is cut before any other work: no title on screen is longer.
_LONGEST_INPUT: Final = 500


@cache
def _family(face: str) -> str:
    """Makes a face known to matplotlib in this process (not in its settings) and returns its family name."""
    path = _FONTS / _FACES[face]
    fontManager.addfont(path)
    # As matplotlib reads it: the semibold face is a family of its own there.
    return next(entry.name for entry in reversed(fontManager.ttflist) if Path(entry.fname) == path)


def font(pixels: float, *, bold: bool = False) -> FontProperties:
    """The chart's font. `pixels`: size on a chart of 1600 px width, where an inch has 100 px and 72 points."""
    face = "semibold" if bold else "regular"
    # Without a weight: each face is a family to matplotlib, and it would log that one of 600 is not found.
    return FontProperties(family=[_family(face), _FALLBACK], size=pixels * 0.72)


@cache
def _drawable() -> frozenset[int]:
    """Code points that both faces, or the fallback for them, have."""
    regular, semibold = (set(get_font(_FONTS / name).get_charmap()) for name in _FACES.values())
    fallback = get_font(findfont(FontProperties(family=_FALLBACK))).get_charmap()
    return frozenset((regular & semibold) | set(fallback))


def drawable(raw: str) -> str:
    """`raw` as one line of characters that the fonts have, possibly empty.

    Composed (a name from macOS comes as single jamo); 𝓐 and the like become plain letters; white space of any kind
    becomes one space; what remains unknown is left out, and so are control and direction characters and emoji.
    """
    known = _drawable()
    out: list[str] = []
    for char in unicodedata.normalize("NFC", raw[:_LONGEST_INPUT]):
        # A plain equivalent is worth having only whole: half of a ligature would be another word.
        for candidate in (char, unicodedata.normalize("NFKC", char)):
            if all(part.isspace() or (ord(part) in known and not _unwanted(part)) for part in candidate):
                out.append(candidate)
                break
    return " ".join("".join(out).split())


def _unwanted(char: str) -> bool:
    """Control, format and private-use characters, marks (they stack out of their line), blanks, and all emoji alike."""
    category = unicodedata.category(char)
    emoji = "\U0001f000" <= char <= "\U0001faff"
    return emoji or category[0] == "C" or category in ("Mn", "Me") or char in _BLANKS


def width(line: str, properties: FontProperties, renderer: RendererAgg) -> float:
    """Width of one line in pixels of the renderer."""
    untyped: Any = renderer
    return float(untyped.get_text_width_height_descent(line, properties, False)[0]) if line else 0.0


def fitted(line: str, limit: float, properties: FontProperties, renderer: RendererAgg) -> str:
    """`line`, or as much of its start as fits `limit` (pixels of the renderer) with an ellipsis after it."""
    if width(line, properties, renderer) <= limit:
        return line
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        if width(line[:middle].rstrip() + "…", properties, renderer) <= limit:
            low = middle
        else:
            high = middle - 1
    return line[:low].rstrip() + "…"
