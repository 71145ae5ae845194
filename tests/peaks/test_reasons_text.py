"""reasons_text: each reason that the peak functions give has a Korean wording, and nothing else is changed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import psycopg
import pytest

import sql
from bench import peak_detectors as bench

Connection = psycopg.Connection[Any]


def said(connection: Connection, reasons: list[str | None], language: str | None) -> str:
    row = connection.execute("SELECT reasons_text(%s::text[], %s)", (reasons, language)).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def every_kind(plain_connection: Connection) -> set[str]:
    """Reasons of peaks of both lists: a burst of many, a burst of few, each beside a gap and not."""
    counts = np.random.default_rng(1).poisson(5, 3600)
    counts[1800:1820] += 25
    counts[2700:2720] += 80
    crowd = counts.copy()
    crowd[2700:2720] = 30
    counts[2706:2710] = 0
    in_gap = [2706 <= second < 2710 for second in range(3600)]
    peaks = [
        peak
        for gaps in (None, in_gap)
        for peak in [
            *bench.surges(plain_connection, counts, gaps, crowd),
            *bench.volume(plain_connection, counts, gaps),
        ]
    ]
    return {reason for peak in peaks for reason in peak.reasons}


def test_these_are_all_kinds(every_kind: set[str]) -> None:
    """Each text that the functions put into reasons: who adds a kind has to make a peak of it above."""
    (text,) = (text for name, text in sql.schema_files("views") if name == "20_peaks.sql")
    listed = [
        part for array in re.findall(r"ARRAY\[([^\]]*'[^\]]*)\]", text) for part in re.findall(r"'([^']+)'", array)
    ]
    assert {"volume ", "surge z=", "x usual", "few chatters", "touches gap"} <= set(listed)
    assert [part for part in listed if not any(part in reason for reason in every_kind)] == []


def test_every_kind_has_a_korean_wording(plain_connection: Connection, every_kind: set[str]) -> None:
    for reason in every_kind:
        korean = said(plain_connection, [reason], "ko")
        assert re.search("[가-힣]", korean)
        assert not re.search("[A-Za-z]", korean), reason
        assert re.findall(r"[0-9.]+", korean) == re.findall(r"[0-9.]+", reason)


def test_in_order_and_in_one_line(plain_connection: Connection) -> None:
    surge: list[str | None] = ["surge z=5.2", "3.1x usual", "few chatters", "touches gap"]
    assert said(plain_connection, surge, "ko") == "급증 5.2σ, 평소의 3.1배, 소수가 작성, 수집 공백과 겹침"
    assert said(plain_connection, ["volume 12.0x usual"], "ko") == "채팅량이 평소의 12.0배"
    assert said(plain_connection, surge, "en") == "surge z=5.2, 3.1x usual, few chatters, touches gap"


@pytest.mark.parametrize("language", ["ko", "en", "fr", "", None])
def test_what_is_not_known_passes_unchanged(plain_connection: Connection, language: str | None) -> None:
    strange: list[str | None] = ["few chatters?", "\\1 surge z=5", "volume x usual", "", None, "3x usual\nmore"]
    assert said(plain_connection, strange, language) == ", ".join(one for one in strange if one is not None)
    assert said(plain_connection, [], language) == ""
