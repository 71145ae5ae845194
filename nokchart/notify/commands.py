"""`nokchart notify`: the commands that tell people what happens."""

from __future__ import annotations

import signal
from types import FrameType

import typer

from nokchart.config import load_config
from nokchart.console import complain, one_sentence
from nokchart.options import ConfigFile, LanguageOption, job_settings

notify_app = typer.Typer(no_args_is_help=True, help="Messages to people: Discord, Slack, a webhook, and many more.")


@notify_app.command()
@one_sentence
def run(config: ConfigFile = None, language: LanguageOption = None) -> None:
    """Follow the database, and send a message when a broadcast begins, ends or erupts, or the collection stalls."""
    from analytics.live import LiveReader
    from nokchart.log import set_up_log
    from nokchart.notify.delivery import open_places
    from nokchart.notify.outbox import Limits
    from nokchart.notify.run import Notifier
    from nokchart.notify.state import StateFile, claim
    from store.database import reachable

    settings = load_config(config, language=language)
    places = open_places(settings.notify_to)
    folder = settings.data_folder / "notify"
    set_up_log()
    events = settings.notify_events.split()
    with claim(folder), reachable(settings.database_url, settings.data_folder, migrating=False) as reach:
        notifier = Notifier(
            reach,
            LiveReader(job_settings(settings).peaks, peaks="peak" in events),
            places,
            StateFile(folder / "state.json"),
            events=events,
            min_score=settings.notify_peak_score,
            limits=Limits(settings.notify_channel_minutes * 60, settings.notify_per_hour),
            language=settings.language,
        )

        def stop(number: int, frame: FrameType | None) -> None:
            notifier.stop.set()
            signal.signal(number, signal.SIG_DFL)  # another one ends it at once

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        notifier.run()


@notify_app.command("test")
@one_sentence
def send_test(config: ConfigFile = None, language: LanguageOption = None) -> None:
    """Send one message to each address, and say what happened; exit 1 where one did not arrive."""
    from nokchart.notify.delivery import open_places
    from nokchart.notify.message import write_test

    settings = load_config(config, language=language)
    arrived = True
    for place in open_places(settings.notify_to):
        problem = place.send(write_test(settings.language))
        if problem is None:
            typer.echo(f"{place.name}: arrived")
        else:
            complain(f"{place.name}: not delivered ({problem})")
            arrived = False
    if not arrived:
        raise typer.Exit(1)
