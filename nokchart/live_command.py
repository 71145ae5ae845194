"""The command `nokchart live`."""

from contextlib import closing
from typing import Annotated

import typer

from nokchart.config import ConfigError, load_config
from nokchart.console import one_sentence
from nokchart.options import ConfigFile, LanguageOption, job_settings


@one_sentence
def live(
    once: Annotated[bool, typer.Option("--once", help="Print one look, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: as JSON, for scripts.")] = False,
    interval: Annotated[float, typer.Option(min=0.5, max=60, help="Seconds between two looks.")] = 2.0,
    config: ConfigFile = None,
    language: LanguageOption = None,
) -> None:
    """Show what is on air now: chat, viewers, peaks and gaps of each channel; q quits."""
    from analytics.live import LiveReader
    from store.database import explaining_failures, reachable

    if as_json and not once:
        raise ConfigError("--json is one look: write --once --json.")
    settings = load_config(config, language=language)
    with (
        reachable(settings.database_url, settings.data_folder, migrating=False) as reach,
        closing(LiveReader(job_settings(settings).peaks)) as reader,
    ):
        if as_json:
            import msgspec

            with explaining_failures():
                document = reader.look(reach()).as_document()
            typer.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
            return
        from nokchart.live import show, show_once

        if once:
            show_once(reach(), reader, settings.language)
        else:
            show(reach, reader, settings.language, interval)
