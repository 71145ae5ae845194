"""One source of every title, in both languages."""

from collections.abc import Callable
from typing import Literal, get_args

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

Say = Callable[[str, str], str]
"""Picks from a Korean and an English text."""


def speaker(language: Language) -> Say:
    """What picks the texts of a language."""
    return lambda korean, english: korean if language == "ko" else english
