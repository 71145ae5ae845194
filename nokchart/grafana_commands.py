"""`nokchart grafana`: dashboards and annotations for a Grafana that someone already has."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nokchart.config import Config, ConfigError, load_config
from nokchart.console import complain, one_sentence
from nokchart.options import ConfigFile, LanguageOption, day_of, job_settings
from store.errors import NokchartError

if TYPE_CHECKING:
    from analytics.moments import Moment
    from grafana.annotations import Mark
    from grafana.push import Source

grafana_app = typer.Typer(no_args_is_help=True, help="Dashboards and annotations for a Grafana that you have.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")]

# Nothing but the machine itself: TLS has nobody to keep out there.
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class GrafanaError(NokchartError):
    """Grafana cannot be asked, or refuses."""


@grafana_app.command()
@one_sentence
def push(
    dry_run: DryRun = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print what would change, and write nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also what somebody changed in Grafana.")] = False,
    database: Annotated[
        str | None, typer.Option(help="HOST:PORT where Grafana finds the database; else as in database_url.")
    ] = None,
    config: ConfigFile = None,
    language: LanguageOption = None,
) -> None:
    """Bring the data source, the folder and the dashboards into a Grafana, where they are missing or have changed."""
    from grafana.push import make_folder, plan, save

    settings = load_config(config, language=language)
    write = not dry_run
    with _grafana(settings) as api:
        changes = plan(api, settings.language)
        if diff:
            for text in filter(None, (change.diff() for change in changes)):
                typer.echo(text)
            return
        edited = [change.name for change in changes if change.changed_by_hand]
        if edited and not overwrite:
            raise GrafanaError(
                f"Somebody changed {', '.join(edited)} in Grafana: look at it with --diff, save a copy there if it is "
                "wanted, then push with --overwrite."
            )
        well = _push_source(api, settings, database, write=write)
        if write and any(change.state == "new" for change in changes):
            make_folder(api)
        for change in changes:
            if write and change.state != "unchanged":
                save(api, change, overwrite=overwrite)
            typer.echo(f"{change.wanted['title']}: {change.state}")
    if dry_run:
        complain("nothing was written: this is a dry run.")
    if not well:
        raise typer.Exit(1)


@grafana_app.command()
@one_sentence
def annotate(
    day: Annotated[str | None, typer.Option("--date", help="Broadcasts of this day in Korea, YYYY-MM-DD.")] = None,
    broadcast: Annotated[
        list[str] | None, typer.Option(help="A broadcast, by its number or stream_id; may be given several times.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Broadcasts of this day in Korea and later.")] = None,
    until: Annotated[str | None, typer.Option(help="Broadcasts of this day in Korea and earlier.")] = None,
    top: Annotated[int, typer.Option(min=0, max=1000, help="Peaks of a broadcast, of either kind.")] = 15,
    dry_run: DryRun = False,
    config: ConfigFile = None,
    language: LanguageOption = None,
) -> None:
    """Write broadcasts and their peaks into a Grafana as annotations; again, and only what has changed is written."""
    from analytics.exporting import Choice, find_broadcasts
    from analytics.moments import moments_of
    from grafana.annotations import annotate
    from store.database import reachable

    settings = load_config(config, language=language)
    of_day, first, last = (
        day_of(value, option) for option, value in (("--date", day), ("--since", since), ("--until", until))
    )
    others = [option for option, value in (("--broadcast", broadcast), ("--since", first), ("--until", last)) if value]
    if of_day is not None and others:
        raise ConfigError(f"--date and {others[-1]} exclude each other: leave one out.")
    choice = Choice(broadcast or None, of_day or first, of_day or last)
    with (
        reachable(settings.database_url, settings.data_folder, migrating=False) as reach,
        _grafana(settings) as api,
    ):
        found = reach()
        rows = find_broadcasts(found, choice, settings.outdir, job_settings(settings))
        if not rows:
            complain("no broadcast to write.")
        for stream_id, moments in moments_of(found, rows, top, settings.language):
            done = annotate(api, stream_id, [_mark(stream_id, one) for one in moments], write=not dry_run)
            typer.echo(f"{stream_id}: {done}")
    if dry_run:
        complain("nothing was written: this is a dry run.")


@contextmanager
def _grafana(settings: Config) -> Iterator[Any]:
    """The API of the configured Grafana; GrafanaError for whatever it refuses."""
    from grafana.server import GrafanaRefused, open_grafana

    if settings.grafana_url is None or settings.grafana_token is None:
        raise ConfigError(
            "No Grafana is named: set grafana_url, and NOKCHART_GRAFANA_TOKEN, the token of a service account there."
        )
    try:
        with open_grafana(settings.grafana_url, settings.grafana_token.get_secret_value()) as api:
            yield api
    except GrafanaRefused as error:
        raise GrafanaError(str(error)) from error


def _push_source(api: Any, settings: Config, address: str | None, *, write: bool) -> bool:
    """Looks at the data source, and makes it where it is missing. Returns whether Grafana can ask the database."""
    from grafana_client.client import GrafanaClientError

    from grafana.push import READER, UID, check_source, make_source, source_problem

    try:
        there = check_source(api)
    except GrafanaClientError as error:
        if error.status_code != 403:
            raise
        complain(f"the token may not look at data sources: make sure that one with the uid {UID} is there.")
        return True
    if there is None:
        source = _source(settings, address)
        if write:
            make_source(api, source)
    elif there.get("user") != READER:
        complain(
            f"the data source asks the database as another role than {READER}, which could only read: change its user."
        )
    typer.echo(f"data source {UID}: {'new' if there is None else 'unchanged'}")
    if there is None and not write:
        return True
    problem = source_problem(api)
    if problem is not None:
        complain(f"Grafana cannot ask the database through the data source {UID} ({problem}): correct it there.")
    return problem is None


def _source(settings: Config, address: str | None) -> Source:
    """The database as Grafana finds it. ConfigError where that, or the reader's password, is not known."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    from grafana.push import UID, Source

    if address is not None and not address.rpartition(":")[2].isdecimal():
        raise ConfigError(f"--database {address} cannot be used: write HOST:PORT, such as db.example:5432.")
    try:
        known = {key: str(value) for key, value in conninfo_to_dict(settings.database_url or "").items() if value}
    except ProgrammingError as error:
        raise ConfigError("database_url cannot be understood: write postgresql://user@host/name.") from error
    host = known.get("host", "")
    if address is None and host and not host.startswith("/"):
        address = f"[{host}]" if ":" in host else host
        address = f"{address}:{known.get('port', '5432')}"
    if address is None or settings.reader_password is None:
        raise ConfigError(
            f"Grafana has no data source with the uid {UID}: give --database HOST:PORT and NOKCHART_READER_PASSWORD "
            "to have it made, or make one by hand."
        )
    sslmode = known.get("sslmode", "disable" if address.rpartition(":")[0].strip("[]") in _LOOPBACK else "require")
    if sslmode in ("allow", "prefer"):
        sslmode = "require"  # Grafana knows nothing in between
    return Source(address, known.get("dbname", "nokchart"), settings.reader_password.get_secret_value(), sslmode)


def _mark(stream_id: str, moment: Moment) -> Mark:
    """An annotation of it. Grafana shows the text as HTML."""
    from grafana.annotations import TAG, Mark

    begin, end = (round(at.timestamp() * 1000) for at in (moment.begin, moment.end))
    of_kind = ("broadcast",) if moment.kind == "broadcast" else ("peak",)
    more = (moment.channel,) if moment.kind == "broadcast" else (moment.channel, moment.kind)
    text = html.escape(f"{moment.channel}: {moment.text}", quote=False)
    return Mark(begin, end, text, (TAG, *of_kind, stream_id, *more))
