"""`feedback consumer`."""

import click

from runtime.cli.options import begin, serve


@click.command(short_help="Consumer: LLM-call events into the database.")
def command() -> None:
    """Consumer: stores the LLM-call events in the table llm_calls, each once."""
    settings = begin()
    from runtime.wiring import run_consumer

    serve(lambda stop: run_consumer(settings, stop))
