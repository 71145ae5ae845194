"""Hostile titles: whatever a stranger writes, a terminal prints one plain line and a service pings nobody."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from analytics.harmless import one_line, without_markup


@pytest.mark.parametrize(
    ("hostile", "plain"),
    [
        ("달빛너굴", "달빛너굴"),
        ("\x1b[31mred\x1b]0;title\x07", "[31mred]0;title"),
        ("a\nb\r\nc\td", "a b c d"),
        ("\u202eabc\u2066d\u200b\u200d", "abcd"),
        ("\x9b2Jgone", "2Jgone"),
        ("👨\u200d👩\u200d👧 ❤\ufe0f 👍\U0001f3fd", "👨👩👧 ❤ 👍"),
        ("🇰🇷", "KR"),
        ("Z" + "\u0300" * 50 + "algo", "Z\u0300algo"),
        ("한", "한"),  # decomposed, as macOS writes it
        ("\u3164\u3164", ""),
        ("\ud800 half \U000e0041", "half"),
        (None, ""),
    ],
)
def test_one_plain_line(hostile: str | None, plain: str) -> None:
    assert one_line(hostile) == unicodedata.normalize("NFC", plain)


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    line = one_line(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in line)
    assert one_line(line) == line
    assert cell_len(line) == sum(cell_len(character) for character in line)


@pytest.mark.parametrize(
    "hostile",
    [
        "@everyone",
        "@\u200beveryone",
        "<@123456>",
        "<!channel>",
        "<!here|here>",
        "<https://evil.example|click>",
        "[click](https://evil.example)",
        "https://evil.example",
        "discord.gg/abc",
        "**bold** __u__ ~~s~~ ||spoiler|| `code`",
    ],
)
def test_no_mention_link_or_style(hostile: str) -> None:
    said = without_markup(hostile)
    assert not any(mark in said for mark in ("@", "<", ">", "](", "://", "**", "__", "~~", "||", "`", "discord."))
    assert said
