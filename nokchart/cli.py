"""The command line: what a user types, and nothing else. Each command's work is done in the other rooms."""

from pathlib import Path
from typing import Annotated

import typer

from nokchart.config import load_channels, load_config
from nokchart.console import complain, one_sentence, tell
from nokchart.database_commands import database_app
from nokchart.export_commands import export, import_
from nokchart.grafana_commands import grafana_app
from nokchart.live_command import live
from nokchart.notify.commands import notify_app
from nokchart.options import ConfigFile, LanguageOption, OutDir, Strict, day_of, job_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Keeps every chat of Chzzk broadcasts and finds the moments when the chat erupts.",
)
app.add_typer(database_app, name="db")
app.add_typer(notify_app, name="notify")
app.add_typer(grafana_app, name="grafana")
app.command()(export)
app.command("import")(import_)
app.command()(live)


@app.command()
@one_sentence
def watch(
    channels: Annotated[Path, typer.Option(help="The channels to watch.")] = Path("channels.yaml"),
    config: ConfigFile = None,
    outdir: OutDir = None,
) -> None:
    """Watch channels, collect their broadcasts, and make the files when one ends."""
    import asyncio

    from nokchart.collecting import collect
    from nokchart.log import set_up_log
    from store.database import place_name, reachable

    settings = load_config(config, outdir=outdir)
    settings.require_polite()
    ids = load_channels(channels)
    set_up_log()
    place, home = place_name(settings.database_url), settings.data_folder
    with reachable(settings.database_url, home) as reach:
        asyncio.run(collect(settings, ids, reach, place=place, home=home, outdir=settings.outdir))


@app.command()
@one_sentence
def health(
    as_json: Annotated[bool, typer.Option("--json", help="The whole state, as JSON.")] = False,
    config: ConfigFile = None,
) -> None:
    """Say whether the collectors of this machine are well; exit 1 where one is not, or none is running."""
    from datetime import UTC, datetime

    from nokchart import health

    settings, now = load_config(config), datetime.now(UTC)
    found = health.find_health(settings.data_folder, now)
    for line in [health.as_json(found)] if as_json else [line for one in found for line in health.as_lines(one, now)]:
        typer.echo(line)
    if not found:
        complain(f"no collector is running here: there is no status in {settings.data_folder / health.FOLDER}.")
    if not health.is_healthy(found):
        raise typer.Exit(1)


@app.command()
@one_sentence
def stats(
    day: Annotated[str | None, typer.Option("--date", help="Only this day in Korea, YYYY-MM-DD.")] = None,
    output: Annotated[Path | None, typer.Option(help="Read this output folder instead of the database.")] = None,
    config: ConfigFile = None,
    language: LanguageOption = None,
) -> None:
    """Show what was collected: time on air, chats, donations, reconnects, coverage."""
    from analytics.stats import as_lines, from_database, from_folders
    from store.database import open_database

    settings = load_config(config, language=language)
    only = day_of(day, "--date")
    if output is not None:
        collected, where = from_folders(output, only), str(output)
    else:
        with open_database(settings.database_url, settings.data_folder) as database:
            collected, where = from_database(database, only), "database"
    for line in as_lines(collected, settings.language, where):
        typer.echo(line)


@app.command()
@one_sentence
def process(
    stream_dir: Annotated[Path, typer.Option(help="A folder with an events.jsonl.")],
    stream_id: Annotated[
        str | None, typer.Option(help="The stream's id; else what its report or its name says.")
    ] = None,
    config: ConfigFile = None,
    language: LanguageOption = None,
    strict: Strict = False,
) -> None:
    """Make all other files of a folder from its events.jsonl."""
    from analytics.job import process_folder
    from store.database import open_database

    settings = load_config(config, language=language)
    with open_database(settings.database_url, settings.data_folder) as database:
        made = process_folder(database, stream_dir, stream_id, job_settings(settings))
    for path in made.files:
        typer.echo(path)
    tell(made.notes, strict)


@app.command("build-ts")
@one_sentence
def build_ts(
    events: Annotated[Path, typer.Option(help="An events.jsonl.")],
    out: Annotated[Path, typer.Option(help="The folder for chat_ts_1s.csv, chat_ts_60s.csv and chat_ts_300s.csv.")],
    config: ConfigFile = None,
    strict: Strict = False,
) -> None:
    """Make the time series of an events.jsonl."""
    from analytics.steps import build_series
    from store.database import open_database

    settings = load_config(config)
    with open_database(settings.database_url, settings.data_folder) as database:
        written, notes = build_series(database, events, out, settings.rolling_sec)
    for path in written:
        typer.echo(path)
    tell(notes, strict)


@app.command()
@one_sentence
def peaks(
    ts: Annotated[Path, typer.Option(help="A chat_ts_1s.csv.")],
    stream_id: Annotated[str, typer.Option(help="The stream's id.")],
    out: Annotated[Path, typer.Option(help="The peaks.json to write.")],
    config: ConfigFile = None,
) -> None:
    """Find the peaks of a time series."""
    from analytics.steps import find_series_peaks
    from store.database import open_database

    settings = load_config(config)
    with open_database(settings.database_url, settings.data_folder) as database:
        find_series_peaks(database, ts, stream_id, out, job_settings(settings).peaks)
    typer.echo(out)


@app.command()
@one_sentence
def plot(
    ts: Annotated[Path, typer.Option(help="A chat_ts CSV, of 1 s for the finest chart.")],
    peaks: Annotated[Path, typer.Option(help="A peaks.json.")],
    out: Annotated[Path, typer.Option(help="The PNG to write.")],
    config: ConfigFile = None,
    language: LanguageOption = None,
) -> None:
    """Draw the chart of a time series and its peaks."""
    from analytics.steps import plot_series

    settings = load_config(config, language=language)
    for path in plot_series(ts, peaks, out, settings.rolling_sec, settings.language):
        typer.echo(path)


@app.command()
@one_sentence
def demo(
    outdir: Annotated[Path, typer.Option(help="Where the folders go.")] = Path("demo-output"),
    minutes: Annotated[float, typer.Option(min=3, max=60, help="Length of the simulated broadcasts.")] = 12.0,
    speed: Annotated[float, typer.Option(min=1, max=60, help="Simulated seconds a second.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Another seed, another demo.")] = 0,
    language: LanguageOption = None,
) -> None:
    """Collect three simulated channels, live, and make their files: the whole way in about a minute."""
    from nokchart.demo import run_demo

    settings = load_config(None, language=language)
    if not run_demo(settings, outdir, minutes, speed, seed):
        raise typer.Exit(1)


@app.command()
@one_sentence
def simulate(
    script: Annotated[Path | None, typer.Option(help="Channels as JSON; the demo's when not given.")] = None,
    minutes: Annotated[float, typer.Option(min=1, help="Length of the demo's broadcasts.")] = 10.0,
    speed: Annotated[float, typer.Option(min=0.1, help="Simulated seconds a second.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed plays the same broadcasts.")] = 0,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one.")] = 0,
    tls: Annotated[bool, typer.Option("--tls", help="https and wss, with a certificate of its own.")] = False,
    ledger: Annotated[Path | None, typer.Option(help="Write what was sent, as JSON lines, at the end.")] = None,
    linger: Annotated[float, typer.Option(min=0, help="Seconds to go on after the last broadcast.")] = 180.0,
) -> None:
    """Play a simulated Chzzk on loopback, for `nokchart watch` to collect."""
    from nokchart.simulating import play

    play(script=script, minutes=minutes, speed=speed, seed=seed, port=port, tls=tls, ledger=ledger, linger_sec=linger)


def main() -> None:
    """The entry point of the `nokchart` command."""
    app()
