"""`feedback consumer`."""

import click

from runtime.cli.options import begin
from runtime.process import run_until_signal


@click.command(short_help="Consumer: LLM calls and codings into the database.")
def command() -> None:
    """Consumer: stores LLM-call events, codings, their corrections and dead letters in their tables, each once."""
    settings = begin()
    from runtime.wiring import run_consumer

    stopping = f"the batch under way has {settings.drain_seconds:g} s (DRAIN_SECONDS) to be stored."
    run_until_signal(lambda stop: run_consumer(settings, stop), stopping)
