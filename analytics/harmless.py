"""Words of strangers made harmless: for a terminal that obeys control characters, and for services that ping people."""

import re
import unicodedata

# Invisible, and not in any of the categories below: they would be blanks of odd widths.
_FILLERS = dict.fromkeys(map(ord, "\u115f\u1160\u3164\uffa0\u2800"), " ")

# Regional indicators become the letters they stand for: terminals do not agree on how wide a flag is.
_FLAGS = {0x1F1E6 + index: chr(ord("A") + index) for index in range(26)}

# Skin tones, which some terminals draw into the emoji before and others beside it.
_TONES = dict.fromkeys(range(0x1F3FB, 0x1F400))

# Cc: escape sequences begin with one. Cf: reading directions, joiners. Cs, Co, Cn: nobody knows how wide they are.
_DROPPED = ("Cc", "Cf", "Cs", "Co", "Cn", "Me")
_BLANKS = ("Zs", "Zl", "Zp")

_MARKS_IN_A_ROW = 1  # accents are one; more is a tower over the lines above

# What Discord and Slack read as a mention, a link or a style, and what looks like it and is read as nothing.
_MARKUP = str.maketrans("@<>*`", "＠＜＞＊'")
_PAIRS = (("](", "] ("), ("||", "｜｜"), ("~~", "～～"), ("__", "＿＿"), ("://", ":／／"))
_BARE_LINK = re.compile(r"(?i)\b(www|discord|t)\.(?=\w)")


def one_line(text: str | None) -> str:
    """`text` as one line that any terminal prints as it is: no control characters, no invisible ones, no towers.

    Every character that is left is 0, 1 or 2 cells wide, and all terminals agree on it.
    """
    kept: list[str] = []
    marks = 0
    composed = unicodedata.normalize("NFC", text or "").translate(_FILLERS).translate(_FLAGS).translate(_TONES)
    for character in composed:
        category = unicodedata.category(character)
        if character in "\t\n\r\x0b\x0c\x85" or category in _BLANKS:
            character = " "
        elif category in _DROPPED or "\ufe00" <= character <= "\ufe0f":
            continue
        marks = marks + 1 if category == "Mn" else 0
        if marks <= _MARKS_IN_A_ROW:
            kept.append(character)
    return " ".join("".join(kept).split())


def without_markup(text: str | None) -> str:
    """`text` as one line in which no service finds a mention, a link or a style; it reads the same to people."""
    line = one_line(text).translate(_MARKUP)
    for pair, read_as_nothing in _PAIRS:
        line = line.replace(pair, read_as_nothing)
    return _BARE_LINK.sub(lambda found: f"{found[1]}․", line)
