"""`nokchart db`: the commands that look after the database."""

from typing import Annotated

import typer

from nokchart.config import load_config
from nokchart.console import one_sentence
from nokchart.options import ConfigFile, day_of

database_app = typer.Typer(no_args_is_help=True, help="The database: its schema, its state, and what it may forget.")


@database_app.command()
@one_sentence
def migrate(config: ConfigFile = None) -> None:
    """Bring the schema to this version; every other command does so too. What is kept how long is set here."""
    from store.database import open_database
    from store.retention import describe_retention, set_retention
    from store.upkeep import edition_text

    settings = load_config(config)
    with open_database(settings.database_url, settings.data_folder) as database:
        set_retention(database, settings.keep_events_days, settings.keep_seconds_days)
        typer.echo(f"ready: {edition_text(database)}")
        typer.echo(describe_retention(database))


@database_app.command()
@one_sentence
def status(config: ConfigFile = None) -> None:
    """Show where the database is, its edition and schema, and how much is in it."""
    from store.database import open_database
    from store.upkeep import describe

    settings = load_config(config)
    with open_database(settings.database_url, settings.data_folder) as database:
        for name, value in describe(database):
            typer.echo(f"{name:<20}{value}")


@database_app.command()
@one_sentence
def prune(
    before: Annotated[str, typer.Option(help="Forget broadcasts that ended before this day in Korea, YYYY-MM-DD.")],
    config: ConfigFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only say what would go.")] = False,
) -> None:
    """Forget old broadcasts, with all their rows."""
    from store.database import open_database
    from store.upkeep import prune_before

    settings = load_config(config)
    day = day_of(before, "--before")
    assert day is not None
    with open_database(settings.database_url, settings.data_folder) as database:
        broadcasts, events = prune_before(database, day, really=yes)
    done = "forgotten" if yes else "would be forgotten; repeat with --yes"
    typer.echo(f"{broadcasts} broadcasts with {events} events {done}")
