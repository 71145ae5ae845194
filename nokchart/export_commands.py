"""`nokchart export` and `nokchart import`: from the database to files, and back."""

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from nokchart.config import Config, ConfigError, load_config
from nokchart.console import complain, one_sentence, warn
from nokchart.options import ConfigFile, LanguageOption, OutDir, Strict, clock_of, day_of, job_settings

T = TypeVar("T")


@one_sentence
def export(
    day: Annotated[str | None, typer.Option("--date", help="Broadcasts of this day in Korea, YYYY-MM-DD.")] = None,
    broadcast: Annotated[
        list[str] | None, typer.Option(help="A broadcast, by its number or stream_id; may be given several times.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Broadcasts of this day in Korea and later.")] = None,
    until: Annotated[str | None, typer.Option(help="Broadcasts of this day in Korea and earlier.")] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Leave out broadcasts that are on air.")] = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="Finished broadcasts' events as Parquet, too.")] = False,
    daily: Annotated[
        str | None, typer.Option(help="Stay, and make what is missing now and each day at HH:MM in Korea.")
    ] = None,
    every: Annotated[int | None, typer.Option(min=1, help="With --daily: and so many minutes after each run.")] = None,
    outdir: OutDir = None,
    config: ConfigFile = None,
    language: LanguageOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Make the files of broadcasts from the database; without a choice, of all that is missing or has changed."""
    settings = load_config(config, outdir=outdir, language=language)
    days = {option: day_of(value, option) for option, value in (("--since", since), ("--until", until))}
    of_day = day_of(day, "--date")
    chosen = [name for name, value in (("--date", of_day), ("--broadcast", broadcast), *days.items()) if value]
    if of_day is not None and len(chosen) > 1:
        raise ConfigError(f"--date and {chosen[-1]} exclude each other: leave one out.")
    if parquet:
        from analytics.parquet import require_parquet

        require_parquet()
    at = clock_of(daily)
    if at is not None:
        if chosen:
            raise ConfigError(f"--daily makes all that is missing: leave {chosen[0]} out.")
        given = {"--outdir": outdir, "--config": config, "--language": language}
        options = [text for option, value in given.items() if value for text in (option, str(value))]
        flags = [flag for flag, on in (("--parquet", parquet), ("--quiet", quiet)) if on]
        command = [sys.executable, "-m", "nokchart", "export", "--ended", *options, *flags]
        # This process becomes one that imports nothing: for months, it only waits.
        os.execv(
            sys.executable,
            [sys.executable, "-m", "nokchart.daily", f"{at:%H:%M}", str(every or 0), *command],
        )
    if every is not None:
        raise ConfigError("--every goes with --daily: write --daily 04:30 as well.")
    from analytics.exporting import Choice

    choice = Choice(
        broadcast or None,
        of_day or days["--since"],
        of_day or days["--until"],
        only_ended=ended,
        only_due=not chosen,
    )
    # Asked to stop, what is half written is removed on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    _export(settings, choice, parquet, quiet)


def _export(settings: Config, choice: Any, parquet: bool, quiet: bool) -> None:
    from analytics.exporting import export_all, find_broadcasts
    from store.database import open_database

    of_job = job_settings(settings, parquet=parquet)
    failed = 0
    with open_database(settings.database_url, settings.data_folder) as database:
        rows = find_broadcasts(database, choice, settings.outdir, of_job)
        if not rows and not quiet:
            complain(
                "no broadcast to make files of"
                + (": all whose messages are kept are up to date." if choice.only_due else ".")
            )
        outcomes = export_all(database, rows, choice, settings.outdir, of_job)
        with _progress(outcomes, len(rows), quiet) as shown:
            for outcome in shown:
                if outcome.made is not None and not quiet:
                    typer.echo(outcome.made.folder)
                if outcome.left is not None and not quiet:
                    complain(outcome.left)
                if outcome.failed is not None:
                    complain(outcome.failed)
                    failed += 1
    if failed:
        raise typer.Exit(1)


@one_sentence
def import_(
    folder: Annotated[Path, typer.Argument(help="A folder with an events.jsonl, or a tree of such folders.")],
    config: ConfigFile = None,
    strict: Strict = False,
    force: Annotated[bool, typer.Option("--force", help="Also what is older than messages are kept.")] = False,
) -> None:
    """Store the events of output folders in the database."""
    from analytics.failures import sentence_of
    from analytics.importing import find_folders, import_folder
    from store.database import open_database

    settings = load_config(config)
    folders = find_folders(folder)
    unsound = failed = False
    with (
        open_database(settings.database_url, settings.data_folder) as database,
        _progress(folders, len(folders), quiet=False) as shown,
    ):
        for one in shown:
            try:
                imported = import_folder(database, one, force=force)
            except Exception as error:  # of a hundred folders one is bad: the others are still wanted
                complain(sentence_of(str(one), error))
                failed = True
                continue
            typer.echo(f"{imported.stream_id}: {imported.new} new of {imported.notes.used} events")
            if imported.mended_times:
                complain(f"{one}: {imported.mended_times} wrong t_ms; received_at is used instead.")
            unsound = warn(imported.notes, of=one) or unsound
    if failed:
        raise typer.Exit(1 if len(folders) > 1 else 2)
    if strict and unsound:
        raise typer.Exit(1)


@contextmanager
def _progress(things: Iterable[T], total: int, quiet: bool) -> Iterator[Iterable[T]]:
    """A bar on stderr where that is a terminal; elsewhere the lines that are printed say how far it is."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or total < 2 or not console.is_terminal:
        yield things
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    # What is printed meanwhile goes above the bar.
    bar = Progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), console=console)
    with bar:
        yield bar.track(things, total=total)
