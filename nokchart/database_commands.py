"""`nokchart db`: the commands that look after the database."""

from typing import Annotated

import typer
from pydantic import SecretStr

from nokchart import backup_commands
from nokchart.config import load_config
from nokchart.console import complain, one_sentence
from nokchart.options import ConfigFile, day_of

database_app = typer.Typer(
    no_args_is_help=True, help="The database: its schema, its state, its backups, and what it may forget."
)
database_app.command()(backup_commands.backup)
database_app.command()(backup_commands.restore)


@database_app.command()
@one_sentence
def migrate(config: ConfigFile = None) -> None:
    """Bring the schema to this version, as every other command does too; set what is kept how long, and the roles."""
    from store.database import open_database
    from store.retention import describe_retention, set_retention
    from store.roles import set_roles
    from store.upkeep import edition_text

    settings = load_config(config)
    with open_database(settings.database_url, settings.data_folder) as database:
        set_retention(database, settings.keep_events_days, settings.keep_seconds_days)
        roles = set_roles(
            database,
            writer_password=_secret(settings.writer_password),
            reader_password=_secret(settings.reader_password),
        )
        typer.echo(f"ready: {edition_text(database)}{''.join(f', {role}' for role in roles)}")
        typer.echo(describe_retention(database))


@database_app.command()
@one_sentence
def preflight() -> None:
    """Refuse passwords in the environment that are missing, an example, short, or twice the same. Needs no database."""
    import os

    from store.passwords import check_passwords

    check_passwords(os.environ)
    typer.echo("the passwords can be used")


@database_app.command()
@one_sentence
def status(
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, as JSON.")] = False,
    config: ConfigFile = None,
) -> None:
    """Show the database: edition, versions, sizes, chunks, compression, jobs, what is kept how long, collectors."""
    import orjson

    from store.database import open_database
    from store.status import read_status, status_lines

    settings = load_config(config)
    with open_database(settings.database_url, settings.data_folder) as database:
        found = read_status(database)
    for line in [orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()] if as_json else status_lines(found):
        typer.echo(line)


@database_app.command()
@one_sentence
def jobs(config: ConfigFile = None) -> None:
    """Run TimescaleDB's jobs that failed or are late, now, one after the other; as the owner of the database."""
    from store.database import open_database
    from store.jobs import run_due_jobs

    settings = load_config(config)
    failed = False
    with open_database(settings.database_url, settings.data_folder) as database:
        for run in run_due_jobs(database):
            typer.echo(f"{run.job} of {run.relation}: {'done' if run.failed is None else 'FAILED'}")
            if run.failed is not None:
                complain(f"{run.job} of {run.relation}: {run.failed}")
                failed = True
    if failed:
        raise typer.Exit(1)


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


@database_app.command()
@one_sentence
def psql(
    arguments: Annotated[list[str] | None, typer.Argument(help="For psql, such as -- -c 'TABLE gap'.")] = None,
    reader: Annotated[bool, typer.Option("--reader", help="To read only.")] = False,
    config: ConfigFile = None,
) -> None:
    """Open psql on the database; its password is in no argument."""
    import signal
    import subprocess

    from store.database import open_database
    from store.terminal import psql_environment, psql_program

    settings = load_config(config)
    password = _secret(settings.reader_password)
    with open_database(settings.database_url, settings.data_folder) as database:
        program = psql_program()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's: it ends a statement, not the session
        environment = psql_environment(database, read_only=reader, reader_password=password)
        done = subprocess.run([program, *(arguments or [])], env=environment)
    raise typer.Exit(done.returncode)


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()
