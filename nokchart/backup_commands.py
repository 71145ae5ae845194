"""`nokchart db backup` and `nokchart db restore`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nokchart.config import load_config
from nokchart.console import one_sentence
from nokchart.options import ConfigFile

if TYPE_CHECKING:
    from store.database import Database


@one_sentence
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; one that is there is replaced at the end.")],
    broadcast: Annotated[str | None, typer.Option(help="Only this broadcast, by its number or stream_id.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Restore it into a database of its own, and compare all rows.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Write all rows, of one moment, into one file."""
    from store.backup import back_up
    from store.database import open_database

    settings = load_config(config)
    with open_database(settings.database_url, settings.data_folder) as database:
        back_up(database, file, broadcast=broadcast, tell=_tell)
        if verify:
            _verify(database, file)
    typer.echo(f"{file}: {file.stat().st_size:,} bytes")


@one_sentence
def restore(
    file: Annotated[Path, typer.Argument(help="A file of `nokchart db backup`.")],
    broadcast: Annotated[
        bool, typer.Option("--broadcast", help="The file holds one broadcast: add it to what is in the database.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only try it, in a database of its own that is dropped again.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Bring a backup into an empty database, or one broadcast into any."""
    from store.database import open_database
    from store.restore import merge_broadcast, restore_all

    settings = load_config(config)
    with open_database(settings.database_url, settings.data_folder) as database:
        if verify:
            _verify(database, file)
        elif broadcast:
            typer.echo(f"broadcast {merge_broadcast(database, file, _tell)}")
        else:
            restore_all(database, file, _tell)


def _verify(database: "Database", file: Path) -> None:
    from store.database import database_beside
    from store.restore import try_restore

    with database_beside(database, f"nokchart_verify_{os.getpid()}") as scratch:
        try_restore(scratch, file)
    typer.echo("verified: restored, and all rows are the same")


def _tell(relation: str, rows: int) -> None:
    if rows:
        typer.echo(f"{relation:<20}{rows:>15,}")
