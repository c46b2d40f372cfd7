"""`feedback roller`."""

import click

from runtime.cli.options import begin
from runtime.process import run_until_signal


@click.command(short_help="Roller: the rollups that usage is answered from.")
def command() -> None:
    """Roller: counts days, weeks and months whose LLM calls have changed anew, so that questions about usage are quick.

    Without it they are answered as exactly, from every single row. Any number may run: one at a time is at work.
    """
    settings = begin()
    from runtime.wiring import run_roller

    stopping = f"the transaction under way has {settings.drain_seconds:g} s (DRAIN_SECONDS) to be committed."
    run_until_signal(lambda stop: run_roller(settings, stop), stopping)
