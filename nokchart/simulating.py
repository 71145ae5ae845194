"""Runs the simulated Chzzk alone, and says how to point `nokchart watch` at it."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import typer

from simulator import FaultError, ScriptError, Simulator, channels_from_json, demo_channels
from store.errors import NokchartError


class SimulationError(NokchartError):
    """The simulation cannot be played."""


def play(
    *,
    script: Path | None,
    minutes: float,
    speed: float,
    seed: int,
    port: int,
    tls: bool,
    ledger: Path | None,
    linger_sec: float,
) -> None:
    """Plays until `linger_sec` after the last broadcast, or until Ctrl-C. SimulationError for a bad port or script."""
    try:
        channels = demo_channels(seed, minutes) if script is None else channels_from_json(script.read_text("utf-8"))
        simulator = Simulator(channels, speed=speed, seed=seed, port=port, tls=tls)
        asyncio.run(_play(simulator, [channel.channel_id for channel in channels], linger_sec))
        if ledger is not None:
            typer.echo(f"{simulator.write_ledger(ledger)} items in {ledger}")
    except (ScriptError, FaultError) as error:
        raise SimulationError(f"{script or 'The demo'} cannot be played: {error}.") from error
    except OSError as error:
        what = error.strerror or str(error)
        place = error.filename or f"port {port}"
        raise SimulationError(f"The simulation cannot use {place} ({what}): choose another.") from error


async def _play(simulator: Simulator, channel_ids: list[str], linger_sec: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    async with simulator:
        typer.echo("# channels.yaml")
        typer.echo("channels:\n" + "\n".join(f'  - "{channel_id}"' for channel_id in channel_ids))
        typer.echo("\n# the environment of nokchart watch")
        typer.echo(f"export NOKCHART_CHZZK_API_URL={simulator.api_url}")
        typer.echo(f"export NOKCHART_CHZZK_GAME_API_URL={simulator.game_api_url}")
        typer.echo(f"export NOKCHART_CHZZK_CHAT_URL='{simulator.chat_url}'")
        typer.echo("export NOKCHART_POLL_INTERVAL_SEC=1")
        if simulator.certificate is not None:
            typer.echo(f"export SSL_CERT_FILE={simulator.certificate}")
        finished = asyncio.create_task(simulator.wait_finished())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({finished, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            # A collector has to see that the broadcasts are over: their status goes on being answered.
            typer.echo(f"\n# All broadcasts have ended; this goes on for {linger_sec:g} s, or until Ctrl-C.")
            await asyncio.wait({stopped}, timeout=linger_sec)
        for task in (finished, stopped):
            task.cancel()
