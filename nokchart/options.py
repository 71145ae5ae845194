"""What several commands take: the options they share, and how what a person writes in them is read."""

from datetime import date, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import Annotated, Any

import typer

from nokchart.config import Config, ConfigError

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings; config.yaml in this folder when there is one.")
]
OutDir = Annotated[Path | None, typer.Option("--outdir", help="Where folders of broadcasts go; config's outdir.")]
LanguageOption = Annotated[str | None, typer.Option("--language", help="ko or en: charts, statistics and reports.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 where some of the input could not be used.")]


def job_settings(settings: Config, *, parquet: bool = False) -> Any:
    """The settings of a job of analytics, which is imported only where it is needed."""
    from analytics.job import JobSettings
    from analytics.peaks import PeakSettings

    return JobSettings(
        PeakSettings(
            window_sec=settings.peak_window_sec,
            topk=settings.topk,
            min_gap_sec=settings.min_peak_gap_sec,
            false_alarms=settings.peak_false_alarms or None,
            surge_threshold=settings.surge_threshold,
            surge_topk=settings.surge_topk,
            surge_min_gap_sec=settings.surge_min_gap_sec,
        ),
        settings.rolling_sec,
        settings.language,
        parquet,
    )


def day_of(value: str | None, option: str) -> date | None:
    """A day in Korea as YYYY-MM-DD. ConfigError where it is none."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ConfigError(f"{option} {value!r} is no day: write it as 2026-01-08.") from error


def clock_of(value: str | None) -> clock_time | None:
    """A time of day in Korea as HH:MM. ConfigError where it is none."""
    if value is None:
        return None
    try:
        return datetime.strptime(value, "%H:%M").time()  # noqa: DTZ007 - a time of day in Korea
    except ValueError as error:
        raise ConfigError(f"--daily {value!r} is no time of day: write it as 04:00.") from error
